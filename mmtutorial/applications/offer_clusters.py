"""From pairs to products: clusters of offers, and how good they are (lesson 14)."""

import heapq

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mmtutorial import TutorialError


def components(n: int, pairs: ArrayLike) -> np.ndarray:
    """A cluster number for each of ``n`` offers, ``(n,)`` int: whatever a chain of pairs joins.

    One wrong pair joins two products, however many pairs speak against it.

    >>> components(4, [[0, 1], [1, 2]]).tolist()
    [0, 0, 0, 1]
    """
    pairs = np.asarray(pairs, dtype=int).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (n, n))
    return pd.factorize(connected_components(graph, directed=False)[1])[0]


def average_linkage(
    n: int,
    pairs: ArrayLike,
    scores: ArrayLike,
    threshold: float = 0.5,
    tables: ArrayLike | None = None,
) -> np.ndarray:
    """A cluster number for each of ``n`` offers, ``(n,)`` int, by average linkage.

    At first each offer is a cluster. Then the two clusters are joined whose offers match best on
    the average over all pairs between them, as long as that mean is at least ``threshold``. A pair
    that is not among ``pairs`` counts as 0. So one wrong pair between two clusters of four is a
    mean of 1/16 at most, and joins nothing (R. Sokal, C. Michener 1958). Defined in lesson 14.

    ``pairs``: ``(n_pairs, 2)``, each once; ``scores``: ``(n_pairs,)``, the chance that the pair is
    the same product. ``tables``: ``(n,)`` 0 or 1, the table of each offer, where only offers of
    different tables are compared: then the mean is over such pairs.

    >>> chain = [[0, 1], [1, 2], [2, 3]]  # two sure pairs, and a doubtful one between them
    >>> average_linkage(4, chain, [0.9, 0.6, 0.9]).tolist()
    [0, 0, 1, 1]
    """
    pairs, scores = np.asarray(pairs, dtype=int).reshape(-1, 2), np.asarray(scores, dtype=float)
    if len(pairs) != len(scores):
        raise TutorialError(f"{len(pairs)} pairs with {len(scores)} scores: give one score a pair")
    sums: list[dict[int, float]] = [{} for _ in range(n)]  # of the scores to each other cluster
    for (one, other), score in zip(pairs.tolist(), scores.tolist(), strict=True):
        sums[one][other] = sums[other][one] = score
    first_table = np.asarray(tables) == 0 if tables is not None else np.ones(n, dtype=bool)
    sizes = [(int(one), int(not one)) for one in first_table]  # offers of each table
    into = list(range(n))

    def mean(one, other):
        (a, b), (c, d) = sizes[one], sizes[other]
        return sums[one][other] / (a * c if tables is None else a * d + b * c)

    heap = [(-score, *sorted(pair)) for pair, score in zip(pairs.tolist(), scores, strict=True)]
    heapq.heapify(heap)
    while heap and -heap[0][0] >= threshold:
        negative, one, other = heapq.heappop(heap)
        if other not in sums[one] or -negative != mean(one, other):
            continue  # one of the two has grown or gone since
        for third, score in sums[other].items():
            del sums[third][other]
            if third != one:
                sums[one][third] = sums[third][one] = sums[one].get(third, 0.0) + score
        sizes[one] = (sizes[one][0] + sizes[other][0], sizes[one][1] + sizes[other][1])
        into[other], sums[other] = one, {}
        for third in sums[one]:
            first, second = sorted((one, third))
            heapq.heappush(heap, (-mean(first, second), first, second))
    for offer in range(n):  # a cluster joins one with a smaller number: its own end is known
        into[offer] = into[into[offer]]
    return pd.factorize(np.array(into, dtype=int))[0]


def cluster_pairs(clusters: ArrayLike) -> np.ndarray:
    """All pairs of offers in one cluster, ``(n_pairs, 2)`` int64, the smaller row first.

    >>> cluster_pairs([7, 8, 7]).tolist()
    [[0, 2]]
    """
    numbers = np.asarray(clusters)
    found = [np.empty((0, 2), "int64")]
    for rows in pd.Series(numbers).groupby(numbers).indices.values():
        first, second = np.triu_indices(len(rows), 1)
        found.append(np.column_stack([rows[first], rows[second]]))
    return np.concatenate(found)


def b_cubed(found: ArrayLike, true: ArrayLike) -> tuple[float, float, float]:
    """B-cubed precision, recall and F1 of clusters. Defined in lesson 14.

    An offer's precision is the share of its found cluster that is the same product as it, itself
    included; its recall the share of its product that is in its found cluster; both are averaged
    over the offers (A. Bagga, B. Baldwin 1998, doi:10.3115/980451.980859). ``found``, ``true``:
    ``(n,)`` cluster numbers or names.

    >>> [round(each, 3) for each in b_cubed([0, 0, 0], ["a", "a", "b"])]
    [0.556, 1.0, 0.714]
    """
    found, true = pd.factorize(np.asarray(found))[0], pd.factorize(np.asarray(true))[0]
    if len(found) != len(true) or len(found) == 0:
        raise TutorialError(f"{len(found)} found and {len(true)} true clusters: give one an offer")
    both = pd.Series(1, index=range(len(found))).groupby([found, true]).transform("sum").to_numpy()
    precision = float((both / np.bincount(found)[found]).mean())
    recall = float((both / np.bincount(true)[true]).mean())
    return precision, recall, 2 * precision * recall / (precision + recall)
