"""A search on the terminal: ``mmtutorial search``."""

import contextlib
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable

import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.shop import opening

SHOWN = ("id", "score", "title", "brand", "article_type", "colour", "price")


def search(
    words: str | None = None,
    photo: str | None = None,
    photo_weight: float = 0.5,
    filters: Iterable[str] = (),
    dataset: str = "demo",
    model: str | None = None,
    k: int = 10,
    as_json: bool = False,
) -> str:
    """The answer as a text: a table for the terminal, or JSON, a list with a product each.

    ``filters`` are texts, as ``read_where`` takes them. A product in JSON has its ``row``,
    ``score``, ``parts`` (which add up to the score) and the columns of the catalogue that it
    fills. Raises ``TutorialError`` as ``opening.open_shop`` and ``ProductSearch.search`` do.
    """
    where = read_where(filters)
    if words is None and photo is None:
        raise TutorialError("nothing to search by: give words in quotes, or --photo FILE")
    with contextlib.redirect_stdout(sys.stderr):  # bars are no part of the answer
        shop = opening.open_shop(dataset, model)
    where = _numbers(where, shop.catalogue.table.select_dtypes("number"))
    asked = shop.reader.translated(words) if words is not None else None
    found, parts = shop.find(shop.query(asked, photo, photo_weight), k, where)
    return in_json(found, parts) if as_json else table(found)


def read_where(filters: Iterable[str]) -> dict:
    """What ``ProductSearch`` takes as ``where``, out of ``COLUMN=VALUE`` and ``COLUMN=A..B``.

    Either end of a range may be left out; several values of a column become a list. Raises
    ``TutorialError`` for a text of another form, and for a range beside another filter of its
    column.

    >>> read_where(["colour=red", "colour=navy blue", "gender=men", "price=10..50"])
    {'colour': ['red', 'navy blue'], 'gender': 'men', 'price': (10.0, 50.0)}
    """
    given: dict[str, list] = {}
    for each in filters:
        column, sign, value = (part.strip() for part in each.partition("="))
        if not sign or not column:
            raise TutorialError(f"--where {each}: give a column and a value, as colour=red")
        given.setdefault(column, []).append(_range(value) or value)
    for column, values in given.items():
        if len(values) > 1 and any(isinstance(value, tuple) for value in values):
            raise TutorialError(f"--where {column}=…: give one range, and no other value with it")
    return {column: values if len(values) > 1 else values[0] for column, values in given.items()}


def _range(text):
    """``(10.0, None)`` of ``"10.."``; None where the text is no range of numbers."""
    low, dots, high = text.partition("..")
    try:
        return tuple(float(end) if end else None for end in (low, high)) if dots else None
    except ValueError:
        return None


def _numbers(where, columns):
    """``price=20`` asks for a number, where the column holds numbers."""
    for column in columns:
        try:
            if isinstance(where.get(column), str):
                where[column] = float(where[column])
        except ValueError as fault:
            raise TutorialError(
                f"--where {column}={where[column]}: the column holds numbers; give one, or a range "
                "as 10..50"
            ) from fault
    return where


def table(found: pd.DataFrame) -> str:
    """The products, one line each, as wide as the terminal."""
    if found.empty:
        return "No product passes the filters."
    shown = found[[name for name in SHOWN if name in found and (found[name] != "").any()]].copy()
    wide = max(12, shutil.get_terminal_size().columns - 60)
    shown["title"] = [textwrap.shorten(title, wide, placeholder="…") for title in shown["title"]]
    return shown.to_string(index=False, float_format="{:.2f}".format, na_rep="", justify="left")


def in_json(found: pd.DataFrame, parts: pd.DataFrame) -> str:
    """The products as a JSON list, best first."""
    products = []
    for product, part in zip(found.to_dict("records"), parts.to_dict("records"), strict=True):
        given = {name: value for name, value in product.items() if value != "" and value == value}
        given["score"] = round(float(given["score"]), 4)
        products.append({**given, "parts": {name: round(v, 4) for name, v in part.items()}})
    return json.dumps(products, ensure_ascii=False, indent=1, default=float)
