"""Ranking metrics: how good is a list of products, and is one list better than another?

Two faces, one set of formulas (all defined in lesson 10):

* arrays: ``recall``, ``hit``, ``precision``, ``reciprocal_rank``, ``average_precision`` and
  ``ndcg`` take ``grades`` of shape ``(n_queries, depth)``, the relevance grade of the product at
  each rank, best first (0 = not relevant), and return one value a query, ``(n_queries,) float``;
* qrels and runs: ``evaluate(qrels, run, ["R@10", "AP"])``, with plain dictionaries
  ``qrels = {query: {product id: grade}}`` and ``run = {query: {product id: score}}``.

A product is relevant when its grade is above 0. Scores: higher is better. Ties are broken by
descending score, then ascending product id (ids compared as strings, so "10" < "9"); or averaged
over every order of the tied products, in closed form (McSherry & Najork 2008, "Computing
information retrieval performance measures efficiently in the presence of tied scores",
doi:10.1007/978-3-540-78646-7_38). Without ties every value equals trec_eval's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mmtutorial import TutorialError

# ---------------------------------------------------------------------------------------------
# Arrays: one row a query, best rank first
# ---------------------------------------------------------------------------------------------


class _Ties(NamedTuple):
    """What the tie around each rank holds; each ``(n_queries, depth)``, or broadcast to it."""

    place: Any  # how many tied products stand before this one, inside the tie
    size: Any  # how many products are tied
    total: Any  # the sum of their values (of 0/1 relevance: how many are relevant)
    before: Any  # the sum of the values ranked above the tie


def _ties(values, scores):
    """Read the ties off ``scores`` (in rank order); without scores each product stands alone."""
    if scores is None:
        return _Ties(0, 1, values, np.cumsum(values, axis=1) - values)
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != values.shape:
        raise TutorialError(
            f"scores have shape {scores.shape} and grades {values.shape}: give one score a rank"
        )
    unordered = np.flatnonzero(~(scores[:, 1:] <= scores[:, :-1]).all(1) | np.isnan(scores).any(1))
    if len(unordered):
        raise TutorialError(
            f"scores of query row {unordered[0]} are NaN or not in descending order: sort grades "
            "and scores by score first"
        )
    ranks = np.arange(values.shape[1])
    opens = np.ones(values.shape, dtype=bool)  # True where a new tie begins
    opens[:, 1:] = scores[:, 1:] != scores[:, :-1]
    first = np.maximum.accumulate(np.where(opens, ranks, 0), axis=1)
    tie = np.cumsum(opens.ravel()).reshape(values.shape) - 1  # numbered across all queries
    size = np.bincount(tie.ravel())[tie]
    total = np.bincount(tie.ravel(), weights=values.ravel())[tie]
    above = np.cumsum(values, axis=1) - values
    before = np.take_along_axis(above, first, axis=1)
    return _Ties(ranks - first, size, total, before)


def _prepared(grades, k, scores):
    """``grades`` as ``(n, depth) float`` without negatives, and k (``None``: the whole depth).

    Without ties no formula looks past rank k, so the rest is cut off.
    """
    grades = np.asarray(grades, dtype=np.float64)
    if grades.ndim != 2 or grades.shape[1] == 0:
        raise TutorialError(
            f"grades must have shape (n_queries, depth) with depth >= 1, got {grades.shape}"
        )
    if np.isnan(grades).any():
        raise TutorialError(
            f"a grade of query row {np.isnan(grades).any(axis=1).argmax()} is NaN: judge that "
            "product, or give 0"
        )
    depth = grades.shape[1]
    k = depth if k is None else _checked_k(k)
    if k > depth:
        raise TutorialError(
            f"k = {k}, but only {depth} products are ranked: rank more of them or lower k"
        )
    return np.maximum(grades[:, :k] if scores is None else grades, 0.0), k


def _checked_k(k):
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise TutorialError(f"k must be a whole number of at least 1, got {k!r}")
    return int(k)


def _checked_relevants(n_relevant, relevant):
    """``n_relevant`` as ``(n,) float``: at least 1, and at least as many as were found."""
    n_relevant = np.broadcast_to(np.asarray(n_relevant, dtype=np.float64), len(relevant))
    none = np.flatnonzero(~(n_relevant > 0))
    if len(none):
        raise TutorialError(
            f"{len(none)} queries have no relevant product (first: row {none[0]}): leave them "
            "out and report how many; no value is right for them"
        )
    over = np.flatnonzero(relevant.sum(axis=1) > n_relevant)
    if len(over):
        raise TutorialError(
            f"query row {over[0]} ranks {int(relevant[over[0]].sum())} relevant products but "
            f"n_relevant says {n_relevant[over[0]]:.0f}: count the relevants of the whole gallery"
        )
    return n_relevant


def recall(grades, n_relevant, k, scores=None):
    """R@k: which share of the query's relevant products stands in the first k.

    ``grades``: ``(n_queries, depth)``, best rank first; ``n_relevant``: ``(n_queries,)``, relevant
    products in the whole gallery, found or not; ``scores``: ``(n_queries, depth)`` descending, to
    average over ties. Returns ``(n_queries,) float`` in [0, 1]. Defined in lesson 10.

    Raises TutorialError where k < 1, k > depth, a grade is NaN, or a query has no relevant product.

    >>> recall([[1, 0, 1, 0]], n_relevant=[4], k=3).tolist()  # two of its four
    [0.5]
    """
    grades, k = _prepared(grades, k, scores)
    n_relevant = _checked_relevants(n_relevant, (grades > 0).astype(float))
    return _found(grades, k, scores) / n_relevant


def precision(grades, k, scores=None):
    """P@k: which share of the first k products is relevant. Shapes and errors as ``recall``.

    >>> precision([[1, 0, 1, 0]], k=4).tolist()
    [0.5]
    """
    grades, k = _prepared(grades, k, scores)
    return _found(grades, k, scores) / k


def _found(grades, k, scores):
    """How many relevant products stand in the first k, ``(n,) float``; fewer ranks are no error."""
    tie = _ties((grades > 0).astype(float), scores)
    return (tie.total / tie.size)[:, :k].sum(axis=1)


def hit(grades, k, scores=None):
    """hit@k, success@k: 1 where a relevant product stands in the first k, else 0.

    Its mean is the hit rate; it equals recall only where each query has one relevant product.
    Averaged over ties it is a probability, in [0, 1]. Shapes and errors as ``recall``.

    >>> hit([[1, 0, 1], [0, 0, 1]], k=2).tolist()
    [1.0, 0.0]
    """
    grades, k = _prepared(grades, k, scores)
    _, missed = _first_relevant(grades, scores)
    return 1.0 - missed[:, k - 1]


def reciprocal_rank(grades, k=None, scores=None):
    """RR@k: 1 / rank of the first relevant product, 0 where none stands in the first k.

    Its mean is MRR@k (Voorhees 1999, "The TREC-8 question answering track report"). Shapes and
    errors as ``recall``; ``k=None`` looks through the whole depth.

    >>> reciprocal_rank([[0, 1, 1]]).tolist()
    [0.5]
    """
    grades, k = _prepared(grades, k, scores)
    first, _ = _first_relevant(grades, scores)
    return (first[:, :k] / np.arange(1, k + 1)).sum(axis=1)


def _first_relevant(grades, scores):
    """Chance that the first relevant product stands at each rank, and that none does up to it.

    With r relevant products among the n of a tie that are still to be drawn, the next one is
    relevant with chance r / n. Without ties every chance is 0 or 1.
    """
    tie = _ties((grades > 0).astype(float), scores)
    found = np.minimum(1.0, tie.total / (tie.size - tie.place))  # given that none stood before
    missed = np.cumprod(1.0 - found, axis=1)
    missed_before = np.hstack([np.ones((len(grades), 1)), missed[:, :-1]])
    return missed_before * found, missed


def average_precision(grades, n_relevant, k=None, scores=None):
    """AP, or AP@k: the precision at each relevant product's rank, averaged over the relevants.

    AP@k sums over the first k ranks only, and still divides by *all* the query's relevant
    products, as trec_eval's ``map_cut_k`` does: with 20 relevants AP@10 cannot pass 0.5. (Others
    divide by ``min(k, n_relevant)``; say which when you compare.) Relevant products that were not
    ranked count as found at precision 0.

    Inside a tie of m products, r of them relevant, a place is relevant with chance r/m, and then
    each place before it in the tie with chance (r-1)/(m-1). Shapes and errors as ``recall``.

    >>> average_precision([[0, 1, 0, 1]], n_relevant=[2]).tolist()  # (1/2 + 2/4) / 2
    [0.5]
    """
    grades, k = _prepared(grades, k, scores)
    relevant = (grades > 0).astype(float)
    n_relevant = _checked_relevants(n_relevant, relevant)
    tie = _ties(relevant, scores)
    others = tie.place * (tie.total - 1) / np.maximum(tie.size - 1, 1)
    ranks = np.arange(1, grades.shape[1] + 1)
    terms = tie.total / tie.size * (tie.before + 1 + others) / ranks
    return terms[:, :k].sum(axis=1) / n_relevant


def ndcg(grades, ideal, k=None, scores=None):
    """nDCG@k with linear gain: the gain found, discounted by rank, against the best possible.

    DCG@k = sum of grade / log2(rank + 1) over the first k ranks (Järvelin & Kekäläinen 2002,
    "Cumulated gain-based evaluation of IR techniques", doi:10.1145/582415.582418, with the
    discount that trec_eval uses from rank 1 on); the ideal ranking has all the query's judged
    products in descending grade. Negative grades gain 0.

    ``grades``: ``(n_queries, depth)``; ``ideal``: ``(n_queries, any width)``, the grades of all
    the query's judged products in any order, padded with 0. Errors as ``recall``.

    >>> ndcg([[0, 3]], ideal=[[3]]).round(3).tolist()  # 1 / log2(3): second, not first
    [0.631]
    """
    grades, depth = _prepared(grades, k, scores)
    ideal = -np.sort(-np.maximum(np.asarray(ideal, dtype=np.float64), 0.0), axis=1)
    _checked_relevants((ideal > 0).sum(axis=1), (grades > 0).astype(float))
    ideal = ideal[:, :k]
    tie = _ties(grades, scores)
    gained = (tie.total / tie.size)[:, :depth]
    return gained @ _discount(depth) / (ideal @ _discount(ideal.shape[1]))


def _discount(k):
    return 1.0 / np.log2(np.arange(2, k + 2))  # ranks 1..k


# ---------------------------------------------------------------------------------------------
# Names: "R@10", "AP", "nDCG@10"
# ---------------------------------------------------------------------------------------------

# name → (formula, does it need k); each formula takes grades, ideal grades, k, scores. Past the
# last rank nothing is found, so k may be cut to the depth for all but P, which divides by it.
METRICS = {
    "R": (lambda g, ideal, k, s: recall(g, (ideal > 0).sum(axis=1), k, s), True),
    "P": (lambda g, ideal, k, s: _found(g, k, s) / k, True),
    "hit": (lambda g, ideal, k, s: hit(g, k, s), True),
    "MRR": (lambda g, ideal, k, s: reciprocal_rank(g, k, s), False),
    "AP": (lambda g, ideal, k, s: average_precision(g, (ideal > 0).sum(axis=1), k, s), False),
    "nDCG": (lambda g, ideal, k, s: ndcg(g, ideal, k, s), False),
}


def parse_metric(name):
    """The kind and the cut-off of a metric's name.

    Raises TutorialError for an unknown name, a k that is missing or below 1.

    >>> parse_metric("R@10"), parse_metric("AP")
    (('R', 10), ('AP', None))
    """
    match = re.fullmatch(r"([A-Za-z]+)(?:@(-?\d+))?", str(name))
    kind, k = match.groups() if match else (None, None)
    if kind not in METRICS:
        raise TutorialError(
            f"no metric named {name!r}; choose among {', '.join(METRICS)}, with @k: 'R@10'"
        )
    if k is None:
        if METRICS[kind][1]:
            raise TutorialError(f"{name!r} needs a cut-off: write '{kind}@10'")
        return kind, None
    return kind, _checked_k(int(k))


def chance(name, n_relevant, gallery_size):
    """What a random ranking of the whole gallery scores on the average: the level to beat.

    A random ranking is one great tie, so this is the tie-averaged value of a constant score:
    exact, no simulation. R@k gives k / gallery, P@k gives n_relevant / gallery.

    ``name``: a metric, such as "R@10"; ``n_relevant``: ``(n_queries,) int``, relevant products of
    each query (for nDCG all of grade 1); returns ``(n_queries,) float``. Defined in lesson 10.

    Raises TutorialError where k > gallery_size or n_relevant is not in 1..gallery_size.

    >>> chance("R@10", n_relevant=[1, 5], gallery_size=1000)  # 10 of 1000 products are shown
    array([0.01, 0.01])
    """
    kind, k = parse_metric(name)
    _check_gallery([name], gallery_size)
    counts, which = np.unique(np.asarray(n_relevant, dtype=int), return_inverse=True)
    if len(counts) == 0 or counts[0] < 1 or counts[-1] > gallery_size:
        raise TutorialError(
            f"n_relevant must lie between 1 and the gallery's {gallery_size} products"
        )
    constant = np.zeros((1, gallery_size))
    values = []
    for count in counts:
        grades = (np.arange(gallery_size) < count).astype(float)[None]
        values.append(METRICS[kind][0](grades, grades, k, constant)[0])
    return np.array(values)[which.reshape(-1)]


def _check_gallery(names, gallery_size):
    if gallery_size is None:
        return
    for name in names:
        _, k = parse_metric(name)
        if k is not None and k > gallery_size:
            raise TutorialError(
                f"{name}: k = {k} is over the gallery's {gallery_size} products; lower k"
            )


# ---------------------------------------------------------------------------------------------
# Qrels and runs
# ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """What ``evaluate`` found.

    ``per_query``: one row a query, one column a metric, for tests of significance;
    ``no_relevant``: queries of the qrels or the run without any relevant product, which are in no
    number here; ``unranked``: queries that have relevants but no ranking, which count as 0.
    """

    per_query: pd.DataFrame
    no_relevant: list
    unranked: list

    @property
    def mean(self):
        """The mean over the queries, one number a metric (``pandas.Series``)."""
        return self.per_query.mean()

    def notes(self):
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


def evaluate(qrels, run, metrics=("R@10",), ties="id", gallery_size=None, no_relevant="report"):
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
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    parsed = [parse_metric(name) for name in names]
    _check_gallery(names, gallery_size)
    for option, value, valid in (
        ("ties", ties, ("id", "average")),
        ("no_relevant", no_relevant, ("report", "raise")),
    ):
        if value not in valid:
            raise TutorialError(f"{option} must be one of {valid}, got {value!r}")
    for what, given in (("qrels", qrels), ("run", run)):
        if not isinstance(given, Mapping):
            raise TutorialError(
                f"{what} must be a dictionary, a query a key, not a {type(given).__name__}"
            )
    queries = [q for q, judged in qrels.items() if (_numbers(q, judged, "grade") > 0).any()]
    scored = set(queries)
    without = [q for q in {**qrels, **run} if q not in scored]
    if without and no_relevant == "raise":
        raise TutorialError(
            f"{len(without)} queries have no relevant product, the first is {without[0]!r}: "
            "judge or remove them"
        )
    if not queries:
        raise TutorialError("no query of the qrels has a relevant product: nothing to score")

    rows, unranked = [], []
    for query in queries:
        ranking = run.get(query) or {}
        if not ranking:
            unranked.append(query)
        rows.append(_ranked_grades(query, qrels[query], ranking, ties))
    values = np.empty((len(queries), len(names)))
    widths = [
        max(len(grades), len(qrels[query]))
        for query, (grades, _) in zip(queries, rows, strict=True)
    ]
    for block in _blocks(widths):
        width = max(widths[i] for i in block)
        grades = _padded([rows[i][0] for i in block], width, fill=0.0)
        levels = None if ties == "id" else _padded([rows[i][1] for i in block], width, fill=-np.inf)
        ideal = _padded([list(qrels[queries[i]].values()) for i in block], 1, fill=0.0)
        for column, (kind, k) in enumerate(parsed):
            within = k if k is None or kind == "P" else min(k, width)
            values[block, column] = METRICS[kind][0](grades, ideal, within, levels)
    table = pd.DataFrame(values, index=pd.Index(queries, name="query"), columns=names)
    return Evaluation(table, without, unranked)


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
    """One query's grades in rank order and, descending, the number of the tie at each rank."""
    scores = _numbers(query, ranking, "score")
    if ranking and isinstance(next(iter(ranking)), str) != isinstance(next(iter(judged)), str):
        raise TutorialError(
            f"query {query!r}: product ids are {type(next(iter(ranking))).__name__} in the run "
            f"and {type(next(iter(judged))).__name__} in the qrels, so that none would match: use "
            "str in both"
        )
    grades = np.fromiter(
        (judged.get(doc, 0) for doc in ranking), dtype=np.float64, count=len(ranking)
    )
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    changes = descending[1:] != descending[:-1]
    if ties == "id" and not changes.all():
        order = np.lexsort((np.array([str(doc) for doc in ranking]), -scores))
    return grades[order], -np.cumsum(np.append(True, changes))[: len(ranking)]


def _padded(rows, width, fill):
    """Lists of different lengths as one float array, at least ``width`` wide."""
    width = max(width, *(len(row) for row in rows))
    out = np.full((len(rows), width), float(fill))
    for place, row in enumerate(rows):
        out[place, : len(row)] = row
    return out


def _blocks(widths, cells=2_000_000):
    """Cut the queries into blocks whose arrays stay small (16 MB each)."""
    per_block = max(1, cells // max(widths))
    return [
        np.arange(start, min(start + per_block, len(widths)))
        for start in range(0, len(widths), per_block)
    ]
