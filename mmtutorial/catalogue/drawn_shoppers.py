"""Shoppers drawn on a catalogue, and what they truly like: for any catalogue (lesson 12).

Real logs hold clicks; nobody knows what the shopper would have liked among all that was not shown.
Here the taste is drawn first and the clicks follow from it, so a recommender can be measured
against both. ``draw_shoppers`` gives the log, ``Tastes`` is the truth.

How a click comes about: a shopper opens a session on one shelf (an article type). The shop shows a
page of that shelf, popular products first. The further down a product stands, the less often the
shopper looks at it. The shopper clicks on what fits the taste of that day.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.reading import ATTRIBUTES

START = pd.Timestamp("2025-01-01", tz="UTC")
EVENTS = ("view", "basket", "purchase", "return")
STRENGTH = {"brand": 1.0, "colour": 1.0, "style": 0.8, "words": 1.0, "price": 0.6}
KEPT = 0.6  # how alike a taste is on the first and on the last day: a correlation
APPEAL = 0.6  # how far products differ in what everybody likes about them: a standard deviation
IN_SEASON = 0.8  # what a product gains at its time of the year, and loses half a year later
PEAKS = {"winter": 0.04, "spring": 0.29, "summer": 0.54, "fall": 0.79, "autumn": 0.79}  # of a year
PAGE = 24  # products on a page
PLACE_BIAS = 0.4  # place j, from 1, is looked at with chance j ** -0.4
NEW_SHARE, NEW_FROM = 0.1, 0.9  # so many products are new in the last tenth of the days
MOST_VALUES = 40  # of a brand, a colour, or words: the most frequent ones
SHELVES = ("article_type", "subcategory", "category")


class Tastes(NamedTuple):
    """What each shopper truly likes: one number for each product and time, its utility.

    utility = features · taste(shopper, time) + appeal + season(time). ``features``: ``(n_products,
    d)`` float32; ``parts``: name of a taste → its columns; ``first``, ``last``: ``(n_shoppers,
    d)``, the tastes on the first and on the last day, between which they move on a straight line;
    ``appeal``, ``peak``: ``(n_products,)``, ``peak`` the time of the year as a share, NaN without a
    season; ``shoppers``: their ids; ``days``: how long it goes on.
    """

    features: np.ndarray
    parts: dict[str, slice]
    first: np.ndarray
    last: np.ndarray
    appeal: np.ndarray
    peak: np.ndarray
    shoppers: np.ndarray
    days: int

    def utility(self, shoppers, times) -> np.ndarray:
        """The utility of all products for n shoppers (ids), each at a time: ``(n, n_products)``.

        Raises ``TutorialError`` for a shopper that is not there.
        """
        rows = pd.Index(self.shoppers).get_indexer(np.asarray(shoppers))
        if (rows < 0).any():
            unknown = str(np.asarray(shoppers)[rows < 0][0])
            raise TutorialError(f"no shopper {unknown!r}; the first is {str(self.shoppers[0])!r}")
        day = ((pd.DatetimeIndex(times) - START) / pd.Timedelta(days=1)).to_numpy()
        return self.of_rows(rows, day)

    def of_rows(self, rows, day, products=slice(None)):
        """As ``utility``, by the shoppers' rows and the days since ``START``."""
        gone = np.clip(np.asarray(day) / self.days, 0, 1)[:, None]
        taste = (1 - gone) * self.first[rows] + gone * self.last[rows]  # (n, d)
        season = np.cos(2 * np.pi * (np.asarray(day)[:, None] / 365 - self.peak[products]))
        bonus = self.appeal[products] + IN_SEASON * np.nan_to_num(season)
        return (taste @ self.features[products].T + bonus).astype("float32")


class DrawnShoppers(NamedTuple):
    """``events``, and the truth behind them.

    ``events``: ``shopper``, ``session``, ``time`` (UTC), ``event`` (one of ``EVENTS``), ``item``
    (a product's id), ``place`` (of a view on its page, from 1; 0 for other events), in the order of
    time. ``shelf``: ``(n_products,)`` text. ``new``: ``(n_products,)`` bool, products that nobody
    could see before ``new_from``. ``notes``: what the catalogue could not give.
    """

    events: pd.DataFrame
    tastes: Tastes
    shelf: np.ndarray
    new: np.ndarray
    new_from: pd.Timestamp
    notes: list[str]


