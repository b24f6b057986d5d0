"""What shoppers did, in order: split by time, asked for what came next, and judged (lesson 12).

``make_log`` numbers the products of a table of clicks, ``split_by_time`` cuts it, ``next_clicks``
and ``next_baskets`` make the questions, ``rank`` lets a recommender answer them over all products.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.catalogue.rows import check_names, sift
from mmtutorial.metrics.evaluation import Evaluation, evaluate_ranking
from mmtutorial.metrics.top_k import id_ranks, select_top

Histories = Sequence[np.ndarray]  # of item numbers, the oldest first


class Log(NamedTuple):
    """Clicks of shoppers on numbered items.

    ``clicks``: ``shopper``, ``session``, ``item`` (a row of ``items``) and ``time``, in the order
    of time; ``items``: ``(n_items,)`` ids; ``set_aside``: ``row`` and ``reason``.
    """

    clicks: pd.DataFrame
    items: np.ndarray
    set_aside: pd.DataFrame


def make_log(table: pd.DataFrame, items=None, what: str = "the log") -> Log:
    """A table ``session``, ``item``, ``time`` and, where it is known, ``shopper`` as a ``Log``.

    Where no shopper is named, each session is a shopper of its own. ``items``: the ids of the
    catalogue, in its order; a click on another product is set aside. None: those that occur.

    Raises ``TutorialError`` where a column is missing, no click has a time, all come from one
    shopper, or none is on a product of the catalogue.

    >>> clicks = {"session": ["x", "x", "y"], "item": ["b", "a", "?"], "time": [9, 3, 5]}
    >>> table = pd.DataFrame(clicks).assign(time=lambda t: pd.to_datetime(t["time"], unit="s"))
    >>> log = make_log(pd.concat([table, table.assign(session="z")]), items=["a", "b"])
    >>> log.clicks["item"].tolist(), log.set_aside["reason"].unique().tolist()
    ([0, 0, 1, 1], ['no such product'])
    """
    if "time" not in table or table["time"].isna().all():
        raise TutorialError(
            f"{what} has no times: without them nobody knows what came next, and a split would "
            "train on the future. Bring the time of each click in a column 'time'"
        )
    check_names(table, ["session", "item"], what)
    table = table.reset_index(drop=True)
    if not pd.api.types.is_datetime64_any_dtype(table["time"]):
        raise TutorialError(f"the times of {what} are {table['time'].dtype}: use pd.to_datetime")
    ids = np.unique(table["item"].astype(str)) if items is None else np.asarray(items, dtype=str)
    numbers = pd.Index(ids).get_indexer(table["item"].astype(str))
    faults = {"no time": table["time"].isna().to_numpy(), "no such product": numbers < 0}
    shopper = table["shopper"] if "shopper" in table else table["session"]
    clicks = table[["session", "time"]].assign(shopper=shopper, item=numbers)
    kept, aside = sift(clicks, faults, what)
    if kept["shopper"].nunique() < 2:
        raise TutorialError(
            f"all clicks of {what} come from one shopper ({kept['shopper'].iloc[0]!r}): to "
            "recommend from what others did, it takes two at least. Does the column 'session' or "
            "'shopper' hold what it should?"
        )
    return Log(kept.sort_values("time", kind="stable", ignore_index=True), ids, aside)


def split_by_time(log: Log, at) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Clicks of the sessions that began before the time ``at``, and those of the later ones.

    ``at``: a time, or a share of the clicks from 0 to 1, of which the time is taken. Raises
    ``TutorialError`` where one of both parts would be empty.
    """
    clicks = log.clicks
    if isinstance(at, float):
        at = clicks["time"].iloc[int(np.clip(at, 0, 1) * (len(clicks) - 1))]
    later = clicks.groupby("session")["time"].transform("min") >= at
    if later.all() or not later.any():
        raise TutorialError(
            f"no session begins {'before' if later.all() else 'after'} {at}: choose a time between "
            f"{clicks['time'].iloc[0]} and {clicks['time'].iloc[-1]}"
        )
    return clicks[~later].reset_index(drop=True), clicks[later].reset_index(drop=True)


