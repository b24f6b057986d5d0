"""The silhouettes: one drawing for each article type, below what the shop knows of that type."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mmtutorial.catalogue.demo.pen import Pen, arc, mirrored, symmetric

SOLE, STEEL, BRASS, LEATHER = (236, 233, 226), (172, 178, 186), (206, 168, 88), (112, 72, 44)
GLASS, PAPER = (62, 70, 84), (252, 252, 250)


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
    draw: Callable[[Pen], None]  # the silhouette


ARTICLES: dict[str, Article] = {}


def article(name: str, place: str, words: str, chinese: str, **facts) -> Callable:
    """Register the silhouette below under its article type."""
    category, subcategory = place.split("/")

    def register(draw):
        ARTICLES[name] = Article(
            name, category, subcategory, words.split("|"), chinese, draw=draw, **facts
        )
        return draw

    return register


# What several silhouettes share --------------------------------------------------------------


def _neck(pen, y=14.0, rx=6.2, ry=4.2):
    """A round neckline with its rib; the back of the collar shows inside."""
    pen.fill(arc(30, y, rx, ry), pen.deep)
    pen.fill(arc(30, y - 1.4, rx - 0.4, ry - 2.0), pen.seam)
    pen.line(arc(30, y, rx, ry, 0, 180), width=1.0)


def _short_top(pen, hem=67):
    w = pen.waist
    sleeve = [(20, 14.5), (14, 17), (4.5, 29), (11.5, 35.5), (19, 29)]
    for side in (sleeve, mirrored(sleeve)):
        pen.cut(side, soft=1)
    pen.cut(
        symmetric((24, 13), (17.5, 15), (17, 28), (17 + w, 46), (16 + w / 2, hem), (22, hem + 0.6)),
        soft=1,
    )
    pen.mirrored_line([(6.3, 28), (12.6, 33.8)], width=0.6)  # sleeve hems
    pen.line([(17 + w / 2, hem - 2.4), (30, hem - 1.9), (43 - w / 2, hem - 2.4)], width=0.6)


def _long_top(pen, hem=66, cuff=57.0, body=16.0):
    w = pen.waist
    sleeve = [(20, 14), (13, 17), (8, 32), (3.5, cuff), (9.5, cuff + 2), (14.5, 40), (19, 30)]
    for side in (sleeve, mirrored(sleeve)):
        pen.cut(side, soft=1)
    pen.cut(
        symmetric(
            (24, 13), (17.5, 15), (17, 28), (17 + w, 46), (body + w / 2, hem), (22, hem + 0.6)
        ),
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
    pen.fill(arc(30, 13.5, 5.6, 3.0), pen.deep)
    flap = [(24, 11), (30, 17.5), (25.5, 21.5), (21, 14.5)]
    for side in (flap, mirrored(flap)):
        if colour:
            pen.fill(side, colour)
        else:
            pen.cut(side, soft=0)
        pen.line([*side, side[0]], width=0.7)


# The shapes ----------------------------------------------------------------------------------
# Outlines read better as rows of points than with one point a line.
# fmt: off


@article("Tshirts", "Apparel/Topwear", "T-shirt|Tee", "T恤",
         who="all", purpose="casual", weather="warm", material="cloth",
         share=11, price=18, grain=7, mark=(36.5, 29))
def _tshirt(pen):
    _short_top(pen)
    _neck(pen)


@article("Shirts", "Apparel/Topwear", "Shirt|Button-down", "衬衫",
         who="all", purpose="dressy", weather="any", material="cloth",
         share=8, price=32, grain=6, mark=(37.5, 31))
def _shirt(pen):
    _long_top(pen, hem=68)
    _cuffs(pen, 57)
    _collar(pen)
    pen.line([(28.6, 19), (28.6, 68)], width=0.6)
    pen.line([(31.6, 19), (31.6, 68)], width=0.6)
    for y in range(24, 66, 8):
        pen.dot(30.1, y, 0.8, PAPER if sum(pen.ink) < 600 else STEEL)


@article("Polos", "Apparel/Topwear", "Polo Shirt|Polo", "Polo衫",
         who="all", purpose="sporty", weather="warm", material="cloth",
         share=4, price=26, grain=7, mark=(38, 32))
def _polo(pen):
    _short_top(pen)
    band = [(4.2, 29), (6.6, 26.4), (13.6, 33), (11.4, 35.8)]
    for side in (band, mirrored(band)):
        pen.fill(side, pen.seam)
    _collar(pen, pen.seam)
    pen.fill([(28, 18), (32, 18), (32, 31), (28, 31)], pen.pale)
    pen.line([(28, 18), (28, 31), (32, 31), (32, 18)], width=0.6)
    pen.dot(30, 22.5, 0.8)
    pen.dot(30, 27.5, 0.8)


@article("Sweatshirts", "Apparel/Topwear", "Hoodie|Hooded Sweatshirt", "连帽卫衣",
         who="all", purpose="sporty", weather="cold", material="knit",
         share=4, price=38, grain=7, mark=(38, 33))
def _hoodie(pen):
    hood = symmetric((28, 4), (21, 6), (18.5, 13), (21, 19), (27, 22))
    _long_top(pen, hem=66, body=15.5)
    pen.cut(hood)
    pen.fill(arc(30, 13, 6.4, 6.6), pen.deep)
    pen.line(arc(30, 13, 6.4, 6.6), width=0.8)
    pen.line([(26.5, 20), (26, 31)], PAPER, 0.9)
    pen.line([(33.5, 20), (34, 29)], PAPER, 0.9)
    pocket = symmetric((23, 45), (18.5, 52), (18.5, 60))
    pen.cut(pocket, soft=0, shade=0.93)
    _cuffs(pen, 57, ribs=True)
    _rib_hem(pen, 66.4)


@article("Sweaters", "Apparel/Topwear", "Sweater|Pullover", "毛衣",
         who="all", purpose="casual", weather="cold", material="knit",
         share=4, price=42, grain=6, mark=(39, 34))
def _sweater(pen):
    _long_top(pen, hem=65)
    pen.fill([(23.6, 12.2), (36.4, 12.2), (30, 28)], pen.deep)
    pen.fill([(25, 11.4), (35, 11.4), (34, 14.4), (26, 14.4)], pen.seam)
    pen.line([(23.6, 12.4), (30, 28), (36.4, 12.4)], width=1.5)
    _cuffs(pen, 57, ribs=True)
    _rib_hem(pen, 65.4)


@article("Jackets", "Apparel/Topwear", "Jacket|Bomber Jacket", "夹克",
         who="all", purpose="travel", weather="cold", material="tech",
         share=4, price=68, grain=7, mark=(39, 31))
def _jacket(pen):
    _long_top(pen, hem=60, cuff=55, body=14.0)
    pen.cut(symmetric((25, 8.5), (22, 11), (23, 17), (28.5, 20)), soft=1, shade=0.82)
    pen.fill(arc(30, 11.6, 4.6, 2.4), pen.deep)
    pen.fill([(29.1, 15), (30.9, 15), (30.9, 60.5), (29.1, 60.5)], STEEL)
    pen.line([(30, 15), (30, 60)], (92, 96, 104), 0.5)
    pen.fill([(28.9, 19), (31.1, 19), (30.6, 24), (29.4, 24)], (110, 114, 120))
    pen.mirrored_line([(19, 50), (24, 41)], width=1.4)
    for y in (56, 58, 60):
        pen.line([(16, y), (28.8, y)], width=0.5)
        pen.line([(31.2, y), (44, y)], width=0.5)
    _cuffs(pen, 55, ribs=True)


@article("Coats", "Apparel/Topwear", "Coat|Overcoat", "大衣",
         who="all", purpose="dressy", weather="cold", material="knit",
         share=2.5, price=110, grain=8, mark=(39.5, 33))
def _coat(pen):
    w = pen.waist
    sleeve = [(20, 11), (13, 14), (9, 30), (5, 50), (11, 52), (15.5, 36), (19, 28)]
    for side in (sleeve, mirrored(sleeve)):
        pen.cut(side, soft=1)
    pen.cut(symmetric((24, 10), (17.5, 12), (17, 26), (17.5 + w, 40), (12.5, 75), (20, 76)), soft=1)
    pen.fill([(25, 9.5), (35, 9.5), (30, 27)], pen.deep)
    lapel = [(24.5, 8.5), (30, 28), (23.5, 24.5), (24.5, 21.5), (19.8, 19), (22, 10.5)]
    for side in (lapel, mirrored(lapel)):
        pen.cut(side, soft=0, shade=0.86)
    pen.line([(30, 28), (30, 75.5)], width=0.8)
    for y in (46, 53, 60):
        pen.dot(26, y, 1.2, pen.deep)
        pen.dot(34, y, 1.2, pen.deep)
    pen.fill([(16.8 + w, 37.5), (43.2 - w, 37.5), (43.4 - w, 41.5), (16.6 + w, 41.5)], pen.deep)
    pen.fill([(27.6, 36.8), (32.4, 36.8), (32.4, 42.2), (27.6, 42.2)], BRASS)
    pen.fill([(28.8, 38), (31.2, 38), (31.2, 41), (28.8, 41)], pen.deep)
    pen.mirrored_line([(16.5, 54), (22.5, 54)], width=1.0)


@article("Dresses", "Apparel/Dress", "Dress|Frock", "连衣裙",
         who="women", purpose="party", weather="warm", material="silk",
         share=5, price=48, grain=7, mark=(36, 24.5))
def _dress(pen):
    pen.mirrored_line([(23, 16), (25.5, 5)], pen.seam, 1.7)
    pen.cut(
        symmetric(
            (28, 16), (23.5, 12.5), (20, 16.5), (20, 24), (22.5, 36), (19, 46), (9, 71), (22, 74)
        ),
        soft=2,
    )
    pen.cut(symmetric((22.3, 34), (22.3, 38)), soft=0, shade=0.72)
    for x in (24, 27.5):
        pen.mirrored_line([(x, 41), (x - (30 - x) * 1.3, 71)], width=0.5)


@article("Skirts", "Apparel/Bottomwear", "Skirt|Pleated Skirt", "半身裙",
         who="women", purpose="party", weather="warm", material="silk",
         share=2.5, price=30, grain=7, mark=(40.5, 57))
def _skirt(pen):
    pen.cut(symmetric((19, 20), (16, 30), (5.5, 60), (15, 63.5), (25, 64.5)), soft=1)
    pen.cut(symmetric((19, 15.5), (18.6, 21)), soft=0, shade=0.75)
    for top, foot in ((21, 11), (24.5, 18.5), (28, 26.5)):
        pen.mirrored_line([(top, 21.5), (foot, 63)], width=0.7)


def _trousers(pen, foot, gap, knee, hem, top=6.0):
    """Two legs from ``top`` to ``foot``; ``hem``: (outer, inner) x of the left leg's end."""
    outer, inner = hem
    pen.cut(
        symmetric((18.5, top), (15.5, 24), (knee, 42), (outer, foot),
                  (inner, foot + 0.5), (gap, 31)),
        soft=1,
    )
    pen.line([(30, top + 4), (30, 28)], width=0.6)


