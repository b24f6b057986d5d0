"""Text encoders: each saves and loads, none reads its padding, the LSTM equals its formula."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from mmtutorial import TutorialError
from mmtutorial.encoders.text import (
    TEXT_ENCODERS,
    bag_encoder,
    fit_text_encoder,
    load_tokeniser,
    save_tokeniser,
)
from mmtutorial.encoders.tokenisers import (
    Characters,
    ChineseWords,
    Vocabulary,
    WordsAndNgrams,
)
from mmtutorial.matching.contrastive import DualEncoder
from mmtutorial.matching.retriever import Retriever, load
from mmtutorial.metrics.similarity import unit_length

TITLES = [
    "Puma Men's Black T-shirt",
    "Puma Women Red Tee",
    "Nike Men Black Shoes",
    "Nike Women Tee",
]


@pytest.fixture(scope="module", params=sorted(TEXT_ENCODERS))
def fitted(request):
    return fit_text_encoder(request.param, TITLES, dim=6)


def test_an_encoder_gives_dim_finite_numbers(fitted):
    tokeniser, encoder = fitted
    y = encoder.predict(tokeniser.encode([*TITLES, "", "never seen"]), verbose=0)
    assert y.shape == (6, 6) and np.isfinite(y).all()
    assert np.abs(y[0] - y[1]).max() > 1e-6


def test_padding_changes_nothing(fitted):
    tokeniser, encoder = fitted
    rows = tokeniser.encode(TITLES)
    shorter = rows[:, : (rows > 0).sum(axis=1).max()]
    ours, theirs = (encoder.predict(each, verbose=0) for each in (rows, shorter))
    assert np.allclose(ours, theirs, atol=1e-5)


@pytest.mark.slow
def test_a_retriever_is_the_same_when_loaded(fitted, tmp_path):
    import pandas as pd

    tokeniser, encoder = fitted
    photo = keras.Input((80, 60, 3))
    small = keras.Model(photo, layers.Dense(6)(layers.GlobalAveragePooling2D()(photo)))
    retriever = Retriever(DualEncoder(small, encoder), tokeniser, pd.DataFrame({"loss": [1.0]}))
    texts = [*TITLES, "a black shoe"]
    before = retriever.embed_texts(texts)
    retriever.save(tmp_path)
    loaded = load(tmp_path)
    assert np.allclose(loaded.embed_texts(texts), before, atol=1e-6)
    assert type(loaded.tokeniser) is type(tokeniser)
    assert np.allclose(np.linalg.norm(before, axis=1), 1, atol=1e-5)


def test_saved_and_loaded_is_the_same(tmp_path):
    vocabulary = Vocabulary(["größe", "红色"], length=5)
    save_tokeniser(vocabulary, tmp_path / "vocabulary.json")
    loaded = load_tokeniser(tmp_path / "vocabulary.json")
    assert (loaded.words, loaded.length) == (vocabulary.words, vocabulary.length)


@pytest.mark.parametrize("kind", [Characters, ChineseWords, WordsAndNgrams])
def test_every_tokeniser_that_is_saved_is_loaded(kind, tmp_path):
    texts = ["red tee", "黑色运动鞋"]
    tokeniser = kind.fit(texts, min_count=1)
    save_tokeniser(tokeniser, tmp_path / "tokeniser.json")
    loaded = load_tokeniser(tmp_path / "tokeniser.json")
    assert type(loaded) is kind and (loaded.encode(texts) == tokeniser.encode(texts)).all()


def test_an_unknown_encoder_lists_the_known_ones():
    with pytest.raises(TutorialError, match=r"no text encoder 'gru'.*lstm"):
        fit_text_encoder("gru", TITLES)


@given(st.permutations(range(2, 7)))
@settings(max_examples=5, deadline=None)
def test_a_bag_has_no_order_and_starts_from_given_vectors(order):
    vectors = np.arange(14, dtype="float32").reshape(7, 2)
    encoder = bag_encoder(7, dim=3, width=2, vectors=vectors)
    kernel, bias = encoder.get_layer("project").get_weights()
    row = np.array([[*order, 0, 0]], dtype="int32")
    expected = vectors[2:].mean(axis=0) @ kernel + bias
    assert np.allclose(encoder.predict(row, verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["lstm", "bilstm", "bert"])
def test_the_others_hear_the_order(name):
    tokeniser, encoder = fit_text_encoder(name, TITLES, dim=6)
    for weight in encoder.weights:  # positions start near zero: make them count
        if "position" in weight.path:
            weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    one, other = unit_length(
        encoder.predict(tokeniser.encode(["nike women tee", "tee women nike"]), verbose=0)
    )
    assert np.abs(one - other).max() > 1e-4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_by_hand(x, real, W, U, b):
    """``(batch, length, width)`` and a mask ``(batch, length)`` → the last state."""
    h = c = np.zeros((len(x), len(U)))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ W + h @ U + b, 4, axis=1)
        c_new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h_new = sigmoid(o) * np.tanh(c_new)
        keep = real[:, t, None]
        h, c = np.where(keep, h_new, h), np.where(keep, c_new, c)
    return h


@given(
    st.integers(1, 5), st.integers(1, 7), st.integers(1, 6), st.integers(1, 6), st.integers(0, 999)
)
@settings(max_examples=20, deadline=None)
def test_an_lstm_by_hand_is_the_library_s(batch, length, width, units, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, length, width)).astype("float32")
    real = np.arange(length) < rng.integers(1, length + 1, batch)[:, None]
    weights = [rng.normal(size=s) for s in ((width, 4 * units), (units, 4 * units), (4 * units,))]
    for backwards in (False, True):
        layer = layers.LSTM(units, go_backwards=backwards)
        layer.build(x.shape)
        layer.set_weights(weights)
        found = keras.ops.convert_to_numpy(layer(x, mask=keras.ops.convert_to_tensor(real)))
        step = -1 if backwards else 1
        expected = lstm_by_hand(x[:, ::step], real[:, ::step], *weights)
        assert np.allclose(found, expected, atol=1e-5)
