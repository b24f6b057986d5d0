import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances

from mmtutorial.metrics.similarity import cosine, dot, euclidean, unit_length

# Tenths: a row is zero or far from it, where both libraries divide by its length.
tenths = st.integers(-90, 90).map(lambda number: number / 10)
rows = arrays("float64", st.tuples(st.integers(1, 5), st.just(3)), elements=tenths)


@given(rows, rows)
def test_agree_with_scikit_learn(a, b):
    assert np.allclose(cosine(a, b), cosine_similarity(a, b), atol=1e-5)
    assert np.allclose(euclidean(a, b), -euclidean_distances(a, b), atol=1e-5)


@given(arrays("float32", (5, 3), elements=st.floats(-100, 100, width=32)))
def test_unit_length_is_one_or_zero(x):
    lengths = np.linalg.norm(unit_length(x), axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-4) | (np.abs(x).max(axis=1) < 1e-6))


def test_only_the_dot_product_sees_lengths():
    query, products = np.array([[1.0, 0.0]]), np.array([[2.0, 2.0], [0.9, 0.1]])
    assert dot(query, products).argmax() == 0
    assert cosine(query, products).argmax() == euclidean(query, products).argmax() == 1


def test_on_unit_length_all_three_rank_alike():
    rng = np.random.default_rng(0)
    queries, products = unit_length(rng.normal(size=(4, 8))), unit_length(rng.normal(size=(50, 8)))
    orders = [
        (-nearness(queries, products)).argsort(axis=1) for nearness in (dot, cosine, euclidean)
    ]
    assert (orders[0] == orders[1]).all() and (orders[1] == orders[2]).all()
    assert euclidean(queries, products) == pytest.approx(
        -np.sqrt(2 - 2 * dot(queries, products)), abs=1e-3
    )