@article("Jeans", "Apparel/Bottomwear", "Jeans|Denim Trousers", "牛仔裤",
         who="all", purpose="casual", weather="any", material="denim",
         share=5, price=45, grain=6, mark=(22.5, 21))
def _jeans(pen):
    _trousers(pen, foot=75, gap=29.6, knee=15, hem=(13.5, 25.5))
    pen.cut(symmetric((18.5, 5), (18, 9.2)), soft=0, shade=0.8)
    stitch = (226, 164, 82)
    pen.mirrored_line([(17.4, 17), (21.5, 16), (24, 10)], stitch, 0.7)
    pen.line([(30, 10), (33.2, 10), (33, 20), (30.4, 24)], stitch, 0.7)
    pen.mirrored_line([(14.2, 72), (25.4, 72.4)], stitch, 0.7)
    pen.dot(30, 7.2, 1.2, BRASS)
    for x in (22.5, 26):
        pen.mirrored_line([(x, 5), (x, 9.4)], pen.deep, 1.0)


@article("Track Pants", "Apparel/Bottomwear", "Track Pants|Joggers", "运动裤",
         who="all", purpose="sporty", weather="any", material="tech",
         share=3, price=28, grain=7, mark=(23, 20))
def _track_pants(pen):
    _trousers(pen, foot=70, gap=29.4, knee=13, hem=(17.5, 23.5))
    pen.mirrored_line([(17, 13), (14.4, 30), (13.8, 44), (17.6, 68)], PAPER, 1.8)
    cuff = [(17.2, 69), (23.8, 69.4), (23.4, 75), (17.8, 75)]
    for side in (cuff, mirrored(cuff)):
        pen.fill(side, pen.seam)
    pen.fill(symmetric((18.6, 5), (18.2, 9.5)), pen.seam)
    pen.line([(28.4, 8), (27, 17)], PAPER, 0.9)
    pen.line([(31.6, 8), (33, 16)], PAPER, 0.9)