def sequences(clicks: pd.DataFrame, by: str = "session") -> list[np.ndarray]:
    """The items of each session, or of each ``shopper``, in order; the one that began first first.

    >>> clicks = pd.DataFrame({"session": ["y", "x", "y"], "item": [0, 1, 2]})
    >>> [each.tolist() for each in sequences(clicks)]
    [[0, 2], [1]]
    """
    codes, names = pd.factorize(clicks[by])
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
    return np.split(clicks["item"].to_numpy()[order], ends)


# Questions --------------------------------------------------------------------------------------


class Exam(NamedTuple):
    """n questions: what comes after this history?

    ``histories``, ``relevant``: n arrays of item numbers each; ``shoppers``, ``times``: ``(n,)``,
    who asks, and when.
    """

    histories: list[np.ndarray]
    relevant: list[np.ndarray]
    shoppers: np.ndarray
    times: np.ndarray

    def __len__(self):
        return len(self.histories)

    def subset(self, rows) -> "Exam":
        """The questions at ``rows``: a bool mask or row numbers."""
        chosen = np.arange(len(self))[rows]
        histories, relevant = (
            [each[row] for row in chosen] for each in (self.histories, self.relevant)
        )
        return Exam(histories, relevant, self.shoppers[chosen], self.times[chosen])

    def sample(self, most: int, seed: int = 0) -> "Exam":
        """At most so many of the questions, drawn at random, in their order."""
        if len(self) <= most:
            return self
        drawn = np.random.default_rng(seed).choice(len(self), most, replace=False)
        return self.subset(np.sort(drawn))

    @property
    def repeats(self) -> np.ndarray:
        """``(n,)`` bool: all that is relevant stands in the history already."""
        pairs = zip(self.relevant, self.histories, strict=True)
        return np.array([np.isin(each, history).all() for each, history in pairs])


def next_clicks(train: pd.DataFrame, test: pd.DataFrame, length: int = 20) -> Exam:
    """A question for each click of ``test`` but the first of its session: what was clicked next?

    The history is what the shopper clicked before, in earlier sessions too, at most the last
    ``length``. Raises ``TutorialError`` where no test session has two clicks.
    """
    check_whole(length=length, low=1)
    later = test.groupby("session").cumcount() > 0
    clicks = pd.concat([train.assign(asked=False), test.assign(asked=later)], ignore_index=True)
    clicks = clicks[clicks["shopper"].isin(test["shopper"][later])]
    found = []
    for shopper, own in clicks.groupby("shopper", sort=False):
        items, times = own["item"].to_numpy(), own["time"].to_numpy()
        for row in np.flatnonzero(own["asked"]):
            if row:
                history = items[max(0, row - length) : row]
                found.append((history, items[row : row + 1], shopper, times[row]))
    return _as_exam(found, "no session of the test part has two clicks")


def next_baskets(train: pd.DataFrame, test: pd.DataFrame, length: int = 100) -> Exam:
    """A question for each later basket of a shopper whom ``train`` knows: what will be in it?

    A session is a basket, and all its items are relevant. The history is what the shopper bought
    before it, at most the last ``length``. Raises ``TutorialError`` where nobody comes back.
    """
    check_whole(length=length, low=1)
    known = dict(zip(pd.unique(train["shopper"]), sequences(train, "shopper"), strict=True))
    found = []
    for _, basket in test.groupby("session", sort=False):
        shopper, items = basket["shopper"].iloc[0], basket["item"].unique()
        if shopper in known:
            found.append((known[shopper][-length:], items, shopper, basket["time"].iloc[0]))
            known[shopper] = np.concatenate([known[shopper], items])
    return _as_exam(found, "no shopper of the training part comes back in the test part")


def _as_exam(found, fault):
    if not found:
        raise TutorialError(f"there is nothing to ask: {fault}; split the log earlier")
    histories, relevant, shoppers, times = map(list, zip(*found, strict=True))
    return Exam(histories, relevant, np.array(shoppers), np.array(times))


