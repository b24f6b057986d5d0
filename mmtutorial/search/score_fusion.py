"""Fusion of scores: BM25 and vectors, photo and title, in one ranking (lessons 08, 11).

BM25 finds what is spelt like the query, vectors find what is meant like it. Each gives a score to
each product; here the scores are joined."""

import numpy as np

from mmtutorial.metrics.top_k import check_share


def part_scores(query, photo, text):
    """How near each query is to each product's photo, and to its text, apart.

    ``query``: ``(n_queries, dim)``; ``photo``, ``text``: ``(n_products, dim)``, zeros where
    missing. Returns ``(2, n_queries, n_products)`` float32, NaN where the product lacks the part.
    """
    scores = np.stack([query @ photo.T, query @ text.T])
    missing = np.stack([~photo.any(axis=1), ~text.any(axis=1)])  # (2, n_products)
    scores[np.broadcast_to(missing[:, None], scores.shape)] = np.nan
    return scores


def weighted_scores(scores, weights=(0.5, 0.5)):
    """The weighted mean of the scores of the parts that are there; 0 where none is.

    ``scores``: ``(parts, n_queries, n_products)``, NaN where missing; returns ``(n_queries,
    n_products)``. The parts' scores must mean the same: a distance and a BM25 do not mix.
    Defined in lesson 08.
    """
    weights = np.reshape(weights, (-1, 1, 1)) * ~np.isnan(scores)
    return (weights * np.nan_to_num(scores)).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-12)


def reciprocal_ranks(scores, k=60):
    """Reciprocal rank fusion: Σ 1 / (k + rank), over the lists that rank the product.

    Only the order of each list counts, so any scores can be joined. Shapes as ``weighted_scores``;
    equal scores are ranked in the order of the columns: have these ascend by product id. A missing
    part adds nothing (Cormack et al. 2009, doi:10.1145/1571941.1572114). Defined in lesson 08.
    """
    order = np.argsort(-scores, axis=-1, kind="stable")  # NaN goes last
    ranks = np.empty(scores.shape, dtype="int64")
    np.put_along_axis(ranks, order, np.arange(1, scores.shape[-1] + 1), axis=-1)
    return np.where(np.isnan(scores), 0, 1 / (k + ranks)).sum(axis=0)


SCORE_FUSIONS = {"late weighted": weighted_scores, "late ranks": reciprocal_ranks}


pass


def hybrid_weighted(lexical, vector, lexical_weight=0.5):
    """The weighted mean of both scores, each first brought to 0 … 1 for its query.

    ``lexical``, ``vector``: ``(n_queries, n_products)`` float, higher is better; returns the same
    shape. BM25 has no upper end and cosines no fixed lower one, so the highest score of a query
    counts 1 and the lowest 0 (S. Bruch, S. Gai, A. Ingber 2023, arXiv:2210.11934).
    Defined in lesson 11.

    >>> bm25, cosines = np.array([[8.0, 0.0, 2.0]]), np.array([[0.2, 0.1, 0.6]])
    >>> hybrid_weighted(bm25, cosines, lexical_weight=0.5).round(3).tolist()
    [[0.6, 0.0, 0.625]]
    """
    check_share(lexical_weight=lexical_weight)
    scores = np.stack([zero_to_one(lexical), zero_to_one(vector)])
    return weighted_scores(scores, (lexical_weight, 1 - lexical_weight))


def zero_to_one(scores):
    """Each row moved and stretched to 0 … 1; a row of equal scores becomes 0.

    >>> zero_to_one(np.array([[2.0, 6.0, 4.0]])).tolist()
    [[0.0, 1.0, 0.5]]
    """
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    return (scores - low) / np.where(high > low, high - low, 1)


def hybrid_ranks(lexical, vector, depth=100, k=60):
    """Reciprocal rank fusion of the ``depth`` best of both; shapes as ``hybrid_weighted``.

    A product that shares no word with the query is in no list of BM25's, whatever its place in
    the sort. A tie goes to the earlier product: sort them by their ids first. Products in neither
    list get 0. Defined in lesson 11.

    >>> bm25, cosines = np.array([[8.0, 0.0, 2.0]]), np.array([[0.2, 0.1, 0.6]])
    >>> hybrid_ranks(bm25, cosines, depth=2).argsort().tolist()  # the worst product first
    [[1, 0, 2]]
    """
    lists = np.stack([np.where(lexical > 0, lexical, np.nan), vector])
    order = np.argsort(-lists, axis=-1, kind="stable")  # NaN goes last
    np.put_along_axis(lists, order[..., depth:], np.nan, axis=-1)
    return reciprocal_ranks(lists, k)