@article("Shorts", "Apparel/Bottomwear", "Shorts|Bermudas", "短裤",
         who="all", purpose="sporty", weather="warm", material="cloth",
         share=3.5, price=20, grain=7, mark=(17.5, 47))
def _shorts(pen):
    pen.cut(symmetric((16, 18), (13, 32), (8, 57), (26, 60.5), (29.7, 42)), soft=1)
    pen.cut(symmetric((16, 16.5), (15.4, 22.5)), soft=0, shade=0.78)
    pen.line([(30, 23), (30, 42)], width=0.7)
    pen.mirrored_line([(14.5, 33), (20.5, 24)], width=0.9)
    pen.mirrored_line([(9, 54), (26.6, 57.4)], width=0.6)
    pen.line([(29, 20), (27, 28)], PAPER, 0.9)
    pen.line([(31, 20), (33, 27)], PAPER, 0.9)


@article("Socks", "Apparel/Socks", "Socks|Ankle Socks", "袜子",
         who="all", purpose="sporty", weather="any", material="knit",
         share=2, price=7, grain=6, mark=(17, 30))
def _socks(pen):
    for dx, dy, shade in ((17, -4, 0.86), (0, 4, 1.0)):
        sock = [
            (10, 13), (24, 13), (23.5, 44), (33, 54), (35.5, 61), (31, 65), (22, 62),
            (10.5, 50)
        ]
        moved = [(x + dx, y + dy) for x, y in sock]
        pen.cut(moved, soft=2, shade=shade)
        pen.fill(
            [(10 + dx, 13 + dy), (24 + dx, 13 + dy), (24 + dx, 18 + dy), (10 + dx, 18 + dy)],
            pen.seam,
        )
        pen.line([(12 + dx, 50 + dy), (18 + dx, 46 + dy), (22.6 + dx, 47 + dy)], width=0.8)
        pen.line([(28.5 + dx, 63 + dy), (29.5 + dx, 57 + dy), (33 + dx, 54.5 + dy)], width=0.8)


