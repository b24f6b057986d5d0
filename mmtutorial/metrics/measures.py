"""Ranking metrics: the formulas (lesson 10).

``recall``, ``precision``, ``hit``, ``reciprocal_rank``, ``average_precision`` and ``ndcg`` take
``grades`` of shape ``(n_queries, depth)``, the relevance grade of the product at each rank, best
first (0: not relevant), and return one value a query, ``(n_queries,) float``. ``compute`` takes the
metric's name, such as "R@10". ``evaluation`` reads grades off a run or off the arrays of a search.

A product is relevant when its grade is above 0. Scores: higher is better. Ties stand as they are
ranked; or, where the scores are given, each value is the mean over every order of the tied
products, in closed form (McSherry & Najork 2008, "Computing information retrieval performance
measures efficiently in the presence of tied scores", doi:10.1007/978-3-540-78646-7_38). Without
ties every value equals trec_eval's.
"""

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole


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
    k = depth if k is None else k
    check_whole(k=k, low=1)
    if k > depth:
        raise TutorialError(
            f"k = {k}, but only {depth} products are ranked: rank more of them or lower k"
        )
    return np.maximum(grades[:, :k] if scores is None else grades, 0.0), k


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


def recall(
    grades: ArrayLike, n_relevant: ArrayLike, k: int, scores: ArrayLike | None = None
) -> np.ndarray:
    """R@k: which share of the query's relevant products stands in the first k.

    ``grades``: ``(n_queries, depth)``, best rank first; ``n_relevant``: ``(n_queries,)``, relevant
    products in the whole gallery, found or not; ``scores``: ``(n_queries, depth)`` descending, to
    average over ties. Returns ``(n_queries,) float`` in [0, 1]. Defined in lesson 10.

    Raises TutorialError where k < 1, k > depth, a grade is NaN, or a query has no relevant product.

    >>> recall([[1, 0, 1, 0]], n_relevant=[4], k=3).tolist()  # two of its four
    [0.5]
    """
    ranked, k = _prepared(grades, k, scores)
    n_relevant = _checked_relevants(n_relevant, (ranked > 0).astype(float))
    return _found(ranked, k, scores) / n_relevant


def precision(grades: ArrayLike, k: int, scores: ArrayLike | None = None) -> np.ndarray:
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


def hit(grades: ArrayLike, k: int, scores: ArrayLike | None = None) -> np.ndarray:
    """hit@k, success@k: 1 where a relevant product stands in the first k, else 0.

    Its mean is the hit rate; it equals recall only where each query has one relevant product.
    Averaged over ties it is a probability, in [0, 1]. Shapes and errors as ``recall``.

    >>> hit([[1, 0, 1], [0, 0, 1]], k=2).tolist()
    [1.0, 0.0]
    """
    grades, k = _prepared(grades, k, scores)
    _, missed = _first_relevant(grades, scores)
    return 1.0 - missed[:, k - 1]


def reciprocal_rank(
    grades: ArrayLike, k: int | None = None, scores: ArrayLike | None = None
) -> np.ndarray:
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


def average_precision(
    grades: ArrayLike,
    n_relevant: ArrayLike,
    k: int | None = None,
    scores: ArrayLike | None = None,
) -> np.ndarray:
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
    ranked, k = _prepared(grades, k, scores)
    relevant = (ranked > 0).astype(float)
    n_relevant = _checked_relevants(n_relevant, relevant)
    tie = _ties(relevant, scores)
    others = tie.place * (tie.total - 1) / np.maximum(tie.size - 1, 1)
    ranks = np.arange(1, ranked.shape[1] + 1)
    terms = tie.total / tie.size * (tie.before + 1 + others) / ranks
    return terms[:, :k].sum(axis=1) / n_relevant


def ndcg(
    grades: ArrayLike, ideal: ArrayLike, k: int | None = None, scores: ArrayLike | None = None
) -> np.ndarray:
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
    ranked, depth = _prepared(grades, k, scores)
    ideal = -np.sort(-np.maximum(np.asarray(ideal, dtype=np.float64), 0.0), axis=1)
    _checked_relevants((ideal > 0).sum(axis=1), (ranked > 0).astype(float))
    ideal = ideal[:, :k]
    tie = _ties(ranked, scores)
    gained = (tie.total / tie.size)[:, :depth]
    return gained @ _discount(depth) / (ideal @ _discount(ideal.shape[1]))


