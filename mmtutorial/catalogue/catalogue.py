"""The catalogue: products with a photo, a title and attributes; loaded, grouped, split (lesson 01).

``load_catalogue`` gives a ``Catalogue``: a table and, row for row, an array of photos. Its split
keeps all copies of a product on one side. ``reading`` reads the files, ``cleaning`` cleans the
table, ``queries`` makes the exam.
"""

import hashlib
import json
import reprlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from mmtutorial import TutorialError
from mmtutorial.catalogue import fashion, reading
from mmtutorial.catalogue.cleaning import clean, normalise_title
from mmtutorial.catalogue.groups import group_products
from mmtutorial.catalogue.queries import Exam, make_exam
from mmtutorial.catalogue.reading import COLUMNS
from mmtutorial.catalogue.thumbnails import LONGEST, Thumbnails, encode
from mmtutorial.files import read_array
from mmtutorial.paths import ROOT, cache_home

Qrels = dict[str, dict[str, int]]  # query → product id → grade


class Split(NamedTuple):
    """Three catalogues without a product, a title or a photo in common."""

    train: "Catalogue"
    validation: "Catalogue"
    test: "Catalogue"


class Catalogue:
    """Products, row by row: ``table`` and ``photos`` have the same order.

    Attributes
    ----------
    name : str
        "demo", "fashion", or the folder's name; of a sample, "fashion[4000]".
    table : DataFrame
        the columns of ``COLUMNS`` (what is missing is ``""``, a price ``NaN``) and ``photo_hash``,
        16 hex digits that are the same for photos with the same pixels.
    photos : (N, 80, 60, 3) uint8
        memory-mapped; of a subset, copied from there when first asked for.
    set_aside : DataFrame
        ``id`` and ``reason`` of the products that could not be used.
    queries : dict
        qrels, ``{query text: {product id: grade}}``.
    truth : DataFrame or None
        the rows of ``table`` without their dirt, where it is known.
    notes : list of str
        what reading left out besides: columns that are not read, prices that are no numbers. Of
        a loaded catalogue only; its parts do not repeat them.
    """

    notes: Sequence[str] = ()

    def __init__(
        self,
        name: str,
        table: pd.DataFrame,
        photos: np.ndarray,
        set_aside: pd.DataFrame | None = None,
        queries: Qrels | None = None,
        truth: pd.DataFrame | None = None,
        rows: np.ndarray | None = None,
        thumbnails: Thumbnails | None = None,
    ):
        self.name = name
        self.table = table.reset_index(drop=True)
        self.set_aside = pd.DataFrame(columns=["id", "reason"]) if set_aside is None else set_aside
        self.queries = queries or {}
        self.truth = None if truth is None else truth.reset_index(drop=True)
        self._all_photos = photos
        self._rows = rows  # of _all_photos, None for all of them
        self._thumbnails = thumbnails  # of all photos, too; None for a catalogue without files

    @cached_property
    def photos(self) -> np.ndarray:
        return self._all_photos if self._rows is None else self._all_photos[self._rows]

    def thumbnail(self, row: int, longest: int = LONGEST) -> bytes:
        """The photo of the product at ``row`` as a JPEG of at most ``longest`` pixels a side.

        For people to look at: as the shop has it, up to 500 pixels on the long side and never
        enlarged. Of a photo of at most 60 × 80 pixels, that of ``photos``. Takes 1 to 4 ms.

        Raises ``IndexError`` for a row that is not there, ``DamagedFile`` if the cached file is
        damaged.
        """
        place = self._place(row)
        kept = self._thumbnails.read(place, longest) if self._thumbnails else b""
        # A second time through JPEG: at a lower quality so small a photo would show it.
        return kept or encode(Image.fromarray(self._all_photos[place]), longest, quality=95)

    def thumbnail_size(self, row: int) -> tuple[int, int]:
        """``(width, height)`` of ``thumbnail(row)``; raises what that raises."""
        place = self._place(row)
        kept = self._thumbnails.size(place) if self._thumbnails else None
        return kept or (reading.WIDTH, reading.HEIGHT)

    def _place(self, row):
        """The row among all photos; negative ones count from the end."""
        row = range(len(self))[row]
        return row if self._rows is None else int(self._rows[row])

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        values = self.table.reindex(
            columns=[name for name in COLUMNS if name not in ("id", "title")]
        )
        filled = {
            column: f"{column} {share:.0%}"
            for column in values
            if (share := (values[column].notna() & (values[column] != "")).mean()) > 0
        }
        lines = [
            f"Catalogue {self.name!r}: {len(self):,} products "
            f"({len(self.set_aside):,} set aside), {len(self.queries):,} queries",
            f"  photos: ({len(self)}, {reading.HEIGHT}, {reading.WIDTH}, 3) uint8",
            f"  filled: {', '.join(filled.values()) or 'id and title only'}",
        ]
        return "\n".join(lines + [f"  {note}" for note in self.notes])

    def subset(self, rows: np.ndarray | Sequence) -> "Catalogue":
        """The products at ``rows``, in that order: a bool mask, row numbers, or ids.

        Queries keep those of their relevant products that remain; a query left without any goes.
        Raises ``TutorialError`` for an id that is not there or a mask of another length.
        """
        chosen = np.asarray(rows)
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise TutorialError(
                    f"a mask of shape {chosen.shape} for {len(self)} products: give one bool each"
                )
            chosen = np.flatnonzero(chosen)
        elif chosen.dtype.kind in "UOT":
            places = pd.Index(self.table["id"]).get_indexer(chosen)
            if (places < 0).any():
                unknown = [str(name) for name in chosen[places < 0][:5]]
                raise TutorialError(f"no product has the id {', '.join(unknown)} in {self.name!r}")
            chosen = places
        chosen = chosen.astype(np.int64)
        table = self.table.iloc[chosen].reset_index(drop=True)
        queries = _restrict(self.queries, table["id"])
        truth = None if self.truth is None else self.truth.iloc[chosen]
        of_all = chosen if self._rows is None else self._rows[chosen]
        return self._part(table, queries, truth, of_all)

    def split(self, seed: int = 0, shares: tuple[float, float, float] = (0.8, 0.1, 0.1)) -> Split:
        """Train, validation and test, with all copies of a product on the same side.

        Copies are those of ``group_products``. Which part a group goes to depends on the seed and
        its smallest id alone, not on the order of the rows. Groups with a product that a query
        asks for go to test, whatever the shares say: a model must not train on its exam.
        """
        return _split(self, seed, shares)

    def exam(self, parts: Split, n=400, min_queries=20, seed=0) -> Exam:
        """Queries to measure a search with, for any catalogue: an ``Exam``.

        A product's title finds itself by copying. So, in this order: the catalogue's own queries
        without those that are titles word for word, if more than half of them are none; up to
        ``n`` queries composed from the attributes of ``parts.test`` (a type and at least one of
        brand, gender, usage, season, colour and pattern), that at most ten products answer, none
        of them in train or validation; where fewer than ``min_queries`` can be composed, copies
        after all: the catalogue's own queries, or up to ``n`` titles of test products.
        ``Exam.copied`` tells. Defined in lesson 09.

        Raises ``TutorialError`` where no test product has a title.
        """
        return make_exam(self, parts, n, min_queries, seed)

    def cleaned(self) -> "Catalogue":
        """The same products with the table that ``clean`` makes of theirs."""
        table, _ = clean(self.table)
        return self._part(table, self.queries, self.truth, self._rows)

    def _part(self, table, queries, truth, rows):
        """A catalogue of ``rows`` of the photos that were loaded."""
        photos, thumbnails = self._all_photos, self._thumbnails
        return Catalogue(self.name, table, photos, self.set_aside, queries, truth, rows, thumbnails)


