"""Thumbnails: the photos as the shop has them, beside those that models read."""

import functools
import io
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from mmtutorial import TutorialError
from mmtutorial.catalogue import reading
from mmtutorial.catalogue.catalogue import Catalogue, load_catalogue
from mmtutorial.catalogue.reading import COLUMNS
from mmtutorial.files import DamagedFile


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "catalogues"


def scene(width=600, height=800, seed=0):
    """A photo with soft and sharp parts, another one for every seed."""
    rng = np.random.default_rng(seed)
    soft = Image.fromarray(rng.integers(0, 256, (8, 6, 3), dtype=np.uint8))
    image = soft.resize((width, height), Image.Resampling.BICUBIC)
    stripes = (np.indices((height, width)).sum(0) // 20 % 2 * 60).astype(np.int16)
    return Image.fromarray(np.clip(np.asarray(image) + stripes[..., None], 0, 255).astype("uint8"))


def stored(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def load(place, images, **columns):
    """A catalogue of one product for each of the ``images`` (bytes)."""
    place.mkdir(exist_ok=True)
    ids = [f"p{number}" for number in range(len(images))]
    frame = pd.DataFrame({"id": ids, "title": [f"Shirt {i}" for i in ids], "image": images})
    frame.assign(**columns).to_parquet(place / "products.parquet")
    return load_catalogue(place)


def seen(content):
    """The pixels of a thumbnail as int16."""
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    return np.asarray(image).astype(np.int16)


# What is kept ------------------------------------------------------------------------------------


@functools.cache
def cases():
    """``{kind: (bytes, the picture that a viewer shows)}``, all of 600 × 800 pixels."""
    photo = scene()
    palette = photo.quantize(64, dither=Image.Dither.NONE)
    alpha = photo.copy()
    alpha.putalpha(Image.radial_gradient("L").resize(photo.size))
    on_white = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), alpha)
    grey = np.asarray(photo.convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    cmyk = stored(photo.convert("CMYK"), "JPEG", quality=95)
    clear = palette.copy()
    clear.info["transparency"] = 0
    return {
        "JPEG": (stored(photo, "JPEG", quality=95), photo),
        "palette": (stored(palette), palette.convert("RGB")),
        "alpha": (stored(alpha), on_white.convert("RGB")),
        "CMYK": (cmyk, photo),
        "16 bits": (
            stored(Image.fromarray(grey.astype(np.uint16) * 257)),
            Image.fromarray(grey).convert("RGB"),
        ),
        "turned": (
            stored(photo.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95),
            photo,
        ),
        "GIF": (stored(palette, "GIF"), palette.convert("RGB")),
        "GIF with a clear colour": (
            stored(clear, "GIF", transparency=0),
            Image.alpha_composite(
                Image.new("RGBA", photo.size, "white"), clear.convert("RGBA")
            ).convert("RGB"),
        ),
        "WEBP": (stored(photo, "WEBP", quality=95), photo),
    }


def sharpness(pixels):
    return np.abs(np.diff(pixels, axis=0)).mean() + np.abs(np.diff(pixels, axis=1)).mean()


@pytest.mark.parametrize("kind", cases())
@pytest.mark.parametrize("longest, size", [(500, (375, 500)), (200, (150, 200))])
def test_a_thumbnail_is_as_sharp_as_pillows_own_in_every_mode(tmp_path, kind, longest, size):
    content, shown = cases()[kind]
    catalogue = load(tmp_path / "mine", [content])
    assert catalogue.thumbnail_size(0) == (375, 500)
    ours = seen(catalogue.thumbnail(0, longest))
    theirs = np.asarray(shown.resize(size, Image.Resampling.LANCZOS)).astype(np.int16)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).mean() < 8
    assert sharpness(ours) > 0.9 * sharpness(theirs)


