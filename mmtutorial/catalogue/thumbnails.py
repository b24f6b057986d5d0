"""Thumbnails: the photos as the shop has them, up to 500 pixels, for people to look at.

Models read photos of 80 × 60 pixels, and on a shop page these are a blur. So beside ``photos.npy``
reading keeps a JPEG for each product whose photo is larger than that: all of them in one file,
``thumbnails.bin``, one after the other. In ``thumbnails.npy`` stand N + 1 whole numbers: the bytes
of product ``i`` begin at the ``i``-th and end before the next. What has none is empty.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from mmtutorial.files import intact, read_array

LONGEST = 500  # pixels on the long side
QUALITY = 85  # of the JPEG, about 30 kB a product


def encode(image: Image.Image, longest: int = LONGEST, quality: int = QUALITY) -> bytes:
    """An RGB image as the bytes of a JPEG of at most ``longest`` pixels, never enlarged.

    Nothing but the pixels goes into the file: no place, no camera, no comment. ``image`` itself
    is reduced.
    """
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    image.info.clear()
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=quality)
        return file.getvalue()


class Thumbnails:
    """Those of a cached catalogue of ``rows`` products, read one by one from ``folder``.

    Raises ``DamagedFile`` with the ``remedy``, here or later, where a file is lost, cut or altered.
    """

    def __init__(self, folder: Path, rows: int, remedy: str):
        self.file, self.remedy = folder / "thumbnails.bin", remedy
        self.starts = read_array(
            folder / "thumbnails.npy", remedy, (rows + 1,), np.int64, mapped=True
        )
        with intact(self.file, remedy):
            whole = self.starts[0] == 0 and self.starts[-1] == self.file.stat().st_size
            if not whole or (np.diff(self.starts) < 0).any():
                raise ValueError("it does not fit thumbnails.npy")

    def read(self, row: int, longest: int) -> bytes:
        """The JPEG of one product, of at most ``longest`` pixels; ``b""`` where it has none."""
        content = self._stored(row)
        with intact(self.file, self.remedy):
            if content and max((image := _open(content)).size) > longest:
                return encode(image, longest)
            return content

    def size(self, row: int) -> tuple[int, int] | None:
        """``(width, height)`` of what is kept of one product; None where that is nothing."""
        content = self._stored(row)
        with intact(self.file, self.remedy):
            return _open(content).size if content else None

    def _stored(self, row):
        start, end = (int(place) for place in self.starts[row : row + 2])
        if start == end:
            return b""
        with intact(self.file, self.remedy), open(self.file, "rb") as file:
            file.seek(start)
            return file.read(end - start)


def _open(content):
    return Image.open(io.BytesIO(content), formats=["JPEG"])
