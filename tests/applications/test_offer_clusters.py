import itertools

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from mmtutorial import TutorialError
from mmtutorial.applications.offer_clusters import (
    average_linkage,
    b_cubed,
    cluster_pairs,
    components,
)


def all_pairs(n):
    return np.array(list(itertools.combinations(range(n), 2)))


def two_products(size=4):
    """Two cliques of sure pairs, and the pairs alone."""
    pairs = all_pairs(2 * size)
    return pairs[(pairs[:, 0] < size) == (pairs[:, 1] < size)]


def test_one_wrong_link_joins_components_and_not_averages():
    pairs = np.concatenate([two_products(), [[0, 7]]])
    scores = np.full(len(pairs), 0.9)
    assert len(set(components(8, pairs))) == 1
    assert average_linkage(8, pairs, scores).tolist() == [0] * 4 + [1] * 4


@pytest.mark.parametrize("seed", range(5))
def test_average_linkage_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    pairs = all_pairs(12)
    scores = rng.random(len(pairs)) * (rng.random(len(pairs)) < 0.5)
    tree = linkage(squareform(1 - squareform(scores), checks=False), "average")
    expected = fcluster(tree, 1 - 0.4, "distance")
    kept = scores > 0
    found = average_linkage(12, pairs[kept], scores[kept], 0.4)
    assert np.array_equal(found[:, None] == found, expected[:, None] == expected)


def test_of_two_tables_only_pairs_between_them_count():
    pairs, scores = [[0, 1], [0, 2]], [0.9, 0.9]  # offer 0 of one table, 1 and 2 of the other
    assert len(set(average_linkage(3, pairs, scores, 0.5))) == 2
    assert len(set(average_linkage(3, pairs, scores, 0.5, tables=[0, 1, 1]))) == 1


def test_clusters_and_their_pairs_go_together():
    clusters = components(8, two_products())
    assert sorted(map(tuple, cluster_pairs(clusters))) == sorted(map(tuple, two_products()))
    assert average_linkage(3, np.empty((0, 2)), []).tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_b_cubed_by_counting_every_offer(seed):
    rng = np.random.default_rng(seed)
    found, true = rng.integers(0, 5, 40), rng.integers(0, 6, 40)
    precision = [np.mean(true[found == f] == t) for f, t in zip(found, true, strict=True)]
    recall = [np.mean(found[true == t] == f) for f, t in zip(found, true, strict=True)]
    p, r, f1 = b_cubed(found, true)
    assert np.allclose([p, r], [np.mean(precision), np.mean(recall)])
    assert np.isclose(f1, 2 * p * r / (p + r))


def test_b_cubed_of_the_truth_is_one_and_of_one_heap_is_not():
    true = ["a", "a", "b", "c"]
    assert b_cubed([3, 3, 1, 2], true) == (1, 1, 1)
    assert b_cubed([0] * 4, true)[0] == pytest.approx(6 / 16)


def test_what_does_not_fit_together():
    with pytest.raises(TutorialError, match="2 pairs with 1 scores"):
        average_linkage(3, [[0, 1], [1, 2]], [0.5])
    with pytest.raises(TutorialError, match="2 found and 3 true"):
        b_cubed([0, 1], [0, 1, 2])
