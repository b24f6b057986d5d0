"""Preparing photos: resize, crop, denoise, normalise, augment, and spoil (lesson 02).

A photo is ``(height, width, 3) uint8``, of any size; most functions take a stack of them as well,
``(..., height, width, 3)``, and say so. ``prepare`` puts the steps together, and lesson 02 measures
when they pay. What spoils photos is here too, for that measurement. The catalogue itself is read by
``catalogue.reading.decode``, which does the least: it keeps the aspect and fills up with white.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mmtutorial import TutorialError
from mmtutorial.catalogue.reading import HEIGHT, WIDTH

if TYPE_CHECKING:  # importing Keras takes seconds, and only the augmenters need it
    import keras

# Size and frame --------------------------------------------------------------------------------


def resize(
    photos: np.ndarray, height: int = HEIGHT, width: int = WIDTH, method: str = "area"
) -> np.ndarray:
    """Photos of another size, their aspect not kept.

    "nearest" takes the pixel under the middle of each new one: fast, and fine stripes turn into
    others (aliasing). "area" takes the mean of all that a new pixel covers, each old pixel by the
    share that is covered. Defined in lesson 02.

    ``(..., h, w, 3) uint8`` → ``(..., height, width, 3) uint8``.
    Raises ``TutorialError`` for a size below 1 or an unknown method.

    >>> stripes = np.array([[[0] * 3, [100] * 3] * 2], np.uint8)  # 1 × 4: black, grey, black, grey
    >>> resize(stripes, 1, 2)[0, :, 0].tolist(), resize(stripes, 1, 2, "nearest")[0, :, 0].tolist()
    ([50, 50], [100, 100])
    """
    photos = _checked(photos)
    if height < 1 or width < 1:
        raise TutorialError(f"a photo cannot be {height} × {width} pixels: give 1 or more")
    old_height, old_width = photos.shape[-3:-1]
    if method == "nearest":
        rows, columns = _middles(old_height, height), _middles(old_width, width)
        return photos[..., rows[:, None], columns, :]
    if method != "area":
        raise TutorialError(f"no resize method {method!r}; choose 'area' or 'nearest'")
    down, across = _covered(old_height, height), _covered(old_width, width)
    photos = photos.astype(np.float32)
    lower = down @ photos.reshape(*photos.shape[:-2], -1)  # (..., height, old_width * 3)
    lower = lower.reshape(*lower.shape[:-1], old_width, 3)
    small = np.tensordot(lower, across, axes=(-2, 1))  # (..., height, 3, width)
    return np.rint(np.moveaxis(small, -1, -2)).astype(np.uint8)


def _middles(old, new):
    """``(new,)`` int: which old pixel lies under the middle of each new one."""
    return ((np.arange(new) + 0.5) * old / new).astype(int)


@lru_cache(maxsize=256)  # a catalogue is resized between the same few sizes
def _covered(old, new):
    """``(new, old)`` float32, rows sum to 1: the share of a new pixel that each old one fills."""
    edges = np.arange(new + 1) * old / new
    start, end = edges[:-1, None], edges[1:, None]
    left = np.arange(old)
    overlap = np.clip(np.minimum(end, left + 1) - np.maximum(start, left), 0, None)
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)


def letterbox(
    photo: np.ndarray, height: int = HEIGHT, width: int = WIDTH, method: str = "area"
) -> np.ndarray:
    """The photo as large as it fits into ``height × width``, its aspect kept, the rest filled.

    What is left over on two sides takes the colour of the photo's background (letterboxing).
    Defined in lesson 02. ``(h, w, 3) uint8`` → ``(height, width, 3) uint8``.

    >>> letterbox(np.full((20, 60, 3), 7, np.uint8)).shape
    (80, 60, 3)
    """
    photo = _checked(photo, one=True)
    scale = min(height / photo.shape[0], width / photo.shape[1])
    high, wide = (max(1, round(scale * length)) for length in photo.shape[:2])
    sheet = np.full((height, width, 3), background_colour(photo))
    top, left = (height - high) // 2, (width - wide) // 2
    sheet[top : top + high, left : left + wide] = resize(photo, high, wide, method)
    return sheet


def centre_crop(photos: np.ndarray, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """The middle ``height × width`` pixels: ``(..., h, w, 3)`` → ``(..., height, width, 3)``.

    Raises ``TutorialError`` if a photo is smaller than that. Defined in lesson 02.

    >>> centre_crop(np.zeros((5, 100, 80, 3), "uint8"), 80, 60).shape
    (5, 80, 60, 3)
    """
    photos = _checked(photos)
    old_height, old_width = photos.shape[-3:-1]
    if not (1 <= height <= old_height and 1 <= width <= old_width):
        raise TutorialError(
            f"cannot cut {height} × {width} pixels out of a photo of {old_height} × {old_width}: "
            "resize it first, or cut less"
        )
    top, left = (old_height - height) // 2, (old_width - width) // 2
    return photos[..., top : top + height, left : left + width, :]


def background_colour(photo: np.ndarray) -> np.ndarray:
    """The median colour of the photo's outermost pixels, ``(3,) uint8``.

    Right where less than half of the frame is product, or specks. Defined in lesson 02.

    >>> photo = np.full((80, 60, 3), 255, "uint8")
    >>> photo[20:60, 20:40] = 0  # a black product on white
    >>> background_colour(photo).tolist()
    [255, 255, 255]
    """
    photo = _checked(photo, one=True)
    frame = [photo[0], photo[-1], photo[:, 0], photo[:, -1]]
    return np.median(np.concatenate(frame), axis=0).astype(np.uint8)


def content_box(
    photo: np.ndarray, tolerance: int = 30, min_pixels: int = 3
) -> tuple[int, int, int, int]:
    """Where the product is: ``(top, bottom, left, right)``, to be used as slices.

    A pixel is content if it differs from the background by more than ``tolerance`` grey levels
    (0-255) in some channel; a row or column is, if ``min_pixels`` of its pixels are. The box runs
    from the first such row and column to the last, and is the whole photo where there are none. It
    overlooks a speck or two, not a noisy photo: denoise first. Defined in lesson 02.

    >>> photo = np.full((80, 60, 3), 250, np.uint8)
    >>> photo[20:60, 15:45] = 30
    >>> content_box(photo)
    (20, 60, 15, 45)
    """
    photo = _checked(photo, one=True)
    away = np.abs(photo.astype(np.int16) - background_colour(photo).astype(np.int16))
    product = away.max(axis=-1) > tolerance  # (h, w) bool
    rows, columns = (np.flatnonzero(product.sum(axis=axis) >= min_pixels) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return 0, photo.shape[0], 0, photo.shape[1]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def crop_to_content(photo: np.ndarray, tolerance: int = 30, margin: float = 0.05) -> np.ndarray:
    """The photo cut to its content box, with ``margin`` (a share of the longer side) around it.

    The margin ends where the photo does. ``(h, w, 3)`` → ``(smaller, smaller, 3)``.
    Defined in lesson 02.

    >>> photo = np.full((80, 60, 3), 255, "uint8")
    >>> photo[20:60, 20:40] = 0  # 40 × 20 pixels of product, and 2 around it
    >>> crop_to_content(photo).shape
    (44, 24, 3)
    """
    top, bottom, left, right = content_box(photo, tolerance)
    more = round(margin * max(bottom - top, right - left))
    return photo[max(0, top - more) : bottom + more, max(0, left - more) : right + more]


def prepare(
    photo: np.ndarray,
    denoise_with: str | None = None,
    crop: bool = True,
    keep_aspect: bool = True,
    height: int = HEIGHT,
    width: int = WIDTH,
) -> np.ndarray:
    """One photo as it came → ``(height, width, 3) uint8``: denoise, cut to the content, resize.

    The order matters: specks would be taken for product, and a resize spreads them. Leave a step
    out with ``None`` or ``False``. A query that went through other steps than the catalogue did
    differs from it by the steps alone: prepare both, or neither. Defined in lesson 02.

    >>> photo = np.full((400, 300, 3), 255, "uint8")
    >>> photo[50:80, 50:80] = 0  # a small product in a corner
    >>> int((prepare(photo) < 128).sum() > (prepare(photo, crop=False) < 128).sum())
    1
    """
    if denoise_with is not None:
        photo = denoise(photo, denoise_with)
    if crop:
        photo = crop_to_content(photo)
    return (letterbox if keep_aspect else resize)(photo, height, width)


# Noise -----------------------------------------------------------------------------------------


def _median(photo, noise):
    from scipy.ndimage import median_filter

    return median_filter(photo, size=(3, 3, 1), mode="nearest")


def _bilateral(photo, noise):
    from skimage.restoration import denoise_bilateral

    # Of a uint8 photo, scikit-image 0.26 gives one that is up to 4 grey levels too dark.
    smooth = denoise_bilateral(
        photo / 255, win_size=5, sigma_color=0.5 * noise / 255, sigma_spatial=1.5, channel_axis=-1
    )
    return np.rint(255 * smooth).astype(np.uint8)


def _nl_means(photo, noise):
    from skimage.restoration import denoise_nl_means

    # skimage takes a float photo as it is; the noise must be on the same scale.
    smooth = denoise_nl_means(
        (photo / 255).astype(np.float32),
        patch_size=3,
        patch_distance=5,
        h=0.8 * noise / 255,
        sigma=noise / 255,
        channel_axis=-1,
    )
    return np.rint(255 * np.clip(smooth, 0, 1)).astype(np.uint8)


DENOISERS = {"median": _median, "bilateral": _bilateral, "nl-means": _nl_means}


def denoise(photo: np.ndarray, method: str = "median", noise: float = 20.0) -> np.ndarray:
    """The photo with less noise. Defined in lesson 02.

    - "median": each value becomes the median of its 3 × 3 neighbours, channel by channel (scipy);
      ``noise`` does not count.
    - "bilateral": a mean over neighbours that are near in place and in colour (Tomasi and
      Manduchi 1998); scikit-image.
    - "nl-means": a mean over pixels nearby whose 3 × 3 surroundings look alike (Buades et al.
      2005); scikit-image.

    ``(h, w, 3) uint8`` → the same. ``noise`` is the standard deviation of the noise to expect, in
    grey levels (0-255). Raises ``TutorialError`` for an unknown method; the message lists those
    there are.

    >>> photo = np.full((80, 60, 3), 255, "uint8")
    >>> photo[40, 30] = 0  # one black speck
    >>> int(denoise(photo).min())
    255
    """
    photo = _checked(photo, one=True)
    if method not in DENOISERS:
        raise TutorialError(f"no denoising method {method!r}; choose one of {sorted(DENOISERS)}")
    if noise <= 0:
        raise TutorialError(f"noise is {noise}: give a standard deviation above 0, in grey levels")
    return DENOISERS[method](photo, noise)


# Values ----------------------------------------------------------------------------------------


def channel_statistics(photos: np.ndarray, block: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, ``(3,)`` float32 each, in grey levels.

    ``(N, h, w, 3) uint8``, read in blocks. Of the training photos only. Defined in lesson 02.

    >>> mean, deviation = channel_statistics(np.full((2, 80, 60, 3), (255, 128, 0), "uint8"))
    >>> mean.tolist(), deviation.tolist()
    ([255.0, 128.0, 0.0], [0.0, 0.0, 0.0])
    """
    total, squares, n = np.zeros(3), np.zeros(3), 0
    for start in range(0, len(photos), block):
        values = np.asarray(photos[start : start + block], dtype=np.float64).reshape(-1, 3)
        total += values.sum(axis=0)
        squares += (values**2).sum(axis=0)
        n += len(values)
    if n == 0:
        raise TutorialError("no photos to take the mean of: give at least one")
    mean = total / n
    deviation = np.sqrt(np.maximum(squares / n - mean**2, 0))
    return mean.astype(np.float32), deviation.astype(np.float32)


