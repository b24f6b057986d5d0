"""What the shop page answers: searches, suggestions, one product; plain dicts, no HTTP.

``Shopfront`` puts a face on a ``ProductSearch``: it reads the words of a visitor, ranks, counts
what fits and what has which value, and says why a product was found. A visitor leaves nothing
here: each answer follows from its ``Request`` alone.
"""

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd

from mmtutorial.applications.shop_offers import offers_of
from mmtutorial.arguments import check_choice, check_share, check_whole
from mmtutorial.catalogue.attribute_reader import joined
from mmtutorial.encoders.tokenisers import words
from mmtutorial.search.facets import Facets, RangeColumn, passing
from mmtutorial.search.filters import spelling
from mmtutorial.search.product_search import TASTE, ProductSearch, read_photo
from mmtutorial.search.query_reader import FUNCTION_WORDS, QUERY_ATTRIBUTES
from mmtutorial.search.relevance import FITS
from mmtutorial.search.score_fusion import zero_to_one
from mmtutorial.search.scorers import Query
from mmtutorial.search.suggestions import Suggestions
from mmtutorial.shop.language import CHINESE, ENGLISH, SAYS, Said
from mmtutorial.shop.market import OVERALL, Market
from mmtutorial.shop.uploads import MAX_BYTES

LONGEST_QUERY = 200  # characters
MOST_PRODUCTS = 100  # of a page
SIMILAR = 8  # products shown beside one
MOST_SEEN = 20  # products that a visitor opened before
FOR_YOU, NEAR_TASTE = 8, 60  # products shown, chosen from so many
TASTE_WEIGHT = 0.3  # of a visitor's taste in a search, as ``ProductSearch.search`` has it
KEPT = 16  # queries whose scores are kept: a visitor pages, filters and asks why
SMALL, LARGE = 200, 500  # pixels of a photo's long side
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}


@dataclass(frozen=True)
class Request:
    """What a visitor asks for; all of it but ``seen`` stands in the page's URL.

    ``photo``: ``(80, 60, 3)`` uint8. ``like``: the id of a product that similar ones are wanted
    of; words and photo do not count then. ``weight``: the photo's share beside words, 0 to 1.
    ``filters``: as ``ProductSearch.fits`` takes them. ``off``: attribute values read in the words
    that do not count. ``rank``: names of the scorers to rank by, None for all. ``seen``: ids of the
    products that the visitor opened before, the oldest first, whose taste counts then.
    """

    words: str = ""
    photo: np.ndarray | None = None
    like: str | None = None
    weight: float = 0.5
    sort: str = "best"
    page: int = 1
    size: int = 24
    filters: Mapping = field(default_factory=dict)
    off: Sequence[tuple[str, str]] = ()
    rank: tuple[str, ...] | None = None
    seen: Sequence[str] = ()
    language: str = "en"


class Asked(NamedTuple):
    """A query as it was read, and what is known of every product for it."""

    query: Query
    lists: dict[str, np.ndarray]  # of ``ProductSearch.score_lists``
    chance: np.ndarray | None  # (n_products,), None where it was not learnt
    named: list[tuple[str, str]]  # the attribute values asked for, without those taken off
    read: list[dict]  # all that were read in the words
    translated: str | None
    unknown: dict[str, str]
    without: int | None  # the row that similar ones are wanted of


class Ranked(NamedTuple):
    """The products that pass the filters, in order."""

    rows: np.ndarray  # best first
    scores: np.ndarray | None  # of ``rows``
    shares: dict[str, np.ndarray]  # what each scorer gives, of ``rows``
    listed: int  # so many of them are the list that is shown
    fit: int | None  # so many are more likely right than not


