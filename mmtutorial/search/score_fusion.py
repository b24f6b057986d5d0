"""Fusion of scores: several scores of a product become one (lessons 08, 11, 24).

BM25 finds what is spelt like the query, vectors find what is meant like it, attributes what agrees
with it. Each gives a score to each product; here the scores are joined. Every fusion first brings
the lists to one scale: its ``…_shares`` say how much each list gives, and their sum is the score.
"""

from collections.abc import Sequence

import numpy as np

from mmtutorial.arguments import check_share


def part_scores(query: np.ndarray, photo: np.ndarray, text: np.ndarray) -> np.ndarray:
    """How near each query is to each product's photo, and to its text, apart.

    ``query``: ``(n_queries, dim)``; ``photo``, ``text``: ``(n_products, dim)``, zeros where
    missing. Returns ``(2, n_queries, n_products)`` float32, NaN where the product lacks the part.
    Defined in lesson 08.

    >>> photo, text = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])
    >>> part_scores(np.array([[1.0, 0.0]]), photo, text).tolist()
    [[[1.0, 0.0]], [[0.0, nan]]]
    """
    scores = np.stack([query @ photo.T, query @ text.T])
    missing = np.stack([~photo.any(axis=1), ~text.any(axis=1)])  # (2, n_products)
    scores[np.broadcast_to(missing[:, None], scores.shape)] = np.nan
    return scores


def zero_to_one(scores: np.ndarray) -> np.ndarray:
    """Each list (the last axis) moved and stretched to 0 … 1; equal scores become 0.

    BM25 has no upper end and cosines no fixed lower one, so the highest score of a query counts 1
    and the lowest 0 (S. Bruch, S. Gai, A. Ingber 2023, arXiv:2210.11934). Defined in lesson 11.

    >>> zero_to_one(np.array([[2.0, 6.0, 4.0]])).tolist()
    [[0.0, 1.0, 0.5]]
    """
    low = np.fmin.reduce(scores, axis=-1, keepdims=True)  # of what is known: NaN stays NaN
    high = np.fmax.reduce(scores, axis=-1, keepdims=True)
    return (scores - low) / np.where(high > low, high - low, 1)


def weighted_shares(scores: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """What each list gives to the weighted mean of the lists that know the product.

    ``scores``: ``(lists, …, n_products)``, NaN where missing; ``weights``: one for each list.
    Returns the same shape, 0 where missing; the sum over the lists is ``weighted_scores``.

    >>> weighted_shares(np.array([[0.4, np.nan], [0.8, 0.6]]), (1, 3)).round(3).tolist()
    [[0.1, 0.0], [0.6, 0.6]]
    """
    counting = np.reshape(weights, (-1,) + (1,) * (scores.ndim - 1)) * ~np.isnan(scores)
    return counting * np.nan_to_num(scores) / np.maximum(counting.sum(axis=0), 1e-12)


def weighted_scores(
    scores: np.ndarray, weights: Sequence[float] | np.ndarray = (0.5, 0.5)
) -> np.ndarray:
    """The weighted mean of the scores of the parts that are there; 0 where none is.

    ``scores``: ``(parts, n_queries, n_products)``, NaN where missing; returns ``(n_queries,
    n_products)``. The parts' scores must mean the same: bring others to one scale first, with
    ``zero_to_one``. Defined in lesson 08.

    >>> weighted_scores(np.array([[[0.4, np.nan]], [[0.8, 0.6]]]), (1, 3)).round(3).tolist()
    [[0.7, 0.6]]
    """
    return weighted_shares(scores, weights).sum(axis=0)


def hybrid_weighted(
    lexical: np.ndarray, vector: np.ndarray, lexical_weight: float = 0.5
) -> np.ndarray:
    """BM25 and vectors: the weighted mean of both scores, each on its scale ``zero_to_one``.

    ``lexical``, ``vector``: ``(n_queries, n_products)`` float, higher is better; returns the same
    shape. Defined in lesson 11.

    >>> bm25, cosines = np.array([[8.0, 0.0, 2.0]]), np.array([[0.2, 0.1, 0.6]])
    >>> hybrid_weighted(bm25, cosines, lexical_weight=0.5).round(3).tolist()
    [[0.6, 0.0, 0.625]]
    """
    check_share(lexical_weight=lexical_weight)
    scores = zero_to_one(np.stack([lexical, vector]))
    return weighted_scores(scores, (lexical_weight, 1 - lexical_weight))


def rank_shares(
    scores: np.ndarray, weights: Sequence[float] | np.ndarray, k: int = 60, depth: int | None = None
) -> np.ndarray:
    """What each list gives by the rank of the product in it: weight / (k + rank).

    Shapes as ``weighted_shares``, ``k`` and ``depth`` as ``reciprocal_ranks``, which is their sum
    for weights of 1.

    >>> 1 / rank_shares(np.array([[9.0, 5.0], [np.nan, 2.0]]), (1, 1))[:, 1]  # rank 2, rank 1
    array([62., 61.])
    """
    order = np.argsort(-scores, axis=-1, kind="stable")  # NaN goes last
    ranks = np.empty(scores.shape, dtype="int64")
    np.put_along_axis(ranks, order, np.arange(1, scores.shape[-1] + 1), axis=-1)
    counts = ~np.isnan(scores) & (ranks <= (depth or scores.shape[-1]))
    return np.reshape(weights, (-1,) + (1,) * (scores.ndim - 1)) * counts / (k + ranks)


def reciprocal_ranks(scores: np.ndarray, k: int = 60, depth: int | None = None) -> np.ndarray:
    """Reciprocal rank fusion: Σ 1 / (k + rank), over the lists that rank the product.

    Only the order of each list counts, so any scores can be joined. Shapes as ``weighted_scores``;
    a tie goes to the earlier product: sort them by their ids first. A missing
    part adds nothing; with a ``depth`` each list is read so far and no further. A product that
    shares no word with a query is in no list of BM25's: make its score NaN
    (Cormack et al. 2009, doi:10.1145/1571941.1572114). Defined in lessons 08 and 11.

    >>> bm25, cosines = np.array([[8.0, np.nan, 2.0]]), np.array([[0.2, 0.1, 0.6]])
    >>> reciprocal_ranks(np.stack([bm25, cosines]), depth=2).argsort().tolist()  # the worst first
    [[1, 0, 2]]
    """
    return rank_shares(scores, np.ones(len(scores)), k, depth).sum(axis=0)


def attribute_agreement(wanted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The share of the attribute values asked for that each product has, from 0 to 1.

    ``wanted``: n codes; ``values``: ``(n_products, n)`` codes of the same n attributes, one number
    for each value. What the catalogue does not say agrees with nothing. Returns ``(n_products,)``
    float32. Defined in lesson 24.

    >>> attribute_agreement(np.array([3, 7]), np.array([[3, 7], [3, 1], [0, 0]])).tolist()
    [1.0, 0.5, 0.0]
    """
    return (np.asarray(values) == wanted).mean(axis=1, dtype="float32")