# Answers ----------------------------------------------------------------------------------------


def rank(
    model, histories: Histories, items: np.ndarray, k: int = 10, block: int = 512, allowed=None
) -> tuple[np.ndarray, np.ndarray]:
    """The k best items of all for each history: ``(n, k)`` rows, best first, and their scores.

    ``model``: anything with ``scores(histories)``; ``items``: their ids, which break ties;
    ``allowed``: ``(n_items,)`` bool, where only some may be named.
    """
    check_whole(k=k, low=1, high=len(items))
    places, found = id_ranks(list(items)), []
    for start in range(0, len(histories), block):
        scores = model.scores(histories[start : start + block])
        if allowed is not None:
            scores = np.where(allowed, scores, -np.inf)
        found.append(select_top(scores, k, places))
    rows, scores = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(scores)


def judge(exam: Exam, rows: np.ndarray, metrics=("hit@10", "nDCG@10")) -> Evaluation:
    """``evaluate_ranking`` of what ``rank`` found; the queries are the questions' numbers."""
    qrels = {n: dict.fromkeys(np.asarray(each).tolist(), 1) for n, each in enumerate(exam.relevant)}
    items = np.arange(1 + max(rows.max(), max(each.max() for each in exam.relevant)))
    return evaluate_ranking(qrels, items, rows, metrics=metrics)


def breadth(rows: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """What recommendations show of the shop, not how right they are.

    ``rows``: ``(n, k)`` items; ``counts``: ``(n_items,)`` clicks in training. ``coverage``: the
    share of the items that is named to anybody; ``novelty``: the mean of -log2 of an item's share
    of the clicks, in bits (S. Vargas, P. Castells 2011, doi:10.1145/2043932.2043955), an item
    without a click counting half a click; ``popularity``: the mean place of what is named in the
    order of clicks, 1 for the most clicked item, 0.5 for a shop where all are named alike.

    >>> found = breadth(np.array([[0, 1], [0, 1]]), np.array([6, 2, 0, 0]))
    >>> {name: round(float(value), 2) for name, value in found.items()}
    {'coverage': 0.5, 'novelty': 1.21, 'popularity': 0.83}
    """
    share = np.maximum(counts, 0.5) / counts.sum()
    order = pd.Series(counts).rank(method="average").to_numpy() - 1
    return {
        "coverage": len(np.unique(rows)) / len(counts),
        "novelty": float(-np.log2(share[rows]).mean()),
        "popularity": float(order[rows].mean() / max(1, len(counts) - 1)),
    }


def liked(rows: np.ndarray, utility: np.ndarray) -> np.ndarray:
    """How much the shoppers truly like what is named: ``(n,)``, 1 for the best k, 0 for any k.

    ``rows``: ``(n, k)`` items; ``utility``: ``(n, n_items)``, the truth, NaN for what is no answer:
    named, it counts as any item. It is the mean utility of the k, between that of all items (0) and
    of the k best (1). Where no answer is better than another, and where there are no more than k,
    it is 0.

    >>> utility = np.array([[4.0, 3.0, 0.0, 1.0]])
    >>> liked(np.array([[0, 1]]), utility).tolist(), liked(np.array([[0, 3]]), utility).tolist()
    ([1.0], [0.3333333333333333])
    """
    k = rows.shape[1]
    anyone = np.nanmean(utility, axis=1)
    named = np.take_along_axis(utility, rows, axis=1)
    got = np.nanmean(np.where(np.isnan(named), anyone[:, None], named), axis=1)
    best = np.partition(np.nan_to_num(utility, nan=-np.inf), -k, axis=1)[:, -k:]
    best = np.nanmean(np.where(np.isinf(best), np.nan, best), axis=1)  # fewer may be on sale
    span = best - anyone
    return np.where(span > 1e-6, (got - anyone) / np.maximum(span, 1e-6), 0.0)