@article("Ties", "Accessories/Ties", "Tie|Necktie", "领带",
         who="men", purpose="dressy", weather="any", material="silk",
         share=2, price=22, grain=6, mark=(44, 62))
def _tie(pen):
    pen.cut([(31, 17), (38, 15), (40, 52), (36, 57), (32.5, 52)], soft=0, shade=0.75)
    pen.cut([(26.5, 17), (33.5, 17), (38, 62), (30, 75), (22, 62)], soft=0)
    pen.cut([(23.5, 6), (36.5, 6), (34, 17.5), (26, 17.5)], soft=1, shade=0.88)
    pen.line([(40.5, 52), (44, 58)], (150, 150, 150), 0.5)


@article("Scarves", "Accessories/Scarves", "Scarf|Stole", "围巾",
         who="open", purpose="party", weather="cold", material="knit",
         share=2.5, price=20, grain=6, mark=(36, 46))
def _scarf(pen):
    for left, foot in ((17, 62), (29, 69)):
        for x in np.arange(left + 1, left + 13, 2):
            pen.line([(x, foot - 1), (x - 0.3, foot + 5)], pen.seam, 0.9)
    pen.cut([(19, 20), (31, 24), (30, 63), (16.5, 62)], soft=0, shade=0.82)
    pen.cut([(29, 24), (43, 20), (42.5, 69), (28.5, 70)], soft=0)
    pen.cut(arc(30, 18, 18.5, 10.5, steps=18), soft=1)
    pen.fill(arc(30, 14.5, 10.5, 5.2), pen.deep)
    pen.line(arc(30, 19, 14.5, 7.5, 20, 160), width=0.6)
    pen.line(arc(30, 20, 17, 8.5, 30, 130), width=0.6)


