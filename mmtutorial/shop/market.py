"""What others say of a product: stars from reviews, offers of other sellers (lessons 13, 14).

The drawn shop has drawn ones. Any other catalogue has those that lie beside it:
``reviews.parquet`` or ``reviews.csv``, ``offers.parquet`` or ``offers.csv``. They are gathered once
(``gather``), which takes scikit-learn; to read them back (``Market.load``) takes pandas alone.
"""

import json
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.applications.offer_tables import parse_prices, read_table
from mmtutorial.applications.shop_offers import find_offers
from mmtutorial.catalogue.catalogue import Catalogue, folder_of
from mmtutorial.catalogue.drawn_offers import DOLLARS, draw_offers
from mmtutorial.catalogue.reading import as_text
from mmtutorial.catalogue.reviews import LONGEST, usable
from mmtutorial.catalogue.rows import check_names, sift
from mmtutorial.catalogue.spreadsheet import as_prices, read_csv
from mmtutorial.files import intact, read_json

OVERALL = "overall"  # as in product_quality, whose import takes a second
QUALITY = {
    "product": str,
    "aspect": str,
    "n": int,
    "stars": float,
    "low": float,
    "high": float,
    "quote": str,
    "quote_zh": str,
}
OFFERS = {
    "product": str,
    "seller": str,
    "title": str,
    "price": float,
    "currency": str,
    "amount": float,
    "too_cheap": bool,
}
LONGEST_QUOTE = 300  # characters
REMEDY = "build the search again"
# The code that the tables below are made by: as text, since to import it takes a second.
CODE = {
    "catalogue": ("drawn_offers", "drawn_reviews", "review_phrases"),
    "applications": (
        "offer_blocking",
        "offer_features",
        "plain_matcher",
        "prices",
        "product_quality",
        "review_analysis",
        "shop_offers",
    ),
    "shop": ("market",),
}