def _restrict(queries, ids):
    """The queries with only those relevant products that are in ``ids``, if any are."""
    ids = set(ids)
    kept = {
        query: {product: grade for product, grade in answers.items() if product in ids}
        for query, answers in queries.items()
    }
    return {query: answers for query, answers in kept.items() if answers}


def load_catalogue(
    which: str | Path, *, columns: dict[str, str] | None = None, max_products: int = 0
) -> Catalogue:
    """The catalogue called ``which``, its photos decoded once and then memory-mapped.

    Parameters
    ----------
    which : "demo", "fashion", or a path
        "demo" is drawn on the first call. A path names a parquet or csv file, or a folder with
        ``products.parquet`` or ``products.csv``. Photos lie in an ``image`` column (bytes, or a
        struct with bytes), at the relative path in a ``photo`` column, or at ``photos/<id>.jpg``
        (or png, webp, ...) beside the file, of any size.
    columns : dict
        our column name → theirs, as ``{"title": "productDisplayName"}``; for a path only.
    max_products : int
        at most so many products, a sample by a hash of their ids; 0 means all.

    Raises
    ------
    TutorialError
        for an unknown name, a file that is damaged or lacks a required column, duplicate ids, no
        usable product, a full disk or a cache that cannot be written. A product whose photo is
        missing or broken is no error: it is listed in ``set_aside``.
    """
    name, source = _source(which, columns)
    place = reading.cached(name, source)
    try:
        table = pd.read_parquet(place / "table.parquet")
        set_aside = pd.read_parquet(place / "set_aside.parquet")
        queries = json.loads((place / "queries.json").read_text(encoding="utf-8"))
        notes = json.loads((place / "notes.json").read_text(encoding="utf-8"))
        truth = None
        if (place / "truth.parquet").exists():
            truth = pd.read_parquet(place / "truth.parquet")
    except (OSError, ValueError) as fault:
        raise TutorialError(
            f"the cached copy in {place} is damaged ({fault}); remove that folder and load again"
        ) from fault
    shape = (len(table), reading.HEIGHT, reading.WIDTH, 3)
    remedy = f"remove the folder {place} and load again"
    photos = read_array(place / "photos.npy", remedy, shape, np.uint8, mapped=True)
    if truth is not None:
        truth = truth.set_index("id").reindex(table["id"]).reset_index()
    thumbnails = Thumbnails(place, len(table), remedy)
    queries = _restrict(queries, table["id"])
    catalogue = Catalogue(name, table, photos, set_aside, queries, truth, thumbnails=thumbnails)
    catalogue.notes = notes
    if max_products < 0:
        raise TutorialError(f"max_products is {max_products}: give 0 for all, or a number above 0")
    if not 0 < max_products < len(catalogue):
        return catalogue
    order = np.argsort([_uniform("sample", product) for product in table["id"]], kind="stable")
    sample = catalogue.subset(np.sort(order[:max_products]))
    sample.name, sample.notes = f"{name}[{max_products}]", notes
    return sample


