"""A cross-encoder: both titles and both photos of a pair, read together (lesson 14)."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops

from mmtutorial.encoders.tokenisers import bucket, words
from mmtutorial.matching.contrastive import LearntScale
from mmtutorial.matching.training import Batches, train

BUCKETS = 2**14  # hashed words: a word that was never seen still has a vector of its own


def hashed_words(
    titles: Sequence[str], length: int = 20, split: Callable[[str], list[str]] = words
) -> np.ndarray:
    """Titles → ``(n, length)`` int32: the number of each word's bucket, from 1, padded with 0.

    >>> numbers = hashed_words(["red bag", "bag"], length=3)
    >>> (numbers > 0).tolist(), bool(numbers[0, 1] == numbers[1, 0])
    ([[True, True, False], [True, False, False]], True)
    """
    found = np.zeros((len(titles), length), dtype="int32")
    for row, title in enumerate(titles):
        numbers = [1 + bucket(word, BUCKETS) for word in split(title)[:length]]
        found[row, : len(numbers)] = numbers
    return found


@keras.saving.register_keras_serializable("mmtutorial")
class CrossEncoder(LearntScale, keras.Model):
    """Are these two the same product? Each word looks for its counterpart in the other title.

    Attention from the words of one title to those of the other gives each word its counterpart;
    a small network compares the two; the mean and the maximum over the words go on, together with
    what the photos' vectors have in common (decomposable attention, A. Parikh et al. 2016,
    arXiv:1606.01933, with a photo beside). Both directions share their weights, so the order of
    the two offers does not matter. A dual encoder sees one offer at a time; this one must run for
    each pair. Defined in lesson 14.

    Call with ``{"left": (batch, length) int, "right": the same, "left_photo": (batch, dim),
    "right_photo": the same}``; a photo of zeros is none. Returns logits ``(batch, 1)``.
    """

    def __init__(self, width=64, dropout=0.2, **options):
        super().__init__(**options)
        self.width, self.dropout = width, dropout
        near_unit = keras.initializers.RandomNormal(stddev=width**-0.5)
        self.embed = layers.Embedding(BUCKETS + 1, width, embeddings_initializer=near_unit)
        self.compare = layers.Dense(width, activation="relu", name="compare")
        self.photo = layers.Dense(width // 2, activation="relu", name="photo")
        self.drop = layers.Dropout(dropout)
        self.hidden = layers.Dense(width, activation="relu", name="hidden")
        self.last = layers.Dense(1, name="last")
        self.add_scale(8.0)

    def call(self, inputs, training=False):
        left, right = self.embed(inputs["left"]), self.embed(inputs["right"])  # (batch, n, width)
        real = [ops.cast(inputs[side] > 0, left.dtype) for side in ("left", "right")]
        near = self.scale * ops.matmul(left, ops.transpose(right, (0, 2, 1)))  # (batch, n, n)
        one = self._compared(left, right, near, *real)
        other = self._compared(right, left, ops.transpose(near, (0, 2, 1)), *reversed(real))
        photos = [inputs["left_photo"], inputs["right_photo"]]
        seen = self.photo(
            ops.concatenate([photos[0] * photos[1], ops.abs(photos[0] - photos[1])], -1)
        )
        cosine = ops.sum(photos[0] * photos[1], axis=-1, keepdims=True)
        both = ops.concatenate([one + other, ops.maximum(one, other), seen, cosine], axis=-1)
        return self.last(self.hidden(self.drop(both, training=training)))

    def _compared(self, own, others, near, own_real, others_real):
        """Mean and maximum over the words of one title, ``(batch, 2 width)``."""
        blocked = (1 - others_real)[:, None, :] * -1e9
        counterpart = ops.matmul(ops.softmax(near + blocked, axis=-1), others)
        pair = ops.concatenate([own * counterpart, ops.abs(own - counterpart)], axis=-1)
        compared = self.compare(pair) * own_real[:, :, None]
        count = ops.maximum(ops.sum(own_real, axis=1, keepdims=True), 1)
        return ops.concatenate([ops.sum(compared, 1) / count, ops.max(compared, axis=1)], axis=-1)

    def get_config(self):
        return {"width": self.width, "dropout": self.dropout, "name": self.name}


def pair_inputs(
    tokens: tuple[np.ndarray, np.ndarray],
    photos: tuple[np.ndarray, np.ndarray] | None,
    pairs: np.ndarray,
) -> dict[str, np.ndarray]:
    """What ``CrossEncoder`` is called with, for ``pairs`` of rows of two tables.

    ``tokens``: both tables' ``hashed_words``; ``photos``: both tables' vectors, ``(n, dim)``, or
    None where there are no photos.
    """
    a, b = np.asarray(pairs).T
    left, right = photos or [np.zeros((len(each), 1)) for each in tokens]
    return {
        "left": tokens[0][a],
        "right": tokens[1][b],
        "left_photo": np.asarray(left, "float32")[a],
        "right_photo": np.asarray(right, "float32")[b],
    }


def train_cross_encoder(inputs, same, epochs=6, learning_rate=2e-3, batch_size=128, seed=0):
    """A trained ``CrossEncoder`` and its log, by the one training loop (lesson 06).

    ``inputs``: from ``pair_inputs``; ``same``: ``(n_pairs,)`` bool. The loss is the cross-entropy
    of "the same or not". Raises what ``matching.training.train`` raises.
    """
    keras.utils.set_random_seed(seed)
    model = CrossEncoder()
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=1e-3)
    model.compile(optimizer, loss=keras.losses.BinaryCrossentropy(from_logits=True))
    answers = np.asarray(same, "float32")[:, None]
    log = train(model, Batches(inputs, answers, batch_size, seed), epochs, learning_rate, bar=False)
    return model, log


def cross_scores(model, inputs, batch_size=1024):
    """The chance that each pair is the same product, ``(n_pairs,)`` float, from 0 to 1."""
    logits = model.predict(inputs, batch_size=batch_size, verbose=0)
    return 1 / (1 + np.exp(-np.clip(logits[:, 0], -30, 30)))