@article("Caps", "Accessories/Headwear", "Cap|Baseball Cap", "棒球帽",
         who="all", purpose="sporty", weather="warm", material="cloth",
         share=2.5, price=14, grain=6, mark=(27, 40))
def _cap(pen):
    pen.cut([(33, 49), (47, 47), (58, 52), (58.5, 56), (50, 57), (36, 54)], soft=2, shade=0.72)
    pen.cut(
        [*arc(27, 50, 21.5, 23, 180, 360, 16), (48, 51), (38, 55), (20, 55.5), (7, 53)], soft=1
    )
    pen.line(arc(27, 50, 11, 22.6, 182, 270), width=0.7)
    pen.line(arc(27, 50, 12, 22.6, 270, 357), width=0.7)
    pen.fill(arc(27, 27.2, 2.6, 1.4), pen.seam)
    pen.line([(7, 51.5), (20, 53.8), (38, 53.4), (48, 50)], width=0.8)


@article("Hats", "Accessories/Headwear", "Hat|Fedora", "帽子",
         who="open", purpose="travel", weather="warm", material="cloth",
         share=1.8, price=24, grain=6, mark=(30, 34))
def _hat(pen):
    pen.cut([(1.5, 52), (14, 47), (30, 45.5), (46, 47), (58.5, 52), (50, 58), (30, 60.5), (10, 58)])
    pen.cut([(15.5, 51), (17, 31), (22, 22), (30, 26), (38, 22), (43, 31), (44.5, 51), (30, 54)])
    pen.fill(
        [(15.6, 43.5), (30, 46.6), (44.4, 43.5), (44.8, 50.5), (30, 53.6), (15.2, 50.5)], pen.deep
    )
    pen.line([(22.5, 24), (30, 29.5), (37.5, 24)], width=0.8)


@article("Backpacks", "Accessories/Bags", "Backpack|Rucksack", "双肩包",
         who="open", purpose="travel", weather="any", material="tech",
         share=3.5, price=46, grain=7, mark=(30, 28.5))
def _backpack(pen):
    strap = [(14, 24), (9, 36), (8, 58), (12, 68)]
    pen.mirrored_line(strap, pen.deep, 3.6)
    pen.line(arc(30, 12, 5.5, 6.5, 180, 360), pen.deep, 2.0)
    pen.cut(symmetric((23, 9), (14.5, 13), (12, 30), (12.5, 68), (20, 71.5)))
    pen.line(arc(30, 31, 15.5, 19.5, 190, 350), pen.deep, 0.9)
    pen.cut(symmetric((17.5, 44), (16.5, 50), (16.5, 64), (19, 67)), soft=1, shade=0.88)
    pen.line([(18, 48.5), (42, 48.5)], STEEL, 1.0)
    pen.line([(40, 48.5), (40.8, 53)], STEEL, 1.2)


@article("Handbags", "Accessories/Bags", "Handbag|Tote", "手提包",
         who="women", purpose="party", weather="any", material="leather",
         share=4, price=58, grain=7, mark=(39.5, 58))
def _handbag(pen):
    pen.line(arc(30, 34, 12.5, 25, 180, 360), pen.seam, 2.6)
    pen.cut(symmetric((12.5, 33), (10.5, 38), (5.5, 67), (12, 70.5)), soft=1)
    pen.cut(symmetric((12.3, 33), (10.3, 40), (15, 45.5), (27, 48.5)), soft=1, shade=0.84)
    pen.fill(arc(30, 47.5, 2.7, 2.7), BRASS)
    pen.dot(30, 47.5, 1.2, pen.deep)
    for x in (17.5, 42.5):
        pen.fill(arc(x, 35, 1.7, 2.4), BRASS)


@article("Clutches", "Accessories/Bags", "Clutch|Evening Bag", "手拿包",
         who="women", purpose="party", weather="any", material="silk",
         share=1.8, price=34, grain=6, mark=(46.5, 52))
