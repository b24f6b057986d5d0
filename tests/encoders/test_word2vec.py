"""Skip-gram: loss and gradient by hand against the library, its neighbours against gensim's."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtutorial.encoders.word2vec import (
    nearest,
    negative_sampling_gradient,
    negative_sampling_loss,
    pair_loss,
    skipgram_model,
    skipgram_pairs,
    train_skipgram,
)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 4), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_pairs_are_those_of_the_definition(n, length, window, seed):
    rows = np.random.default_rng(seed).integers(0, 6, (n, length)).astype("int32")
    expected = sorted(
        (row[i], row[j])
        for row in rows.tolist()
        for i in range(length)
        for j in range(length)
        if i != j and abs(i - j) <= window and row[i] > 1 and row[j] > 1
    )
    if length > 1:
        assert sorted(zip(*skipgram_pairs(rows, window), strict=True)) == expected


@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_the_loss_is_the_library_s_binary_cross_entropy(negatives, width, seed):
    rng = np.random.default_rng(seed)
    v, u, others = (rng.normal(size=s) for s in (width, width, (negatives, width)))
    logits = np.concatenate([[u @ v], others @ v])[None].astype("float32")
    y = np.zeros_like(logits)
    y[:, 0] = 1
    library = keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum")(y, logits)
    ours = negative_sampling_loss(v, u, others)
    assert np.isclose(ours, float(library) * (1 + negatives), atol=1e-5, rtol=1e-5)
    assert np.isclose(ours, float(pair_loss(y, logits)[0]), atol=1e-5, rtol=1e-5)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 999))
@settings(max_examples=8, deadline=None)
def test_the_gradient_by_hand_is_the_step_that_keras_takes(negatives, width, seed):
    rng = np.random.default_rng(seed)
    model = skipgram_model(20, width)
    start = [rng.normal(size=weight.shape) for weight in model.get_weights()]
    others = rng.permutation(20)[None, : 1 + negatives]  # distinct, or their steps would add up
    model.compile(keras.optimizers.SGD(1.0), loss=pair_loss)
    model.set_weights(start)
    model.train_on_batch({"centre": np.array([3]), "others": others}, np.eye(1 + negatives)[:1])
    moved = {
        weight.path.split("/")[0]: old - np.array(new)
        for weight, old, new in zip(model.weights, start, model.get_weights(), strict=True)
    }
    by_name = dict(zip(moved, start, strict=True))
    v, u = by_name["words"][3], by_name["neighbours"]
    expected = negative_sampling_gradient(v, u[others[0, 0]], u[others[0, 1:]])
    assert np.allclose(moved["words"][3], expected[0], atol=1e-5)
    assert np.allclose(moved["neighbours"][others[0, 0]], expected[1], atol=1e-5)
    assert np.allclose(moved["neighbours"][others[0, 1:]], expected[2], atol=1e-5)


def two_languages(n=600, seed=0):
    """Rows over words 2-11 and over words 12-21, never mixed."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(2, 12, (n, 6)) + 10 * rng.integers(0, 2, (n, 1))
    return rows.astype("int32")


@pytest.mark.slow
def test_words_that_never_meet_are_no_neighbours():
    vectors = train_skipgram(two_languages(), 24, width=8, epochs=5, batch_size=256)
    assert vectors.shape == (24, 8) and not vectors[[0, 1, 22, 23]].any()
    found = nearest(vectors, np.arange(2, 22), k=5)
    assert ((found >= 12) == (np.arange(2, 22) >= 12)[:, None]).mean() > 0.95
    assert not np.isin(found, [0, 1, 22, 23]).any()


@pytest.mark.slow
def test_neighbours_are_those_of_gensim():
    gensim = pytest.importorskip("gensim.models")
    rng = np.random.default_rng(0)
    topics = rng.integers(0, 12, (3000, 1))
    rows = (2 + 8 * topics + rng.integers(0, 8, (3000, 6))).astype("int32")  # 12 topics of 8 words
    vectors = train_skipgram(rows, 98, width=16, epochs=6)
    theirs = gensim.Word2Vec(
        [[str(n) for n in row] for row in rows],
        vector_size=16, window=3, sg=1, negative=5, min_count=1, sample=0, epochs=10, seed=0,
        workers=1,
    ).wv  # fmt: skip
    ours = nearest(vectors, np.arange(2, 98), k=7)
    shared = [
        len({str(n) for n in row} & {word for word, _ in theirs.most_similar(str(word), topn=7)})
        for word, row in enumerate(ours, start=2)
    ]
    assert np.mean(shared) / 7 > 0.8  # by chance 7 / 95
