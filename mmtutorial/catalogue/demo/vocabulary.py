"""What can be said of a product, in English and Chinese, and how often it holds (lesson 01).

Colours, patterns, brands and so on with their shares, the rates of the dirt, the rates of the
queries. ``silhouettes`` has the words for the article types.
"""

from typing import Any

import numpy as np

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
MAX_RELEVANT = 10  # at most this many products answer one query

# Words ---------------------------------------------------------------------------------------

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


# Dealing -------------------------------------------------------------------------------------


def pick(rng: np.random.Generator, weights: dict) -> Any:
    """One key of ``weights`` (name → share, or name → tuple that starts with the share)."""
    shares = [w[0] if isinstance(w, tuple) else w for w in weights.values()]
    mark = rng.random() * sum(shares)
    for name, share in zip(weights, shares, strict=True):
        mark -= share
        if mark < 0:
            return name
    return name


def count(share: float, n: int) -> int:
    """So many of ``n``: at least one in any shop of twenty or more.

    >>> count(0.001, 3000), count(0.001, 20), count(0.001, 5)
    (3, 1, 0)
    """
    return max(round(share * n), 1 if n >= 20 and share > 0 else 0)
