"""Scores of words and of vectors, joined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.search.score_fusion import (
    attribute_agreement,
    hybrid_weighted,
    part_scores,
    rank_shares,
    reciprocal_ranks,
    weighted_scores,
    weighted_shares,
    zero_to_one,
)

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
    joined = hybrid_weighted(nothing, VECTOR)
    assert (joined.argsort() == VECTOR.argsort()).all()
    joined = reciprocal_ranks(np.stack([nothing * np.nan, VECTOR]))
    assert (joined.argsort() == VECTOR.argsort()).all()


def test_ranks_by_hand_to_a_depth():
    lists = np.stack([np.where(LEXICAL > 0, LEXICAL, np.nan), VECTOR])
    found = reciprocal_ranks(lists, depth=3, k=60)
    assert np.allclose(found, [[1 / 61 + 1 / 63, 1 / 61, 1 / 62 + 1 / 62, 0]])
    assert np.allclose(reciprocal_ranks(lists, depth=1), [[1 / 61, 1 / 61, 0, 0]])


def test_ranks_by_hand():
    scores = np.array([[[9.0, 5.0, 5.0]], [[-1.0, np.nan, 30.0]]])
    found = reciprocal_ranks(scores, k=60)
    assert np.allclose(found, [[1 / 61 + 1 / 62, 1 / 62, 1 / 63 + 1 / 61]])
    shares = rank_shares(scores, (2, 1), k=60)
    assert np.allclose(shares[:, 0, 0], [2 / 61, 1 / 62])


def test_only_the_order_counts_for_reciprocal_ranks():
    scores = np.random.default_rng(0).normal(size=(2, 4, 30))
    stretched = np.stack([np.exp(3 * scores[0]), scores[1] ** 3])
    assert np.allclose(reciprocal_ranks(scores), reciprocal_ranks(stretched))


@pytest.mark.parametrize("join", [weighted_scores, reciprocal_ranks])
def test_a_list_that_knows_no_product_changes_nothing(join):
    scores = np.random.default_rng(0).normal(size=(1, 3, 20))
    joined = join(np.concatenate([scores, np.full_like(scores, np.nan)]))
    assert (np.argsort(-joined) == np.argsort(-scores[0])).all()


def test_weighted_scores_average_over_what_is_there():
    scores = np.array([[[0.4, np.nan, 0.2]], [[0.8, 0.6, np.nan]]])
    assert np.allclose(weighted_scores(scores, (0.25, 0.75)), [[0.7, 0.6, 0.2]])
    assert (weighted_scores(np.full((2, 1, 1), np.nan)) == 0).all()
    assert np.allclose(weighted_shares(scores, (1, 3))[:, 0, 0], [0.1, 0.6])


def test_part_scores_know_what_is_missing():
    rng = np.random.default_rng(0)
    query, photo, text = rng.normal(size=(3, 6)), rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
    text[1] = 0
    scores = part_scores(query, photo, text)
    assert np.allclose(scores[0], query @ photo.T)
    assert np.isnan(scores[1, :, 1]).all() and np.isnan(scores).sum() == 3
    known = [0, 2, 3]  # where nothing is missing: late and early fusion are one
    late = weighted_scores(scores[..., known], (0.7, 0.3))
    assert np.allclose(late, query @ (0.7 * photo + 0.3 * text)[known].T)


def test_agreement_counts_what_was_asked_for():
    has = np.array([[1, 2, 3], [1, 0, 3], [0, 0, 0]])
    assert np.allclose(attribute_agreement([1, 2, 3], has), [1, 2 / 3, 0])


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_a_weight_is_a_share(weight):
    with pytest.raises(TutorialError, match="share from 0 to 1"):
        hybrid_weighted(LEXICAL, VECTOR, weight)