def draw_shoppers(
    catalogue: Catalogue,
    n_shoppers: int = 2000,
    days: int = 180,
    sessions: int = 6,
    seed: int = 0,
) -> DrawnShoppers:
    """Draw shoppers and what they do in a shop with these products. Defined in lesson 12.

    Tastes are for brands and colours (by the columns), for a style that only the photo shows
    (``photo_style``), for words that only the title has (``title_words``), and for a price. What a
    catalogue does not have is left out and named in ``notes``. Where the catalogue's truth is
    known, the columns are taken from there: a shopper sees the product, not its record.

    ``sessions``: the mean number of a shopper. Shopper i is drawn from ``(seed, i)`` alone: with
    more shoppers the first ones stay as they are.

    Raises ``TutorialError`` for fewer than 2 shoppers, 10 days or 20 products.
    """
    check_whole(n_shoppers=n_shoppers, low=2)
    check_whole(days=days, low=10)
    check_whole(sessions=sessions, low=1)
    if len(catalogue) < 20:
        raise TutorialError(
            f"{len(catalogue)} products are too few for a page to choose from: bring 20 or more"
        )
    rng = np.random.default_rng([seed, 0])
    table = catalogue.table if catalogue.truth is None else catalogue.truth
    table = table.reindex(columns=["title", "price", *ATTRIBUTES])
    table = table.assign(**{name: table[name].fillna("").astype(str) for name in ATTRIBUTES})
    shelf, notes = _shelves(table)
    features, parts, more = _features(catalogue, table, shelf)
    peak = table["season"].str.lower().map(PEAKS).to_numpy(dtype=float)
    if np.isnan(peak).all():
        more.append("no season: the time of the year changes nothing")
    first, last = _drawn_tastes(features.shape[1], parts, n_shoppers, seed)
    tastes = Tastes(
        features,
        parts,
        first,
        last,
        appeal=rng.normal(0, APPEAL, len(catalogue)),
        peak=peak,
        shoppers=np.array([f"s{row:05d}" for row in range(n_shoppers)]),
        days=days,
    )
    new = rng.random(len(catalogue)) < NEW_SHARE
    new[0] |= not new.any()  # one at least, in a small shop
    ids = catalogue.table["id"].to_numpy(dtype=str)
    shop = _Shop(tastes, [np.flatnonzero(shelf == name) for name in np.unique(shelf)], new)
    rows = [row for one in range(n_shoppers) for row in shop.visits(one, sessions, seed)]
    events = pd.DataFrame(rows, columns=["shopper", "session", "day", "event", "item", "place"])
    events = events.sort_values("day", kind="stable", ignore_index=True)
    log = pd.DataFrame(
        {
            "shopper": tastes.shoppers[events["shopper"]],
            "session": events["session"],
            "time": (START + pd.to_timedelta(events["day"], unit="D")).dt.floor("s"),
            "event": pd.Categorical(events["event"], EVENTS),
            "item": ids[events["item"]],
            "place": events["place"],
        }
    )
    new_from = START + pd.Timedelta(days=NEW_FROM * days)
    return DrawnShoppers(log, tastes, shelf, new, new_from, notes + more)


# What is there to like -------------------------------------------------------------------------


def photo_style(photos: np.ndarray) -> np.ndarray:
    """How bright, how colourful and how busy photos are: ``(n, 80, 60, 3)`` uint8 → ``(n, 3)``.

    The ground, near white, does not count. Standardised over the photos: a style that no column
    names.
    """
    found = []
    for photo in photos:
        small = photo[::2, ::2].astype("float32") / 255
        thing = small.min(axis=-1) < 0.92
        if not thing.any():
            thing[:] = True
        grey = small.mean(axis=-1)
        edges = np.abs(np.diff(grey, axis=0))[:, 1:] + np.abs(np.diff(grey, axis=1))[1:]
        colourful = np.ptp(small, axis=-1)
        found.append([grey[thing].mean(), colourful[thing].mean(), edges[thing[1:, 1:]].mean()])
    return _standardised(np.nan_to_num(np.array(found)))


def title_words(table: pd.DataFrame) -> list[str]:
    """Words that many titles have and no column names, the most frequent first.

    In at least 2 % and at most 25 % of the titles.
    """
    columns = table.columns.intersection(ATTRIBUTES)
    named = {
        word
        for column in columns
        for value in table[column].astype(str).unique()
        for word in value.lower().split()
    }
    counts = table["title"].str.lower().str.split().map(set).explode().value_counts()
    counts = counts[(counts >= 0.02 * len(table)) & (counts <= 0.25 * len(table))]
    words = [
        word for word in counts.index if word.isalpha() and word.removesuffix("s") not in named
    ]
    return [word for word in words if word not in named][:MOST_VALUES]


def _shelves(table):
    """The shelf of each product, ``(n,)`` text, and a note where there is only one."""
    for column in SHELVES:
        if (table[column] != "").mean() > 0.5 and table[column].nunique() > 1:
            return table[column].replace("", "other").to_numpy(dtype=str), []
    return np.full(len(table), "all"), ["no article type: all products stand on one shelf"]