def normalise(
    photos: ArrayLike, mean: ArrayLike = 127.5, deviation: ArrayLike = 127.5
) -> np.ndarray:
    """``(photos - mean) / deviation`` as float32: by default 0-255 becomes -1 to 1.

    ``mean`` and ``deviation`` are numbers or ``(3,)``, as ``channel_statistics`` gives them.
    Defined in lesson 02.

    >>> normalise([0, 127.5, 255]).tolist()
    [-1.0, 0.0, 1.0]
    """
    deviation = np.maximum(np.asarray(deviation, dtype=np.float32), 1e-6)
    return (np.asarray(photos, dtype=np.float32) - np.asarray(mean, dtype=np.float32)) / deviation


# Augmenting ------------------------------------------------------------------------------------

AUGMENTERS = ("flip", "shift", "erase", "colour")


def augmenter(name: str, seed: int | None = None) -> "keras.Sequential":
    """A Keras layer that changes photos at random, each its own way. Defined in lesson 02.

    - "flip": left and right change places, for every other photo.
    - "shift": moved by up to 10 % of its height and width, the edge pixels repeated.
    - "erase": a rectangle of 2 to 20 % of the photo turns grey (Zhong et al. 2017,
      arXiv:1708.04896).
    - "colour": the hue turned by up to half a circle, the saturation scaled. It changes what the
      product *is*: kept here to show the harm.

    Call with ``(batch, h, w, 3)`` float values 0-255 and ``training=True``; returns the same shape.
    Raises ``TutorialError`` for an unknown name; the message lists those there are.

    >>> tuple(augmenter("flip")(np.zeros((8, 80, 60, 3), "float32"), training=True).shape)
    (8, 80, 60, 3)
    """
    from keras import Sequential, layers

    make = {
        "flip": lambda: [layers.RandomFlip("horizontal", seed=seed)],
        "shift": lambda: [layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", seed=seed)],
        "erase": lambda: [
            layers.RandomErasing(
                (1, 1), scale=(0.02, 0.2), fill_value=128, value_range=(0, 255), seed=seed
            )
        ],
        "colour": lambda: [  # on 0-1: Keras 3.15 lets saturation grow to the top of value_range
            layers.Rescaling(1 / 255),
            layers.RandomHue(1.0, value_range=(0, 1), seed=seed),
            layers.RandomSaturation((0.25, 0.75), value_range=(0, 1), seed=seed),
            layers.Rescaling(255),
        ],
    }
    if name not in make:
        raise TutorialError(f"no augmenter {name!r}; choose one of {', '.join(AUGMENTERS)}")
    return Sequential(make[name](), name=f"augment_{name}")


# Spoiling on purpose ---------------------------------------------------------------------------


def add_noise(
    photos: np.ndarray, grain: float = 0.0, specks: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Photos as a bad sensor gives them: ``(..., h, w, 3) uint8`` → the same.

    ``grain``: standard deviation of Gaussian noise, in grey levels; ``specks``: the share of the
    pixels that turn black or white ("salt and pepper"). Defined in lesson 02.

    >>> noisy = add_noise(np.full((80, 60, 3), 128, "uint8"), specks=0.1)
    >>> np.unique(noisy).tolist()
    [0, 128, 255]
    """
    photos = _checked(photos)
    rng = np.random.default_rng(seed)
    noisy = photos + grain * rng.standard_normal(photos.shape, dtype=np.float32)
    noisy = np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)
    draw = rng.random(photos.shape[:-1], dtype=np.float32)
    noisy[draw < specks / 2] = 0
    noisy[(draw >= specks / 2) & (draw < specks)] = 255
    return noisy


def step_back(
    photo: np.ndarray, height: int, width: int, rng: np.random.Generator, spread: float = 1.0
) -> np.ndarray:
    """The photo as part of a larger one: a product seen from too far, off the middle.

    The new photo is ``height × width``, filled with the background's colour. ``spread`` 0 puts
    the old one in the middle, 1 anywhere in it. ``rng`` is a ``numpy.random.Generator``.
    Defined in lesson 02. Raises ``TutorialError`` if the photo does not fit.

    >>> photo = np.zeros((80, 60, 3), "uint8")
    >>> step_back(photo, 160, 120, np.random.default_rng(0)).shape
    (160, 120, 3)
    """
    photo = _checked(photo, one=True)
    room = np.array([height - photo.shape[0], width - photo.shape[1]])
    if (room < 0).any():
        raise TutorialError(
            f"a photo of {photo.shape[0]} × {photo.shape[1]} does not fit into {height} × {width}: "
            "give a larger height and width"
        )
    top, left = np.rint(room * (0.5 + spread * (rng.random(2) - 0.5))).astype(int)
    sheet = np.full((height, width, 3), background_colour(photo))
    sheet[top : top + photo.shape[0], left : left + photo.shape[1]] = photo
    return sheet


def _checked(photos, one=False):
    photos = np.asarray(photos)
    wanted = "(height, width, 3)" if one else "(..., height, width, 3)"
    shape_fits = photos.ndim == 3 if one else photos.ndim >= 3
    if not shape_fits or photos.shape[-1] != 3 or photos.dtype != np.uint8:
        raise TutorialError(
            f"expected {'one photo' if one else 'photos'} {wanted} uint8, got {photos.shape} "
            f"{photos.dtype}; read files with PIL: np.asarray(Image.open(path).convert('RGB'))"
        )
    return photos