def _clutch(pen):
    pen.line(arc(30, 30, 24, 15, 190, 350), BRASS, 1.1)
    pen.cut(symmetric((4, 29), (3.5, 57), (8, 59)), soft=1)
    pen.cut(symmetric((3.8, 28.5), (4, 33), (29.5, 48)), soft=0, shade=0.86)
    pen.dot(30, 46, 2.4, BRASS)


@article("Wallets", "Accessories/Wallets", "Wallet|Purse", "钱包",
         who="open", purpose="travel", weather="any", material="leather",
         share=3, price=26, grain=6, mark=(43.5, 51))
def _wallet(pen):
    for y, colour in ((21, (86, 140, 190)), (23.5, (224, 176, 84)), (26, (236, 236, 232))):
        pen.fill([(14, y), (47, y), (47, y + 6), (14, y + 6)], colour)
        pen.line([(14, y), (47, y)], (120, 120, 120), 0.4)
    pen.cut(symmetric((8, 27), (7.5, 33), (7.5, 57), (9, 59)), soft=1)
    pen.line([(9.5, 30), (50.5, 30), (50.5, 56.5), (9.5, 56.5), (9.5, 30)], pen.pale, 0.5)
    pen.cut([(7.5, 38), (20, 38), (24, 43), (20, 48), (7.5, 48)], soft=0, shade=0.8)
    pen.dot(19.5, 43, 1.6, BRASS)


@article("Belts", "Accessories/Belts", "Belt|Waist Belt", "腰带",
         who="all", purpose="dressy", weather="any", material="leather",
         share=3, price=20, grain=5, mark=(30, 41))
def _belt(pen):
    pen.cut(arc(30, 41, 25.5, 24, steps=30), soft=0, shade=0.8)
    pen.hole(arc(30, 39.5, 20.5, 14.5))
    pen.cut([*arc(30, 41, 25.5, 24, 20, 160, 24), *arc(30, 38.5, 25, 14, 160, 20, 24)], soft=0)
    pen.line(arc(30, 39.5, 20.5, 14.5), width=0.7)
    for x in (38, 42, 46):
        pen.dot(x, 57 - (x - 36) * 0.55, 0.7, pen.deep)
    buckle = [(15, 50), (27, 51), (27, 67), (14.5, 65)]
    pen.line([*buckle, buckle[0]], BRASS, 2.0)
    pen.line([(15, 58), (28, 59)], BRASS, 1.2)


@article("Watches", "Accessories/Watches", "Watch|Wristwatch", "手表",
         who="all", purpose="dressy", weather="any", material="hard",
         share=6, price=85, grain=5, mark=(48.5, 64.5))
def _watch(pen):
    pen.cut([(23, 3.5), (37, 3.5), (39, 28), (21, 28)], soft=1)
    pen.cut([(21, 52), (39, 52), (37, 74), (34, 77), (26, 77), (23, 74)], soft=1)
    for y in (62, 66, 70):
        pen.dot(30, y, 0.8, pen.deep)
    pen.fill([(25, 2.5), (35, 2.5), (35, 5), (25, 5)], STEEL)
    pen.fill([(45.5, 38), (48.5, 38), (48.5, 42), (45.5, 42)], STEEL)
    pen.fill(arc(30, 40, 16.6, 16.6, steps=40), (112, 116, 124))
    pen.fill(arc(29.7, 39.7, 15.6, 15.6, steps=40), STEEL)
    pen.fill(arc(30, 40, 12.8, 12.8, steps=40), PAPER)
    for hour in range(12):
        angle = math.radians(30 * hour)
        x, y = math.cos(angle), math.sin(angle)
        pen.line([(30 + 10 * x, 40 + 10 * y), (30 + 12 * x, 40 + 12 * y)], (70, 70, 76), 0.8)
    pen.line([(30, 40), (24, 35)], (40, 40, 44), 1.3)
    pen.line([(30, 40), (36.5, 33)], (40, 40, 44), 0.9)
    pen.dot(30, 40, 1.2, pen.ink if sum(pen.ink) < 690 else STEEL)
    pen.line([(40, 55), (50, 60)], (150, 150, 150), 0.5)