def _features(catalogue, table, shelf):
    """``(n, d)`` features of the products, the columns of each part, and notes."""
    blocks, notes = {}, []
    for column in ("brand", "colour"):
        values = table[column]
        names = values[values != ""].value_counts().index[:MOST_VALUES]
        if len(names) > 1:
            blocks[column] = (values.to_numpy()[:, None] == names.to_numpy()).astype("float32")
        else:
            notes.append(f"no {column}s to like or dislike")
    blocks["style"] = photo_style(catalogue.photos)
    words = title_words(table.assign(title=catalogue.table["title"]))
    if words:
        titles = catalogue.table["title"].str.lower().str.split().map(set)
        blocks["words"] = np.array([[word in one for word in words] for one in titles], "float32")
    else:
        notes.append("no words that only titles have")
    price = np.log(pd.to_numeric(table["price"], errors="coerce").where(lambda p: p > 0))
    if price.notna().mean() > 0.5:
        level = price.groupby(shelf).transform("mean")
        blocks["price"] = _standardised((price - level).fillna(0).to_numpy()[:, None])
    else:
        notes.append("no prices: nobody looks at the price")
    ends = np.cumsum([each.shape[1] for each in blocks.values()])
    parts = {
        name: slice(int(end) - each.shape[1], int(end))
        for (name, each), end in zip(blocks.items(), ends, strict=True)
    }
    return np.concatenate([*blocks.values()], axis=1).astype("float32"), parts, notes


def _standardised(x):
    return ((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)).astype("float32")


def _drawn_tastes(d, parts, n_shoppers, seed):
    """Tastes on the first and on the last day, ``(n_shoppers, d)`` each."""
    strength, shift = np.empty(d), np.zeros(d)
    for name, columns in parts.items():
        strength[columns] = STRENGTH[name]
    if "price" in parts:
        shift[parts["price"]] = -0.5  # most prefer what is cheap on its shelf
    drawn = np.array(
        [np.random.default_rng([seed, 1, row]).normal(size=(2, d)) for row in range(n_shoppers)]
    )
    first, other = drawn[:, 0], drawn[:, 1]
    last = KEPT * first + np.sqrt(1 - KEPT**2) * other
    return tuple((strength * each + shift).astype("float32") for each in (first, last))


# What they do ----------------------------------------------------------------------------------


class _Shop:
    """Pages, and what a shopper does on them."""

    def __init__(self, tastes, shelves, new):
        self.tastes, self.shelves, self.new = tastes, shelves, new
        self.sizes = np.array([len(each) for each in shelves])

    def visits(self, shopper, sessions, seed):
        """All events of one shopper: rows of ``shopper, session, day, event, item, place``."""
        rng = np.random.default_rng([seed, 2, shopper])
        liking = self.sizes * np.exp(1.5 * rng.normal(size=len(self.shelves)))
        chosen = rng.choice(
            len(self.shelves), 1 + rng.poisson(sessions - 1), p=liking / liking.sum()
        )
        buyer = rng.normal()  # how easily this shopper buys
        days = np.sort(rng.uniform(0, self.tastes.days, len(chosen)))
        rows = []
        for number, (shelf, day) in enumerate(zip(chosen, days, strict=True)):
            name = f"s{shopper:05d}-{number}"
            for when, event, item, place in self._visit(rng, shopper, buyer, shelf, day):
                rows.append((shopper, name, when, event, int(item), int(place)))
        return rows

    def _visit(self, rng, shopper, buyer, shelf, day):
        products = self.shelves[shelf]
        if day < NEW_FROM * self.tastes.days:
            products = products[~self.new[products]]
        if not len(products):
            return
        popular = self.tastes.appeal[products] + rng.gumbel(size=len(products))
        page = products[np.argsort(-popular)[:PAGE]]
        utility = self.tastes.of_rows([shopper], [day], page)[0]  # (page,)
        places = np.arange(1, len(page) + 1)
        looked = rng.random(len(page)) < places**-PLACE_BIAS
        clicked = np.flatnonzero(looked & (rng.random(len(page)) < expit(utility - 1)))
        for place in clicked:
            day += rng.uniform(10, 90) / 86_400
            yield day, "view", page[place], place + 1
            if rng.random() >= expit(utility[place] + 0.5 * buyer - 2.5):
                continue
            yield day + 5 / 86_400, "basket", page[place], 0
            if rng.random() >= expit(1.5 * buyer):
                continue
            yield day + 9 / 86_400, "purchase", page[place], 0
            if rng.random() < expit(-utility[place]):  # at home it is seen in another light
                yield day + rng.uniform(3, 14), "return", page[place], 0
