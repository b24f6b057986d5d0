"""Alignment weights: how much a photo counts, and how much a title (lesson 07).

α weighs the photo's vector x, β the title's vector y: z = α x + β y, brought to unit length. The
two are positive and have the sum 1. Everywhere here a pair of weights is one array
``(batch, 2, width)``: axis 1 holds α and β; ``width`` is 1 where a pair weighs whole vectors, and
``dim`` where every dimension has a pair of its own.
"""

import keras
import numpy as np
from keras import layers, ops
from scipy.special import entr

from mmtutorial import TutorialError
from mmtutorial.matching.contrastive import contrastive_loss

PER = ("product", "dimension", "query")  # what gets weights of its own


@keras.saving.register_keras_serializable("mmtutorial")
class AlignmentWeights(keras.Layer):
    """α and β, read off the vectors it is given: a small network, then a softmax over the two.

    Given the photo's and the title's vector it decides product by product, given a query's vector
    query by query. The softmax is that of attention (Bahdanau et al. 2015, arXiv:1409.0473, eq. 6)
    over two places, the modalities. It begins with α = β = 1/2 whatever it reads, because the
    scores' last matrix is zero at first. Defined in lesson 07.

    Call with vectors ``(batch, features)``, one array or a tuple of them; returns
    ``(batch, 2, width)`` float32, axis 1 with the sum 1.

    Parameters
    ----------
    width : 1, or the vectors' ``dim`` for weights dimension by dimension
    hidden : how many units read the vectors; 0 leaves a linear score
    temperature : divides the scores: near 0 one modality takes all, large makes both alike
    """

    def __init__(self, width=1, hidden=64, temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        if temperature <= 0:
            raise TutorialError(f"temperature is {temperature}: give a number above 0")
        self.width, self.hidden, self.temperature = width, hidden, temperature

    def build(self, input_shape):
        several = isinstance(input_shape[0], (tuple, list))
        features = sum(shape[-1] for shape in (input_shape if several else [input_shape]))
        if self.hidden:
            self.read = layers.Dense(self.hidden, activation="relu", name="read")
            self.read.build((None, features))
        self.score = layers.Dense(2 * self.width, kernel_initializer="zeros", name="score")
        self.score.build((None, self.hidden or features))

    def scores(self, vectors):
        """What the softmax is taken of: ``(batch, 2, width)`` float32, any size."""
        if isinstance(vectors, (tuple, list)):
            vectors = ops.concatenate(vectors, axis=-1)
        vectors = self.read(vectors) if self.hidden else vectors
        return ops.cast(ops.reshape(self.score(vectors), (-1, 2, self.width)), "float32")

    def call(self, vectors):
        return ops.softmax(self.scores(vectors) / self.temperature, axis=1)

    def get_config(self):
        own = {"width": self.width, "hidden": self.hidden, "temperature": self.temperature}
        return {**super().get_config(), **own}


def align(photo, text, weights):
    """z = α x + β y, brought to unit length. Defined in lesson 07.

    ``photo``, ``text``: ``(batch, dim)`` float; ``weights``: ``(batch, 2, 1)`` or
    ``(batch, 2, dim)``. Returns a tensor ``(batch, dim)`` float32. With α = w and β = 1 - w for
    every product it is ``product_search.mix(photo, text, w)``.

    >>> photo, text = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> ops.convert_to_numpy(align(photo, text, np.array([[[1.0], [0.0]]]))).tolist()  # α = 1
    [[1.0, 0.0]]
    """
    photo, text, weights = (ops.cast(each, "float32") for each in (photo, text, weights))
    return ops.normalize(weights[:, 0] * photo + weights[:, 1] * text, axis=-1)


def entropy(weights):
    """How undecided α and β are, in bits: 0 where one of them has all, 1 where both are 1/2.

    ``(batch, 2, width)`` → ``(batch, width)`` float. Defined in lesson 07.

    >>> entropy(np.array([[[0.5], [0.5]], [[1.0], [0.0]]])).tolist()
    [[1.0], [0.0]]
    """
    return entr(ops.convert_to_numpy(weights)).sum(axis=1) / np.log(2)


@keras.saving.register_keras_serializable("mmtutorial")
class AlignedSearch(keras.Model):
    """Locked vectors in, vectors to search with out; what is learnt are the weights alone.

    The loss asks each query for its product among those of the batch (``contrastive_loss``), so
    nobody tells the weights which modality to trust: they learn what helps to be found.

    Call with ``{"photo", "text", "query"}``, ``(batch, dim)`` each, rows of unit length; train
    with ``y`` = an int a row, equal where two rows have the same query. Returns
    ``{"product", "query"}``, whose dot product is the score. Their width is ``dim``; with
    ``per="query"`` it is 2 ``dim``, since α(q) q·x + β(q) q·y = [α q; β q] · [x; y] is one dot
    product too; [x; y] is divided by half the length of x + y, so that α = β = 1/2 scores as
    ``align`` does. Defined in lesson 07.

    Parameters
    ----------
    per : "product" or "dimension" reads the weights off photo and title, "query" off the query
    hidden, temperature : as for ``AlignmentWeights``
    scale : 1 / temperature of the loss; take that of the encoders

    Raises ``TutorialError`` for another ``per``; the message lists those there are.
    """

    def __init__(self, per="product", hidden=64, temperature=1.0, scale=15.0, **kwargs):
        super().__init__(**kwargs)
        if per not in PER:
            raise TutorialError(f"no weights per {per!r}; choose one of {', '.join(PER)}")
        self.per, self.hidden, self.temperature, self.scale = per, hidden, temperature, scale

    def build(self, input_shape):
        dim = input_shape["photo"][-1]
        width = dim if self.per == "dimension" else 1
        self.alignment = AlignmentWeights(width, self.hidden, self.temperature, name="alignment")
        self.alignment.build((None, dim if self.per == "query" else 2 * dim))

    def products(self, photo, text):
        """Product vectors to be searched: ``(batch, dim)`` each → ``(batch, dim or 2 dim)``."""
        if self.per == "query":
            photo, text = ops.cast(photo, "float32"), ops.cast(text, "float32")
            half = ops.norm(photo + text, axis=-1, keepdims=True) / 2  # of their mix, not yet 1
            return ops.concatenate([photo, text], axis=-1) / ops.maximum(half, 1e-6)
        return align(photo, text, self.alignment((photo, text)))

    def queries(self, query):
        """Query vectors to search them with: ``(batch, dim)`` → ``(batch, dim or 2 dim)``."""
        if self.per != "query":
            return query
        weights, query = self.alignment(query), ops.cast(query, "float32")
        return ops.concatenate([weights[:, 0] * query, weights[:, 1] * query], axis=-1)

    def call(self, inputs):
        return {
            "product": self.products(inputs["photo"], inputs["text"]),
            "query": self.queries(inputs["query"]),
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return contrastive_loss(y_pred["product"], y_pred["query"], y, self.scale)

    def get_config(self):
        names = ("per", "hidden", "temperature", "scale", "name")
        return {name: getattr(self, name) for name in names}
