"""The demo shop: a drawn catalogue whose truth is known (lessons 00 to 24).

A laboratory rather than a toy: every product has a brand, a gender, an article type, a colour,
a pattern, a usage and a season, and the shop decides who gets to know them.

- The **photo** shows type, colour, pattern, brand mark and (by size) children's wear.
- The **title** always names brand, gender and type; the other four only at times (``SAID``).
- The **description** always names usage and season, which no photo shows.

So a query such as "navy dotted party dress" cannot be answered by one modality alone. Then the
shop is made dirty at known rates (``MISSING`` and the constants beside it), and the clean
values are kept in ``truth.parquet``, so that cleaning can be scored.

Product ``i`` is drawn from ``(seed, i)`` only: a larger shop holds the same products, and more.
Dirt and queries are dealt over the whole shop.
"""

import functools
import io
import json
import math
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFilter
from tqdm import tqdm

from mmtutorial import TutorialError

WIDTH, HEIGHT = 60, 80  # pixels of a photo, as in the fashion catalogue
FINE = 3  # drawn this many times larger, then averaged down, so that edges are smooth

# How often a title names what it need not name.
SAID = {"colour": 0.65, "pattern": 0.45, "usage": 0.60, "season": 0.40}

# The dirt, as shares of the products. Each is dealt in exact numbers.
MISSING = 0.08  # of each column in MISSING_COLUMNS: "" or "NA" (price: NaN)
MISSING_COLUMNS = ("brand", "gender", "colour", "pattern", "season", "year", "usage", "price")
WRONG_CASE = 0.06  # of titles and of each column in CASE_COLUMNS: wrong case or spacing
CASE_COLUMNS = (
    "brand", "gender", "category", "subcategory", "article_type",
    "colour", "pattern", "season", "usage",
)  # fmt: skip
HTML = 0.04  # of titles, and of descriptions: tags or entities left in
WRONG_COLOUR = 0.02  # the colour column names another colour than the photo shows
DUPLICATE_TITLES = 0.12  # share their exact title with another product
TWIN_PHOTOS = 0.02  # the same product listed again under another id, with the same photo
CORRUPT_PHOTOS = 0.001  # cut short: do not decode
GREY_PHOTOS = 0.005  # saved without colour (JPEG mode "L")
ODD_SIZES = 0.003  # not 60 x 80

QUERIES = 0.10  # queries, as a share of the products
QUERY_PRODUCTS = 0.25  # at most this share of the products is relevant to any query
MOST_RELEVANT = 10  # at most this many products answer one query

# --------------------------------------------------------------------------------------------
# Vocabulary: what can be said, in English and Chinese, and how often it holds
# --------------------------------------------------------------------------------------------

# name: (share, RGB, Chinese, RGB of second colours that go with it)
CREAM, SNOW = (240, 228, 200), (246, 246, 243)
COLOURS = {
    "Black": (15, (34, 34, 38), "黑色", [SNOW, (232, 190, 60)]),
    "White": (11, (247, 247, 245), "白色", [(42, 62, 120), (200, 50, 56), (60, 130, 90)]),
    "Grey": (10, (142, 145, 150), "灰色", [SNOW, (60, 62, 68)]),
    "Navy": (11, (30, 40, 92), "藏青色", [SNOW, (132, 192, 240)]),
    "Blue": (12, (48, 122, 216), "蓝色", [SNOW, (22, 44, 110)]),
    "Red": (10, (206, 32, 42), "红色", [SNOW, (46, 24, 30)]),
    "Pink": (7, (244, 142, 178), "粉色", [SNOW, (168, 40, 96)]),
    "Green": (7, (44, 142, 74), "绿色", [CREAM, (18, 62, 40)]),
    "Brown": (6, (120, 74, 42), "棕色", [CREAM, (222, 150, 74)]),
    "Purple": (4, (122, 62, 164), "紫色", [(228, 206, 242), (58, 22, 88)]),
    "Yellow": (4, (248, 208, 48), "黄色", [(66, 60, 72), (132, 76, 36)]),
    "Orange": (3, (240, 124, 30), "橙色", [CREAM, (112, 44, 24)]),
}
PATTERNS = {
    "Solid": (38, "纯色"),
    "Striped": (19, "条纹"),
    "Dotted": (14, "波点"),
    "Checked": (16, "格纹"),
    "Floral": (13, "碎花"),
}
GENDERS = {"Men": "男士", "Women": "女士", "Boys": "男童", "Girls": "女童", "Unisex": "中性"}
USAGES = {
    "Casual": ("休闲", "casual days"),
    "Sports": ("运动", "sports"),
    "Formal": ("正式", "formal occasions"),
    "Party": ("派对", "party nights"),
    "Travel": ("旅行", "travel"),
}
SEASONS = {"Summer": "夏季", "Winter": "冬季", "Spring": "春季", "Fall": "秋季"}
YEARS = {"2012": 1, "2013": 2, "2014": 3, "2015": 4, "2016": 5, "2017": 4, "2018": 2}

# Priors that article types pick from. None is so sure that the type gives the value away.
WHO = {
    "all": {"Men": 38, "Women": 36, "Boys": 10, "Girls": 10, "Unisex": 6},
    "men": {"Men": 72, "Boys": 20, "Unisex": 8},
    "women": {"Women": 76, "Girls": 24},
    "open": {"Men": 34, "Women": 34, "Unisex": 32},
}
PURPOSE = {
    "casual": {"Casual": 42, "Sports": 22, "Travel": 16, "Party": 14, "Formal": 6},
    "sporty": {"Sports": 44, "Casual": 30, "Travel": 20, "Party": 6},
    "dressy": {"Formal": 42, "Party": 28, "Casual": 22, "Travel": 8},
    "party": {"Party": 42, "Casual": 26, "Formal": 22, "Travel": 10},
    "travel": {"Travel": 40, "Casual": 32, "Sports": 18, "Formal": 10},
}
WEATHER = {
    "any": {"Summer": 28, "Winter": 22, "Spring": 25, "Fall": 25},
    "warm": {"Summer": 45, "Spring": 30, "Fall": 15, "Winter": 10},
    "cold": {"Winter": 44, "Fall": 34, "Spring": 14, "Summer": 8},
}
# material family: (materials, ways to care for them)
MATERIALS = {
    "cloth": (
        ["soft cotton", "a cotton blend", "breathable linen", "cotton jersey"],
        ["Machine wash cold with like colours.", "Wash at 30 degrees, dry in the shade."],
    ),
    "knit": (
        ["merino wool", "a warm wool blend", "brushed fleece", "ribbed knit"],
        ["Hand wash and dry flat.", "Wash on the wool cycle, do not tumble dry."],
    ),
    "denim": (
        ["stretch denim", "washed denim", "sturdy twill"],
        ["Wash inside out.", "Machine wash cold, iron warm."],
    ),
    "silk": (
        ["woven silk", "satin", "fine viscose"],
        ["Dry clean only.", "Hand wash in cool water, iron on low heat."],
    ),
    "leather": (
        ["smooth leather", "vegan leather", "soft suede"],
        ["Wipe with a dry cloth.", "Keep away from water and treat with wax."],
    ),
    "tech": (
        ["light nylon", "quick-drying polyester", "recycled polyester"],
        ["Wipe clean with a damp cloth.", "Let it dry in the open air."],
    ),
    "hard": (
        ["brushed steel", "light acetate", "enamelled brass"],
        ["Polish with a soft cloth.", "Store in its pouch, away from moisture."],
    ),
}
# Lines that brands give their models: words without meaning for any attribute.
LINES = ["Classic", "Urban", "Nova", "Drift", "Echo", "Prime", "Halo", "Terra", "Pulse", "Lark"]
LINE_SAID = 0.45

# Invented brands: (share, price level, shape of the mark, its RGB). Each pair is unique.
_RED, _BLUE, _TEAL, _INK, _GOLD, _PLUM = (
    (214, 30, 44), (28, 84, 214), (0, 142, 116), (26, 26, 30), (238, 146, 0), (140, 40, 160),
)  # fmt: skip
BRANDS = {
    "Kestrowe": (10, 1.0, "star", _RED),
    "Aldervane": (9, 1.3, "disc", _BLUE),
    "Brindlemoor": (8, 0.7, "triangle", _TEAL),
    "Corvessa": (8, 1.6, "heart", _RED),
    "Thrush & Tarn": (7, 1.1, "leaf", _TEAL),
    "Dunloweth": (6, 0.8, "square", _INK),
    "Pellonor": (6, 1.2, "bolt", _GOLD),
    "Jorrunda": (5, 0.6, "ring", _PLUM),
    "Vantrillo": (5, 2.2, "star", _INK),
    "Quillmere": (5, 1.0, "crescent", _BLUE),
    "Sorrelby": (4, 0.9, "plus", _RED),
    "Fennhollow": (4, 0.8, "triangle", _PLUM),
    "Ostravelle": (4, 2.6, "heart", _INK),
    "Harrowisp": (4, 1.4, "bars", _TEAL),
    "Lorimaz": (3, 1.1, "hourglass", _BLUE),
    "Nembrillo": (3, 0.7, "disc", _GOLD),
    "Ivenholt": (3, 1.8, "plus", _INK),
    "Tolm & Wrenfield": (2, 2.0, "ring", _TEAL),
    "Umberfold": (2, 1.5, "crescent", _GOLD),
    "Rustavane": (2, 1.2, "bolt", _RED),
}