@article("Sunglasses", "Accessories/Eyewear", "Sunglasses|Shades", "太阳镜",
         who="all", purpose="travel", weather="warm", material="hard",
         share=4, price=36, grain=5, mark=(30, 62))
def _sunglasses(pen):
    pen.cut([(9, 52), (51, 52), (55, 62), (51, 72), (9, 72), (5, 62)], soft=2)  # the case
    pen.line([(6, 61), (24, 61)], width=0.6)
    pen.line([(36, 61), (54, 61)], width=0.6)
    pen.mirrored_line([(4, 20), (10, 13), (24, 11.5)], pen.seam, 1.8)  # folded temples
    frame = [(2, 17), (26, 18), (28.5, 23), (26, 36), (18, 41), (9, 39.5), (4, 33)]
    lens = [(5.5, 20.5), (23.5, 21), (25, 25), (22.5, 34), (17, 37.5), (10.5, 36), (7, 31)]
    pen.cut([(25, 20), (35, 20), (35, 24.5), (25, 24.5)], soft=0)
    for flip in (list, mirrored):
        pen.cut(flip(frame), soft=2)
        pen.fill(flip(lens), GLASS, soft=2)
        pen.line(flip([(9, 31), (15, 23)]), (150, 158, 172), 1.3)


@article("Earrings", "Accessories/Jewellery", "Earrings|Drop Earrings", "耳环",
         who="women", purpose="party", weather="any", material="hard",
         share=3, price=15, grain=5, mark=(30, 14))
def _earrings(pen):
    pen.line([(30, 19), (16, 19)], (150, 150, 150), 0.5)
    pen.line([(30, 19), (44, 19)], (150, 150, 150), 0.5)
    for x in (15.5, 44.5):
        pen.line([*arc(x, 17, 3, 5, 150, 380, 14)], BRASS, 1.1)
        pen.line([(x + 2.6, 19), (x, 27)], BRASS, 1.0)
        pen.fill(arc(x, 29, 3.2, 3.2), BRASS)
        pen.cut(arc(x, 45, 12.2, 12.6, steps=26), soft=0)
        pen.line(arc(x, 45, 12.2, 12.6), BRASS, 1.1)
        for dx in (-7, 0, 7):
            top = 57.4 - abs(dx) * 0.28
            pen.line([(x + dx, top), (x + dx, top + 4)], BRASS, 0.7)
            pen.cut(arc(x + dx, top + 6.5, 2.4, 3.6, steps=12), soft=0)


@article("Umbrellas", "Accessories/Umbrellas", "Umbrella|Parasol", "雨伞",
         who="open", purpose="travel", weather="any", material="tech",
         share=1.5, price=18, grain=6, mark=(30, 33))
def _umbrella(pen):
    pen.line([(30, 8), (30, 68)], STEEL, 1.5)
    pen.line(arc(34.5, 68, 4.5, 6, 0, 180), LEATHER, 2.4)
    scallops = [
        point for x in (48.4, 36.2, 23.8, 11.6) for point in arc(x, 45, 6.2, 4.2, 360, 180, 8)
    ]
    pen.cut([*arc(30, 45, 27.5, 34, 180, 360, 26), (54.5, 45), *scallops, (5.5, 45)], soft=0)
    pen.mirrored_line(arc(30, 45, 18.4, 34, 180, 270), width=0.7)
    pen.mirrored_line(arc(30, 45, 6.2, 34, 180, 270), width=0.7)
    pen.line([(30, 7), (30, 12)], STEEL, 1.4)


@article("Sneakers", "Footwear/Shoes", "Sneakers|Trainers", "运动鞋",
         who="all", purpose="sporty", weather="any", material="tech",
         share=7, price=55, grain=5.5, mark=(17, 46))
