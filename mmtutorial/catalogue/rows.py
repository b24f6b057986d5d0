"""Rows of a table that others made: kept, or set aside with the reason (lessons 12 to 14)."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmtutorial import TutorialError


class Rows(NamedTuple):
    """What a reader returns: ``table``, and ``set_aside`` with ``row`` and ``reason``.

    ``row`` counts the rows of the file from 0, without its header.
    """

    table: pd.DataFrame
    set_aside: pd.DataFrame


def sift(table: pd.DataFrame, faults: Mapping[str, np.ndarray], what: str) -> Rows:
    """The rows without a fault, and those with one; of several faults the first is named.

    ``faults``: reason → ``(n_rows,)`` bool. Raises ``TutorialError`` where no row is left; ``what``
    names the file.

    >>> clicks = pd.DataFrame({"item": ["a", "", "b"]})
    >>> kept, aside = sift(clicks, {"no item": (clicks["item"] == "").to_numpy()}, "clicks.csv")
    >>> kept["item"].tolist(), aside.to_dict("records")
    (['a', 'b'], [{'row': 1, 'reason': 'no item'}])
    """
    reason = np.full(len(table), "", dtype=object)
    for name, faulty in faults.items():
        reason[(reason == "") & np.asarray(faulty, dtype=bool)] = name
    bad = reason != ""
    if bad.all():
        first = f": {reason[0]}" if len(table) else ""
        raise TutorialError(f"{what}: none of its {len(table):,} rows can be used{first}")
    aside = pd.DataFrame({"row": np.flatnonzero(bad), "reason": reason[bad]})
    return Rows(table[~bad].reset_index(drop=True), aside)


def check_names(table: pd.DataFrame, names: list[str], what: str) -> None:
    """Raise a ``TutorialError`` that names the columns which the table lacks."""
    absent = [name for name in names if name not in table]
    if absent:
        raise TutorialError(
            f"{what} has no column {', '.join(map(repr, absent))}; its columns are "
            f"{', '.join(map(repr, table))}"
        )
