"""What a shopper may want next: models that read clicks in their order (lesson 12).

``NextItem`` reads item numbers one after the other and says, after each of them, what comes next.
What reads is a GRU, an LSTM or self-attention: ``READERS``. The face is that of ``recommend``:
``fit(sequences)``, ``scores(histories)``.
"""

import keras
import numpy as np
from keras import layers, ops

from mmtutorial import TutorialError
from mmtutorial.applications.recommend import Histories
from mmtutorial.arguments import check_choice, check_whole
from mmtutorial.matching.training import Batches, train


def pad(histories: Histories, length: int) -> np.ndarray:
    """The last ``length`` items of each history plus 1, filled up on the right with 0: int32.

    >>> pad([np.array([4, 7]), np.array([0])], length=3).tolist()
    [[5, 8, 0], [1, 0, 0]]
    """
    padded = np.zeros((len(histories), length), "int32")
    for line, history in zip(padded, histories, strict=True):
        last = history[-length:]
        line[: len(last)] = last + 1
    return padded


@keras.saving.register_keras_serializable("mmtutorial")
class SelfAttention(layers.Layer):
    """One block of a transformer that never looks ahead, as in SASRec. Defined in lesson 12.

    x + attention(norm(x)), then x + feed-forward(norm(x)), over √dim · item + place, a vector each
    (W.-C. Kang, J. McAuley 2018, arXiv:1808.09781, section III). ``(batch, length, dim)`` → the
    same.
    """

    def __init__(self, dim, heads=2, dropout=0.2, **kwargs):
        super().__init__(**kwargs)
        self.norm, self.second_norm = layers.LayerNormalization(), layers.LayerNormalization()
        self.attention = layers.MultiHeadAttention(heads, dim // heads, dropout=dropout)
        self.wide, self.narrow = layers.Dense(2 * dim, activation="relu"), layers.Dense(dim)
        self.last_norm = layers.LayerNormalization()
        self.dim = dim

    def build(self, shape):
        self.place = self.add_weight(shape=(shape[1], self.dim), initializer="zeros", name="place")
        for norm in (self.norm, self.second_norm, self.last_norm):
            norm.build(shape)
        self.attention.build(shape, shape)
        self.wide.build(shape)
        self.narrow.build((*shape[:-1], 2 * self.dim))

    def call(self, x, training=False):
        x = self.dim**0.5 * x + self.place  # the items' vectors begin small
        inner = self.norm(x)
        x = x + self.attention(inner, inner, use_causal_mask=True, training=training)
        return self.last_norm(x + self.narrow(self.wide(self.second_norm(x))))


READERS = {  # name → a layer of ``dim``: (batch, length, dim) → (batch, length, dim), causal
    "gru": lambda dim: layers.GRU(dim, return_sequences=True),
    "lstm": lambda dim: layers.LSTM(dim, return_sequences=True),
    "attention": SelfAttention,
}


@keras.saving.register_keras_serializable("mmtutorial")
class Reader(keras.Model):
    """Items ``(batch, length)`` int, 0 for none → what follows each, ``(batch, length, dim)``.

    The score of an item is the dot product with its vector, the one that is read in, too, plus
    what all think of it. The loss is a softmax over the right item and ``others``, m items drawn
    for the batch, at each place that something follows: m stand for all, so log(n_items / m) is
    added to their scores (Y. Bengio, J.-S. Senécal 2008, doi:10.1109/TNN.2007.912312). No place
    looks ahead, so what fills up the right end changes nothing before it.

    Call with ``{"tokens", "others"}``; only the first is read.
    """

    def __init__(self, n_items, reader, dim, dropout=0.2, **kwargs):
        super().__init__(**kwargs)
        check_choice("reader", reader, tuple(READERS))
        small = keras.initializers.RandomNormal(stddev=0.05)
        self.items = layers.Embedding(n_items + 1, dim, embeddings_initializer=small)
        self.dropout = layers.Dropout(dropout)
        self.reader = READERS[reader](dim)
        self.liking = self.add_weight(shape=(n_items + 1,), initializer="zeros", name="liking")

    def call(self, inputs, training=False):
        vectors = self.dropout(self.items(inputs["tokens"]), training=training)
        return self.reader(vectors, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        others = x["others"][0]  # the same in each row
        stand_for = (self.items.input_dim - 1) / others.shape[0]
        right = ops.sum(y_pred * self.items(y), axis=-1) + ops.take(self.liking, y)
        rivals = ops.matmul(y_pred, ops.transpose(self.items(others)))  # (batch, length, m)
        rivals = rivals + ops.take(self.liking, others) + np.log(stand_for).astype("float32")
        rivals = ops.where(others == y[..., None], -1e9, rivals)
        loss = ops.logsumexp(ops.concatenate([right[..., None], rivals], axis=-1), axis=-1) - right
        there = ops.cast(y > 0, "float32")  # (batch, length)
        return ops.sum(loss * there) / ops.maximum(ops.sum(there), 1)


class TokensAndOthers(Batches):
    """Sequences and what follows each place, with ``m`` items drawn anew for each batch."""

    def __init__(self, tokens, n_items, m, batch_size, seed):
        self.n_items, self.m = n_items, min(m, n_items)
        super().__init__({"tokens": tokens[:, :-1]}, tokens[:, 1:], batch_size, seed)

    def set_epoch(self, epoch):
        super().set_epoch(epoch)
        self.epoch = epoch

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        rng = np.random.default_rng((self.seed, self.epoch, number))
        others = 1 + rng.choice(self.n_items, self.m, replace=False)
        return {**x, "others": np.tile(others.astype("int32"), (len(y), 1))}, y


class NextItem:
    """A ``Reader`` as a recommender. Defined in lesson 12.

    Parameters
    ----------
    n_items : so many items there are
    reader : "gru" (B. Hidasi et al. 2016, arXiv:1511.06939), "lstm", "attention"
    dim : of the items' vectors
    length : how many clicks it reads, the last ones
    batch_clicks : about so many clicks are in a batch
    others : so many items stand for all in the loss
    """

    def __init__(
        self, n_items: int, reader: str = "gru", dim: int = 64, length: int = 8, epochs: int = 8,
        batch_clicks: int = 256, learning_rate: float = 0.005, dropout: float = 0.2,
        others: int = 200, seed: int = 0,
    ):  # fmt: skip
        check_whole(n_items=n_items, dim=dim, length=length, epochs=epochs, others=others, low=1)
        check_choice("reader", reader, tuple(READERS))
        self.n_items, self.reader, self.dim, self.length = n_items, reader, dim, length
        self.epochs, self.batch_clicks, self.learning_rate = epochs, batch_clicks, learning_rate
        self.dropout, self.others, self.seed = dropout, others, seed

    def fit(self, sequences: Histories) -> "NextItem":
        """Train on what followed what; ``log`` is the training's log.

        Longer sequences are cut into pieces that overlap by one click. Raises ``TutorialError``
        where no sequence has two clicks.
        """
        keras.utils.set_random_seed(self.seed)
        pieces = [
            each[start : start + self.length + 1]
            for each in sequences
            for start in range(0, max(1, len(each) - 1), self.length)
        ]
        pieces = [each for each in pieces if len(each) > 1]
        if not pieces:
            raise TutorialError("no sequence has two clicks: nothing to learn an order from")
        tokens = pad(pieces, self.length + 1)
        self.model = Reader(self.n_items, self.reader, self.dim, self.dropout)
        rows = round(self.batch_clicks * len(tokens) / np.count_nonzero(tokens[:, 1:]))
        size = max(2, min(rows, len(tokens)))
        batches = TokensAndOthers(tokens, self.n_items, self.others, size, self.seed)
        self.log = train(self.model, batches, self.epochs, self.learning_rate, bar=False)
        return self

    def scores(self, histories: Histories) -> np.ndarray:
        """``(n, n_items)`` float32: logits of what comes after the last click."""
        tokens = pad(histories, self.length)
        x = {"tokens": tokens, "others": np.zeros((len(tokens), 1), "int32")}
        states = np.asarray(self.model.predict(x, batch_size=512, verbose=0))
        last = states[np.arange(len(tokens)), np.maximum((tokens > 0).sum(axis=1) - 1, 0)]
        items, liking = map(ops.convert_to_numpy, (self.model.items.embeddings, self.model.liking))
        return (last @ items.T + liking)[:, 1:]
