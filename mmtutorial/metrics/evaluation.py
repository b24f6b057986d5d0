"""Score what a search found, query by query (lesson 10).

Two faces, one set of formulas (``measures``):

* arrays: ``evaluate_ranking(qrels, ids, *top_k(…), metrics=["R@10"])`` takes what a search of the
  package returns;
* runs: ``evaluate(qrels, run, ["R@10", "AP"])`` takes plain dictionaries, as other tools write
  them: ``run = {query: {product id: score}}``.

Both take ``qrels = {query: {product id: grade}}``. A product is relevant when its grade is above 0;
what is not listed is not. Equal scores are ranked by ascending product id (ids compared as strings,
so "10" < "9").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mmtutorial import TutorialError
from mmtutorial.arguments import check_choice
from mmtutorial.metrics.measures import check_gallery, compute, parse_metric
from mmtutorial.metrics.runs import relevance_in_order


@dataclass(frozen=True)
class Evaluation:
    """What ``evaluate`` and ``evaluate_ranking`` found.

    ``per_query``: one row a query, one column a metric, for tests of significance;
    ``no_relevant``: queries of the qrels or the run without any relevant product, which are in no
    number here; ``unranked``: queries that have relevants but no ranking, which count as 0.
    """

    per_query: pd.DataFrame
    no_relevant: list
    unranked: list

    @property
    def mean(self) -> pd.Series:
        """The mean over the queries, one number a metric (``pandas.Series``)."""
        return self.per_query.mean()

    def notes(self) -> str:
        """Which queries were counted, and which were not, in one line."""
        note = f"{len(self.per_query)} queries"
        if self.unranked:
            note += f"; {len(self.unranked)} without a ranking, counted as 0"
        if self.no_relevant:
            note += f"; {len(self.no_relevant)} more without a relevant product, left out"
        return note

    def __repr__(self):
        values = "  ".join(f"{name} {value:.4f}" for name, value in self.mean.items())
        return f"{values}  ({self.notes()})"


def evaluate_ranking(
    qrels: Mapping,
    ids: ArrayLike,
    rows: ArrayLike,
    scores: ArrayLike | None = None,
    metrics: str | Iterable[str] = ("R@10",),
) -> Evaluation:
    """Score the arrays that a search returned: ``evaluate_ranking(qrels, ids, *top_k(…))``.

    Parameters
    ----------
    qrels: ``{query: {product id: grade}}``; above 0 is relevant, what is not listed is not.
    ids: ``(n_products,)`` product ids of the gallery.
    rows: ``(n_queries, k) int``, rows of the gallery, best first; a line for each query of
        ``qrels``, in that order. -1 stands where an index found no product.
    scores: ``(n_queries, k) float``, higher is better: the rows are put in order of descending
        score, then ascending id. None: the rows are in their order.
    metrics: names, with their cut-offs: "R@10", "P@10", "hit@10", "MRR@10", "AP", "nDCG@10".

    Returns an ``Evaluation``, the same as ``evaluate`` of the same run.

    Raises TutorialError where the shapes do not fit, a product is ranked twice, a score is NaN, and
    as ``evaluate``.

    >>> qrels = {"red bag": {"b1": 1, "b2": 1}, "shoe": {"s7": 1}}
    >>> evaluate_ranking(qrels, ["b1", "b2", "s7"], [[0, 2], [1, 2]], metrics=["R@2", "MRR"])
    R@2 0.7500  MRR 0.7500  (2 queries)
    """
    names = _metric_names(metrics)
    queries, no_relevant = _relevant_queries(qrels, qrels)
    gallery, ranked = np.asarray(ids), np.asarray(rows)
    _check_ranking(qrels, gallery, ranked, scores)
    if scores is not None:
        ranked = _in_order(gallery, ranked, np.asarray(scores))
    grades = relevance_in_order(qrels, gallery[ranked], qrels)
    grades[ranked < 0] = 0.0

    asked = np.array([query in queries for query in qrels])
    ideal = _padded([list(qrels[query].values()) for query in queries])
    values = {name: compute(name, grades[asked], ideal) for name in names}
    table = pd.DataFrame(values, index=pd.Index(list(queries), name="query"))
    unranked = [query for query, found in zip(qrels, ranked, strict=True) if (found < 0).all()]
    return Evaluation(table, no_relevant, [query for query in unranked if query in queries])


def evaluate(
    qrels: Mapping,
    run: Mapping,
    metrics: str | Iterable[str] = ("R@10",),
    ties: str = "id",
    gallery_size: int | None = None,
    no_relevant: str = "report",
) -> Evaluation:
    """Score a run against the qrels, query by query.

    Parameters
    ----------
    qrels: ``{query: {product id: grade}}``; above 0 is relevant, what is not listed is not.
    run: ``{query: {product id: score}}``, higher is better. A run cut at its first n products is
        scored as it is: what is not in it was not found, and a tie that the cut splits is averaged
        over the products that stayed.
    metrics: names, with their cut-offs: "R@10", "P@10", "hit@10", "MRR@10", "AP", "nDCG@10".
    ties: "id" ranks equal scores by ascending id; "average" gives the mean over all orders.
        Equal means equal to the last bit.
    gallery_size: give it to have every k checked against it.
    no_relevant: "report" lists queries without relevants in the result, "raise" refuses them.

    Returns an ``Evaluation``. Defined in lesson 10.

    Raises TutorialError for an unknown metric, k < 1 or over the gallery, a grade or a score that
    is no number (naming query and product), ids of different types in run and qrels, or no query
    left to score.

    >>> qrels = {"red bag": {"b1": 1, "b2": 1}}
    >>> evaluate(qrels, {"red bag": {"b1": 0.9, "s7": 0.8}}, ["R@2", "AP"])
    R@2 0.5000  AP 0.5000  (1 queries)
    """
    names = _metric_names(metrics)
    if gallery_size is not None:
        for name in names:
            check_gallery(name, gallery_size)
    check_choice("ties", ties, ("id", "average"))
    check_choice("no_relevant", no_relevant, ("report", "raise"))
    queries, without = _relevant_queries(qrels, run)
    if without and no_relevant == "raise":
        raise TutorialError(
            f"{len(without)} queries have no relevant product, the first is {without[0]!r}: "
            "judge or remove them"
        )
    values, unranked = [], []
    for query in queries:
        if not run.get(query):
            unranked.append(query)
            values.append([0.0] * len(names))
            continue
        grades, levels = _ranked_grades(query, qrels[query], run[query], ties)
        ideal = np.array([list(qrels[query].values())])
        values.append([compute(name, grades, ideal, levels)[0] for name in names])
    table = pd.DataFrame(values, index=pd.Index(list(queries), name="query"), columns=names)
    return Evaluation(table, without, unranked)


def _metric_names(metrics):
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    for name in names:
        parse_metric(name)
    return names


def _relevant_queries(qrels, run):
    """The queries with a relevant product, in order, and a list of those without."""
    for what, given in (("qrels", qrels), ("run", run)):
        if not isinstance(given, Mapping):
            raise TutorialError(
                f"{what} must be a dictionary, a query a key, not a {type(given).__name__}"
            )
    relevant = {q: None for q, judged in qrels.items() if (_numbers(q, judged, "grade") > 0).any()}
    if not relevant:
        raise TutorialError("no query of the qrels has a relevant product: nothing to score")
    return relevant, [query for query in {**qrels, **run} if query not in relevant]


def _numbers(query, valued, what):
    """The values of ``{product: number}``, ``(n,) float``; an error names the first that is none.

    A score may be infinite, a grade may not.
    """
    if not isinstance(valued, Mapping):
        raise TutorialError(
            f"query {query!r}: give a dictionary {{product id: {what}}}, not a "
            f"{type(valued).__name__}"
        )
    odd = tuple(kind for kind in set(map(type, valued.values())) if not issubclass(kind, Real))
    numbers = [] if odd else np.fromiter(valued.values(), dtype=np.float64, count=len(valued))
    wrong = np.isnan if what == "score" else lambda number: ~np.isfinite(number)
    if odd or wrong(numbers).any():
        for product, value in valued.items():
            if isinstance(value, odd) or wrong(np.float64(value)):
                raise TutorialError(
                    f"query {query!r}: the {what} of product {product!r} is {value!r}, no number "
                    f"to rank by; look for what made it, for a score a zero or NaN embedding"
                )
    return numbers


def _ranked_grades(query, judged, ranking, ties):
    """One query's grades in rank order, ``(1, n)``, and its ties for ``compute``.

    Where ties are averaged, products with the same score have the same level, best level first;
    otherwise they are put in the order of their ids, and no tie is left (None).
    """
    scores = _numbers(query, ranking, "score")
    _check_ids(query, next(iter(ranking)), judged)
    grades = np.array([judged.get(product, 0) for product in ranking], dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    if ties == "average":
        levels = -1 - np.unique(-scores, return_inverse=True)[1]  # -1, -2, …: finite always
        return grades[None, order], levels[None, order]
    if len(np.unique(scores)) < len(scores):
        names = np.array([str(product) for product in ranking])
        order = np.lexsort((names, -scores))  # by descending score, then ascending id
    return grades[None, order], None


def _check_ids(query, found, judged):
    """Raise ``TutorialError`` where ids are texts on one side and numbers on the other."""
    expected = next(iter(judged))
    if isinstance(found, str) != isinstance(expected, str):
        raise TutorialError(
            f"query {query!r}: product ids are {type(found).__name__} in the run and "
            f"{type(expected).__name__} in the qrels, so that none would match: use str in both"
        )


def _check_ranking(qrels, ids, rows, scores):
    """Raise ``TutorialError`` where the arrays of a search cannot be scored."""
    if rows.ndim != 2 or len(rows) != len(qrels) or rows.shape[1] < 1:
        raise TutorialError(
            f"{len(qrels)} queries and rows of shape {rows.shape} do not fit: give one line of at "
            "least one row for each query of the qrels, in their order"
        )
    if rows.min() < -1 or rows.max() >= len(ids):
        raise TutorialError(
            f"rows go from {rows.min()} to {rows.max()}, and the gallery has {len(ids)} ids: was "
            "another gallery searched?"
        )
    first, judged = next((query, judged) for query, judged in qrels.items() if judged)
    _check_ids(first, ids.tolist()[0], judged)
    in_order = np.sort(rows, axis=1)
    twice = ((in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] >= 0)).any(axis=1)
    if twice.any():
        raise TutorialError(f"query {list(qrels)[twice.argmax()]!r}: a product is ranked twice")
    if scores is None:
        return
    if np.shape(scores) != rows.shape:
        raise TutorialError(
            f"scores have shape {np.shape(scores)} and rows {rows.shape}: give one score a row"
        )
    wrong = (np.isnan(scores) & (rows >= 0)).any(axis=1)
    if wrong.any():
        raise TutorialError(
            f"query {list(qrels)[wrong.argmax()]!r}: a score is NaN, no number to rank by; look "
            "for a zero or NaN embedding"
        )


def _in_order(ids, rows, scores):
    """The rows of each query by descending score, then ascending id; what was not found last."""
    order = np.lexsort((ids.astype(str)[rows], -scores, rows < 0))
    return np.take_along_axis(rows, order, axis=1)


def _padded(lists):
    """Lists of different lengths as one float array, the shorter ones filled with 0."""
    padded = np.zeros((len(lists), max(map(len, lists))))
    for line, values in zip(padded, lists, strict=True):
        line[: len(values)] = values
    return padded