class Article(NamedTuple):
    """One article type: where the shop files it, what it is called, how likely, how drawn."""

    name: str
    category: str
    subcategory: str
    words: list[str]  # what titles and queries call it; the first is the usual one
    chinese: str
    share: float
    who: str
    purpose: str
    weather: str
    material: str
    price: float  # of a brand of level 1
    grain: float  # size of the pattern's repeat, in pixels of the photo
    mark: tuple[float, float]  # where the brand's mark sits
    draw: object  # the silhouette: a function of a Pen


ARTICLES: dict[str, Article] = {}


def _article(name, place, words, chinese, **facts):
    """Register the silhouette below under its article type."""
    category, subcategory = place.split("/")

    def register(draw):
        ARTICLES[name] = Article(
            name, category, subcategory, words.split("|"), chinese, draw=draw, **facts
        )
        return draw

    return register


# --------------------------------------------------------------------------------------------
# The pen: soft shapes filled with a patterned cloth
# --------------------------------------------------------------------------------------------

SOLE, STEEL, BRASS, LEATHER = (236, 233, 226), (172, 178, 186), (206, 168, 88), (112, 72, 44)
GLASS, PAPER = (62, 70, 84), (252, 252, 250)


def _arc(x, y, rx, ry, start=0, end=360, steps=28):
    """Points on an ellipse about (x, y); degrees run clockwise from the right."""
    angles = np.radians(np.linspace(start, end, steps))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def _mirror(*left):
    """Close a left half, given from the top down, with its mirror image about x = 30."""
    return [*left, *((WIDTH - x, y) for x, y in reversed(left))]


def _flip(points):
    return [(WIDTH - x, y) for x, y in points]


def _soften(points, soft):
    """Cut the corners of a closed outline (Chaikin 1974): cloth has no sharp ones.

    ``soft`` 0 leaves them, 1 rounds each by a pixel or two, 2 makes one round outline.
    """
    for _ in range(soft):
        cut = []
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            length = math.hypot(x1 - x0, y1 - y0)
            share = 0.22 if soft == 2 else min(0.22, 1.6 / max(length, 1e-6))
            dx, dy = share * (x1 - x0), share * (y1 - y0)
            cut += [(x0 + dx, y0 + dy), (x1 - dx, y1 - dy)]
        points = cut
    return points


