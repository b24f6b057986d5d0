"""Filters: which products a search may find at all (lesson 00)."""

import difflib
from collections.abc import Iterable, Mapping
from numbers import Real

import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.catalogue.cleaning import normalise_title


def spelling(value) -> str:
    """The form in which filters compare a value: case, spaces and letter forms do not count.

    >>> spelling("  Navy  BLUE ")
    'navy blue'
    """
    if pd.isna(value) is True:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return normalise_title("".join(c if c.isprintable() else " " for c in str(value)))


def read_filters(
    where: Mapping | None, columns: Iterable[str], numeric: Iterable[str]
) -> tuple[dict, dict]:
    """The filters of ``where`` (see ``ProductSearch.search``), checked: ``ranges`` and ``values``.

    ``columns`` are the names that can be filtered by, ``numeric`` those of them that hold numbers.
    ``ranges`` is ``{column: (min, max)}``, None where an end is open; ``values`` is
    ``{column: {spelling: value as given}}``.

    >>> read_filters({"colour": "Red", "price": (None, 50)}, ["colour", "price"], ["price"])
    ({'price': (None, 50.0)}, {'colour': {'red': 'Red'}})
    """
    if not isinstance(where or {}, Mapping):
        raise TutorialError(f"where={where!r}: give a dictionary, as {{'gender': 'women'}}")
    ranges, values = {}, {}
    for column, wanted in (where or {}).items():
        if column not in columns:
            raise TutorialError(
                f"no column {column!r} to filter by; there are {', '.join(columns)}"
            )
        if column in numeric:
            ranges[column] = _range(column, wanted)
        else:
            values[column] = _values(column, wanted)
    return ranges, values


def _range(column, wanted):
    ends = (wanted, wanted) if isinstance(wanted, Real) else wanted
    if (
        isinstance(ends, tuple)
        and len(ends) == 2
        and all(end is None or isinstance(end, Real) for end in ends)
        and (None in ends or ends[0] <= ends[1])
        and not any(end != end for end in ends)
    ):
        return tuple(None if end is None else float(end) for end in ends)
    raise TutorialError(
        f"{column!r}: {wanted!r} is no range of numbers; give a pair, the smaller number first, "
        "as (10, 50), or None for an open end"
    )


def _values(column, wanted):
    if isinstance(wanted, tuple):
        raise TutorialError(
            f"{column!r}: {wanted!r} is no range of numbers, and the column holds text; for one of "
            "several values give a list"
        )
    several = isinstance(wanted, Iterable) and not isinstance(wanted, str)
    each_wanted = list(wanted) if several else [wanted]
    if not each_wanted or any(pd.isna(one) is True for one in each_wanted):
        raise TutorialError(
            f"{column!r}: {wanted!r} is no value to filter by; give one, or a list of one or more, "
            "or leave the filter out"
        )
    return {spelling(one): one for one in each_wanted}


def unknown_value(column: str, value, names: Iterable) -> TutorialError:
    """The ``TutorialError`` for a value that no product has: it names the nearest there are.

    ``names``: the values of the column, the commonest first.

    >>> print(unknown_value("colour", "bleu", ["Red", "Blue"]))
    no product has the colour 'bleu': the nearest values are 'Blue'
    """
    spelt = {spelling(name): str(name) for name in names if spelling(name)}
    close = difflib.get_close_matches(spelling(value), spelt, 3, 0.5)
    if close:
        there = f"the nearest values are {', '.join(repr(spelt[each]) for each in close)}"
    else:
        some = [repr(name) for name in spelt.values()]
        there = f"its values are {', '.join(some[:8])}{', …' if len(some) > 8 else ''}"
    if not spelt:
        there = "the column is empty"
    return TutorialError(f"no product has the {column} {value!r}: {there}")