def folder_of(which: str | Path) -> Path:
    """The folder that the files of a catalogue lie in, for what lies beside them.

    ``which``: as ``load_catalogue`` takes it, and raises for.
    """
    _, source = _source(which, None)
    return Path(source.files[0]).parent


def _source(which, columns):
    """The name and the files of what the user asked for."""
    if which in ("demo", "fashion"):
        if columns:
            raise TutorialError(f"columns= is for a path of your own: {which!r} has its mapping")
        return which, fashion.find() if which == "fashion" else reading.open_source(_demo_shop())
    if not str(which):
        raise TutorialError(
            "the name of the catalogue is empty: give 'demo', 'fashion', or a path ('.' is the "
            "current folder)"
        )
    try:
        path = Path(which).expanduser()
        if not path.exists() and (ROOT / path).exists():  # a notebook runs in notebooks/
            path = ROOT / path
        reason = "" if path.exists() else f"there is no such folder or file ({path.absolute()})"
        path = path.resolve()
    except (OSError, ValueError, RuntimeError) as fault:
        # A name that is too long, holds a NUL, or begins with "~" and no user's name.
        reason = f"it is no possible path ({getattr(fault, 'strerror', None) or fault})"
    if reason:
        raise TutorialError(
            f"no catalogue {reprlib.repr(str(which))}: it is neither 'demo' nor 'fashion', and "
            f"{reason}"
        )
    name = path.parent.name if path.stem == "products" else path.stem
    return name, reading.open_source(path, columns)


def _demo_shop() -> Path:
    """The folder of the drawn shop; drawn anew when code beside the one that draws it changes."""
    from mmtutorial.catalogue.demo import drawing

    version = hashlib.blake2b(digest_size=6)
    for file in sorted(Path(drawing.__file__).parent.rglob("*.py")):
        version.update(file.read_bytes())
    place = cache_home() / "shops" / f"demo-{version.hexdigest()}"
    return reading.build_once(place, drawing.draw_shop)


def _uniform(*parts) -> float:
    """A number in [0, 1) that depends on nothing but ``parts``: the same on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


# The split ----------------------------------------------------------------------------------


def leaked(train: Catalogue, test: Catalogue) -> np.ndarray:
    """``(len(test),) bool``: the products of ``test`` whose title or photo ``train`` has too.

    >>> from types import SimpleNamespace as Part
    >>> train = Part(table=pd.DataFrame({"title": ["Red Bag"], "photo_hash": ["a"]}))
    >>> test = Part(table=pd.DataFrame({"title": ["red bag", "Hat"], "photo_hash": ["b", "c"]}))
    >>> leaked(train, test).tolist()
    [True, False]
    """
    titles = set(train.table["title"].map(normalise_title)) - {""}
    return (
        test.table["title"].map(normalise_title).isin(titles)
        | test.table["photo_hash"].isin(set(train.table["photo_hash"]))
    ).to_numpy()


def _split(catalogue, seed, shares):
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise TutorialError(
            f"shares={shares!r}: give three shares, of train, validation and test, that add up to 1"
        )
    ids = catalogue.table["id"]
    groups = group_products(catalogue.table)
    protected = {product for answers in catalogue.queries.values() for product in answers}
    in_test = set(groups[ids.isin(protected).to_numpy()])
    bounds = np.cumsum(shares)[:2]
    # A group is known by its smallest id, so neither the order of the rows nor a number counts.
    part = {
        group: 2 if group in in_test else int(np.searchsorted(bounds, _uniform(seed, key), "right"))
        for group, key in ids.groupby(groups).min().items()
    }
    parts = np.array([part[group] for group in groups])
    return Split(*(catalogue.subset(parts == number) for number in range(3)))
