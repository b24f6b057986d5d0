"""Scores of words and of vectors, joined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.search.score_fusion import hybrid_ranks, hybrid_weighted, zero_to_one

LEXICAL = np.array([[6.0, 0.0, 3.0, 0.0]])
VECTOR = np.array([[0.1, 0.9, 0.5, -0.1]])


def test_weighted_by_hand():
    assert np.allclose(zero_to_one(LEXICAL), [[1, 0, 0.5, 0]])
    assert np.allclose(zero_to_one(VECTOR), [[0.2, 1, 0.6, 0]])
    assert np.allclose(hybrid_weighted(LEXICAL, VECTOR, 0.25), [[0.4, 0.75, 0.575, 0]])


@given(st.integers(0, 10**6), st.floats(0.1, 100), st.floats(-50, 50))
@settings(deadline=None)
def test_neither_scale_nor_start_of_the_scores_counts(seed, scale, start):
    lexical, vector = np.random.default_rng(seed).normal(size=(2, 3, 20))
    joined = hybrid_weighted(lexical, vector, 0.3)
    assert np.allclose(joined, hybrid_weighted(scale * lexical + start, vector, 0.3))


def test_all_the_weight_on_one_side_is_that_side():
    rng = np.random.default_rng(0)
    lexical, vector = rng.normal(size=(2, 3, 20))
    assert (hybrid_weighted(lexical, vector, 1).argsort() == lexical.argsort()).all()
    assert (hybrid_weighted(lexical, vector, 0).argsort() == vector.argsort()).all()


def test_a_query_that_no_word_answers_is_left_to_the_vectors():
    nothing = np.zeros_like(LEXICAL)
    for join in (hybrid_weighted, hybrid_ranks):
        assert (join(nothing, VECTOR).argsort() == VECTOR.argsort()).all()


def test_ranks_by_hand():
    found = hybrid_ranks(LEXICAL, VECTOR, depth=3, k=60)
    assert np.allclose(found, [[1 / 61 + 1 / 63, 1 / 61, 1 / 62 + 1 / 62, 0]])
    assert np.allclose(hybrid_ranks(LEXICAL, VECTOR, depth=1, k=60), [[1 / 61, 1 / 61, 0, 0]])


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_a_weight_is_a_share(weight):
    with pytest.raises(TutorialError, match="share from 0 to 1"):
        hybrid_weighted(LEXICAL, VECTOR, weight)