class Market(NamedTuple):
    """Reviews and offers of a catalogue's products, as the shop page shows them.

    ``quality``: as from ``quality_of``, with ``quote_zh``, the Chinese sentence or "". ``offers``:
    as from ``find_offers``, the columns of ``OFFERS``; ``amount`` is in the catalogue's currency.
    ``drawn``: they are invented.
    """

    quality: pd.DataFrame = pd.DataFrame(columns=[*QUALITY]).astype(QUALITY)
    offers: pd.DataFrame = pd.DataFrame(columns=[*OFFERS]).astype(OFFERS)
    drawn: bool = False

    def save(self, folder: Path) -> None:
        """Write the tables into ``folder``."""
        self.quality.to_parquet(folder / "quality.parquet")
        self.offers.to_parquet(folder / "offers.parquet")
        (folder / "market.json").write_text(json.dumps({"drawn": self.drawn}), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "Market":
        """What ``save`` wrote. Raises ``DamagedFile`` where a file is missing or altered."""
        folder = Path(folder)
        drawn = read_json(folder / "market.json", REMEDY, {"drawn": bool})["drawn"]
        return cls(
            _read(folder / "quality.parquet", QUALITY),
            _read(folder / "offers.parquet", OFFERS),
            drawn,
        )


def _read(path, types):
    with intact(path, REMEDY):
        table = pd.read_parquet(path)
        if [*table] != [*types]:
            raise ValueError(f"its columns are {', '.join(map(str, table))}")
        table = table.astype(types)
        if not np.isfinite(table.select_dtypes("number")).all(axis=None):
            raise ValueError("it holds NaN or infinite values")
    return table


# Gathering --------------------------------------------------------------------------------------


def gather(dataset, catalogue: Catalogue) -> Market:
    """The market of a catalogue: drawn for "demo", else from the files that lie beside it.

    ``dataset``: as ``opening.open_shop`` takes it; ``catalogue``: the same one, loaded and cleaned.
    Rows that cannot be used are set aside, and a sentence says so. Raises ``TutorialError`` for a
    file that cannot be read, lacks a column, or has no row that can be used.
    """
    if dataset == "demo":
        return _drawn(catalogue)
    quality, offers = Market().quality, Market().offers
    files = files_of(dataset)
    if "reviews" in files:
        quality = quality_in_both(read_reviews(files["reviews"], catalogue))
    if "offers" in files:
        found = _matched(files["offers"], catalogue)
        offers = found.loc[found["amount"].notna(), [*OFFERS]].astype(OFFERS)
    return Market(quality, offers)


def files_of(dataset) -> dict[str, Path]:
    """ "reviews" and "offers" → the file of each beside a catalogue; {} for "demo"."""
    if dataset == "demo":
        return {}
    folder = folder_of(dataset)
    beside = {
        name: [folder / f"{name}{suffix}" for suffix in (".parquet", ".csv")]
        for name in ("reviews", "offers")
    }
    return {
        name: file for name, files in beside.items() for file in reversed(files) if file.exists()
    }


def made_of(dataset) -> list[bytes]:
    """What shapes ``gather(dataset, …)`` beside the catalogue: its files, and its code."""
    files = [file.read_bytes() for file in files_of(dataset).values() if file.is_file()]
    if dataset != "demo" and not files:
        return []
    code = [
        (resources.files(f"mmtutorial.{folder}") / f"{name}.py").read_bytes()
        for folder, names in CODE.items()
        for name in names
    ]
    return [*files, *code]


def _drawn(catalogue):
    from mmtutorial.catalogue.drawn_reviews import draw_reviews

    print("Drawing the reviews and offers of the shop, once …", flush=True)
    drawn = draw_offers(catalogue, n_products=len(catalogue))
    found = find_offers(catalogue, drawn.table, drawn.photos, DOLLARS)
    quality = quality_in_both(draw_reviews(catalogue).reviews)
    return Market(quality, found[[*OFFERS]].astype(OFFERS), drawn=True)


def quality_in_both(reviews: pd.DataFrame) -> pd.DataFrame:
    """``quality_of`` the reviews, with a Chinese sentence to quote where there are Chinese texts.

    The stars are those of the column ``text``.
    """
    from mmtutorial.applications.product_quality import quality_of

    quality = quality_of(reviews).assign(quote_zh="")
    chinese = reviews.get("text_zh", pd.Series("", index=reviews.index)).fillna("").str.strip()
    told = reviews.assign(text_zh=chinese)[chinese.str.len().between(1, LONGEST)]
    if len(told):
        keys = ["product", "aspect"]
        quotes = quality_of(told, "text_zh").set_index(keys)["quote"]
        quality["quote_zh"] = quotes.reindex(pd.MultiIndex.from_frame(quality[keys])).to_numpy()
    for name in ("quote", "quote_zh"):
        quality[name] = [
            each if len(each) <= LONGEST_QUOTE else f"{each[: LONGEST_QUOTE - 1]}…"
            for each in quality[name].fillna("")
        ]
    return quality[[*QUALITY]].astype(QUALITY)


# Files of one's own -----------------------------------------------------------------------------


def read_reviews(file: Path, catalogue: Catalogue) -> pd.DataFrame:
    """Reviews beside a catalogue: ``product`` (its id), ``rating`` (1 to 5), ``text``.

    ``text_zh`` and ``helpful`` (votes) are taken along where they are there.
    """
    given = _table(file)
    check_names(given, ["product", "rating", "text"], str(file))
    table = given.assign(
        product=as_text(given["product"]), rating=pd.to_numeric(given["rating"], errors="coerce")
    )
    if "helpful" in table:
        table["helpful"] = pd.to_numeric(table["helpful"], errors="coerce").fillna(0)
    if "text_zh" in table:
        table["text_zh"] = as_text(table["text_zh"])
    table, aside = usable(table, str(file))
    _tell(file, len(given), aside)
    known = table["product"].isin(catalogue.table["id"])
    if not known.all():
        first = table.loc[~known, "product"].iloc[0]
        sentence = (
            f"{file}: {(~known).sum():,} of {len(given):,} reviews are of products that the "
            f"catalogue does not have, the first of {first!r}"
        )
        if not known.any():
            raise TutorialError(f"{sentence}: its column product has to hold the catalogue's ids")
        print(f"{sentence}; they are set aside.", flush=True)
    return table[known].reset_index(drop=True)


def read_offers(file: Path) -> pd.DataFrame:
    """Offers beside a catalogue: ``seller``, ``title``, ``price``, for ``find_offers``.

    ``brand``, ``model``, ``currency`` and ``attributes`` (a dict, or its JSON) are taken along
    where they are there. There is one currency: offers in another than most are set aside.
    """
    given = _table(file)
    check_names(given, ["seller", "title", "price"], str(file))
    _, sign = parse_prices(given["price"])
    texts = {
        name: pd.Series(as_text(given[name]) if name in given else "", index=given.index)
        for name in ("seller", "title", "brand", "model", "currency")
    }
    table = pd.DataFrame({name: each.str.strip() for name, each in texts.items()})
    table["currency"] = table["currency"].where(table["currency"] != "", sign).str.upper()
    table["price"] = as_prices(as_text(given["price"]))
    table["attributes"] = [_attributes(each) for each in given.get("attributes", [{}] * len(given))]
    usual = table["currency"].mode()
    faults = {
        "no seller": table["seller"] == "",
        "no title": table["title"] == "",
        "no price above 0": ~(table["price"] > 0),
        "attributes that are no JSON object": table["attributes"].isna(),
        "in another currency than most": ~table["currency"].isin(usual[:1]),
    }
    table, aside = sift(table, {name: each.to_numpy() for name, each in faults.items()}, str(file))
    _tell(file, len(given), aside)
    table.insert(0, "id", [str(row) for row in range(len(table))])
    return table


def _matched(file, catalogue):
    """The offers of the file with the products that they are of."""
    offers = read_offers(file)
    try:
        found = find_offers(catalogue, offers)
    except TutorialError as fault:
        raise TutorialError(f"{file}: {fault}") from fault
    lost = len(offers) - len(found)
    if lost:
        print(f"{file}: {lost:,} of {len(offers):,} offers match no product.", flush=True)
    return found


def _table(file):
    """A file as its owner wrote it; CSV as ``products.csv`` is read."""
    return read_csv(file)[0] if file.suffix == ".csv" else read_table(file)


def _attributes(given):
    """A dict of texts out of a cell, without what is empty; None where it is none."""
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except ValueError:
            return None
    if not isinstance(given, dict):
        return {} if given is None else None
    return {str(name): str(value) for name, value in given.items() if value not in (None, "")}


def _tell(file, total, aside):
    if len(aside):
        first = aside.iloc[0]
        print(
            f"{file}: {len(aside):,} of {total:,} rows are set aside, the first is row "
            f"{first['row'] + 1}: {first['reason']}.",
            flush=True,
        )
