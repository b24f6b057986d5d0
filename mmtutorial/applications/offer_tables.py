"""Tables of offers: read from any file, checked, prices in one currency (lesson 14).

An offer is a row of ``id``, ``title``, ``brand``, ``model``, ``attributes`` (dict), ``price`` and
``currency``; what a table lacks is "", ``{}`` or NaN.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.catalogue.spreadsheet import as_prices

NAMES = {  # ours → what others call it, without case, spaces and underscores
    "id": ("id", "offerid", "productid", "itemid", "sku", "asin"),
    "title": ("title", "name", "productname", "producttitle", "productdisplayname", "offertitle"),
    "brand": ("brand", "brandname", "manufacturer", "maker"),
    "model": ("model", "modelno", "modelnumber", "mpn", "partnumber"),
    "price": ("price", "listprice", "priceamount"),
    "currency": ("currency", "pricecurrency", "currencycode"),
    "photo": ("photo", "image", "imagepath", "photopath"),
}
SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "₹": "INR", "¥": "CNY"}


def read_table(path: str | Path) -> pd.DataFrame:
    """A CSV or parquet file as it is; raises ``TutorialError`` where it cannot be read."""
    path = Path(path)
    if not path.is_file():
        raise TutorialError(f"there is no file {path}")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding_errors="strict")
    except (ValueError, OSError) as fault:  # pyarrow's and pandas' errors are both
        raise TutorialError(
            f"{path} cannot be read as {'parquet' if path.suffix == '.parquet' else 'CSV'} "
            f"({str(fault).splitlines()[0]}): save it anew as CSV in UTF-8, or as parquet"
        ) from fault


def find_columns(table: pd.DataFrame, mapping: Mapping[str, str], what: str) -> dict[str, str]:
    """Ours → theirs, for the columns that ``mapping`` names and those that ``NAMES`` knows.

    >>> find_columns(pd.DataFrame(columns=["_id", "Product Name", "cost"]), {"price": "cost"}, "a")
    {'id': '_id', 'title': 'Product Name', 'price': 'cost'}
    """
    for ours, theirs in mapping.items():
        if ours not in NAMES:
            raise TutorialError(f"{what}: no column {ours!r} is looked for: {', '.join(NAMES)}")
        if theirs not in table:
            raise TutorialError(f"{what} has no column {theirs!r}: {_listed(table)}")
    plain: dict[str, str] = {}
    for column in table:
        plain.setdefault(re.sub(r"[\W_]", "", str(column)).lower(), str(column))
    found = {}
    for ours, names in NAMES.items():
        understood = [plain[name] for name in names if name in plain]
        if ours in mapping or understood:
            found[ours] = mapping[ours] if ours in mapping else understood[0]
    return found


def standard_tables(
    left: pd.DataFrame,
    right: pd.DataFrame,
    left_columns: Mapping[str, str] | None = None,
    right_columns: Mapping[str, str] | None = None,
    names: tuple[str, str] = ("the first table", "the second table"),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables with our columns; columns that both have besides become attributes.

    ``left_columns``, ``right_columns``: ours → theirs, for names that ``NAMES`` does not know.
    Without an id, offers are numbered. Raises ``TutorialError`` where the tables have no title in
    common, an id stands twice, or a price is negative.
    """
    tables, mappings = (left, right), (left_columns or {}, right_columns or {})
    columns = [
        find_columns(table, mapping, what)
        for table, mapping, what in zip(tables, mappings, names, strict=True)
    ]
    lacks = [what for what, found in zip(names, columns, strict=True) if "title" not in found]
    if lacks:
        raise TutorialError(
            f"the tables have no common column to compare: no title in {' and '.join(lacks)}. Name "
            f"the column that is one. {names[0]}: {_listed(left)}; {names[1]}: {_listed(right)}"
        )
    used = {theirs for found in columns for theirs in found.values()}
    shared = [str(name) for name in left if name in right and name not in used]
    found = [
        _standard(table, theirs, shared, what)
        for table, theirs, what in zip(tables, columns, names, strict=True)
    ]
    return found[0], found[1]


def _standard(table, columns, shared, what):
    if not len(table):
        raise TutorialError(f"{what} has no row: there is no offer to match")
    texts = {
        ours: table[columns[ours]].astype("string").fillna("").str.strip().astype(str)
        if ours in columns
        else pd.Series("", index=table.index)
        for ours in ("id", "title", "brand", "model", "currency", "photo")
    }
    if "id" not in columns:
        texts["id"] = pd.Series([str(row) for row in range(len(table))], index=table.index)
    twice = texts["id"][texts["id"].duplicated()]
    if len(twice) or (texts["id"] == "").any():
        named = f"the id {twice.iloc[0]!r} stands twice" if len(twice) else "an id is empty"
        raise TutorialError(f"{what}: {named}; give each offer its own id")
    if not (texts["title"] != "").any():
        raise TutorialError(f"{what}: every title is empty, in the column {columns['title']!r}")
    price, sign = parse_prices(table[columns["price"]]) if "price" in columns else (np.nan, "")
    found = pd.DataFrame(texts).assign(price=price)
    found["currency"] = found["currency"].where(found["currency"] != "", sign).str.upper()
    check_prices(found, what)
    values = [table[name].astype("string").fillna("").str.strip().tolist() for name in shared]
    found["attributes"] = [
        {name: value for name, value in zip(shared, row, strict=True) if value}
        for row in (zip(*values, strict=True) if values else [()] * len(table))
    ]
    return found.reset_index(drop=True)


