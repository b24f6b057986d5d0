"""The k best products of a search, exactly, with one rule for ties (lesson 00)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole


def top_k(
    queries: ArrayLike, gallery: ArrayLike, k: int, ids: Sequence, block: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` gallery rows with the highest dot product for each query, over the full gallery.

    Parameters
    ----------
    queries : ``(n_queries, dim)`` float
    gallery : ``(n_products, dim)`` float
    k : how many to return, at most ``n_products``
    ids : ``n_products`` product ids (strings); among equal scores the smaller id comes first
    block : how many queries are scored at a time: memory is ``block × n_products`` floats

    Returns
    -------
    rows : ``(n_queries, k)`` int64, rows of the gallery, best first
    scores : ``(n_queries, k)`` float32

    Raises
    ------
    TutorialError
        if ``k`` is no whole number from 1 to n_products, the widths differ, or an embedding is
        not finite.

    >>> rows, scores = top_k([[1.0, 0.0]], [[0.6, 0.8], [1.0, 0.0], [0.6, 0.8]], 2, ["c", "b", "a"])
    >>> rows.tolist()  # rows 0 and 2 score the same: row 2 has the smaller id
    [[1, 2]]
    """
    queries, gallery = np.atleast_2d(queries), np.asarray(gallery)
    check_shapes(queries, gallery, k, ids)
    places = np.asarray(ids)  # compared where scores tie; to sort them all would take longest here
    return nearest_rows(
        queries, gallery, k, places if places.dtype.kind in "UO" else places.astype(str), block
    )


def id_ranks(ids: Sequence) -> np.ndarray:
    """Where each row stands in the order of ids: ``(n_products,) int64``.

    >>> id_ranks(["b", "c", "a"]).tolist()
    [1, 2, 0]
    """
    places = np.empty(len(ids), dtype="int64")
    places[np.argsort(np.asarray(ids, dtype=str), kind="stable")] = np.arange(len(ids))
    return places


def nearest_rows(
    queries: np.ndarray, gallery: np.ndarray, k: int, places: np.ndarray, block: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """``top_k`` of arguments that were checked before; ``places`` as ``select_top`` takes them.

    Raises ``TutorialError`` where an embedding is not finite.

    >>> gallery = np.array([[0.6, 0.8], [1.0, 0.0], [0.6, 0.8]])
    >>> rows, scores = nearest_rows(np.array([[1.0, 0.0]]), gallery, 2, id_ranks(["c", "b", "a"]))
    >>> rows.tolist()
    [[1, 2]]
    """
    found = []
    for start in range(0, len(queries), block):
        with np.errstate(invalid="ignore", over="ignore"):
            scores = queries[start : start + block] @ gallery.T
        if not np.isfinite(scores).all():  # cheaper than to look through the gallery each time
            check_finite(queries, gallery)
        found.append(select_top(scores, k, places))
    if not found:
        return np.empty((0, k), "int64"), np.empty((0, k), "float32")
    rows, scores = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(scores)


def select_top(scores: np.ndarray, k: int, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` best columns of each row of scores; equal scores in the order of ``places``.

    ``scores``: ``(n_queries, n_products)`` float; ``places``: ``(n_products,)``, as from
    ``id_ranks``, or the ids themselves as an array of strings, which is quicker for a few queries
    without many ties; ``(n_queries, n_products)`` where each query has candidates of its own.
    Returns ``rows`` ``(n_queries, k) int64``, best first, and their scores, float32.

    >>> rows, scores = select_top(np.array([[0.2, 0.9, 0.9]]), 2, id_ranks(["a", "c", "b"]))
    >>> rows.tolist()
    [[2, 1]]
    """
    rows = np.empty((len(scores), k), dtype="int64")
    places = np.broadcast_to(places, scores.shape)
    threshold = np.partition(scores, -k, axis=1)[:, -k]  # the k-th best score of each query
    for n, of_query in enumerate(scores):
        # All that tie with the k-th best stand for election, or the cut would pick at random.
        candidates = np.flatnonzero(of_query >= threshold[n])
        order = np.lexsort((places[n, candidates], -of_query[candidates]))[:k]
        rows[n] = candidates[order]
    return rows, np.take_along_axis(scores, rows, axis=1).astype("float32", copy=False)


def check_k(k: int, n_products: int) -> None:
    """Raise ``TutorialError`` where ``k`` is no whole number from 1 to ``n_products``.

    >>> check_k(10, n_products=1000)
    """
    check_whole(k=k)
    if not 1 <= k <= n_products:
        raise TutorialError(
            f"k={k} products were asked for and the gallery holds {n_products}: "
            f"choose k from 1 to {n_products}"
        )


def check_shapes(queries: np.ndarray, gallery: np.ndarray, k: int, ids: Sequence) -> None:
    """Raise ``TutorialError`` where the arguments of ``top_k`` do not fit together.

    >>> check_shapes(np.ones((1, 2)), np.ones((3, 2)), 2, ["a", "b", "c"])
    """
    check_k(k, len(gallery))
    if queries.shape[1] != gallery.shape[1]:
        raise TutorialError(
            f"queries have {queries.shape[1]} dimensions and the gallery {gallery.shape[1]}: "
            "embed both with the same model"
        )
    if len(ids) != len(gallery):
        raise TutorialError(f"{len(ids)} ids for a gallery of {len(gallery)} rows")


def check_finite(queries: np.ndarray, gallery: np.ndarray) -> None:
    """Raise ``TutorialError`` for the first embedding that is not finite, by its row.

    >>> check_finite(np.ones((1, 2)), np.ones((3, 2)))
    """
    for name, values in (("query", queries), ("gallery", gallery)):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise TutorialError(
                f"{len(bad)} of {len(values)} {name} embeddings are not finite (NaN or infinite; "
                f"the first is row {bad[0]}): the model diverged or was fed NaN; train again with "
                "a lower learning rate, or embed those rows again"
            )
