"""Facets: how many products of a list have which value (lesson 24).

A shop shows beside its results how many of them are red, and how their prices are spread.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmtutorial.catalogue.queries import KINDS
from mmtutorial.search.filters import spelling

VALUES = ("gender", *KINDS[:1], "brand", "colour", "pattern", "usage", "season")
BARS = 20  # of a histogram


class ValueColumn(NamedTuple):
    """A column of values: ``codes`` ``(n_products,)``, -1 where empty, and what they stand for."""

    codes: np.ndarray
    values: list[str]

    def counted(self, chosen: np.ndarray) -> np.ndarray:
        """How many of the chosen products, a ``(n_products,)`` mask, have each of ``values``."""
        codes = self.codes[chosen]
        return np.bincount(codes[codes >= 0], minlength=len(self.values))


class RangeColumn(NamedTuple):
    """A column of numbers: in which bar each product stands, -1 where it has no number."""

    bars: np.ndarray
    least: float
    most: float

    def counted(self, chosen: np.ndarray) -> np.ndarray:
        """How many of the chosen products, a ``(n_products,)`` mask, stand in each bar."""
        bars = self.bars[chosen]
        return np.bincount(bars[bars >= 0], minlength=BARS)


class Facets:
    """The columns of a catalogue that results are counted by. Used in lesson 24.

    ``columns``: name → ``ValueColumn`` or ``RangeColumn``: those of ``VALUES`` with more than one
    value, and every column of numbers with more than one. Where no article type is given, the
    finest of ``queries.KINDS`` that has several takes its place. Each column is read once, here.

    >>> table = pd.DataFrame({"colour": ["Red", "Blue", "Red", ""], "price": [1.0, 2.0, 9.0, None]})
    >>> facets = Facets(table)
    >>> facets.values("colour", np.array([True, True, True, True]))
    [('Red', 2), ('Blue', 1)]
    >>> facets.columns["price"].counted(np.array([True, True, False, True]))[:4].tolist()
    [1, 0, 1, 0]
    """

    def __init__(self, table: pd.DataFrame):
        self.columns: dict[str, ValueColumn | RangeColumn] = {}
        kind = next((name for name in KINDS if _several(table, name)), KINDS[0])
        for name in VALUES:
            name = kind if name == KINDS[0] else name
            if _several(table, name):
                codes, values = pd.factorize(table[name].where(table[name] != ""), sort=True)
                self.columns[name] = ValueColumn(codes, [str(value) for value in values])
        for name in table.select_dtypes("number"):
            column = _range_column(table[name].to_numpy(dtype=float, na_value=np.nan))
            if column is not None:
                self.columns[name] = column

    def values(
        self, name: str, chosen: np.ndarray, asked: Iterable[str] = ()
    ) -> list[tuple[str, int]]:
        """The values of a column with their counts among the chosen products, commonest first.

        ``chosen``: a ``(n_products,)`` mask. Values that none of them has are left out, but for
        those ``asked`` for, in any spelling.
        """
        column = self.columns[name]
        assert isinstance(column, ValueColumn), f"{name} holds numbers: see its bars"
        counts, wanted = column.counted(chosen), {spelling(one) for one in asked}
        order = np.argsort(-counts, kind="stable")  # equal counts: by the alphabet
        return [
            (column.values[place], int(counts[place]))
            for place in order
            if counts[place] or (wanted and spelling(column.values[place]) in wanted)
        ]


def passing(masks: dict[str, np.ndarray], n: int, but: str | None = None) -> np.ndarray:
    """The products that pass all filters, or all but that of one column: ``(n,)`` bool.

    ``masks``: column → which products its own filter lets pass.

    >>> masks = {"colour": np.array([True, False]), "brand": np.array([True, True])}
    >>> passing(masks, 2).tolist(), passing(masks, 2, but="colour").tolist()
    ([True, False], [True, True])
    """
    found = np.ones(n, dtype=bool)
    for column, mask in masks.items():
        if column != but:
            found &= mask
    return found


def _several(table, name):
    return name in table and table.loc[table[name] != "", name].nunique() > 1


def _range_column(numbers):
    """The bars of a column, None where it does not have two different numbers."""
    known = np.isfinite(numbers)
    if len(np.unique(numbers[known])) < 2:
        return None
    least, most = np.floor(numbers[known].min()), np.ceil(numbers[known].max())
    bars = np.full(len(numbers), -1)
    place = (numbers[known] - least) / (most - least) * BARS
    bars[known] = np.minimum(place.astype(int), BARS - 1)  # the highest stands in the last bar
    return RangeColumn(bars, float(least), float(most))
