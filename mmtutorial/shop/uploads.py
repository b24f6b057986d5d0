"""Photos that visitors upload: read, or refused with the reason."""

import io

import numpy as np
from PIL import Image

from mmtutorial import TutorialError
from mmtutorial.catalogue.reading import MAX_PIXELS, decode
from mmtutorial.shop.language import Said

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_BYTES = 15_000_000  # of an uploaded file: a phone's photo has 3 to 8 million


def read_upload(content: bytes, name: str) -> np.ndarray:
    """An uploaded file's bytes → ``(80, 60, 3) uint8``.

    Raises ``TutorialError``, before anything is unpacked, for more than ``MAX_BYTES``, for a file
    that is none of ``FORMATS`` whatever its name says, and for more than ``MAX_PIXELS``.
    """
    if len(content) > MAX_BYTES:
        raise Said("large", name=name, size=round(len(content) / 1e6), most=round(MAX_BYTES / 1e6))
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            pixels = image.width * image.height
    except Image.DecompressionBombError:
        pixels = np.inf
    except Exception:  # Pillow raises many kinds on broken files
        raise Said("no photo", name=name, formats=", ".join(FORMATS)) from None
    if pixels > MAX_PIXELS:
        raise Said("many pixels", name=name, most=round(MAX_PIXELS / 1e6))
    try:
        return decode(content)
    except TutorialError as fault:
        raise Said("unusable", name=name, why=fault) from fault
