"""Preparing photos: what must hold for any photo, then known cases, then the libraries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.filters import median
from skimage.metrics import peak_signal_noise_ratio
from skimage.transform import downscale_local_mean

from mmtutorial import TutorialError
from mmtutorial.catalogue.reading import HEIGHT, WIDTH
from mmtutorial.encoders import photos

SIZES = st.integers(1, 40)
SEEDS = st.integers(0, 2**16)


def random_photo(height=24, width=18, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def product(height=80, width=60, box=(20, 60, 15, 45), background=250, colour=(30, 60, 160)):
    """A block of colour on a plain background: its content box is known."""
    photo = np.full((height, width, 3), background, dtype=np.uint8)
    photo[box[0] : box[1], box[2] : box[3]] = colour
    return photo


# Size and frame


@given(SIZES, SIZES, SIZES, SIZES, SEEDS)
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("method", ["area", "nearest"])
def test_resizing_stays_within_the_values_of_the_photo(method, h, w, height, width, seed):
    photo = random_photo(h, w, seed)
    resized = photos.resize(photo, height, width, method)
    assert resized.shape == (height, width, 3)
    assert resized.dtype == np.uint8
    assert (resized >= photo.min(axis=(0, 1))).all()
    assert (resized <= photo.max(axis=(0, 1))).all()


@given(SIZES, SIZES, SIZES, SIZES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_area_keeps_the_mean_of_a_photo(h, w, height, width, seed):
    photo = random_photo(h, w, seed)
    resized = photos.resize(photo, height, width)
    assert np.allclose(resized.mean(axis=(0, 1)), photo.mean(axis=(0, 1)), atol=0.51)  # rounding


@pytest.mark.parametrize("method", ["area", "nearest"])
def test_resizing_to_the_same_size_changes_nothing(method):
    photo = random_photo()
    assert (photos.resize(photo, 24, 18, method) == photo).all()


@pytest.mark.parametrize("method", ["area", "nearest"])
def test_a_stack_is_resized_photo_by_photo(method):
    stack = np.stack([random_photo(seed=seed) for seed in range(3)])
    each = np.stack([photos.resize(photo, 10, 7, method) for photo in stack])
    assert (photos.resize(stack, 10, 7, method) == each).all()


def test_nearest_is_pillows():
    photo = random_photo(37, 23)
    theirs = Image.fromarray(photo).resize((11, 17), Image.Resampling.NEAREST)
    assert (photos.resize(photo, 17, 11, "nearest") == np.asarray(theirs)).all()


def test_area_is_scikit_images_local_mean_and_pillows_box():
    photo = random_photo(40, 30)
    ours = photos.resize(photo, 8, 10).astype(float)
    assert np.abs(ours - downscale_local_mean(photo, (5, 3, 1))).max() <= 0.51
    theirs = np.asarray(Image.fromarray(photo).resize((10, 8), Image.Resampling.BOX), dtype=float)
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(40, 160), (160, 40), (10, 10), (300, 20)])
def test_fit_keeps_the_aspect_and_fills_with_the_background(height, width):
    photo = np.full((height, width, 3), 250, dtype=np.uint8)
    photo[height // 4 : -height // 4, width // 4 : -width // 4] = (200, 20, 20)
    fitted = photos.letterbox(photo)
    assert fitted.shape == (HEIGHT, WIDTH, 3)
    top, bottom, left, right = photos.content_box(fitted)
    assert (bottom - top) / (right - left) == pytest.approx(height / width, rel=0.2)
    assert (fitted[0, 0] == 250).all()


def test_fit_leaves_a_photo_of_the_right_size_alone():
    photo = random_photo(HEIGHT, WIDTH)
    assert (photos.letterbox(photo) == photo).all()


def test_centre_crop_takes_the_middle():
    photo = product(100, 80, box=(10, 90, 10, 70))
    assert (photos.centre_crop(photo, 80, 60) == (30, 60, 160)).all()
    stack = np.stack([photo, photo])
    assert photos.centre_crop(stack, 20, 10).shape == (2, 20, 10, 3)


def test_the_background_is_the_frames_median_and_withstands_specks():
    photo = product(background=231)
    photo[0, ::3] = 0
    assert (photos.background_colour(photo) == 231).all()


@given(st.integers(3, 60), st.integers(3, 45), st.integers(0, 10), st.integers(0, 10))
@settings(max_examples=40, deadline=None)
def test_the_content_box_is_the_products(height, width, top, left):
    box = (top + 2, top + 2 + height, left + 2, left + 2 + width)
    assert photos.content_box(product(box=box)) == box


def test_a_photo_with_nothing_on_it_is_its_own_content():
    blank = np.full((80, 60, 3), 200, dtype=np.uint8)
    assert photos.content_box(blank) == (0, 80, 0, 60)
    assert (photos.crop_to_content(blank) == blank).all()


def test_the_margin_ends_where_the_photo_does():
    cut = photos.crop_to_content(product(box=(1, 79, 20, 40)), margin=0.1)
    assert cut.shape == (80, 36, 3)


def test_prepare_finds_the_product_again():
    photo = product()
    far = photos.step_back(photo, 200, 240, np.random.default_rng(3))
    straight = photos.prepare(photo)
    again = photos.prepare(far)
    assert again.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(again.astype(int) - straight).mean() < 1
    assert photos.prepare(far, crop=False).shape == (HEIGHT, WIDTH, 3)


def test_the_box_overlooks_a_speck_or_two_but_not_a_noisy_photo():
    photo = product()
    photo[0, 0] = photo[2, 58] = 0
    assert photos.content_box(photo) == (20, 60, 15, 45)
    assert photos.content_box(photo, min_pixels=1) == (0, 60, 0, 59)


def test_denoising_has_to_come_before_the_content_box():
    far = photos.step_back(product(), 160, 120, np.random.default_rng(0))
    noisy = photos.add_noise(far, specks=0.05)
    top, bottom, left, right = photos.content_box(noisy)
    assert bottom - top > 150 and right - left > 110
    box = photos.content_box(photos.denoise(noisy, "median"))
    assert np.abs(np.subtract(box, photos.content_box(far))).max() <= 1


# Noise


def test_median_is_scikit_images():
    photo = random_photo()
    theirs = [median(photo[..., c], np.ones((3, 3)), mode="nearest") for c in range(3)]
    assert (photos.denoise(photo, "median") == np.stack(theirs, axis=-1)).all()


def test_median_takes_single_specks_away_entirely():
    clean = product()
    speckled = clean.copy()
    speckled[5::9, 5::9] = 0
    assert (photos.denoise(speckled, "median")[:15] == clean[:15]).all()


@pytest.mark.parametrize(
    ("method", "spoilt"),
    [
        ("median", {"specks": 0.05}),  # an average keeps what differs much: the others fail here
        *((method, {"grain": 20.0}) for method in sorted(photos.DENOISERS)),
    ],
)
def test_a_denoiser_comes_nearer_to_the_clean_photo(method, spoilt):
    clean = product()
    noisy = photos.add_noise(clean, **spoilt)
    mended = photos.denoise(noisy, method, noise=20)
    assert mended.shape == clean.shape
    assert mended.dtype == np.uint8
    before = peak_signal_noise_ratio(clean, noisy)
    assert peak_signal_noise_ratio(clean, mended) > before + 3  # dB


@pytest.mark.parametrize("method", sorted(photos.DENOISERS))
def test_a_plain_photo_stays_as_it_is(method):
    plain = np.full((20, 20, 3), 130, dtype=np.uint8)
    assert np.abs(photos.denoise(plain, method).astype(int) - plain).max() <= 1


# Values


def test_normalising_brings_photos_to_mean_0_and_deviation_1():
    stack = np.stack([random_photo(seed=seed) for seed in range(5)])
    mean, deviation = photos.channel_statistics(stack, block=2)
    assert np.allclose(mean, stack.mean(axis=(0, 1, 2)), atol=1e-3)
    assert np.allclose(deviation, stack.std(axis=(0, 1, 2)), atol=1e-3)
    values = photos.normalise(stack, mean, deviation)
    assert values.dtype == np.float32
    assert np.allclose(values.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    assert np.allclose(values.std(axis=(0, 1, 2)), 1, atol=1e-4)


def test_by_default_normalising_maps_to_minus_1_and_1_and_a_flat_channel_stays_finite():
    assert photos.normalise(np.array([0, 255], dtype=np.uint8)).tolist() == [-1, 1]
    blank = np.full((2, 4, 4, 3), 9, dtype=np.uint8)
    assert np.isfinite(photos.normalise(blank, *photos.channel_statistics(blank))).all()


# Augmenting


def augmented(name, batch, seed=0):
    import keras

    layer = photos.augmenter(name, seed)
    return keras.ops.convert_to_numpy(layer(batch.astype("float32"), training=True))


@pytest.mark.parametrize("name", photos.AUGMENTERS)
def test_an_augmenter_keeps_shape_and_range_and_does_something(name):
    batch = np.stack([product(), random_photo(HEIGHT, WIDTH)] * 4)
    changed = augmented(name, batch)
    assert changed.shape == batch.shape
    assert changed.min() >= 0 and changed.max() <= 255
    assert np.abs(changed - batch).max() > 10
    assert (augmented(name, batch) == changed).all()  # the seed decides


def test_a_flip_is_the_photo_or_its_mirror_image():
    batch = np.stack([random_photo(HEIGHT, WIDTH)] * 16)
    changed = augmented("flip", batch)
    mirrored = (changed == batch[:, :, ::-1]).all(axis=(1, 2, 3))
    assert ((changed == batch).all(axis=(1, 2, 3)) | mirrored).all()
    assert 0 < mirrored.sum() < 16


def test_only_colour_changes_the_colour_of_the_product():
    batch = np.stack([product(colour=(200, 30, 30))] * 16)

    def blueness(stack):
        return float((stack[..., 2] - stack[..., 0].astype(float)).max())

    assert blueness(augmented("colour", batch)) > 50
    for name in ("flip", "shift"):
        assert blueness(augmented(name, batch)) < 1


# Spoiling


def test_noise_is_as_much_as_was_asked_for():
    grey = np.full((100, 100, 3), 128, dtype=np.uint8)
    assert (photos.add_noise(grey) == grey).all()
    assert photos.add_noise(grey, grain=20).std() == pytest.approx(20, rel=0.05)
    speckled = photos.add_noise(grey, specks=0.1)
    assert (speckled == 0).all(axis=-1).mean() == pytest.approx(0.05, abs=0.01)
    assert (speckled == 255).all(axis=-1).mean() == pytest.approx(0.05, abs=0.01)
    assert (photos.add_noise(grey, grain=5, seed=1) == photos.add_noise(grey, 5, seed=1)).all()


def test_stepping_back_keeps_every_pixel_of_the_photo():
    photo = random_photo(20, 15)
    middle = photos.step_back(photo, 40, 35, np.random.default_rng(0), spread=0)
    assert (photos.centre_crop(middle, 20, 15) == photo).all()
    places = set()
    for seed in range(20):
        far = photos.step_back(product(), 160, 120, np.random.default_rng(seed))
        top, bottom, left, right = photos.content_box(far)
        assert (bottom - top, right - left) == (40, 30)
        places.add((top, left))
    assert len(places) > 10


# What goes wrong


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: photos.resize(p, 0, 5), "give 1 or more"),
        (lambda p: photos.resize(p, 5, 5, "cubic"), "choose 'area' or 'nearest'"),
        (lambda p: photos.resize(p[..., 0]), "expected photos"),
        (lambda p: photos.resize(p / 255), "uint8"),
        (lambda p: photos.letterbox(p[None]), "expected one photo"),
        (lambda p: photos.centre_crop(p, 50, 5), "cannot cut 50 × 5"),
        (lambda p: photos.denoise(p, "wavelet"), "choose one of"),
        (lambda p: photos.denoise(p, "nl-means", noise=0), "above 0"),
        (lambda p: photos.channel_statistics(p[None][:0]), "at least one"),
        (lambda p: photos.augmenter("rotate"), "choose one of flip"),
        (lambda p: photos.step_back(p, 10, 90, np.random.default_rng(0)), "does not fit"),
    ],
)
def test_a_fault_is_named_with_its_remedy(call, message):
    with pytest.raises(TutorialError, match=message):
        call(random_photo())
