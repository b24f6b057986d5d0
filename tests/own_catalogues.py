"""Three catalogues as strangers bring them, small, with the demo shop's drawn photos.

``plain``: id, title and photo, nothing else. ``spreadsheet``: a CSV as a spreadsheet program
writes it in much of Europe (semicolons, a byte order mark, decimal commas), foreign column names
with ``columns.json``, photos of 600 × 800 pixels. ``furniture``: many types, compound colours, no
brand, and titles that do not end in the type.
"""

import json

import pandas as pd
from PIL import Image

from mmtutorial.catalogue.catalogue import load_catalogue


def _products(n):
    """Products of the drawn shop with their true attributes and photos, no two titles equal."""
    shop = load_catalogue("demo")
    table = shop.truth.assign(row=range(len(shop))).drop_duplicates("title").head(n)
    return table.reset_index(drop=True), shop.photos[table["row"].to_numpy()]


def _save_photos(folder, ids, photos, size=None):
    (folder / "photos").mkdir(parents=True)
    for name, photo in zip(ids, photos, strict=True):
        image = Image.fromarray(photo)
        image = image if size is None else image.resize(size, Image.Resampling.BICUBIC)
        image.save(folder / "photos" / f"{name}.jpg", quality=80)


def plain(folder, n=300):
    """``products.csv`` with id and title."""
    table, photos = _products(n)
    _save_photos(folder, table["id"], photos)
    table[["id", "title"]].to_csv(folder / "products.csv", index=False)
    return folder


def spreadsheet(folder, n=300):
    """``products.csv`` with semicolons and foreign names, large photos, a column that is unread."""
    table, photos = _products(n)
    _save_photos(folder, table["id"], photos, size=(600, 800))
    theirs = pd.DataFrame(
        {
            "artikelnummer": table["id"],
            "naam": table["title"],
            "merk": table["brand"],
            "soort": table["article_type"],
            "kleur": table["colour"],
            "voor": table["gender"],
            "prijs": table["price"],
            "maat": "M",
        }
    )
    text = theirs.to_csv(index=False, sep=";", decimal=",")
    (folder / "products.csv").write_text(text, encoding="utf-8-sig")
    ours = ("id", "title", "brand", "article_type", "colour", "gender", "price")
    columns = dict(zip(ours, theirs.columns, strict=False))
    (folder / "columns.json").write_text(json.dumps(columns), encoding="utf-8")
    return folder


def furniture(folder, n=300):
    """``products.parquet`` with a type and a compound colour, a hundred types or so."""
    table, photos = _products(n)
    _save_photos(folder, table["id"], photos)
    made_of = ("Oak", "Steel", "Glass", "Cork")
    material = table["id"].map(lambda name: made_of[sum(name.encode()) % 4])
    kind = material + " " + table["article_type"].str.lower()
    line = [f"Norrby {row}" for row in range(len(table))]
    pd.DataFrame(
        {
            "id": table["id"],
            "title": kind.str.upper() + " " + line,
            "description": "For the " + table["usage"].str.lower() + " room.",
            "article_type": kind,
            "colour": table["colour"] + "," + material.str.lower(),
        }
    ).to_parquet(folder / "products.parquet")
    return folder