def _discount(k):
    return 1.0 / np.log2(np.arange(2, k + 2))  # ranks 1..k


# Names: "R@10", "AP", "nDCG@10" ------------------------------------------------------------------

METRICS = ("R", "P", "hit", "MRR", "AP", "nDCG")
NEED_K = ("R", "P", "hit")  # the others look through the whole ranking where no k is named


def parse_metric(name: str) -> tuple[str, int | None]:
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
        if kind in NEED_K:
            raise TutorialError(f"{name!r} needs a cut-off: write '{kind}@10'")
        return kind, None
    check_whole(k=int(k), low=1)
    return kind, int(k)


def compute(
    name: str, grades: ArrayLike, ideal: ArrayLike, scores: ArrayLike | None = None
) -> np.ndarray:
    """The metric called ``name`` of each ranking, which may be shorter than the metric's k.

    Nothing is found past the last rank. ``grades``, ``scores``: ``(n_queries, depth)``, as for the
    functions above; ``ideal``: ``(n_queries, any width)``, the grades of all judged products of the
    query in any order, padded with 0. Returns ``(n_queries,) float``; errors as ``recall``.

    >>> compute("P@4", [[1, 0]], ideal=[[1, 1, 1]]).tolist()  # one relevant product in four places
    [0.25]
    """
    kind, k = parse_metric(name)
    grades, ideal = np.asarray(grades, dtype=np.float64), np.asarray(ideal, dtype=np.float64)
    n_relevant = (ideal > 0).sum(axis=1)
    depth = grades.shape[1]
    within = depth if k is None else min(k, depth)  # the formulas ask for k ranks at least
    if kind == "R":
        return recall(grades, n_relevant, within, scores)
    if kind == "P":
        ranked, within = _prepared(grades, within, scores)
        return _found(ranked, within, scores) / k  # the places that stayed empty count
    if kind == "hit":
        return hit(grades, within, scores)
    if kind == "MRR":
        return reciprocal_rank(grades, within, scores)
    if kind == "AP":
        return average_precision(grades, n_relevant, within, scores)
    if k is None or k > depth:  # the ideal ranking goes on past the last rank, up to k
        return ndcg(grades, -np.sort(-ideal, axis=1)[:, :k], None, scores)
    return ndcg(grades, ideal, k, scores)


def chance(name: str, n_relevant: ArrayLike, gallery_size: int) -> np.ndarray:
    """What a random ranking of the whole gallery scores on the average: the level to beat.

    A random ranking is one great tie, so this is the tie-averaged value of a constant score:
    exact, no simulation. R@k gives k / gallery, P@k gives n_relevant / gallery.

    ``name``: a metric, such as "R@10"; ``n_relevant``: ``(n_queries,) int``, relevant products of
    each query (for nDCG all of grade 1); returns ``(n_queries,) float``. Defined in lesson 10.

    Raises TutorialError where k > gallery_size or n_relevant is not in 1..gallery_size.

    >>> chance("R@10", n_relevant=[1, 5], gallery_size=1000)  # 10 of 1000 products are shown
    array([0.01, 0.01])
    """
    check_gallery(name, gallery_size)
    counts, which = np.unique(np.asarray(n_relevant, dtype=int), return_inverse=True)
    if len(counts) == 0 or counts[0] < 1 or counts[-1] > gallery_size:
        raise TutorialError(
            f"n_relevant must lie between 1 and the gallery's {gallery_size} products"
        )
    constant = np.zeros((1, gallery_size))
    values = []
    for count in counts:
        grades = (np.arange(gallery_size) < count).astype(float)[None]
        values.append(compute(name, grades, grades, constant)[0])
    return np.array(values)[which.reshape(-1)]


def check_gallery(name: str, gallery_size: int) -> None:
    """Raise ``TutorialError`` where the metric's k is over the gallery's size.

    >>> check_gallery("R@10", gallery_size=1000)
    """
    _, k = parse_metric(name)
    if k is not None and k > gallery_size:
        raise TutorialError(
            f"{name}: k = {k} is over the gallery's {gallery_size} products; lower k"
        )
