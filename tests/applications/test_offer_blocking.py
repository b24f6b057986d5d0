import numpy as np
import pytest

from mmtutorial import TutorialError
from mmtutorial.applications.offer_blocking import (
    candidate_pairs,
    contains,
    pair_completeness,
    pairs_within,
    sparse_top_k,
    term_vectors,
    vector_top_k,
)
from mmtutorial.search.lexical import Bm25

WORDS = ["red", "blue", "green", "bag", "hat", "shoe", "men", "women", "acme", "bolt", "x1", "x2"]


@pytest.fixture(scope="module")
def titles():
    rng = np.random.default_rng(0)
    return [[" ".join(rng.choice(WORDS, rng.integers(1, 6))) for _ in range(n)] for n in (30, 50)]


def test_the_sparse_product_is_bm25(titles):
    asked, kept = term_vectors(*titles)
    unrepeated = [" ".join(dict.fromkeys(title.split())) for title in titles[0]]
    expected = Bm25().fit(titles[1]).scores(unrepeated)
    assert np.allclose((asked @ kept.T).toarray(), expected, atol=1e-5)


def test_top_k_is_what_sorting_all_pairs_gives(titles):
    asked, kept = term_vectors(*titles)
    scores = (asked @ kept.T).toarray()
    expected = [
        [row, column]
        for row in range(len(scores))
        for column in np.argsort(-scores[row], kind="stable")[:4]
        if scores[row, column] > 0
    ]
    assert sparse_top_k(asked, kept, 4, block=7).tolist() == expected


def test_a_term_of_many_titles_leads_nowhere_in_a_large_gallery():
    gallery = [f"new item{n}" for n in range(2000)]
    asked, kept = term_vectors(["new", "new item7"], gallery)
    assert sparse_top_k(asked, kept, 5).tolist() == [[1, 7]]


def test_candidates_are_a_multiple_of_the_rows(titles):
    pairs = candidate_pairs(*titles, k=3)
    assert len(np.unique(pairs, axis=0)) == len(pairs) <= 3 * 30 * 2
    more = candidate_pairs(*titles, k=3, vectors=[(np.eye(30, 8), np.eye(50, 8))])
    assert contains(more, pairs).all() and len(more) > len(pairs)


def test_within_one_list_nothing_meets_itself(titles):
    pairs = pairs_within(titles[1], k=3)
    assert (pairs[:, 0] < pairs[:, 1]).all() and len(pairs) > 50


def test_nearest_vectors():
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(40, 8)).astype("float32")
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    assert vector_top_k(gallery, gallery, 1).tolist() == [[row, row] for row in range(40)]


def test_completeness_counts_what_was_lost():
    assert pair_completeness(np.array([[0, 1], [2, 2]]), np.array([[2, 2], [1, 0]])) == 0.5
    with pytest.raises(TutorialError, match="no true pair"):
        pair_completeness(np.array([[0, 1]]), np.empty((0, 2)))


def test_titles_without_a_term_are_refused():
    with pytest.raises(TutorialError, match="no term in any of these 2 titles"):
        candidate_pairs(["bag"], ["--", "!"])
