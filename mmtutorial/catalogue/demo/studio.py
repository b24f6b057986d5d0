"""The studio: cloth, mark, light, shadow and camera make a photo of a silhouette."""

import functools
import io
import math
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageFilter

from mmtutorial.catalogue.demo.pen import FINE, Pen, arc
from mmtutorial.catalogue.demo.silhouettes import ARTICLES, PAPER
from mmtutorial.catalogue.demo.vocabulary import BRANDS, COLOURS
from mmtutorial.catalogue.reading import HEIGHT, WIDTH

_DOWN, _ACROSS = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
_ROOM = 64  # pixels by which a pattern is larger than the sheet, so that it can be shifted


@functools.cache
def _figure(pattern, grain, tilt, fine):
    """Where ``pattern`` shows its second colour, as an "L" image of 0 to 255."""
    room = _ROOM * fine // FINE
    y, x = np.mgrid[0 : HEIGHT * fine + room, 0 : WIDTH * fine + room].astype(np.float32) / fine
    x, y = x * math.cos(tilt) + y * math.sin(tilt), y * math.cos(tilt) - x * math.sin(tilt)
    if pattern == "Striped":
        cover = 255 * (y % grain < 0.39 * grain)
    elif pattern == "Checked":
        wide = 1.15 * grain
        cover = 127 * (x % wide < 0.39 * wide) + 128 * (y % wide < 0.39 * wide)
    else:  # motifs in staggered rows
        step = 0.80 * grain if pattern == "Dotted" else 1.35 * grain
        row = np.floor(y / step)
        dx = (x + step / 2 * (row % 2)) % step - step / 2
        dy = y % step - step / 2
        away = np.hypot(dx, dy)
        if pattern == "Dotted":
            cover = 255 * (away < 0.29 * step)
        else:
            petals = 0.44 * step * (0.62 + 0.38 * np.cos(5 * np.arctan2(dy, dx) + row))
            cover = 255 * ((away < petals) & (away > 0.11 * step))
    return Image.fromarray(cover.astype(np.uint8))


