"""Word2Vec: words are known by the company they keep (lesson 05).

Skip-gram with negative sampling (Mikolov et al. 2013, arXiv:1310.4546, eq. 4): a word's vector
learns to tell the words that stand near it from words drawn at random.
"""

import keras
import numpy as np
from keras import layers, ops

from mmtutorial.encoders.tokenisers import UNKNOWN
from mmtutorial.metrics.similarity import unit_length


def skipgram_pairs(rows: np.ndarray, window: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Who stands near whom: ``(n, length)`` int32 rows of words → ``(pairs,)`` int32, twice.

    The first array holds the words in the middle, the second their neighbours, at most
    ``window`` places away, to the left and to the right. Padding and unknown words are in
    no pair.

    >>> centres, neighbours = skipgram_pairs(np.array([[5, 6, 7, 0]]), window=1)
    >>> list(zip(centres.tolist(), neighbours.tolist(), strict=True))
    [(5, 6), (6, 7), (6, 5), (7, 6)]
    """
    centres, neighbours = [], []
    for shift in range(1, min(window, rows.shape[1] - 1) + 1):
        left, right = rows[:, :-shift], rows[:, shift:]
        real = (left > UNKNOWN) & (right > UNKNOWN)
        centres += [left[real], right[real]]
        neighbours += [right[real], left[real]]
    return np.concatenate(centres), np.concatenate(neighbours)


def negative_sampling_loss(
    centre: np.ndarray, neighbour: np.ndarray, negatives: np.ndarray
) -> float:
    """``-log σ(u·v) - Σ log σ(-u_k·v)``, in nats, of one pair.

    ``centre`` v and ``neighbour`` u: ``(width,)`` float; ``negatives`` u_k: ``(k, width)``.

    >>> zero = np.zeros(8)  # it knows nothing yet: ln 2 for the pair and for each negative
    >>> round(float(negative_sampling_loss(zero, zero, np.zeros((2, 8)))), 4)
    2.0794
    """
    return np.logaddexp(0, -neighbour @ centre) + np.logaddexp(0, negatives @ centre).sum()


def negative_sampling_gradient(
    centre: np.ndarray, neighbour: np.ndarray, negatives: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradient of ``negative_sampling_loss`` by each of its three arguments, by hand.

    >>> zero = np.zeros(8)
    >>> [part.shape for part in negative_sampling_gradient(zero, zero, np.zeros((2, 8)))]
    [(8,), (8,), (2, 8)]
    """
    wrong = 1 / (1 + np.exp(-neighbour @ centre)) - 1  # σ(u·v) - 1: how far from a sure yes
    taken = 1 / (1 + np.exp(-negatives @ centre))  # (k,) σ(u_k·v): how far from a sure no
    return (
        wrong * neighbour + taken @ negatives,
        wrong * centre,
        taken[:, None] * centre,
    )


def skipgram_model(vocabulary_size: int, width: int = 64) -> keras.Model:
    """Two embeddings and their dot products: ``{"centre": (batch,), "others": (batch, m)}`` →
    ``(batch, m)`` logits: does this word stand near that one?

    A word has one vector as the middle and another as a neighbour; the first, layer ``words``, is
    what one keeps. Train with ``pair_loss``.

    >>> skipgram_model(1000, width=64).output_shape
    (None, None)
    """
    centre = keras.Input((), dtype="int32", name="centre")
    others = keras.Input((None,), dtype="int32", name="others")
    start = keras.initializers.RandomUniform(-0.5 / width, 0.5 / width)
    v = layers.Embedding(vocabulary_size, width, start, name="words")(centre)  # (batch, width)
    u = layers.Embedding(vocabulary_size, width, "zeros", name="neighbours")(others)
    logits = layers.Dot(axes=(2, 1), name="dot")([u, v])  # (batch, m)
    return keras.Model({"centre": centre, "others": others}, logits, name="skipgram")


def pair_loss(y_true, logits):
    """``negative_sampling_loss`` on tensors: ``y_true`` is 1 for the neighbour, 0 for the others.

    ``(batch, m)`` each → ``(batch,)``.

    >>> loss = pair_loss(np.array([[1.0, 0.0, 0.0]]), np.zeros((1, 3), "float32"))
    >>> round(float(loss[0]), 4)  # ln 2 for each of the three
    2.0794
    """
    return ops.sum(ops.softplus(logits) - ops.cast(y_true, logits.dtype) * logits, axis=1)


def train_skipgram(
    rows,
    vocabulary_size,
    width=64,
    window=3,
    negatives=5,
    epochs=10,
    batch_size=1024,
    learning_rate=0.01,
    seed=0,
):
    """Word vectors ``(vocabulary_size, width)`` float32 from rows of words ``(n, length)``.

    Negatives are drawn by the words' counts to the power of 3/4, as in the paper; padding and
    words never seen keep the vector zero.
    """
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    centres, neighbours = skipgram_pairs(rows, window)
    counts = np.bincount(rows[rows > UNKNOWN], minlength=vocabulary_size)
    order = np.cumsum(counts**0.75)
    model = skipgram_model(vocabulary_size, width)
    model.compile(keras.optimizers.Adam(learning_rate), loss=pair_loss)
    y = np.zeros((len(centres), 1 + negatives), dtype="float32")
    y[:, 0] = 1
    for _ in range(epochs):  # other negatives every time
        drawn = np.searchsorted(order, rng.random((len(centres), negatives)) * order[-1], "right")
        others = np.column_stack([neighbours, drawn]).astype("int32")
        model.fit({"centre": centres, "others": others}, y, batch_size=batch_size, verbose=0)
    vectors = np.array(model.get_layer("words").get_weights()[0])
    vectors[counts == 0] = 0
    return vectors


def nearest(vectors: np.ndarray, rows: np.ndarray, k: int = 10) -> np.ndarray:
    """The ``k`` nearest rows by cosine, nearest first, without the row itself: ``(n, k)`` int.

    >>> nearest(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]]), np.array([0]), k=2).tolist()
    [[2, 1]]
    """
    unit = unit_length(vectors)
    near = unit[rows] @ unit.T  # (n, vocabulary)
    near[:, np.flatnonzero(~vectors.any(axis=1))] = -np.inf  # padding, and words never seen
    near[np.arange(len(rows)), rows] = -np.inf
    return np.argsort(-near, axis=1, kind="stable")[:, :k]
