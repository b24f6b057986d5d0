"""Catalogues small enough to train on within seconds: bars and boxes of a colour on white.

``small_catalogue`` has attributes, a brand's mark and a gender's stripe, and products two and two.
``small_shop`` has titles alone, of which each says all that there is to see.
"""

import numpy as np
import pandas as pd

from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.groups import hash_photos
from mmtutorial.catalogue.reading import ATTRIBUTES

COLOURS = {"Red": (200, 30, 30), "Blue": (30, 30, 200), "Green": (20, 150, 20)}
SHAPES = {"Bars": (slice(10, 70), slice(25, 35)), "Boxes": (slice(25, 55), slice(10, 50))}
MARKS = {"Acme": slice(2, 8), "Bolt": slice(70, 76)}  # where the brand's black line is


def small_catalogue(n=96, seed=0, first=0):
    """``n`` products; titles such as "Acme Men Red Bars 7", two and two with the same title."""
    rng = np.random.default_rng(seed)
    photos = np.full((n, 80, 60, 3), 255, dtype="uint8")
    rows = []
    for row in range(n):
        if row % 2 == 0:  # the second of two is the same thing, photographed again
            colour, shape, brand, gender = (
                rng.choice(list(values)) for values in (COLOURS, SHAPES, MARKS, ("Men", "Women"))
            )
        photos[row][SHAPES[shape]] = COLOURS[colour]
        photos[row][MARKS[brand]] = 0
        if gender == "Men":
            photos[row][:, 55:] = 128
        _add_grain(photos[row], rng)
        rows.append(
            {
                "id": f"{first + row:04d}",
                "title": f"{brand} {gender} {colour} {shape} {row // 2}",
                "brand": brand,
                "gender": gender,
                "colour": colour,
                "article_type": shape,
                "category": "Things",
                "season": "Summer" if colour == "Red" else "Winter",
            }
        )
    table = pd.DataFrame(rows).reindex(columns=["id", "title", *ATTRIBUTES], fill_value="")
    table["photo_hash"] = hash_photos(photos)
    return Catalogue("small", table, photos)


def small_shop(n=160, seed=0):
    """``n`` products with an id and one of eight titles such as "pink boxes"."""
    rng = np.random.default_rng(seed)
    colours = {**COLOURS, "Pink": (240, 150, 190)}
    photos = np.full((n, 80, 60, 3), 255, dtype="uint8")
    titles = []
    for photo in photos:
        colour, shape = rng.choice(list(colours)), rng.choice(list(SHAPES))
        photo[SHAPES[shape]] = colours[colour]
        _add_grain(photo, rng)
        titles.append(f"{colour} {shape}".lower())
    table = pd.DataFrame({"id": [f"{row:04d}" for row in range(n)], "title": titles})
    return Catalogue("small", table, photos)


def _add_grain(photo, rng):
    photo -= rng.integers(0, 15, photo.shape, dtype="uint8")


TINY = {  # settings of a model that trains on it within seconds
    "epochs": 2,
    "decay": 0.5,
    "batch_size": 16,
    "dim": 16,
    "widths": (4, 8, 8, 8),
}