def _sneakers(pen):
    pen.fill([(3, 54), (56, 56), (58, 61), (55, 65.5), (6, 65.5), (2.5, 61)], SOLE, soft=1)
    pen.line([(3, 62), (57, 62.5)], (158, 156, 150), 0.9)
    pen.cut([
        (5, 56.5), (6, 40), (4, 29), (10, 27), (18, 31), (26, 28.5), (36, 42),
        (50, 47), (57, 53), (56.5, 58)
    ], soft=2)
    pen.fill([(45, 46.5), (53, 49.5), (57.5, 55), (56, 58), (45, 57.5), (43.5, 51)], SOLE, soft=2)
    pen.fill(
        [(5, 29), (10, 27), (18, 31), (25.5, 28.6), (24, 32), (17, 35), (9, 32.5)], pen.deep, soft=1
    )
    for step in range(4):
        x, y = 27.5 + step * 3.6, 32.5 + step * 4.0
        pen.line([(x - 1, y + 3.4), (x + 3.8, y - 0.4)], PAPER, 1.5)
    pen.line([(27, 57.5), (31, 48), (26, 37)], width=0.7)


@article("Heels", "Footwear/Shoes", "Heels|Pumps", "高跟鞋",
         who="women", purpose="party", weather="any", material="leather",
         share=4, price=52, grain=5, mark=(45, 25))
def _heels(pen):
    pen.line([(16, 31), (40, 25)], (150, 150, 150), 0.5)
    pen.fill([(5.5, 44), (12, 48), (9.6, 66.5), (6.4, 66.5)], pen.deep)
    pen.fill(
        [(10, 47), (24, 55), (38, 64), (54, 66.8), (59, 65), (52, 62), (22, 48)], pen.deep, soft=1
    )
    pen.cut([
        (5, 31), (9, 28.5), (16, 37), (26, 48), (37, 53.5), (48, 53), (57, 61),
        (58.5, 65), (47, 65.5), (36, 62.5), (22, 53), (11, 47.5), (5, 46)
    ], soft=2)
    pen.fill([(9, 29.5), (16, 37), (26, 48), (36, 53.4), (26, 50.5), (15, 41)], LEATHER, soft=1)


@article("Boots", "Footwear/Shoes", "Boots|Ankle Boots", "靴子",
         who="all", purpose="travel", weather="cold", material="leather",
         share=3, price=78, grain=6, mark=(21, 28))
def _boots(pen):
    pen.cut([
        (8, 13), (32, 13), (32.5, 40), (38, 49), (52, 54), (57, 61), (56, 66), (9, 66),
        (8, 52), (10, 40)
    ], soft=1)
    pen.fill([(8, 12), (32.5, 12), (32.5, 18), (8, 18)], pen.seam, soft=1)
    pen.fill([(8, 65), (57, 65), (57.5, 69), (27, 69), (24, 72.5), (8, 72.5)], (52, 42, 38))
    for step in range(4):
        y = 25 + step * 6
        pen.line([(27, y + 1.5), (34 + max(0, step - 2) * 2, y - 1)], BRASS, 1.3)
    pen.line([(9, 50), (24, 54), (30, 65)], width=0.8)
    pen.line([(42, 65), (44, 56), (47, 52.5)], width=0.7)
    pen.line([(9, 14), (5.5, 10), (8.5, 8), (11, 13)], pen.seam, 1.4)


@article("Sandals", "Footwear/Sandal", "Sandals|Strappy Sandals", "凉鞋",
         who="all", purpose="casual", weather="warm", material="leather",
         share=3, price=30, grain=5, mark=(45, 27))
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


@article("Flip Flops", "Footwear/Flip Flops", "Flip Flops|Slippers", "人字拖",
         who="all", purpose="travel", weather="warm", material="tech",
         share=3, price=10, grain=6, mark=(16.5, 60))
def _flip_flops(pen):
    sole = [
        (8, 12), (16, 7), (24, 11), (27, 24), (24.5, 44), (26, 62), (21, 72), (12, 72),
        (7.5, 62), (9.5, 44), (6, 26)
    ]
    for flip in (list, mirrored):
        pen.fill(flip([(x - 1, y + 1.5) for x, y in sole]), (70, 66, 68), soft=2)
        pen.cut(flip(sole), soft=2)
        pen.line(flip([(8.5, 42), (11, 28), (17, 20), (22.5, 28), (25, 42)]), pen.deep, 3.4)
        pen.dot(flip([(17, 19)])[0][0], 19, 1.8, pen.deep)
