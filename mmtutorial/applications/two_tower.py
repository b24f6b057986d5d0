"""What a shopper may want next, by photo and title: two towers, and a varied page (lesson 12).

A recommender that knows items by their numbers cannot name one that nobody has clicked. This one
reads what the item looks like and what its title says, so that a product of today has a place.
"""

import copy

import keras
import numpy as np
from keras import layers, ops

from mmtutorial import TutorialError
from mmtutorial.applications.next_item import pad
from mmtutorial.applications.recommend import Histories
from mmtutorial.arguments import check_share, check_whole
from mmtutorial.matching.contrastive import LearntScale
from mmtutorial.matching.training import Batches, train
from mmtutorial.metrics.similarity import unit_length


@keras.saving.register_keras_serializable("mmtutorial")
class Towers(LearntScale, keras.Model):
    """A product tower over features, and a shopper tower over the products of a history.

    product = unit(linear(features) + network(features)). shopper = unit(mean + network(mean)) of
    the history's products, where the mean is weighted: softmax of a score of the product and of its
    place, the newest first. Defined in lesson 12.

    Call with ``{"history": (batch, length) int, the newest first, 0 for none; "item": (batch,)
    int}``, both numbers plus 1; returns ``{"shopper", "product"}``, ``(batch, dim)`` of unit
    length.
    """

    def __init__(self, features, dim, length, scale=10.0, **kwargs):
        super().__init__(**kwargs)
        nothing = np.zeros((1, features.shape[1]), "float32")
        table = np.concatenate([nothing, features]).astype("float32")
        self.features = self.add_weight(
            shape=table.shape, initializer=keras.initializers.Constant(0.0), trainable=False
        )
        self.features.assign(table)
        self.linear = layers.Dense(dim, use_bias=False)
        self.hidden = layers.Dense(dim, activation="gelu")
        self.more = layers.Dense(dim, kernel_initializer="zeros")
        self.attention = layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        self.shopper_hidden = layers.Dense(dim, activation="gelu")
        self.shopper_more = layers.Dense(dim, kernel_initializer="zeros")
        self.unit = layers.UnitNormalization()
        self.place = self.add_weight(shape=(length,), initializer="zeros", name="place")
        self.add_scale(scale)

    def product(self, numbers):
        """Item numbers plus 1, any shape → vectors of unit length, one axis more."""
        features = ops.take(self.features, numbers, axis=0)
        return self.unit(self.linear(features) + self.more(self.hidden(features)))

    def shopper(self, history):
        """``(batch, length)`` → ``(batch, dim)`` of unit length."""
        products = self.product(history)  # (batch, length, dim)
        weight = self.attention(products)[..., 0] + self.place
        weight = ops.softmax(ops.where(history > 0, weight, -1e9), axis=1)
        mean = ops.sum(weight[..., None] * products, axis=1)
        return self.unit(mean + self.shopper_more(self.shopper_hidden(mean)))

    def call(self, inputs):
        return {
            "shopper": self.shopper(inputs["history"]),
            "product": self.product(inputs["item"]),
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Softmax over the batch: which of its products did this shopper click?

        A product that is clicked often is often a wrong answer, too. So what is learnt is how much
        more this shopper clicks it than others do. The same product twice is no wrong answer.
        """
        logits = self.scale * ops.matmul(y_pred["shopper"], ops.transpose(y_pred["product"]))
        item = x["item"]
        twin = (item[:, None] == item[None]) & ~ops.eye(ops.shape(item)[0], dtype="bool")
        logits = ops.where(twin, -1e9, logits)
        right = ops.arange(ops.shape(item)[0])
        return ops.mean(
            keras.losses.sparse_categorical_crossentropy(right, logits, from_logits=True)
        )


class TwoTower:
    """``Towers`` as a recommender. Defined in lesson 12.

    score = scale · cosine(shopper, product) + ``popularity`` · log(clicks): the loss has learnt how
    much more than others this shopper clicks a product, and how much others do is added again (cf.
    X. Yi et al. 2019, doi:10.1145/3298689.3346996). A product without clicks gets the mean of those
    with some; beside popular products it stands far down, so ``by_content`` leaves that part out.

    ``features``: ``(n_items, d)`` float, what is known of each item without a click, such as its
    photo's and its title's vector side by side.

    Raises ``TutorialError`` where they are not finite.
    """

    def __init__(
        self, features: np.ndarray, dim: int = 64, length: int = 8, epochs: int = 8,
        batch_size: int = 512, learning_rate: float = 0.006, popularity: float = 1.0,
        seed: int = 0,
    ):  # fmt: skip
        check_whole(dim=dim, length=length, epochs=epochs, low=1)
        self.features = np.asarray(features, dtype="float32")
        if self.features.ndim != 2 or not np.isfinite(self.features).all():
            raise TutorialError(
                f"the features are {self.features.shape}: one row of finite numbers an item"
            )
        self.dim, self.length, self.epochs, self.seed = dim, length, epochs, seed
        self.batch_size, self.learning_rate = batch_size, learning_rate
        self.popularity = popularity

    def fit(self, sequences: Histories) -> "TwoTower":
        """Train on each click and what the shopper had clicked before; ``log`` is the log."""
        keras.utils.set_random_seed(self.seed)
        pairs = [
            (each[max(0, stop - self.length) : stop], each[stop])
            for each in sequences
            for stop in range(1, len(each))
        ]
        items = np.array([item for _, item in pairs], "int32")
        x = {"history": self._newest_first([past for past, _ in pairs]), "item": items + 1}
        self.model = Towers(self.features, self.dim, self.length)
        counts = np.bincount(items, minlength=len(self.features))
        self.usual = np.log(np.maximum(counts, 1))
        self.usual[counts == 0] = self.usual[counts > 0].mean()  # of a product nobody has clicked
        size = max(2, min(self.batch_size, len(items)))
        batches = Batches(x, items, size, self.seed)
        self.log = train(self.model, batches, self.epochs, self.learning_rate, bar=False)
        numbers = np.arange(1, len(self.features) + 1)
        self.products = ops.convert_to_numpy(self.model.product(numbers))  # (n_items, dim)
        return self

    def _newest_first(self, histories):
        return pad([each[-self.length :][::-1] for each in histories], self.length)

    def embed(self, histories: Histories) -> np.ndarray:
        """The shoppers' vectors, ``(n, dim)`` of unit length; ``products`` has the items'."""
        return ops.convert_to_numpy(self.model.shopper(self._newest_first(histories)))

    def scores(self, histories: Histories) -> np.ndarray:
        """``(n, n_items)`` float32."""
        cosines = self.embed(histories) @ self.products.T
        return (float(self.model.scale) * cosines + self.popularity * self.usual).astype("float32")

    def by_content(self) -> "TwoTower":
        """The same towers, and nothing of how often a product was clicked."""
        towers = copy.copy(self)
        towers.popularity = 0.0
        return towers


class LikeHistory:
    """The items most like the last ones of the history: nothing is trained. Lesson 12.

    The rival of ``TwoTower``: cosines with the mean of the last ``length`` items' ``features``.
    """

    def __init__(self, features: np.ndarray, length: int = 12):
        check_whole(length=length, low=1)
        self.features, self.length = unit_length(features), length

    def fit(self, sequences: Histories) -> "LikeHistory":
        """Nothing to learn."""
        return self

    def scores(self, histories: Histories) -> np.ndarray:
        """``(n, n_items)`` float32 cosines."""
        means = np.stack([self.features[each[-self.length :]].mean(axis=0) for each in histories])
        return unit_length(means) @ self.features.T


def diversify(
    scores: np.ndarray, vectors: np.ndarray, k: int = 10, weight: float = 0.3
) -> np.ndarray:
    """A page of k that are wanted and not all alike: maximal marginal relevance.

    One after the other takes the item with the highest (1 - ``weight``) · score - ``weight`` ·
    (its cosine to the most similar one taken before) (J. Carbonell, J. Goldstein 1998,
    doi:10.1145/290941.291025). Defined in lesson 12.

    ``scores``: ``(n,)`` of n candidates, on the scale of cosines, or brought to 0 … 1; ``vectors``:
    ``(n, dim)``. Returns ``(k,)`` places among the candidates, the first taken first.

    >>> scores, vectors = np.array([0.9, 0.8, 0.5]), np.array([[1.0, 0], [1, 0], [0, 1]])
    >>> diversify(scores, vectors, 2, 0.0).tolist(), diversify(scores, vectors, 2, 0.5).tolist()
    ([0, 1], [0, 2])
    """
    check_whole(k=k, low=1, high=len(scores))
    check_share(weight=weight)
    near = unit_length(vectors) @ unit_length(vectors).T
    nearest = np.zeros(len(scores))  # of each candidate, to what is taken
    left, taken = np.ones(len(scores), dtype=bool), []
    for _ in range(k):
        worth = np.where(left, (1 - weight) * scores - weight * nearest, -np.inf)
        best = int(np.argmax(worth))
        taken.append(best)
        left[best] = False
        nearest = np.maximum(nearest, near[best]) if len(taken) > 1 else near[best].copy()
    return np.array(taken)


def sameness(vectors: np.ndarray) -> float:
    """The mean cosine of each two of k vectors ``(k, dim)``; 1 minus it is the diversity.

    >>> sameness(np.array([[1.0, 0.0], [0.0, 1.0]]))
    0.0
    """
    unit = unit_length(vectors)
    k = len(unit)
    return float((np.square(unit.sum(axis=0)).sum() - k) / max(1, k * (k - 1)))