def parse_prices(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Numbers (NaN where there is none) and currencies ("" where none is told) of price texts.

    Numbers are read as in a catalogue (``spreadsheet.as_prices``): "19,90" is 19.9.

    >>> numbers, currencies = parse_prices(pd.Series(["$1,299.50", "EUR 12", "on request", "8"]))
    >>> numbers.tolist(), currencies.tolist()
    ([1299.5, 12.0, nan, 8.0], ['USD', 'EUR', '', ''])
    """
    texts = values.astype("string").fillna("").str.strip()
    signs = texts.str.extract(r"([$€£₹¥])", expand=False).map(SIGNS)
    codes = texts.str.extract(r"\b([A-Z]{3})\b", expand=False)
    numbers = pd.Series(as_prices(texts), index=texts.index)
    return numbers, signs.fillna(codes).fillna("").astype(str)


def check_prices(offers: pd.DataFrame, what: str = "the offers") -> None:
    """Raise ``TutorialError`` for the first offer whose price is below 0."""
    negative = offers.loc[offers["price"] < 0]
    if len(negative):
        first = negative.iloc[0]
        raise TutorialError(
            f"{what}: {len(negative)} prices are negative, first that of {first['id']!r} "
            f"({first['price']:g}); correct them, or leave the price empty where none is known"
        )


def in_one_currency(
    offers: pd.DataFrame, rates: Mapping[str, float] | None = None, what: str = "the offers"
) -> pd.Series:
    """The prices in the currency whose rate is 1: ``(n_offers,)`` float, NaN where none is given.

    ``rates``: currency → how much one unit of it is worth. Without rates all offers must name the
    same currency, or none. Raises ``TutorialError`` where currencies are mixed and one of them has
    no rate, or a price is negative.

    >>> offers = pd.DataFrame({"id": ["a", "b"], "price": 10.0, "currency": ["EUR", "USD"]})
    >>> in_one_currency(offers, {"USD": 1.0, "EUR": 1.1}).round(2).tolist()
    [11.0, 10.0]
    """
    check_prices(offers, what)
    priced = offers.loc[offers["price"].notna(), "currency"]
    if rates is None:
        named = sorted(set(priced) - {""})
        if len(named) > 1:
            raise TutorialError(
                f"{what}: prices are in {', '.join(named)}, which cannot be compared; give a rate "
                f"for each, as {named[0]}=1 {named[1]}=1.1: what one unit of it is worth"
            )
        return offers["price"].astype(float)
    bad = [name for name, rate in rates.items() if not (np.isfinite(rate) and rate > 0)]
    if bad:
        raise TutorialError(f"the rate of {bad[0]} is {rates[bad[0]]}: give a number above 0")
    unknown = sorted({name or "an unnamed currency" for name in set(priced) - set(rates)})
    if unknown:
        raise TutorialError(
            f"{what}: no rate for {', '.join(unknown)}; there are rates for {', '.join(rates)}"
        )
    return offers["price"] * offers["currency"].map(rates).astype(float)


def read_gold(
    table: pd.DataFrame, left: pd.DataFrame, right: pd.DataFrame, what: str
) -> np.ndarray:
    """The pairs that are known to be the same product, ``(n_gold, 2)`` int64 rows of both tables.

    ``table``: its first two columns hold an id of the left and one of the right table. Raises
    ``TutorialError`` where ids are unknown, and names the first.
    """
    if table.shape[1] < 2 or not len(table):
        raise TutorialError(
            f"{what} needs two columns, an id of each table, and at least one row; it has "
            f"{table.shape[1]} columns and {len(table)} rows"
        )
    rows = []
    for column, offers, side in ((0, left, "first"), (1, right, "second")):
        ids = table.iloc[:, column].astype(str).str.strip()
        places = pd.Index(offers["id"]).get_indexer(ids)
        if (places < 0).any():
            unknown = ids[places < 0]
            raise TutorialError(
                f"{what}: {len(unknown)} of {len(ids)} ids in its column {table.columns[column]!r} "
                f"are not in the {side} table, first {unknown.iloc[0]!r}; its first column holds "
                "ids of the first table, its second of the second: remove the pairs that are of "
                "neither, or give the tables in the other order"
            )
        rows.append(places)
    return np.unique(np.column_stack(rows).astype("int64"), axis=0)


def _listed(table):
    return f"its columns are {', '.join(repr(str(name)) for name in table)}"