@pytest.mark.parametrize(
    "size, kept",
    [
        ((600, 800), (375, 500)),
        ((4000, 1200), (500, 150)),
        ((120, 160), (120, 160)),
        ((61, 80), (61, 80)),
        ((500, 500), (500, 500)),
        ((9000, 8), (500, 1)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_aspect_is_kept_and_nothing_is_enlarged(tmp_path, size, kept, kind):
    catalogue = load(tmp_path / "mine", [stored(Image.new("RGB", size, "red"), kind)])
    assert catalogue.thumbnail_size(0) == kept
    assert seen(catalogue.thumbnail(0)).shape == (*kept[::-1], 3)
    assert seen(catalogue.thumbnail(0, 10_000)).shape == (*kept[::-1], 3)


@pytest.mark.parametrize("size", [(60, 80), (48, 64), (60, 20)])
def test_a_photo_of_60_by_80_or_less_keeps_none_and_shows_its_padding(tmp_path, cache, size):
    catalogue = load(tmp_path / "mine", [stored(scene(*size))])
    (made,) = cache.iterdir()
    assert (made / "thumbnails.bin").stat().st_size == 0
    assert catalogue.thumbnail_size(0) == (60, 80)
    shown = seen(catalogue.thumbnail(0))
    assert shown.shape == (80, 60, 3)
    assert np.abs(shown - catalogue.photos[0]).mean() < 4
    assert seen(catalogue.thumbnail(0, 40)).shape == (40, 30, 3)


@pytest.mark.parametrize("size", [(600, 800), (241, 321), (1200, 1600), (1600, 1200), (64, 90)])
def test_the_photos_that_models_read_do_not_change_by_a_bit(tmp_path, size):
    """The bytes of ``photos.npy`` as they were before there were thumbnails."""
    content = stored(scene(*size), "JPEG", quality=90)
    with Image.open(io.BytesIO(content)) as image:
        image.draft(None, (240, 320))
        expected = np.asarray(ImageOps.pad(image.convert("RGB"), (60, 80), color="white"))
    np.testing.assert_array_equal(reading.decode(content), expected)
    catalogue = load(tmp_path / "mine", [content])
    np.testing.assert_array_equal(catalogue.photos[0], expected)
    assert catalogue.table["photo_hash"][0] == reading.hash_photo(expected)


@pytest.mark.parametrize(
    "size, kind, times",
    [((60, 80), "JPEG", 1), ((300, 400), "JPEG", 1), ((2000, 2400), "JPEG", 1),
     ((600, 800), "PNG", 1), ((600, 800), "JPEG", 2)],
)  # fmt: skip
def test_a_photo_is_decoded_once_unless_its_small_form_is_too_small(monkeypatch, size, kind, times):
    decoded, upright = [], reading._upright
    monkeypatch.setattr(reading, "_upright", lambda image: decoded.append(1) or upright(image))
    reading.decode_both(stored(Image.new("RGB", size), kind))
    assert len(decoded) == times


def test_no_place_and_no_comment_of_the_file_are_passed_on(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera of mine"
    content = stored(scene(), "JPEG", exif=exif, comment=b"home address")
    assert b"home address" in content and b"a camera of mine" in content
    kept = load(tmp_path / "mine", [content]).thumbnail(0)
    assert b"home address" not in kept and b"a camera of mine" not in kept


def test_a_larger_photo_in_a_column_of_its_own_is_shown_but_not_learnt_from(tmp_path):
    small, large = stored(scene(60, 80)), stored(scene(300, 400, seed=1), "JPEG")
    cut = stored(scene(seed=2), "JPEG")[:2000]
    columns = {"image_large": [large, None, cut, small, b""]}
    catalogue = load(tmp_path / "mine", [small] * 5, **columns)
    assert len(catalogue) == 5 and not catalogue.notes
    assert (catalogue.photos == reading.decode(small)).all()
    assert [catalogue.thumbnail_size(row) for row in range(5)] == [(300, 400)] + [(60, 80)] * 4
    assert np.abs(seen(catalogue.thumbnail(0)) - seen(large)).mean() < 4
    links = load(tmp_path / "links", [cut, stored(scene())], image_large=["https://…", "b.jpg"])
    assert list(links.set_aside["id"]) == ["p0"] and links.thumbnail_size(0) == (375, 500)


# Which product -----------------------------------------------------------------------------------


def test_subsets_samples_and_cleaned_catalogues_show_their_own_products(tmp_path):
    images = [stored(scene(90, 120 + number, seed=number), "JPEG") for number in range(12)]
    images[3] = stored(scene(60, 80, seed=3))
    images[5] = b"no photo"
    whole = load(tmp_path / "mine", images)
    sample = load_catalogue(tmp_path / "mine", max_products=6)
    part = whole.subset([9, 2, 0, 4]).subset([1, 2])
    for catalogue in (whole, sample, part, part.cleaned(), sample.split().train):
        for row, name in enumerate(catalogue.table["id"]):
            number = int(name[1:])
            height = 80 if number == 3 else 120 + number
            assert catalogue.thumbnail_size(row)[1] == height
            shown = seen(catalogue.thumbnail(row))
            expected = np.asarray(Image.open(io.BytesIO(images[number]))).astype(np.int16)
            assert shown.shape == expected.shape and np.abs(shown - expected).mean() < 6
    assert part.thumbnail(np.int64(-1)) == whole.thumbnail(0)
    for row in (2, -3):
        with pytest.raises(IndexError):
            part.thumbnail(row)


def test_a_catalogue_without_files_shows_its_photos():
    table = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(2))
    photos = np.stack([np.asarray(scene(60, 80, seed=seed)) for seed in range(2)])
    part = Catalogue("made up", table, photos).subset([1])
    assert part.thumbnail_size(0) == (60, 80)
    assert np.abs(seen(part.thumbnail(0)) - photos[1]).mean() < 4


# Damage ------------------------------------------------------------------------------------------


def test_files_that_are_lost_cut_or_altered_name_the_remedy(tmp_path, cache):
    place = tmp_path / "mine"
    load(place, [stored(scene(seed=seed)) for seed in range(3)])
    (made,) = cache.iterdir()
    whole = shutil.copytree(made, tmp_path / "whole")
    starts = np.load(made / "thumbnails.npy")

    def damaged(name, content):
        shutil.rmtree(made)
        shutil.copytree(whole, made)
        (made / name).unlink() if content is None else (made / name).write_bytes(content)
        with pytest.raises(DamagedFile, match=rf"{name}.*remove the folder {made}"):
            load_catalogue(place).thumbnail(1)

    def array(values):
        stream = io.BytesIO()
        np.save(stream, values)
        return stream.getvalue()

    content = (whole / "thumbnails.bin").read_bytes()
    damaged("thumbnails.bin", None)
    damaged("thumbnails.bin", content[:-1])
    damaged("thumbnails.bin", b"\0" * len(content))
    damaged("thumbnails.npy", None)
    damaged("thumbnails.npy", b"")
    damaged("thumbnails.npy", array(starts[:-1]))
    damaged("thumbnails.npy", array(starts.astype(float)))
    damaged("thumbnails.npy", array(np.array([0, starts[2], starts[1], starts[3]])))
    shutil.rmtree(made)
    assert load_catalogue(place).thumbnail_size(1) == (375, 500)


def test_a_full_disk_leaves_nothing(tmp_path, cache, monkeypatch):
    def full(path, mode):
        return open("/dev/full" if path.name == "thumbnails.bin" else path, mode)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "open", full, raising=False)
        with pytest.raises(TutorialError, match="no space left"):
            load(tmp_path / "mine", [stored(scene())])
    assert list(cache.iterdir()) == []


def test_a_cache_of_an_older_format_is_made_again(tmp_path, cache, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(reading, "FORMAT", 5)
        load(tmp_path / "mine", [stored(scene())])
    (older,) = cache.iterdir()
    (older / "thumbnails.npy").unlink()
    assert load_catalogue(tmp_path / "mine").thumbnail_size(0) == (375, 500)
