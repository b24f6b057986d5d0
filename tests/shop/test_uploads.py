"""Photos that visitors upload: what is taken, and what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from mmtutorial import TutorialError
from mmtutorial.shop import uploads


def encoded(format="PNG", mode="RGB", size=(60, 80), colour=0):
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, format)
    return buffer.getvalue()


@pytest.mark.parametrize("format", uploads.FORMATS)
def test_a_photo_of_any_size_becomes_ours(format):
    photo = uploads.read_upload(encoded(format, size=(300, 400), colour=(255, 0, 0)), "a")
    assert photo.shape == (80, 60, 3) and photo.dtype == np.uint8
    assert (np.abs(photo[40, 30].astype(int) - (255, 0, 0)) < 8).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no photo"),
        (b"%PDF-1.4 hello", "is no photo"),
        (b"\xff\xd8\xff\xe0 no more", "is no photo"),
        (encoded("TIFF"), "take one of JPEG, PNG"),
        (encoded("JPEG", size=(300, 400))[:-400], "cannot be used"),
        (encoded(size=(5, 5)), "5 x 5 pixels"),
        (encoded(mode="1", size=(8000, 8000)), "60 million pixels"),
        (encoded(mode="1", size=(14000, 14000)), "60 million pixels"),  # Pillow refuses by itself
        (bytes(uploads.MAX_BYTES + 1), "has 15 MB"),
    ],
    ids=["empty", "pdf", "broken", "tiff", "cut", "tiny", "bomb", "larger bomb", "too large"],
)
def test_a_hostile_upload_is_refused_in_a_sentence(content, message):
    with pytest.raises(TutorialError, match=message) as fault:
        uploads.read_upload(content, "x.jpg")
    assert str(fault.value).startswith("“x.jpg” ")