def _weave(pattern, ink, second, grain, fine, rng):
    """The cloth of a product: an RGBA sheet, ``ink`` with ``pattern`` in ``second``."""
    size = (WIDTH * fine, HEIGHT * fine)
    ground = Image.new("RGBA", size, ink)
    left, top = (rng.integers(_ROOM, size=2) * fine // FINE).tolist()
    tilt = (-0.09, -0.03, 0.03, 0.09)[rng.integers(4)]
    if pattern == "Solid":
        return ground
    cover = _figure(pattern, grain, tilt, fine).crop((left, top, left + size[0], top + size[1]))
    return Image.composite(Image.new("RGBA", size, second), ground, cover)


def _mark_shape(shape):
    """Outlines, in units of the mark's radius, that together make the mark."""
    if shape == "disc":
        return [arc(0, 0, 0.95, 0.95)]
    if shape == "ring":
        return [arc(0, 0, 1, 1) + arc(0, 0, 0.5, 0.5, 360, 0)]
    if shape == "triangle":
        return [[(0, -1), (1, 0.8), (-1, 0.8)]]
    if shape == "square":
        return [[(-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82)]]
    if shape == "star":
        turns = [(math.radians(36 * k - 90), 1.1 if k % 2 == 0 else 0.45) for k in range(10)]
        return [[(r * math.cos(a), r * math.sin(a)) for a, r in turns]]
    if shape == "plus":
        return [[(-1, -0.33), (1, -0.33), (1, 0.33), (-1, 0.33)],
                [(-0.33, -1), (0.33, -1), (0.33, 1), (-0.33, 1)]]  # fmt: skip
    if shape == "crescent":
        return [arc(0, 0, 1, 1, 50, 310) + arc(0.42, 0, 0.78, 0.78, 285, 75)]
    if shape == "heart":
        return [
            [
                (0, 1),
                *arc(-0.5, -0.35, 0.52, 0.55, 165, 345),
                *arc(0.5, -0.35, 0.52, 0.55, 195, 375),
            ]
        ]
    if shape == "bolt":
        return [[(0.35, -1), (-0.75, 0.2), (-0.05, 0.2), (-0.35, 1), (0.75, -0.25), (0.05, -0.25)]]
    if shape == "leaf":
        return [arc(-0.55, -0.55, 1.5, 1.5, 0, 90) + arc(0.55, 0.55, 1.5, 1.5, 180, 270)]
    if shape == "bars":
        return [[(-1, y), (1, y), (1, y + 0.42), (-1, y + 0.42)] for y in (-0.95, -0.21, 0.53)]
    return [[(-0.85, -0.95), (0.85, -0.95), (-0.85, 0.95), (0.85, 0.95)]]  # hourglass


def _stamp(pen, brand, place):
    """The brand's mark: a white patch (or hang tag) of 10 pixels with its sign on it."""
    _, _, shape, colour = BRANDS[brand]
    (x, y), radius = place, 5.0 / pen.size  # the same size on children's wear
    pen.fill(arc(x, y, radius * 1.1, radius * 1.1), (120, 120, 124))
    pen.fill(arc(x, y, radius, radius), PAPER)
    for outline in _mark_shape(shape):
        pen.fill([(x + 0.76 * radius * u, y + 0.76 * radius * v) for u, v in outline], colour)


def draw_photo(product: Mapping, seed: int, i: int, scale: int = 1) -> np.ndarray:
    """The studio photo of product ``i``: ``(80 * scale, 60 * scale, 3) uint8``.

    At every scale it is the same product in the same light; only the grain of the film is finer.
    ``product`` maps ``article_type``, ``colour``, ``pattern``, ``brand`` and ``gender`` to clean
    values. Nothing else is looked at: usage and season leave no trace in the pixels.
    """
    rng = np.random.default_rng([seed, i, 1])
    fine = FINE if scale == 1 else 2 * scale
    article = ARTICLES[product["article_type"]]
    _, pure, _, partners = COLOURS[product["colour"]]
    child = product["gender"] in ("Boys", "Girls")
    second = partners[rng.integers(12) % len(partners)]
    red, green, blue = (int(np.clip(value + rng.normal(0, 4), 0, 255)) for value in pure)
    ink = red, green, blue
    cloth = _weave(product["pattern"], ink, second, article.grain, fine, rng)
    pen = Pen(
        cloth,
        ink,
        waist=2.2 if product["gender"] in ("Women", "Girls") else 0.0,
        angle=math.radians(rng.normal(0, 2.2)),
        size=(0.78 if child else 0.97) * rng.uniform(0.95, 1.04),
        shift=(rng.normal(0, 1.0), rng.normal(0, 1.3)),
        fine=fine,
    )
    article.draw(pen)
    _stamp(pen, product["brand"], article.mark)
    return _shoot(pen.sheet.reduce(fine // scale), rng, scale)


def _shoot(item, rng, scale):
    """Light, shadow and camera: the drawn RGBA product on a studio background, as uint8 RGB."""
    *colours, cover = (np.asarray(band, np.float32) for band in item.split())
    # Light and shadow are soft: 60 × 80 numbers say all of them, at every scale.
    shape = item.getchannel("A").reduce(scale)
    thick = np.asarray(shape.filter(ImageFilter.GaussianBlur(1.6)), np.float32) / 255
    fallen = Image.new("L", shape.size)
    fallen.paste(shape, (round(rng.uniform(1, 3)), round(rng.uniform(2, 4))))
    shadow = np.asarray(fallen.filter(ImageFilter.GaussianBlur(2.6)), np.float32) / 255
    glow = 1 - 0.5 * (_ACROSS - rng.uniform(-0.4, 0.4)) ** 2 - 0.5 * (_DOWN + 0.3) ** 2
    floor = rng.normal(241, 3) + rng.normal(0, 1, 3).astype(np.float32)
    folds = Image.fromarray(rng.normal(0, 1, (6, 5)).astype(np.float32))
    folds = np.asarray(folds.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    light = 0.74 + 0.27 * thick - 0.035 * (_ACROSS + _DOWN) + 0.028 * folds
    light, glow, shadow = (_enlarge(field, item.size) for field in (light, glow, shadow))
    alpha = cover / 255
    if scale == 1:
        grain = rng.standard_normal(alpha.shape, dtype=np.float32)
    else:  # a piece of one film, for so many new numbers would take a fifth of the time
        left, top = rng.integers(_ROOM, size=2)
        grain = _film(scale)[top : top + item.height, left : left + item.width]
    photo = np.empty((*alpha.shape, 3), np.uint8)
    for k in range(3):
        background = floor[k] + 8 * glow - 62 * shadow
        band = alpha * (colours[k] * light) + (1 - alpha) * background + 2.2 * grain
        photo[..., k] = np.clip(band, 0, 255)
    return photo


def _enlarge(field, size):
    """A float32 array at the ``size`` (width, height) of a photo."""
    return np.asarray(Image.fromarray(field).resize(size, Image.Resampling.BILINEAR))


@functools.cache
def _film(scale):
    shape = (HEIGHT * scale + _ROOM, WIDTH * scale + _ROOM)
    return np.random.default_rng(scale).standard_normal(shape, dtype=np.float32)


def jpeg(photo: np.ndarray, quality: int = 88) -> bytes:
    """A photo, ``(h, w, 3)`` or grey ``(h, w)`` uint8, as the bytes of a JPEG file."""
    with io.BytesIO() as file:
        Image.fromarray(photo).save(file, "JPEG", quality=quality)
        return file.getvalue()