class Shopfront:
    """The answers of the shop page over a ``ProductSearch``. Used in lesson 24.

    It looks at every product, so an approximate index and a re-ranker of the search are left out.
    How many products fit says ``search.relevance``; where there is none, all of them are listed.
    ``market``: reviews and offers to show beside the products, none by default.
    """

    def __init__(self, search: ProductSearch, market: Market | None = None):
        self.shop, self.table = search, search.catalogue.table
        self.market = Market() if market is None else market
        self.reader = search.reader
        self.facets = Facets(self.table)
        self._row_of = {id_: row for row, id_ in enumerate(self.table["id"])}
        quality, offers = self.market.quality, self.market.offers
        overall = quality[quality["aspect"] == OVERALL]
        self._stars = {row[0]: _stars(*row[1:]) for row in overall[["product", *STARS]].to_numpy()}
        self._lowest = offers[~offers["too_cheap"]].groupby("product")["amount"].min().to_dict()
        self._sort_keys = self._sorts()
        self._kept: OrderedDict[tuple, Asked] = OrderedDict()
        self._lock = threading.Lock()
        self._warm_up()

    @cached_property
    def suggestions(self) -> Suggestions:
        """What completes words and titles; made when it is asked for first."""
        return Suggestions(self.table)

    def _sorts(self) -> dict[str, np.ndarray]:
        """Name → a number for each product, the lowest first; those the catalogue can sort by."""
        keys: dict[str, np.ndarray] = {}
        if "price" in self.facets.columns:
            price = self.table["price"].to_numpy(dtype=float)
            keys |= {"price": price, "-price": -price}
        years = pd.to_numeric(self.table.get("year", pd.Series(dtype=str)), errors="coerce")
        if years.nunique() > 1:
            keys["newest"] = -years.to_numpy(dtype=float)
        return keys

    def _warm_up(self):
        """Call the model once: the first call compiles it, and no visitor should wait for that."""
        some = next((word for word in self.reader.known if self.shop.knows(word)), None)
        self.shop.query(some, self.shop.catalogue.photos[0])

    # What the page is told once

    def data(self) -> dict:
        """What the page shows before anything is asked: names, columns, limits, labels."""
        weights = {name: weight for name, weight in self.shop.weights.items() if weight}
        total = sum(weights.values())
        return {
            "name": self.shop.catalogue.name,
            "products": len(self.table),
            "languages": ["en", "zh"] if self.reader.english else ["en"],
            "columns": [
                {"name": name, "kind": "range" if isinstance(column, RangeColumn) else "values"}
                for name, column in self.facets.columns.items()
            ],
            "sorts": ["best", *self._sort_keys],
            "scorers": [{"name": n, "weight": round(w / total, 4)} for n, w in weights.items()],
            "scale": {"small": SMALL, "large": LARGE},
            "limits": {"words": LONGEST_QUERY, "bytes": MAX_BYTES, "seen": MOST_SEEN},
            "invented": self.market.drawn,
            "says": {
                name: {key: texts[language] for key, texts in SAYS.items()}
                for name, language in LANGUAGES.items()
            },
        }

    # Answers

    def search(self, request: Request) -> dict:
        """One page of results, with facets and what was read in the words.

        ``total`` products pass the filters, ``fit`` of them are more likely right than not. The
        list holds these, best first; where they do not fill a page, the next best follow. With
        ``rank`` it holds as many, the best by those scorers, and ``move`` says how many places
        each gained against the shop's own ranking.

        Words of which the shop knows none find nothing, and stand in ``unknown``; beside a photo
        they do not count. Raises ``TutorialError`` (``Said`` where it is a visitor's own doing)
        for words that are too long, an unknown product, filter or scorer, and numbers out of range.
        """
        began = time.perf_counter()
        self._check(request)
        asked = self._asked(request)
        masks = self._masks(request.filters)
        ranked, moves = self._ranked(request, asked, passing(masks, len(self.table)))
        pages = max(1, -(-ranked.listed // request.size))
        page = min(request.page, pages)
        here = self._sorted(ranked, request)[request.size * (page - 1) :][: request.size]
        products = [
            self._product(
                int(ranked.rows[place]),
                None if ranked.scores is None else ranked.scores[place],
                None if asked is None else asked.chance,
                None if moves is None else int(moves[place]),
            )
            for place in here
        ]
        return {
            "total": len(ranked.rows),
            "fit": ranked.fit,
            "count": ranked.listed,
            "page": page,
            "pages": pages,
            "products": products,
            "facets": self._facets(request, masks, asked),
            "read": [] if asked is None else asked.read,
            "translated": None if asked is None else asked.translated,
            "unknown": [
                {"word": word, "close": close}
                for word, close in (asked.unknown if asked else {}).items()
            ],
            "similar_to": (
                None if request.like is None else self._product(self._row(request.like))
            ),
            "milliseconds": round(1000 * (time.perf_counter() - began)),
        }

    def suggest(self, text: str, language: str = "en") -> dict:
        """What may be meant by what is typed so far: ``{"suggestions": [at most 8 of them]}``."""
        text = _printable(text)
        found = []
        if len(text) <= LONGEST_QUERY:
            found = self.suggestions.suggest(text, chinese=language == "zh")
        return {"suggestions": [asdict(each) for each in found]}

    def for_you(self, seen: Sequence[str]) -> dict:
        """Products near the taste of a visitor, and not all alike: ``{"products": [...]}``.

        ``seen``: ids of the products that the visitor opened, the oldest first; those that the shop
        does not have are left out. What was seen is not shown again, nor is another product with
        the same photo. Raises ``Said`` for more than ``MOST_SEEN`` ids.
        """
        from mmtutorial.applications.two_tower import diversify  # Keras: not before it is wanted

        rows = self._rows_seen(seen)
        if not len(rows):
            return {"products": []}
        new = np.ones(len(self.table), dtype=bool)
        new[rows] = False
        if "photo_hash" in self.table:
            new &= ~self.table["photo_hash"].isin(self.table["photo_hash"].iloc[rows]).to_numpy()
        taste = self._taste(rows)
        candidates = np.flatnonzero(new & np.isfinite(taste))
        near = candidates[np.argsort(-taste[candidates], kind="stable")[:NEAR_TASTE]]
        if not len(near):
            return {"products": []}
        count = min(FOR_YOU, len(near))
        places = diversify(zero_to_one(taste[near]), self.shop.gallery[near], count)
        return {"products": [self._product(int(row)) for row in near[places]]}

    def product(self, id_: str, request: Request | None = None) -> dict:
        """One product, similar ones, and why it was found by the ``request``, if it asks."""
        row = self._row(id_)
        request = request or Request()
        self._check(request)
        asked, why, chance, score = self._asked(request), None, None, None
        if asked is not None and asked.lists and row != asked.without:
            mask = passing(self._masks(request.filters), len(self.table))
            mask[row] = True  # a product is shown that other filters let pass
            ranked, _ = self._ranked(request, asked, mask)
            why = self._why(row, asked, ranked)
            chance, score = asked.chance, why["score"]
        product = self.table.iloc[row]
        similar = self.shop.similar(row, min(SIMILAR, len(self.table)))
        return {
            "product": self._product(row, score, chance),
            "attributes": [
                {"column": column, "value": str(product[column])}
                for column in (*QUERY_ATTRIBUTES, "year")
                if _text(product.get(column))
            ],
            "description": _text(product.get("description")),
            "aspects": self._aspects(id_),
            "offers": self._offers(id_),
            "similar": [
                self._product(int(each), score)
                for each, score in zip(similar["row"], similar["score"], strict=True)
            ],
            "why": why,
        }

    # What is asked

    def _check(self, request):
        check_whole(page=request.page, low=1)
        check_whole(size=request.size, low=1, high=MOST_PRODUCTS)
        check_share(weight=request.weight)
        check_choice("sort", request.sort, ("best", *self._sort_keys))
        for name in request.rank or ():
            check_choice("rank", name, tuple(self.shop.scorers))
        self._rows_seen(request.seen)
        if len(request.words) > LONGEST_QUERY:
            raise Said("too long", length=len(request.words), most=LONGEST_QUERY)

    def _row(self, id_):
        if id_ not in self._row_of:
            raise Said("no product", id=_printable(str(id_))[:100])
        return self._row_of[id_]

    def _rows_seen(self, seen) -> np.ndarray:
        """The rows of the products that the shop has."""
        if len(seen) > MOST_SEEN:
            raise Said("odd", name="seen")
        return np.array([self._row_of[each] for each in seen if each in self._row_of], dtype=int)

    def _taste(self, rows):
        """How near each product is to the taste that these rows show, ``(n_products,)``."""
        return self.shop.recommender.scores([rows])[0]

    def _asked(self, request) -> Asked | None:
        """What is asked, read and scored; kept for the next page. None: there is no query."""
        text = _printable(request.words)
        if request.like is not None:
            return self._once(("like", request.like), lambda: self._like(self._row(request.like)))
        if not text and request.photo is None:
            return None
        photo = None if request.photo is None else read_photo(request.photo)
        pixels = None if photo is None else hashlib.blake2b(photo.tobytes()).digest()
        weight = request.weight if text and photo is not None else None
        off = tuple((str(column), str(value)) for column, value in request.off)
        key = (text, pixels, weight, off)
        return self._once(key, lambda: self._read(text, photo, request.weight, off))

    def _once(self, key, make: Callable[[], Asked]) -> Asked:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made

    def _like(self, row):
        product = self.table.iloc[row]
        named = [(column, product[column]) for column in QUERY_ATTRIBUTES if product.get(column)]
        return self._scored(Query(self.shop.gallery[row]), "product", named, without=row)

    def _read(self, text, photo, weight, off):
        if not text:
            return self._scored(self.shop.query(None, photo), "photo", [])
        asked = self.reader.translated(text)
        unknown = self.reader.unknown(asked)
        markup = re.search("<[^>]*>", text) and len(unknown) == len(set(words(asked)))
        if markup or not self.shop.knows(asked):  # the words say nothing: the photo, or nothing
            if photo is not None:
                return self._scored(self.shop.query(None, photo), "photo", [], unknown=unknown)
            none = np.zeros(len(self.table))
            return Asked(Query(None, asked), {}, none, [], [], None, unknown, None)
        attributes = self.reader.attributes(asked)
        read = [{"column": c, "value": v, "off": (c, v) in off} for c, v in attributes]
        query = self.shop.query(asked, photo, weight)._replace(off=off)
        kind = "words" if query.vector is not None else "unseen words"
        return self._scored(
            query,
            kind if photo is None else "both",
            [each for each in attributes if each not in off],
            read=read,
            translated=asked if asked != text else None,
            unknown=unknown,
        )

    def _scored(
        self, query, kind, named, read=(), translated=None, unknown=None, without=None
    ) -> Asked:
        search, chance = self.shop, None
        lists = search.score_lists(query)
        if search.relevance is not None:
            chance = search.relevance.chance(search, query, kind, lists)
        return Asked(query, lists, chance, named, list(read), translated, unknown or {}, without)

    # The ranking

    def _masks(self, filters) -> dict[str, np.ndarray]:
        """Column → which products its filter lets pass, ``(n_products,)`` bool."""
        masks = {}
        for column, wanted in filters.items():
            masks[column] = np.zeros(len(self.table), dtype=bool)
            masks[column][self.shop.fits({column: wanted})] = True
        return masks

    def _ranked(self, request, asked, mask) -> tuple[Ranked, np.ndarray | None]:
        """The products of the mask in order, and how many places each gained by ``rank``."""
        by_id = self.shop.by_id
        if asked is None:
            rows = by_id[mask[by_id]]
            return Ranked(rows, None, {}, len(rows), None), None
        if asked.without is not None:
            mask = mask.copy()
            mask[asked.without] = False
        rows = by_id[mask[by_id]]  # equal scores: in the order of ids
        fits = (
            np.ones(len(rows), dtype=bool) if asked.chance is None else asked.chance[rows] >= FITS
        )
        fit = None if asked.chance is None else int(fits.sum())
        count = len(rows) if fit is None else min(len(rows), max(fit, request.size))
        if not len(rows) or not asked.lists:
            return Ranked(rows, np.empty(0), {}, 0, fit), np.empty(0, dtype=int)
        lists = {name: each[rows] for name, each in asked.lists.items()}
        seen = self._rows_seen(request.seen)
        if len(seen):
            lists[TASTE] = self._taste(seen)[rows]
        scores, shares = self.shop.fuse(lists, TASTE_WEIGHT)
        order = np.lexsort((-scores, ~fits))  # what fits comes first
        moves = None
        chosen = {
            name: asked.lists[name][rows] for name in request.rank or () if name in asked.lists
        }
        if chosen:
            own_place = np.empty(len(rows), dtype=int)
            own_place[order] = np.arange(len(rows))
            scores, shares = self.shop.fuse(chosen)
            order = np.argsort(-scores, kind="stable")
            moves = own_place[order] - np.arange(len(rows))
        shares = {name: share[order] for name, share in shares.items()}
        return Ranked(rows[order], scores[order], shares, count, fit), moves

    def _sorted(self, ranked, request) -> np.ndarray:
        """Places in the list that is shown, in the visitor's order; unknown values come last.

        What only fills the page stays behind what fits.
        """
        places = np.arange(ranked.listed)
        if request.sort == "best":
            return places
        fills = places >= (ranked.listed if ranked.fit is None or request.rank else ranked.fit)
        return np.lexsort((self._sort_keys[request.sort][ranked.rows[: ranked.listed]], fills))

    # What is shown

    def _product(self, row, score=None, chance=None, move=None) -> dict:
        product = self.table.iloc[row]
        width, height = self.shop.catalogue.thumbnail_size(row)
        version = product.get("photo_hash", "")
        address = f"/photo/{quote(product['id'], safe='')}?v={version}&size="
        return {
            "id": product["id"],
            "row": row,
            "title": product["title"],
            "title_zh": _text(product.get("title_zh")),
            "price": _number(product.get("price")),
            "brand": _text(product.get("brand")),
            "score": _number(score),
            "chance": None if chance is None else _number(chance[row]),
            "photo": {
                "small": f"{address}small",
                "large": f"{address}large",
                "width": width,
                "height": height,
            },
            "move": move,
            "stars": self._stars.get(product["id"]),
            "offers_from": _number(self._lowest.get(product["id"])),
        }

    def _aspects(self, id_) -> list[dict]:
        """What its reviews say, by aspect, all in all first; with a sentence of one of them."""
        quality = self.market.quality
        return [
            {
                "aspect": row["aspect"],
                **_stars(*(row[name] for name in STARS)),
                "quote": row["quote"],
                "quote_zh": row["quote_zh"],
            }
            for row in quality[quality["product"] == id_].to_dict("records")
        ]

    def _offers(self, id_) -> list[dict]:
        """Its offers, the cheapest first, those too cheap to be the same thing last."""
        mine = offers_of(self.market.offers, id_)
        return mine.drop(columns="product").to_dict("records")

    def _facets(self, request, masks, asked) -> list[dict]:
        """Counts of the products that fit, or of all where none does."""
        counted = np.ones(len(self.table), dtype=bool)
        if asked is not None and asked.chance is not None and (asked.chance >= FITS).any():
            counted = asked.chance >= FITS
        if asked is not None and asked.without is not None:
            counted = counted.copy()
            counted[asked.without] = False
        found = []
        for name, column in self.facets.columns.items():
            chosen = counted & passing(masks, len(self.table), but=name)
            asked_for = request.filters.get(name)
            facet: dict = {"column": name}
            if isinstance(column, RangeColumn):
                facet |= {
                    "kind": "range",
                    "least": column.least,
                    "most": column.most,
                    "chosen": list(asked_for) if isinstance(asked_for, tuple) else None,
                    "bars": column.counted(chosen).tolist(),
                }
            else:
                wanted = [asked_for] if isinstance(asked_for, str) else list(asked_for or ())
                spelt = {spelling(each) for each in wanted}
                values = self.facets.values(name, chosen, wanted)
                facet |= {
                    "kind": "values",
                    "values": [
                        {"value": v, "count": n, "chosen": bool(spelt) and spelling(v) in spelt}
                        for v, n in values
                    ],
                }
            found.append(facet)
        return found

    def _why(self, row, asked, ranked) -> dict:
        """Why a product stands where it stands: from vectors that are kept, without the model."""
        (place,) = np.flatnonzero(ranked.rows == row)
        here = {name: share[place : place + 1] for name, share in ranked.shares.items()}
        parts = self.shop.parts(asked.query, np.array([row]), here)
        product = self.table.iloc[row]
        said = [word for word in words(asked.query.words or "") if word not in FUNCTION_WORDS]
        in_title = {joined([word]) for word in words(product["title"])}
        return {
            "score": _number(ranked.scores[place]),
            "place": int(place) + 1,
            "parts": [
                {"name": name, "share": _number(share)} for name, share in parts.iloc[0].items()
            ],
            "agrees": [
                {
                    "column": column,
                    "asked": value,
                    "has": _text(product[column]) or "",
                    "agrees": spelling(product[column]) == spelling(value),
                }
                for column, value in asked.named
            ],
            "words": [word for word in dict.fromkeys(said) if joined([word]) in in_title],
        }


STARS = ("stars", "low", "high", "n")  # of ``Market.quality``


def _stars(stars, low, high, n) -> dict:
    """Stars with their interval, and of how many reviews or sentences."""
    return {"stars": round(stars, 2), "low": round(low, 2), "high": round(high, 2), "n": int(n)}


def _printable(text: str) -> str:
    """A visitor's text without control characters and spaces around it."""
    return "".join(each if each.isprintable() else " " for each in text).strip()


def _text(value) -> str | None:
    """A cell's text, None where it is empty."""
    return None if value is None or pd.isna(value) or value == "" else str(value)


def _number(value) -> float | None:
    """A cell's number as JSON can hold it, None where it is missing."""
    if value is None or pd.isna(value) or not np.isfinite(value):
        return None
    return round(float(value), 6)