def _mix(first, second, share):
    """The colour ``share`` of the way from the first RGB to the second."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


class Pen:
    """Draws one product on a transparent sheet, in photo coordinates (60 wide, 80 high).

    ``cloth`` is an RGB image of the whole sheet from which shapes are cut; ``ink`` its main
    colour; ``waist`` how far tops are taken in; ``angle`` (radians), ``size`` and ``shift``
    (pixels) move all that is drawn.
    """

    def __init__(self, cloth, ink, waist=0.0, angle=0.0, size=1.0, shift=(0.0, 0.0)):
        self.sheet = Image.new("RGBA", (WIDTH * FINE, HEIGHT * FINE))
        self.canvas = ImageDraw.Draw(self.sheet)
        self.cloth, self.ink, self.waist, self.size = cloth.convert("RGBA"), ink, waist, size
        dark = sum(ink) < 190
        self.seam = _mix(ink, (255, 255, 255) if dark else (0, 0, 0), 0.30 if dark else 0.38)
        self.deep = _mix(ink, (0, 0, 0), 0.55)
        self.pale = _mix(ink, (255, 255, 255), 0.35)
        cos, sin = size * math.cos(angle), size * math.sin(angle)
        self.turn = (cos, sin, WIDTH / 2 + shift[0], HEIGHT / 2 + shift[1])

    def move(self, points):
        """Photo coordinates to pixels of the sheet."""
        cos, sin, x0, y0 = self.turn
        return [
            (
                FINE * (x0 + cos * (x - 30) - sin * (y - 40)),
                FINE * (y0 + sin * (x - 30) + cos * (y - 40)),
            )
            for x, y in points
        ]

    def cut(self, points, soft=2, shade=1.0, edge=True):
        """A piece cut from the cloth; ``shade`` below 1 darkens it (an inner or far side)."""
        outline = self.move(_soften(points, soft))
        mask = Image.new("L", self.sheet.size)
        ImageDraw.Draw(mask).polygon(outline, fill=255)
        cloth = self.cloth
        if shade != 1:  # the three colours, not the transparency
            cloth = cloth.point([int(v * shade) for v in range(256)] * 3 + list(range(256)))
        self.sheet.paste(cloth, mask=mask)
        if edge:
            self.canvas.line([*outline, outline[0]], fill=self.seam, width=2)

    def fill(self, points, colour, soft=0):
        """A piece in one colour: a sole, a buckle, a lens."""
        self.canvas.polygon(self.move(_soften(points, soft)), fill=(*colour, 255))

    def hole(self, points, soft=0):
        """Take away what was drawn inside the outline."""
        self.canvas.polygon(self.move(_soften(points, soft)), fill=(0, 0, 0, 0))

    def line(self, points, colour=None, width=0.8):
        """A seam (in the seam's colour), a strap or a lace; ``width`` in photo pixels."""
        width = max(1, round(width * FINE * self.size))
        self.canvas.line(
            self.move(points), fill=(*(colour or self.seam), 255), width=width, joint="curve"
        )

    def dot(self, x, y, radius, colour=None):
        self.fill(_arc(x, y, radius, radius, steps=14), colour or self.seam)

    def mirrored_line(self, points, colour=None, width=0.8):
        self.line(points, colour, width)
        self.line(_flip(points), colour, width)


# --------------------------------------------------------------------------------------------
# Silhouettes, each below what the shop knows of its type
# --------------------------------------------------------------------------------------------


def _neck(pen, y=14.0, rx=6.2, ry=4.2):
    """A round neckline with its rib; the back of the collar shows inside."""
    pen.fill(_arc(30, y, rx, ry), pen.deep)
    pen.fill(_arc(30, y - 1.4, rx - 0.4, ry - 2.0), pen.seam)
    pen.line(_arc(30, y, rx, ry, 0, 180), width=1.0)


def _short_top(pen, hem=67):
    w = pen.waist
    sleeve = [(20, 14.5), (14, 17), (4.5, 29), (11.5, 35.5), (19, 29)]
    for side in (sleeve, _flip(sleeve)):
        pen.cut(side, soft=1)
    pen.cut(
        _mirror((24, 13), (17.5, 15), (17, 28), (17 + w, 46), (16 + w / 2, hem), (22, hem + 0.6)),
        soft=1,
    )
    pen.mirrored_line([(6.3, 28), (12.6, 33.8)], width=0.6)  # sleeve hems
    pen.line([(17 + w / 2, hem - 2.4), (30, hem - 1.9), (43 - w / 2, hem - 2.4)], width=0.6)


def _long_top(pen, hem=66, cuff=57.0, body=16.0):
    w = pen.waist
    sleeve = [(20, 14), (13, 17), (8, 32), (3.5, cuff), (9.5, cuff + 2), (14.5, 40), (19, 30)]
    for side in (sleeve, _flip(sleeve)):
        pen.cut(side, soft=1)
    pen.cut(
        _mirror((24, 13), (17.5, 15), (17, 28), (17 + w, 46), (body + w / 2, hem), (22, hem + 0.6)),
        soft=1,
    )


def _cuffs(pen, y, ribs=False):
    pen.mirrored_line([(4.2, y - 3.6), (10.2, y - 1.8)], width=0.7)
    if ribs:
        for step in range(4):
            x = 4.6 + step * 1.5
            pen.mirrored_line(
                [(x, y - 3.0 + step * 0.4), (x - 0.5, y + 0.4 + step * 0.4)], width=0.4
            )


def _rib_hem(pen, y, left=17.0, right=43.0):
    pen.line([(left, y - 4), (right, y - 4)], width=0.7)
    for x in np.arange(left + 1.5, right, 2.2):
        pen.line([(x, y - 3.6), (x, y)], width=0.4)


def _collar(pen, colour=None):
    """Two collar flaps over a neckline."""
    pen.fill(_arc(30, 13.5, 5.6, 3.0), pen.deep)
    flap = [(24, 11), (30, 17.5), (25.5, 21.5), (21, 14.5)]
    for side in (flap, _flip(flap)):
        if colour:
            pen.fill(side, colour)
        else:
            pen.cut(side, soft=0)
        pen.line([*side, side[0]], width=0.7)


# fmt: off: outlines read better as rows of points than one point a line
@_article(
    "Tshirts",
    "Apparel/Topwear",
    "T-shirt|Tee",
    "T恤",
    share=11,
    who="all",
    purpose="casual",
    weather="warm",
    material="cloth",
    price=18,
    grain=7,
    mark=(36.5, 29),
)
def _tshirt(pen):
    _short_top(pen)
    _neck(pen)


@_article(
    "Shirts",
    "Apparel/Topwear",
    "Shirt|Button-down",
    "衬衫",
    share=8,
    who="all",
    purpose="dressy",
    weather="any",
    material="cloth",
    price=32,
    grain=6,
    mark=(37.5, 31),
)
def _shirt(pen):
    _long_top(pen, hem=68)
    _cuffs(pen, 57)
    _collar(pen)
    pen.line([(28.6, 19), (28.6, 68)], width=0.6)
    pen.line([(31.6, 19), (31.6, 68)], width=0.6)
    for y in range(24, 66, 8):
        pen.dot(30.1, y, 0.8, PAPER if sum(pen.ink) < 600 else STEEL)


@_article(
    "Polos",
    "Apparel/Topwear",
    "Polo Shirt|Polo",
    "Polo衫",
    share=4,
    who="all",
    purpose="sporty",
    weather="warm",
    material="cloth",
    price=26,
    grain=7,
    mark=(38, 32),
)
def _polo(pen):
    _short_top(pen)
    band = [(4.2, 29), (6.6, 26.4), (13.6, 33), (11.4, 35.8)]
    for side in (band, _flip(band)):
        pen.fill(side, pen.seam)
    _collar(pen, pen.seam)
    pen.fill([(28, 18), (32, 18), (32, 31), (28, 31)], pen.pale)
    pen.line([(28, 18), (28, 31), (32, 31), (32, 18)], width=0.6)
    pen.dot(30, 22.5, 0.8)
    pen.dot(30, 27.5, 0.8)


@_article(
    "Sweatshirts",
    "Apparel/Topwear",
    "Hoodie|Hooded Sweatshirt",
    "连帽卫衣",
    share=4,
    who="all",
    purpose="sporty",
    weather="cold",
    material="knit",
    price=38,
    grain=7,
    mark=(38, 33),
)
def _hoodie(pen):
    hood = _mirror((28, 4), (21, 6), (18.5, 13), (21, 19), (27, 22))
    _long_top(pen, hem=66, body=15.5)
    pen.cut(hood)
    pen.fill(_arc(30, 13, 6.4, 6.6), pen.deep)
    pen.line(_arc(30, 13, 6.4, 6.6), width=0.8)
    pen.line([(26.5, 20), (26, 31)], PAPER, 0.9)
    pen.line([(33.5, 20), (34, 29)], PAPER, 0.9)
    pocket = _mirror((23, 45), (18.5, 52), (18.5, 60))
    pen.cut(pocket, soft=0, shade=0.93)
    _cuffs(pen, 57, ribs=True)
    _rib_hem(pen, 66.4)


@_article(
    "Sweaters",
    "Apparel/Topwear",
    "Sweater|Pullover",
    "毛衣",
    share=4,
    who="all",
    purpose="casual",
    weather="cold",
    material="knit",
    price=42,
    grain=6,
    mark=(39, 34),
)
def _sweater(pen):
    _long_top(pen, hem=65)
    pen.fill([(23.6, 12.2), (36.4, 12.2), (30, 28)], pen.deep)
    pen.fill([(25, 11.4), (35, 11.4), (34, 14.4), (26, 14.4)], pen.seam)
    pen.line([(23.6, 12.4), (30, 28), (36.4, 12.4)], width=1.5)
    _cuffs(pen, 57, ribs=True)
    _rib_hem(pen, 65.4)


@_article(
    "Jackets",
    "Apparel/Topwear",
    "Jacket|Bomber Jacket",
    "夹克",
    share=4,
    who="all",
    purpose="travel",
    weather="cold",
    material="tech",
    price=68,
    grain=7,
    mark=(39, 31),
)
def _jacket(pen):
    _long_top(pen, hem=60, cuff=55, body=14.0)
    pen.cut(_mirror((25, 8.5), (22, 11), (23, 17), (28.5, 20)), soft=1, shade=0.82)
    pen.fill(_arc(30, 11.6, 4.6, 2.4), pen.deep)
    pen.fill([(29.1, 15), (30.9, 15), (30.9, 60.5), (29.1, 60.5)], STEEL)
    pen.line([(30, 15), (30, 60)], (92, 96, 104), 0.5)
    pen.fill([(28.9, 19), (31.1, 19), (30.6, 24), (29.4, 24)], (110, 114, 120))
    pen.mirrored_line([(19, 50), (24, 41)], width=1.4)
    for y in (56, 58, 60):
        pen.line([(16, y), (28.8, y)], width=0.5)
        pen.line([(31.2, y), (44, y)], width=0.5)
    _cuffs(pen, 55, ribs=True)


@_article(
    "Coats",
    "Apparel/Topwear",
    "Coat|Overcoat",
    "大衣",
    share=2.5,
    who="all",
    purpose="dressy",
    weather="cold",
    material="knit",
    price=110,
    grain=8,
    mark=(39.5, 33),
)
def _coat(pen):
    w = pen.waist
    sleeve = [(20, 11), (13, 14), (9, 30), (5, 50), (11, 52), (15.5, 36), (19, 28)]
    for side in (sleeve, _flip(sleeve)):
        pen.cut(side, soft=1)
    pen.cut(_mirror((24, 10), (17.5, 12), (17, 26), (17.5 + w, 40), (12.5, 75), (20, 76)), soft=1)
    pen.fill([(25, 9.5), (35, 9.5), (30, 27)], pen.deep)
    lapel = [(24.5, 8.5), (30, 28), (23.5, 24.5), (24.5, 21.5), (19.8, 19), (22, 10.5)]
    for side in (lapel, _flip(lapel)):
        pen.cut(side, soft=0, shade=0.86)
    pen.line([(30, 28), (30, 75.5)], width=0.8)
    for y in (46, 53, 60):
        pen.dot(26, y, 1.2, pen.deep)
        pen.dot(34, y, 1.2, pen.deep)
    pen.fill([(16.8 + w, 37.5), (43.2 - w, 37.5), (43.4 - w, 41.5), (16.6 + w, 41.5)], pen.deep)
    pen.fill([(27.6, 36.8), (32.4, 36.8), (32.4, 42.2), (27.6, 42.2)], BRASS)
    pen.fill([(28.8, 38), (31.2, 38), (31.2, 41), (28.8, 41)], pen.deep)
    pen.mirrored_line([(16.5, 54), (22.5, 54)], width=1.0)


@_article(
    "Dresses",
    "Apparel/Dress",
    "Dress|Frock",
    "连衣裙",
    share=5,
    who="women",
    purpose="party",
    weather="warm",
    material="silk",
    price=48,
    grain=7,
    mark=(36, 24.5),
)
def _dress(pen):
    pen.mirrored_line([(23, 16), (25.5, 5)], pen.seam, 1.7)
    pen.cut(
        _mirror(
            (28, 16), (23.5, 12.5), (20, 16.5), (20, 24), (22.5, 36), (19, 46), (9, 71), (22, 74)
        ),
        soft=2,
    )
    pen.cut(_mirror((22.3, 34), (22.3, 38)), soft=0, shade=0.72)
    for x in (24, 27.5):
        pen.mirrored_line([(x, 41), (x - (30 - x) * 1.3, 71)], width=0.5)


@_article(
    "Skirts",
    "Apparel/Bottomwear",
    "Skirt|Pleated Skirt",
    "半身裙",
    share=2.5,
    who="women",
    purpose="party",
    weather="warm",
    material="silk",
    price=30,
    grain=7,
    mark=(40.5, 57),
)
def _skirt(pen):
    pen.cut(_mirror((19, 20), (16, 30), (5.5, 60), (15, 63.5), (25, 64.5)), soft=1)
    pen.cut(_mirror((19, 15.5), (18.6, 21)), soft=0, shade=0.75)
    for top, foot in ((21, 11), (24.5, 18.5), (28, 26.5)):
        pen.mirrored_line([(top, 21.5), (foot, 63)], width=0.7)


def _trousers(pen, foot, gap, knee, hem, top=6.0):
    """Two legs from ``top`` to ``foot``; ``hem``: (outer, inner) x of the left leg's end."""
    outer, inner = hem
    pen.cut(
        _mirror((18.5, top), (15.5, 24), (knee, 42), (outer, foot), (inner, foot + 0.5), (gap, 31)),
        soft=1,
    )
    pen.line([(30, top + 4), (30, 28)], width=0.6)


@_article(
    "Jeans",
    "Apparel/Bottomwear",
    "Jeans|Denim Trousers",
    "牛仔裤",
    share=5,
    who="all",
    purpose="casual",
    weather="any",
    material="denim",
    price=45,
    grain=6,
    mark=(22.5, 21),
)
def _jeans(pen):
    _trousers(pen, foot=75, gap=29.6, knee=15, hem=(13.5, 25.5))
    pen.cut(_mirror((18.5, 5), (18, 9.2)), soft=0, shade=0.8)
    stitch = (226, 164, 82)
    pen.mirrored_line([(17.4, 17), (21.5, 16), (24, 10)], stitch, 0.7)
    pen.line([(30, 10), (33.2, 10), (33, 20), (30.4, 24)], stitch, 0.7)
    pen.mirrored_line([(14.2, 72), (25.4, 72.4)], stitch, 0.7)
    pen.dot(30, 7.2, 1.2, BRASS)
    for x in (22.5, 26):
        pen.mirrored_line([(x, 5), (x, 9.4)], pen.deep, 1.0)


@_article(
    "Track Pants",
    "Apparel/Bottomwear",
    "Track Pants|Joggers",
    "运动裤",
    share=3,
    who="all",
    purpose="sporty",
    weather="any",
    material="tech",
    price=28,
    grain=7,
    mark=(23, 20),
)
def _track_pants(pen):
    _trousers(pen, foot=70, gap=29.4, knee=13, hem=(17.5, 23.5))
    pen.mirrored_line([(17, 13), (14.4, 30), (13.8, 44), (17.6, 68)], PAPER, 1.8)
    cuff = [(17.2, 69), (23.8, 69.4), (23.4, 75), (17.8, 75)]
    for side in (cuff, _flip(cuff)):
        pen.fill(side, pen.seam)
    pen.fill(_mirror((18.6, 5), (18.2, 9.5)), pen.seam)
    pen.line([(28.4, 8), (27, 17)], PAPER, 0.9)
    pen.line([(31.6, 8), (33, 16)], PAPER, 0.9)


@_article(
    "Shorts",
    "Apparel/Bottomwear",
    "Shorts|Bermudas",
    "短裤",
    share=3.5,
    who="all",
    purpose="sporty",
    weather="warm",
    material="cloth",
    price=20,
    grain=7,
    mark=(17.5, 47),
)
def _shorts(pen):
    pen.cut(_mirror((16, 18), (13, 32), (8, 57), (26, 60.5), (29.7, 42)), soft=1)
    pen.cut(_mirror((16, 16.5), (15.4, 22.5)), soft=0, shade=0.78)
    pen.line([(30, 23), (30, 42)], width=0.7)
    pen.mirrored_line([(14.5, 33), (20.5, 24)], width=0.9)
    pen.mirrored_line([(9, 54), (26.6, 57.4)], width=0.6)
    pen.line([(29, 20), (27, 28)], PAPER, 0.9)
    pen.line([(31, 20), (33, 27)], PAPER, 0.9)


@_article(
    "Socks",
    "Apparel/Socks",
    "Socks|Ankle Socks",
    "袜子",
    share=2,
    who="all",
    purpose="sporty",
    weather="any",
    material="knit",
    price=7,
    grain=6,
    mark=(17, 30),
)
def _socks(pen):
    for dx, dy, shade in ((17, -4, 0.86), (0, 4, 1.0)):
        sock = [
            (10, 13),
            (24, 13),
            (23.5, 44),
            (33, 54),
            (35.5, 61),
            (31, 65),
            (22, 62),
            (10.5, 50),
        ]
        moved = [(x + dx, y + dy) for x, y in sock]
        pen.cut(moved, soft=2, shade=shade)
        pen.fill(
            [(10 + dx, 13 + dy), (24 + dx, 13 + dy), (24 + dx, 18 + dy), (10 + dx, 18 + dy)],
            pen.seam,
        )
        pen.line([(12 + dx, 50 + dy), (18 + dx, 46 + dy), (22.6 + dx, 47 + dy)], width=0.8)
        pen.line([(28.5 + dx, 63 + dy), (29.5 + dx, 57 + dy), (33 + dx, 54.5 + dy)], width=0.8)


@_article(
    "Ties",
    "Accessories/Ties",
    "Tie|Necktie",
    "领带",
    share=2,
    who="men",
    purpose="dressy",
    weather="any",
    material="silk",
    price=22,
    grain=6,
    mark=(44, 62),
)
def _tie(pen):
    pen.cut([(31, 17), (38, 15), (40, 52), (36, 57), (32.5, 52)], soft=0, shade=0.75)
    pen.cut([(26.5, 17), (33.5, 17), (38, 62), (30, 75), (22, 62)], soft=0)
    pen.cut([(23.5, 6), (36.5, 6), (34, 17.5), (26, 17.5)], soft=1, shade=0.88)
    pen.line([(40.5, 52), (44, 58)], (150, 150, 150), 0.5)


@_article(
    "Scarves",
    "Accessories/Scarves",
    "Scarf|Stole",
    "围巾",
    share=2.5,
    who="open",
    purpose="party",
    weather="cold",
    material="knit",
    price=20,
    grain=6,
    mark=(36, 46),
)
def _scarf(pen):
    for left, foot in ((17, 62), (29, 69)):
        for x in np.arange(left + 1, left + 13, 2):
            pen.line([(x, foot - 1), (x - 0.3, foot + 5)], pen.seam, 0.9)
    pen.cut([(19, 20), (31, 24), (30, 63), (16.5, 62)], soft=0, shade=0.82)
    pen.cut([(29, 24), (43, 20), (42.5, 69), (28.5, 70)], soft=0)
    pen.cut(_arc(30, 18, 18.5, 10.5, steps=18), soft=1)
    pen.fill(_arc(30, 14.5, 10.5, 5.2), pen.deep)
    pen.line(_arc(30, 19, 14.5, 7.5, 20, 160), width=0.6)
    pen.line(_arc(30, 20, 17, 8.5, 30, 130), width=0.6)


@_article(
    "Caps",
    "Accessories/Headwear",
    "Cap|Baseball Cap",
    "棒球帽",
    share=2.5,
    who="all",
    purpose="sporty",
    weather="warm",
    material="cloth",
    price=14,
    grain=6,
    mark=(27, 40),
)
def _cap(pen):
    pen.cut([(33, 49), (47, 47), (58, 52), (58.5, 56), (50, 57), (36, 54)], soft=2, shade=0.72)
    pen.cut(
        [*_arc(27, 50, 21.5, 23, 180, 360, 16), (48, 51), (38, 55), (20, 55.5), (7, 53)], soft=1
    )
    pen.line(_arc(27, 50, 11, 22.6, 182, 270), width=0.7)
    pen.line(_arc(27, 50, 12, 22.6, 270, 357), width=0.7)
    pen.fill(_arc(27, 27.2, 2.6, 1.4), pen.seam)
    pen.line([(7, 51.5), (20, 53.8), (38, 53.4), (48, 50)], width=0.8)


@_article(
    "Hats",
    "Accessories/Headwear",
    "Hat|Fedora",
    "帽子",
    share=1.8,
    who="open",
    purpose="travel",
    weather="warm",
    material="cloth",
    price=24,
    grain=6,
    mark=(30, 34),
)
def _hat(pen):
    pen.cut([(1.5, 52), (14, 47), (30, 45.5), (46, 47), (58.5, 52), (50, 58), (30, 60.5), (10, 58)])
    pen.cut([(15.5, 51), (17, 31), (22, 22), (30, 26), (38, 22), (43, 31), (44.5, 51), (30, 54)])
    pen.fill(
        [(15.6, 43.5), (30, 46.6), (44.4, 43.5), (44.8, 50.5), (30, 53.6), (15.2, 50.5)], pen.deep
    )
    pen.line([(22.5, 24), (30, 29.5), (37.5, 24)], width=0.8)


@_article(
    "Backpacks",
    "Accessories/Bags",
    "Backpack|Rucksack",
    "双肩包",
    share=3.5,
    who="open",
    purpose="travel",
    weather="any",
    material="tech",
    price=46,
    grain=7,
    mark=(30, 28.5),
)
def _backpack(pen):
    strap = [(14, 24), (9, 36), (8, 58), (12, 68)]
    pen.mirrored_line(strap, pen.deep, 3.6)
    pen.line(_arc(30, 12, 5.5, 6.5, 180, 360), pen.deep, 2.0)
    pen.cut(_mirror((23, 9), (14.5, 13), (12, 30), (12.5, 68), (20, 71.5)))
    pen.line(_arc(30, 31, 15.5, 19.5, 190, 350), pen.deep, 0.9)
    pen.cut(_mirror((17.5, 44), (16.5, 50), (16.5, 64), (19, 67)), soft=1, shade=0.88)
    pen.line([(18, 48.5), (42, 48.5)], STEEL, 1.0)
    pen.line([(40, 48.5), (40.8, 53)], STEEL, 1.2)


@_article(
    "Handbags",
    "Accessories/Bags",
    "Handbag|Tote",
    "手提包",
    share=4,
    who="women",
    purpose="party",
    weather="any",
    material="leather",
    price=58,
    grain=7,
    mark=(39.5, 58),
)
def _handbag(pen):
    pen.line(_arc(30, 34, 12.5, 25, 180, 360), pen.seam, 2.6)
    pen.cut(_mirror((12.5, 33), (10.5, 38), (5.5, 67), (12, 70.5)), soft=1)
    pen.cut(_mirror((12.3, 33), (10.3, 40), (15, 45.5), (27, 48.5)), soft=1, shade=0.84)
    pen.fill(_arc(30, 47.5, 2.7, 2.7), BRASS)
    pen.dot(30, 47.5, 1.2, pen.deep)
    for x in (17.5, 42.5):
        pen.fill(_arc(x, 35, 1.7, 2.4), BRASS)


@_article(
    "Clutches",
    "Accessories/Bags",
    "Clutch|Evening Bag",
    "手拿包",
    share=1.8,
    who="women",
    purpose="party",
    weather="any",
    material="silk",
    price=34,
    grain=6,
    mark=(46.5, 52),
)
def _clutch(pen):
    pen.line(_arc(30, 30, 24, 15, 190, 350), BRASS, 1.1)
    pen.cut(_mirror((4, 29), (3.5, 57), (8, 59)), soft=1)
    pen.cut(_mirror((3.8, 28.5), (4, 33), (29.5, 48)), soft=0, shade=0.86)
    pen.dot(30, 46, 2.4, BRASS)


@_article(
    "Wallets",
    "Accessories/Wallets",
    "Wallet|Purse",
    "钱包",
    share=3,
    who="open",
    purpose="travel",
    weather="any",
    material="leather",
    price=26,
    grain=6,
    mark=(43.5, 51),
)
def _wallet(pen):
    for y, colour in ((21, (86, 140, 190)), (23.5, (224, 176, 84)), (26, (236, 236, 232))):
        pen.fill([(14, y), (47, y), (47, y + 6), (14, y + 6)], colour)
        pen.line([(14, y), (47, y)], (120, 120, 120), 0.4)
    pen.cut(_mirror((8, 27), (7.5, 33), (7.5, 57), (9, 59)), soft=1)
    pen.line([(9.5, 30), (50.5, 30), (50.5, 56.5), (9.5, 56.5), (9.5, 30)], pen.pale, 0.5)
    pen.cut([(7.5, 38), (20, 38), (24, 43), (20, 48), (7.5, 48)], soft=0, shade=0.8)
    pen.dot(19.5, 43, 1.6, BRASS)


@_article(
    "Belts",
    "Accessories/Belts",
    "Belt|Waist Belt",
    "腰带",
    share=3,
    who="all",
    purpose="dressy",
    weather="any",
    material="leather",
    price=20,
    grain=5,
    mark=(30, 41),
)
def _belt(pen):
    pen.cut(_arc(30, 41, 25.5, 24, steps=30), soft=0, shade=0.8)
    pen.hole(_arc(30, 39.5, 20.5, 14.5))
    pen.cut([*_arc(30, 41, 25.5, 24, 20, 160, 24), *_arc(30, 38.5, 25, 14, 160, 20, 24)], soft=0)
    pen.line(_arc(30, 39.5, 20.5, 14.5), width=0.7)
    for x in (38, 42, 46):
        pen.dot(x, 57 - (x - 36) * 0.55, 0.7, pen.deep)
    buckle = [(15, 50), (27, 51), (27, 67), (14.5, 65)]
    pen.line([*buckle, buckle[0]], BRASS, 2.0)
    pen.line([(15, 58), (28, 59)], BRASS, 1.2)


@_article(
    "Watches",
    "Accessories/Watches",
    "Watch|Wristwatch",
    "手表",
    share=6,
    who="all",
    purpose="dressy",
    weather="any",
    material="hard",
    price=85,
    grain=5,
    mark=(48.5, 64.5),
)
def _watch(pen):
    pen.cut([(23, 3.5), (37, 3.5), (39, 28), (21, 28)], soft=1)
    pen.cut([(21, 52), (39, 52), (37, 74), (34, 77), (26, 77), (23, 74)], soft=1)
    for y in (62, 66, 70):
        pen.dot(30, y, 0.8, pen.deep)
    pen.fill([(25, 2.5), (35, 2.5), (35, 5), (25, 5)], STEEL)
    pen.fill([(45.5, 38), (48.5, 38), (48.5, 42), (45.5, 42)], STEEL)
    pen.fill(_arc(30, 40, 16.6, 16.6, steps=40), (112, 116, 124))
    pen.fill(_arc(29.7, 39.7, 15.6, 15.6, steps=40), STEEL)
    pen.fill(_arc(30, 40, 12.8, 12.8, steps=40), PAPER)
    for hour in range(12):
        angle = math.radians(30 * hour)
        x, y = math.cos(angle), math.sin(angle)
        pen.line([(30 + 10 * x, 40 + 10 * y), (30 + 12 * x, 40 + 12 * y)], (70, 70, 76), 0.8)
    pen.line([(30, 40), (24, 35)], (40, 40, 44), 1.3)
    pen.line([(30, 40), (36.5, 33)], (40, 40, 44), 0.9)
    pen.dot(30, 40, 1.2, pen.ink if sum(pen.ink) < 690 else STEEL)
    pen.line([(40, 55), (50, 60)], (150, 150, 150), 0.5)


@_article(
    "Sunglasses",
    "Accessories/Eyewear",
    "Sunglasses|Shades",
    "太阳镜",
    share=4,
    who="all",
    purpose="travel",
    weather="warm",
    material="hard",
    price=36,
    grain=5,
    mark=(30, 62),
)
def _sunglasses(pen):
    pen.cut([(9, 52), (51, 52), (55, 62), (51, 72), (9, 72), (5, 62)], soft=2)  # the case
    pen.line([(6, 61), (24, 61)], width=0.6)
    pen.line([(36, 61), (54, 61)], width=0.6)
    pen.mirrored_line([(4, 20), (10, 13), (24, 11.5)], pen.seam, 1.8)  # folded temples
    frame = [(2, 17), (26, 18), (28.5, 23), (26, 36), (18, 41), (9, 39.5), (4, 33)]
    lens = [(5.5, 20.5), (23.5, 21), (25, 25), (22.5, 34), (17, 37.5), (10.5, 36), (7, 31)]
    pen.cut([(25, 20), (35, 20), (35, 24.5), (25, 24.5)], soft=0)
    for flip in (list, _flip):
        pen.cut(flip(frame), soft=2)
        pen.fill(flip(lens), GLASS, soft=2)
        pen.line(flip([(9, 31), (15, 23)]), (150, 158, 172), 1.3)


@_article(
    "Earrings",
    "Accessories/Jewellery",
    "Earrings|Drop Earrings",
    "耳环",
    share=3,
    who="women",
    purpose="party",
    weather="any",
    material="hard",
    price=15,
    grain=5,
    mark=(30, 14),
)
def _earrings(pen):
    pen.line([(30, 19), (16, 19)], (150, 150, 150), 0.5)
    pen.line([(30, 19), (44, 19)], (150, 150, 150), 0.5)
    for x in (15.5, 44.5):
        pen.line([*_arc(x, 17, 3, 5, 150, 380, 14)], BRASS, 1.1)
        pen.line([(x + 2.6, 19), (x, 27)], BRASS, 1.0)
        pen.fill(_arc(x, 29, 3.2, 3.2), BRASS)
        pen.cut(_arc(x, 45, 12.2, 12.6, steps=26), soft=0)
        pen.line(_arc(x, 45, 12.2, 12.6), BRASS, 1.1)
        for dx in (-7, 0, 7):
            top = 57.4 - abs(dx) * 0.28
            pen.line([(x + dx, top), (x + dx, top + 4)], BRASS, 0.7)
            pen.cut(_arc(x + dx, top + 6.5, 2.4, 3.6, steps=12), soft=0)


@_article(
    "Umbrellas",
    "Accessories/Umbrellas",
    "Umbrella|Parasol",
    "雨伞",
    share=1.5,
    who="open",
    purpose="travel",
    weather="any",
    material="tech",
    price=18,
    grain=6,
    mark=(30, 33),
)
def _umbrella(pen):
    pen.line([(30, 8), (30, 68)], STEEL, 1.5)
    pen.line(_arc(34.5, 68, 4.5, 6, 0, 180), LEATHER, 2.4)
    scallops = [
        point for x in (48.4, 36.2, 23.8, 11.6) for point in _arc(x, 45, 6.2, 4.2, 360, 180, 8)
    ]
    pen.cut([*_arc(30, 45, 27.5, 34, 180, 360, 26), (54.5, 45), *scallops, (5.5, 45)], soft=0)
    pen.mirrored_line(_arc(30, 45, 18.4, 34, 180, 270), width=0.7)
    pen.mirrored_line(_arc(30, 45, 6.2, 34, 180, 270), width=0.7)
    pen.line([(30, 7), (30, 12)], STEEL, 1.4)


@_article(
    "Sneakers",
    "Footwear/Shoes",
    "Sneakers|Trainers",
    "运动鞋",
    share=7,
    who="all",
    purpose="sporty",
    weather="any",
    material="tech",
    price=55,
    grain=5.5,
    mark=(17, 46),
)
def _sneakers(pen):
    pen.fill([(3, 54), (56, 56), (58, 61), (55, 65.5), (6, 65.5), (2.5, 61)], SOLE, soft=1)
    pen.line([(3, 62), (57, 62.5)], (158, 156, 150), 0.9)
    pen.cut(
        [
            (5, 56.5),
            (6, 40),
            (4, 29),
            (10, 27),
            (18, 31),
            (26, 28.5),
            (36, 42),
            (50, 47),
            (57, 53),
            (56.5, 58),
        ],
        soft=2,
    )
    pen.fill([(45, 46.5), (53, 49.5), (57.5, 55), (56, 58), (45, 57.5), (43.5, 51)], SOLE, soft=2)
    pen.fill(
        [(5, 29), (10, 27), (18, 31), (25.5, 28.6), (24, 32), (17, 35), (9, 32.5)], pen.deep, soft=1
    )
    for step in range(4):
        x, y = 27.5 + step * 3.6, 32.5 + step * 4.0
        pen.line([(x - 1, y + 3.4), (x + 3.8, y - 0.4)], PAPER, 1.5)
    pen.line([(27, 57.5), (31, 48), (26, 37)], width=0.7)


@_article(
    "Heels",
    "Footwear/Shoes",
    "Heels|Pumps",
    "高跟鞋",
    share=4,
    who="women",
    purpose="party",
    weather="any",
    material="leather",
    price=52,
    grain=5,
    mark=(45, 25),
)
def _heels(pen):
    pen.line([(16, 31), (40, 25)], (150, 150, 150), 0.5)
    pen.fill([(5.5, 44), (12, 48), (9.6, 66.5), (6.4, 66.5)], pen.deep)
    pen.fill(
        [(10, 47), (24, 55), (38, 64), (54, 66.8), (59, 65), (52, 62), (22, 48)], pen.deep, soft=1
    )
    pen.cut(
        [
            (5, 31),
            (9, 28.5),
            (16, 37),
            (26, 48),
            (37, 53.5),
            (48, 53),
            (57, 61),
            (58.5, 65),
            (47, 65.5),
            (36, 62.5),
            (22, 53),
            (11, 47.5),
            (5, 46),
        ],
        soft=2,
    )
    pen.fill([(9, 29.5), (16, 37), (26, 48), (36, 53.4), (26, 50.5), (15, 41)], LEATHER, soft=1)


@_article(
    "Boots",
    "Footwear/Shoes",
    "Boots|Ankle Boots",
    "靴子",
    share=3,
    who="all",
    purpose="travel",
    weather="cold",
    material="leather",
    price=78,
    grain=6,
    mark=(21, 28),
)
def _boots(pen):
    pen.cut(
        [
            (8, 13),
            (32, 13),
            (32.5, 40),
            (38, 49),
            (52, 54),
            (57, 61),
            (56, 66),
            (9, 66),
            (8, 52),
            (10, 40),
        ],
        soft=1,
    )
    pen.fill([(8, 12), (32.5, 12), (32.5, 18), (8, 18)], pen.seam, soft=1)
    pen.fill([(8, 65), (57, 65), (57.5, 69), (27, 69), (24, 72.5), (8, 72.5)], (52, 42, 38))
    for step in range(4):
        y = 25 + step * 6
        pen.line([(27, y + 1.5), (34 + max(0, step - 2) * 2, y - 1)], BRASS, 1.3)
    pen.line([(9, 50), (24, 54), (30, 65)], width=0.8)
    pen.line([(42, 65), (44, 56), (47, 52.5)], width=0.7)
    pen.line([(9, 14), (5.5, 10), (8.5, 8), (11, 13)], pen.seam, 1.4)


@_article(
    "Sandals",
    "Footwear/Sandal",
    "Sandals|Strappy Sandals",
    "凉鞋",
    share=3,
    who="all",
    purpose="casual",
    weather="warm",
    material="leather",
    price=30,
    grain=5,
    mark=(45, 27),
)
def _sandals(pen):
    pen.line([(15, 32), (40, 28)], (150, 150, 150), 0.5)
    pen.fill(
        [(2.5, 58), (14, 56.5), (34, 60), (57.5, 59), (58.5, 61.5), (34, 63), (2, 62)], LEATHER
    )
    pen.fill([(2, 61.5), (14, 61.5), (34, 62.5), (58.5, 61), (57, 65.5), (3, 66.5)], (62, 48, 40))
    pen.cut([(4, 36), (9.5, 36), (10.5, 57.5), (3.2, 58.5)], soft=0, shade=0.86)  # heel
    pen.cut([(9, 36), (14, 36), (31, 53), (27, 60.5), (24, 60)], soft=0, shade=0.86)
    pen.cut([(3.5, 29.5), (21, 28.5), (22, 37.5), (4, 39)], soft=1)  # ankle strap
    pen.line([(17, 28), (17.6, 38.6)], BRASS, 1.2)
    pen.line([(20.4, 28), (21, 38.6)], BRASS, 1.2)
    pen.cut([(25, 60.5), (28.5, 48.5), (38, 48), (40.5, 60.5)], soft=1)  # two toe straps
    pen.cut([(41.5, 60), (42, 50.5), (49, 51.5), (54.5, 59.5)], soft=1)


@_article(
    "Flip Flops",
    "Footwear/Flip Flops",
    "Flip Flops|Slippers",
    "人字拖",
    share=3,
    who="all",
    purpose="travel",
    weather="warm",
    material="tech",
    price=10,
    grain=6,
    mark=(16.5, 60),
)
def _flip_flops(pen):
    sole = [
        (8, 12),
        (16, 7),
        (24, 11),
        (27, 24),
        (24.5, 44),
        (26, 62),
        (21, 72),
        (12, 72),
        (7.5, 62),
        (9.5, 44),
        (6, 26),
    ]
    for flip in (list, _flip):
        pen.fill(flip([(x - 1, y + 1.5) for x, y in sole]), (70, 66, 68), soft=2)
        pen.cut(flip(sole), soft=2)
        pen.line(flip([(8.5, 42), (11, 28), (17, 20), (22.5, 28), (25, 42)]), pen.deep, 3.4)
        pen.dot(flip([(17, 19)])[0][0], 19, 1.8, pen.deep)


# fmt: on


# --------------------------------------------------------------------------------------------
# The studio: cloth, mark, light, shadow, camera
# --------------------------------------------------------------------------------------------

_DOWN, _ACROSS = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
_ROOM = 64  # pixels by which a pattern is larger than the sheet, so that it can be shifted


@functools.cache
def _figure(pattern, grain, tilt):
    """Where ``pattern`` shows its second colour, as an "L" image of 0 to 255."""
    y, x = np.mgrid[0 : HEIGHT * FINE + _ROOM, 0 : WIDTH * FINE + _ROOM].astype(np.float32) / FINE
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


def _weave(pattern, ink, second, grain, rng):
    """The cloth of a product: an RGB image of the sheet, ``ink`` with ``pattern`` in ``second``."""
    size = (WIDTH * FINE, HEIGHT * FINE)
    ground = Image.new("RGB", size, ink)
    left, top = rng.integers(_ROOM, size=2).tolist()
    tilt = (-0.09, -0.03, 0.03, 0.09)[rng.integers(4)]
    if pattern == "Solid":
        return ground
    cover = _figure(pattern, grain, tilt).crop((left, top, left + size[0], top + size[1]))
    return Image.composite(Image.new("RGB", size, second), ground, cover)


def _mark_shape(shape):
    """Outlines, in units of the mark's radius, that together make the mark."""
    if shape == "disc":
        return [_arc(0, 0, 0.95, 0.95)]
    if shape == "ring":
        return [_arc(0, 0, 1, 1) + _arc(0, 0, 0.5, 0.5, 360, 0)]
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
        return [_arc(0, 0, 1, 1, 50, 310) + _arc(0.42, 0, 0.78, 0.78, 285, 75)]
    if shape == "heart":
        return [
            [
                (0, 1),
                *_arc(-0.5, -0.35, 0.52, 0.55, 165, 345),
                *_arc(0.5, -0.35, 0.52, 0.55, 195, 375),
            ]
        ]
    if shape == "bolt":
        return [[(0.35, -1), (-0.75, 0.2), (-0.05, 0.2), (-0.35, 1), (0.75, -0.25), (0.05, -0.25)]]
    if shape == "leaf":
        return [_arc(-0.55, -0.55, 1.5, 1.5, 0, 90) + _arc(0.55, 0.55, 1.5, 1.5, 180, 270)]
    if shape == "bars":
        return [[(-1, y), (1, y), (1, y + 0.42), (-1, y + 0.42)] for y in (-0.95, -0.21, 0.53)]
    return [[(-0.85, -0.95), (0.85, -0.95), (-0.85, 0.95), (0.85, 0.95)]]  # hourglass


def _stamp(pen, brand, place):
    """The brand's mark: a white patch (or hang tag) of 10 pixels with its sign on it."""
    _, _, shape, colour = BRANDS[brand]
    (x, y), radius = place, 5.0 / pen.size  # the same size on children's wear
    pen.fill(_arc(x, y, radius * 1.1, radius * 1.1), (120, 120, 124))
    pen.fill(_arc(x, y, radius, radius), PAPER)
    for outline in _mark_shape(shape):
        pen.fill([(x + 0.76 * radius * u, y + 0.76 * radius * v) for u, v in outline], colour)


def draw_photo(product, seed, i):
    """The studio photo of product ``i``: ``(80, 60, 3) uint8``.

    ``product`` maps ``article_type``, ``colour``, ``pattern``, ``brand`` and ``gender`` to clean
    values. Nothing else is looked at: usage and season leave no trace in the pixels.
    """
    rng = np.random.default_rng([seed, i, 1])
    article = ARTICLES[product["article_type"]]
    _, ink, _, partners = COLOURS[product["colour"]]
    child = product["gender"] in ("Boys", "Girls")
    second = partners[rng.integers(12) % len(partners)]
    ink = tuple(int(np.clip(value + rng.normal(0, 4), 0, 255)) for value in ink)
    cloth = _weave(product["pattern"], ink, second, article.grain, rng)
    pen = Pen(
        cloth,
        ink,
        waist=2.2 if product["gender"] in ("Women", "Girls") else 0.0,
        angle=math.radians(rng.normal(0, 2.2)),
        size=(0.78 if child else 0.97) * rng.uniform(0.95, 1.04),
        shift=(rng.normal(0, 1.0), rng.normal(0, 1.3)),
    )
    article.draw(pen)
    _stamp(pen, product["brand"], article.mark)
    return _shoot(pen.sheet, rng)


def _shoot(sheet, rng):
    """Light, shadow and camera: the drawn RGBA sheet on a studio background, as uint8 RGB."""
    item = sheet.reduce(FINE)
    cover = item.getchannel("A")
    thick = np.asarray(cover.filter(ImageFilter.GaussianBlur(1.6)), np.float32) / 255
    fallen = Image.new("L", cover.size)
    fallen.paste(cover, (round(rng.uniform(1, 3)), round(rng.uniform(2, 4))))
    shadow = np.asarray(fallen.filter(ImageFilter.GaussianBlur(2.6)), np.float32) / 255
    glow = 1 - 0.5 * (_ACROSS - rng.uniform(-0.4, 0.4)) ** 2 - 0.5 * (_DOWN + 0.3) ** 2
    floor = rng.normal(241, 3) + rng.normal(0, 1, 3).astype(np.float32)
    background = floor + 8 * glow[..., None] - 62 * shadow[..., None]
    folds = Image.fromarray(rng.normal(0, 1, (6, 5)).astype(np.float32))
    folds = np.asarray(folds.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    light = 0.74 + 0.27 * thick - 0.035 * (_ACROSS + _DOWN) + 0.028 * folds
    alpha = np.asarray(cover, np.float32)[..., None] / 255
    colours = np.asarray(item.convert("RGB"), np.float32) * light[..., None]
    grain = 2.2 * rng.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32)
    photo = alpha * colours + (1 - alpha) * background + grain
    return np.clip(photo, 0, 255).astype(np.uint8)


def _jpeg(photo, quality=88):
    with io.BytesIO() as file:
        Image.fromarray(photo).save(file, "JPEG", quality=quality)
        return file.getvalue()


# --------------------------------------------------------------------------------------------
# The records: attributes and words of the clean products
# --------------------------------------------------------------------------------------------


def _pick(rng, weights):
    """One key of ``weights`` (name → share, or name → tuple that starts with the share)."""
    shares = [w[0] if isinstance(w, tuple) else w for w in weights.values()]
    mark = rng.random() * sum(shares)
    for name, share in zip(weights, shares, strict=True):
        mark -= share
        if mark < 0:
            return name
    return name


def _attributes(seed, i):
    rng = np.random.default_rng([seed, i, 0])
    article = ARTICLES[_pick(rng, {name: a.share for name, a in ARTICLES.items()})]
    brand = _pick(rng, BRANDS)
    price = article.price * BRANDS[brand][1] * math.exp(rng.normal(0, 0.18))
    return {
        "brand": brand,
        "gender": _pick(rng, WHO[article.who]),
        "category": article.category,
        "subcategory": article.subcategory,
        "article_type": article.name,
        "colour": _pick(rng, COLOURS),
        "pattern": _pick(rng, PATTERNS),
        "season": _pick(rng, WEATHER[article.weather]),
        "year": _pick(rng, YEARS),
        "usage": _pick(rng, PURPOSE[article.purpose]),
        "price": max(2, round(price)) - 0.01,
    }


def _titles(product, said, line, word):
    """The English and the Chinese title that name ``said`` besides brand, gender and type."""
    order = [name for name in ("usage", "season", "colour", "pattern") if name in said]
    named = [product[name] for name in order]
    english = [product["brand"], product["gender"], *([line] if line else []), *named, word]
    chinese = {
        "usage": USAGES[product["usage"]][0],
        "season": SEASONS[product["season"]],
        "colour": COLOURS[product["colour"]][2],
        "pattern": PATTERNS[product["pattern"]][1],
    }
    tail = "".join(chinese[name] for name in order) + ARTICLES[product["article_type"]].chinese
    name = f"{product['brand']} {line}".strip()
    return " ".join(english), f"{name} {GENDERS[product['gender']]}{tail}"


def _words(product, seed, i):
    """``(said, line, word, description)`` of product ``i``, drawn from ``(seed, i)``."""
    rng = np.random.default_rng([seed, i, 2])
    article = ARTICLES[product["article_type"]]
    said = [name for name, share in SAID.items() if rng.random() < share]
    line = LINES[rng.integers(len(LINES))] if rng.random() < LINE_SAID else ""
    word = article.words[0 if rng.random() < 0.65 else 1]
    materials, cares = MATERIALS[article.material]
    opening = [
        f"{word} in {materials[rng.integers(len(materials))]} for",
        f"{article.words[0]} made of {materials[rng.integers(len(materials))]}, meant for",
    ][rng.integers(2)]
    season = product["season"].lower()
    ending = [f"best worn in {season}", f"from the {season} collection", f"made for {season}"][
        rng.integers(3)
    ]
    care = cares[rng.integers(len(cares))]
    return said, line, word, f"{opening} {USAGES[product['usage']][1]}, {ending}. {care}"


def _ids(n, seed):
    """Six digits a product, distinct, in no order: a walk through the residues of a prime."""
    prime = 899_981
    start, step = np.random.default_rng([seed, 3]).integers(1, prime, 2)
    return [str(100_000 + (int(start) + i * int(step)) % prime) for i in range(n)]


def sample_truth(n_products, seed=0):
    """The clean catalogue without its photos, one row a product in the order of its number.

    Columns: the schema's, plus ``said`` (what the title names besides brand, gender and type,
    comma between) and ``twin_of`` (id of the product that this one lists again, or "").
    """
    rng = np.random.default_rng([seed, n_products, 4])
    ids = _ids(n_products, seed)
    products = [_attributes(seed, i) for i in range(n_products)]
    copies, originals = np.split(
        rng.permutation(n_products)[: 2 * _count(TWIN_PHOTOS, n_products)], 2
    )
    twin_of = dict(zip(copies.tolist(), originals.tolist(), strict=True))
    for copy, original in twin_of.items():
        products[copy] = dict(products[original])
    words = [_words(product, seed, i) for i, product in enumerate(products)]
    titles = [_titles(p, *w[:3]) for p, w in zip(products, words, strict=True)]
    _share_titles(products, words, titles, rng)
    rows = []
    for i, product in enumerate(products):
        said, _, _, description = words[i]
        title, title_zh = titles[i]
        row = {"id": ids[i], "title": title, "description": description, "title_zh": title_zh}
        twin = ids[twin_of[i]] if i in twin_of else ""
        rows.append({**row, **product, "said": ",".join(said), "twin_of": twin})
    return pd.DataFrame(rows)


def _share_titles(products, words, titles, rng):
    """Give pairs of siblings one title, until ``DUPLICATE_TITLES`` of all share theirs.

    Siblings agree in brand, gender and type; the shared title names only what holds for both.
    Some titles coincide by themselves; those count. Changes ``words`` and ``titles``.
    """
    cells, counts = {}, {}
    for i, product in enumerate(products):
        cells.setdefault((product["brand"], product["gender"], product["article_type"]), []).append(
            i
        )
        counts[titles[i][0]] = counts.get(titles[i][0], 0) + 1
    open_pairs = []
    for members in cells.values():
        # In the order of their attributes, so that neighbours share more than the cell.
        members = sorted(members, key=lambda i: [products[i][name] for name in SAID])
        lonely = [i for i in members if counts[titles[i][0]] == 1]
        open_pairs += list(zip(lonely[::2], lonely[1::2], strict=False))
    missing = round(DUPLICATE_TITLES * len(products)) - sum(c for c in counts.values() if c > 1)

    def alike(pair):
        """What both have in common, of what either title says."""
        first, second = pair
        said = [name for name in SAID if name in words[first][0] + words[second][0]]
        return [name for name in said if products[first][name] == products[second][name]]

    # Those most alike first, or shared titles would say less than others.
    rng.shuffle(open_pairs)
    open_pairs.sort(key=lambda pair: -len(alike(pair)))
    for first, second in open_pairs[: max(0, missing) // 2]:
        said = alike((first, second))
        _, line, word, _ = words[first]
        for i in (first, second):
            words[i] = (said, line, word, words[i][3])
            titles[i] = _titles(products[i], said, line, word)


# --------------------------------------------------------------------------------------------
# The dirt
# --------------------------------------------------------------------------------------------


def _count(share, n):
    """So many of ``n``: at least one in any shop of twenty or more."""
    return max(round(share * n), 1 if n >= 20 and share > 0 else 0)


def _deal(rng, n, **shares):
    """Disjoint random rows for each name: ``_deal(rng, n, missing=0.1)["missing"]``."""
    rows, start = rng.permutation(n).tolist(), 0
    dealt = {}
    for name, share in shares.items():
        end = start + _count(share, n)
        dealt[name] = rows[start:end]
        start = end
    return dealt


def _misspell(text, rng):
    """The same letters in another case, or with stray spaces."""
    spaced = text.replace(" ", "  ", 1) if " " in text else f" {text} "
    return [text.upper(), text.lower(), spaced, f"{text}  ", f" {text.lower()}"][rng.integers(5)]


def _mark_up(text, rng):
    """The same text with HTML left in."""
    escaped = text.replace("&", "&amp;")
    return [
        f"<b>{escaped}</b>",
        f"<p>{escaped}</p>",
        f"{escaped} <br/>",
        escaped.replace(" ", "&nbsp;", 1),
        f'<span class="name">{escaped}</span> ',
    ][rng.integers(5)]


def _another(colour, rng):
    names = list(COLOURS)
    return names[(names.index(colour) + rng.integers(1, len(names))) % len(names)]


def _soil(truth, rng):
    """A dirty copy of the clean table, and for each row the list of what was done to it."""
    table, n = truth.drop(columns=["said", "twin_of"]).copy(), len(truth)
    dirt = [[] for _ in range(n)]

    def change(column, rows, name, spoil):
        values = table[column].tolist()
        for row in rows:
            values[row] = spoil(values[row])
            dirt[row].append(f"{name}:{column}")
        table[column] = values

    for column in dict.fromkeys(MISSING_COLUMNS + CASE_COLUMNS):
        dealt = _deal(
            rng,
            n,
            missing=MISSING if column in MISSING_COLUMNS else 0,
            case=WRONG_CASE if column in CASE_COLUMNS else 0,
            wrong=WRONG_COLOUR if column == "colour" else 0,
        )
        absent = [float("nan")] if column == "price" else ["", "NA"]
        change(column, dealt["missing"], "missing", lambda _, a=absent: a[rng.integers(len(a))])
        change(column, dealt["case"], "case", lambda text: _misspell(text, rng))
        change(column, dealt["wrong"], "wrong", lambda colour: _another(colour, rng))
    dealt = _deal(rng, n, case=WRONG_CASE, html=HTML)
    change("title", dealt["case"], "case", lambda text: _misspell(text, rng))
    change("title", dealt["html"], "html", lambda text: _mark_up(text, rng))
    dealt = _deal(rng, n, html=HTML)
    change("description", dealt["html"], "html", lambda text: _mark_up(text, rng))
    for row in np.flatnonzero(truth["title"].duplicated(keep=False)):
        dirt[row].append("duplicate_title")
    return table, dirt


def _soil_photos(photos, truth, dirt, rng):
    """JPEG bytes a product; the faults are dealt among products that are no twins."""
    twins = set(truth["twin_of"]) | set(truth["id"][truth["twin_of"] != ""])
    single = [row for row, name in enumerate(truth["id"]) if name not in twins]
    n = len(truth)
    counts = [_count(share, n) for share in (CORRUPT_PHOTOS, GREY_PHOTOS, ODD_SIZES)]
    rows = [single[k] for k in rng.permutation(len(single))]
    corrupt, grey, odd = (set(rows[sum(counts[:k]) : sum(counts[: k + 1])]) for k in range(3))
    images = []
    for row, photo in enumerate(photos):
        if row in grey:
            dirt[row].append("grey_photo")
            images.append(_jpeg(np.asarray(Image.fromarray(photo).convert("L"))))
        elif row in odd:
            dirt[row].append("odd_size")
            width, height = [(90, 120), (48, 64), (60, 72), (75, 100)][rng.integers(4)]
            size = (width, round(width * HEIGHT / WIDTH))
            other = Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC)
            images.append(_jpeg(np.asarray(other)[:height]))
        else:
            images.append(_jpeg(photo))
        if row in corrupt:
            dirt[row].append("corrupt_photo")
            images[-1] = images[-1][: len(images[-1]) * 2 // 5]
    place = {name: row for row, name in enumerate(truth["id"])}
    for row in np.flatnonzero(truth["twin_of"] != ""):
        images[row] = images[place[truth["twin_of"][row]]]
        dirt[row].append("twin_photo")
    return images


# --------------------------------------------------------------------------------------------
# The queries
# --------------------------------------------------------------------------------------------

ON_PHOTO, IN_TEXT, ON_BOTH = ("colour", "pattern"), ("usage", "season"), ("brand", "gender")


def _phrase(asked, word, rng):
    """What a shopper types: the title's words in lower case, in one of two orders."""
    asked = {name: value.lower() for name, value in asked.items()}
    if "usage" in asked and rng.random() < 0.3:  # "navy dotted dress for party nights"
        usage = USAGES[asked.pop("usage").title()][1]
        return f"{_phrase(asked, word, rng)} for {usage}"
    order = ("brand", "gender", "usage", "season", "colour", "pattern")
    return " ".join([*(asked[name] for name in order if name in asked), word.lower()])


def draw_queries(truth, corrupt=(), seed=0):
    """Queries with their relevant products: ``{text: {product id: 1}}``.

    Each asks for the type and two to four attributes of some product; nine in ten ask for a
    colour or pattern (one that its title leaves to the photo, where there is one) and for a
    usage or season (which only stand in text). Relevant are all products whose truth matches
    and whose photo is not ``corrupt`` (ids). A query has 1 to ``MOST_RELEVANT`` of them.
    """
    rng = np.random.default_rng([seed, len(truth), 6])
    good = truth[~truth["id"].isin(set(corrupt))].sort_values("id").reset_index(drop=True)
    columns = {name: good[name].to_numpy() for name in ("article_type", *_ASKED)}
    ids, said = good["id"].to_numpy(), good["said"].tolist()
    budget = max(1, int(QUERY_PRODUCTS * len(truth)))
    wanted = max(1, round(QUERIES * len(truth)))
    queries, used, seen = {}, set(), set()
    for _ in range(60 * wanted):
        if len(queries) == wanted or not len(good):
            break
        target = rng.integers(len(good))
        names = _ask(said[target], rng)
        asked = {name: columns[name][target] for name in names}
        kind = columns["article_type"][target]
        key = (kind, *sorted(asked.items()))
        match = columns["article_type"] == kind
        for name, value in asked.items():
            match &= columns[name] == value
        relevant = ids[match].tolist()
        text = _phrase(asked, ARTICLES[kind].words[rng.integers(2)], rng)
        too_many = len(relevant) > MOST_RELEVANT or len(used | set(relevant)) > budget
        if key in seen or text in queries or too_many:
            continue
        seen.add(key)
        used.update(relevant)
        queries[text] = dict.fromkeys(relevant, 1)
    return queries


_ASKED = ON_PHOTO + IN_TEXT + ON_BOTH


def _ask(said, rng):
    """Two to four attribute names to ask of a product whose title names ``said``.

    Nine times in ten they hold one that its title leaves to the photo (where there is one),
    and one that no photo shows.
    """
    size = int(_pick(rng, {2: 35, 3: 45, 4: 20}))
    names = [_ASKED[k] for k in rng.permutation(len(_ASKED))]
    if rng.random() < 0.9:
        unsaid = [name for name in ON_PHOTO if name not in said] or list(ON_PHOTO)
        first = [unsaid[rng.integers(len(unsaid))], IN_TEXT[rng.integers(len(IN_TEXT))]]
        names = first + [name for name in names if name not in first]
    return names[:size]


# --------------------------------------------------------------------------------------------
# The shop
# --------------------------------------------------------------------------------------------


def draw_shop(folder, n_products=3000, seed=0):
    """Draw the demo shop into ``folder``: the same files, byte for byte, for the same arguments.

    - ``products.parquet``: the dirty catalogue, as a shop would hand it over; the schema's
      columns and ``image`` (JPEG bytes), rows in no order.
    - ``truth.parquet``: the same rows with the clean values, and ``said`` (attributes the title
      names), ``twin_of`` (id, or ""), ``dirt`` (what was done, comma between: "missing:colour",
      "case:title", "html:description", "wrong:colour", "duplicate_title", "twin_photo",
      "corrupt_photo", "grey_photo", "odd_size").
    - ``queries.json``: ``{query: {product id: 1}}``, drawn from the truth.

    Takes about 4 ms a product. Raises ``TutorialError`` for a number of products below 1, a
    negative seed, or a folder that cannot be written.
    """
    for name, value, least in (("n_products", n_products, 1), ("seed", seed, 0)):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least:
            raise TutorialError(f"{name} must be a whole number of at least {least}, got {value!r}")
    folder = Path(folder)
    truth = sample_truth(n_products, seed)
    records = truth.to_dict("records")
    place = {record["id"]: i for i, record in enumerate(records)}
    bar = tqdm(records, "drawing the demo shop", unit=" photos", mininterval=0.5, file=sys.stdout)
    photos = [
        draw_photo(record, seed, place.get(record["twin_of"], i)) for i, record in enumerate(bar)
    ]
    rng = np.random.default_rng([seed, n_products, 5])
    table, dirt = _soil(truth, rng)
    table["image"] = _soil_photos(photos, truth, dirt, rng)
    truth["dirt"] = [",".join(names) for names in dirt]
    corrupt = truth["id"][truth["dirt"].str.contains("corrupt_photo")]
    queries = draw_queries(truth, corrupt, seed)
    order = rng.permutation(n_products)
    table, truth = (frame.iloc[order].reset_index(drop=True) for frame in (table, truth))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "truth.parquet", lambda path: truth.to_parquet(path, index=False))
        text = json.dumps(queries, indent=1, ensure_ascii=False) + "\n"
        _write(folder / "queries.json", lambda path: path.write_text(text, encoding="utf-8"))
        # Last, so that a folder with products.parquet is a whole shop.
        _write(folder / "products.parquet", lambda path: table.to_parquet(path, index=False))
    except OSError as error:
        raise TutorialError(
            f"cannot write the demo shop into {folder}: {error}; "
            "set MMTUTORIAL_CACHE to a folder that is writable and has 20 MB free"
        ) from error


def _write(path, save):
    """Save under a passing name, then rename: a reader never sees half a file."""
    passing = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save(passing)
        os.replace(passing, path)
    finally:
        passing.unlink(missing_ok=True)
