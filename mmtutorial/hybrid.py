"""Hybrid search: words and vectors together (lesson 11).

BM25 finds what is spelt like the query, vectors find what is meant like it. Each gives a score to
each product; the two are joined by lesson 08's fusions of scores.
"""

import numpy as np

from mmtutorial.fusion import reciprocal_ranks, weighted_scores
from mmtutorial.search import check_share


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
    the sort. Have the products in ascending order of ids: so ties are broken. Products in neither
    list get 0. Defined in lesson 11.

    >>> bm25, cosines = np.array([[8.0, 0.0, 2.0]]), np.array([[0.2, 0.1, 0.6]])
    >>> hybrid_ranks(bm25, cosines, depth=2).argsort().tolist()  # the worst product first
    [[1, 0, 2]]
    """
    lists = np.stack([np.where(lexical > 0, lexical, np.nan), vector])
    order = np.argsort(-lists, axis=-1, kind="stable")  # NaN goes last
    np.put_along_axis(lists, order[..., depth:], np.nan, axis=-1)
    return reciprocal_ranks(lists, k)
