"""Fusion: one vector out of a photo's and a text's (lesson 08).

Every method is one small layer with the same face: it takes the photo vectors and the text
vectors of the same products, ``(batch, dim)`` float each, and returns the fused vectors
``(batch, dim)``. Pick one by name from ``FUSIONS``; add your own with ``@fusion``.

A missing part is a row of zeros, which no vector of unit length can be. Nothing stands in for it,
so a method must make do with the other part. A method that multiplies the parts puts a 1 beside
each (Zadeh et al. 2017, below): without it, the product with a row of zeros is zero.

``FusedSpace`` puts queries and products through one such layer; ``train_fusion`` trains it on the
vectors of locked encoders. Late fusion, which joins scores and not vectors, stands at the end.
"""

import keras
from keras import layers, ops

from mmtutorial import TutorialError

FUSIONS: dict[str, type[keras.Layer]] = {}


def fusion(name):
    """Register a layer class under ``name``, so that lessons, tests and sweeps find it.

    The class of a notebook cell that is run again takes its own place; a name that another class
    has raises ``TutorialError``. Defined in lesson 08.
    """

    def register(cls):
        before = FUSIONS.get(name)
        if before is not None and before.__module__ != cls.__module__:
            raise TutorialError(
                f"a fusion named {name!r} exists already; take a name that is none of "
                f"{', '.join(sorted(FUSIONS))}"
            )
        saved_as = keras.saving.register_keras_serializable("mmtutorial", f"fusion_{name}")
        FUSIONS[name] = saved_as(cls)
        return cls

    return register


def make_fusion(name, **options):
    """The fusion layer called ``name``; ``options`` are those of its class.

    Raises ``TutorialError`` if there is none of that name, or the option is none of its own; the
    message lists the names there are.

    >>> tuple(make_fusion("sum")((ops.ones((2, 8)), ops.ones((2, 8)))).shape)
    (2, 8)
    """
    if name not in FUSIONS:
        raise TutorialError(f"no fusion named {name!r}; choose one of {', '.join(sorted(FUSIONS))}")
    try:
        return FUSIONS[name](**options)
    except (TypeError, ValueError) as fault:  # Keras refuses an unknown option with either
        raise TutorialError(f"fusion {name!r} cannot be made with {options}: {fault}") from fault


# The layers, from the plainest on --------------------------------------------------------------


@fusion("sum")
class Sum(keras.Layer):
    """z = x + y: nothing to learn. In one space with unit lengths it is hard to beat.

    Call with ``(photo, text)``, each ``(batch, dim)``; returns ``(batch, dim)``, as all here do.
    """

    def call(self, inputs):
        photo, text = inputs
        return photo + text


@fusion("weighted")
class Weighted(keras.Layer):
    """z = α x + (1 - α) y, with a weight that you choose: ``photo_weight`` is α, from 0 to 1."""

    def __init__(self, photo_weight=0.7, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= photo_weight <= 1:
            raise TutorialError(f"photo_weight is a share from 0 to 1, not {photo_weight}")
        self.photo_weight = photo_weight

    def call(self, inputs):
        photo, text = inputs
        return self.photo_weight * photo + (1 - self.photo_weight) * text

    def get_config(self):
        return {**super().get_config(), "photo_weight": self.photo_weight}


@fusion("scalar")
class Scalar(keras.Layer):
    """z = α x + (1 - α) y, with one α for all products, learnt: α = sigmoid(a), a = 0 at first."""

    def build(self, input_shape):
        self.logit = self.add_weight(shape=(), initializer="zeros", name="logit")

    def call(self, inputs):
        photo, text = inputs
        weight = ops.sigmoid(self.logit)
        return weight * photo + (1 - weight) * text


@fusion("gated")
class Gated(keras.Layer):
    """Let each product decide, dimension by dimension, how much its photo counts.

    z = g * x + (1 - g) * y with g = sigmoid(W [x; y] + b): the gated multimodal unit without its
    tanh (Arevalo et al. 2017, arXiv:1702.01992).
    """

    def build(self, input_shape):
        dim = input_shape[0][-1]
        # From zero: at first half of each comes through, and z lies where x and y lie.
        self.gate = layers.Dense(dim, activation="sigmoid", kernel_initializer="zeros", name="gate")

    def call(self, inputs):
        photo, text = inputs
        share = self.gate(ops.concatenate([photo, text], axis=-1))  # (batch, dim), in (0, 1)
        return share * photo + (1 - share) * text


@fusion("concat")
class Concat(keras.Layer):
    """z = W [x; y] + b: side by side, then one dense layer, as the article's listing has it."""

    def build(self, input_shape):
        self.dense = layers.Dense(input_shape[0][-1], name="dense")

    def call(self, inputs):
        return self.dense(ops.concatenate(inputs, axis=-1))


@fusion("hadamard")
class Hadamard(keras.Layer):
    """z = (1 + x) * (1 + y) - 1 = x + y + x * y, dimension by dimension. Nothing to learn."""

    def call(self, inputs):
        photo, text = inputs
        return (1 + photo) * (1 + text) - 1


@fusion("bilinear")
class Bilinear(keras.Layer):
    """Each number of the photo times each number of the text, with a weight for every output.

    z_k = [1; x]^T W_k [1; y] (Tenenbaum and Freeman 2000, doi:10.1162/089976600300015349, with a 1
    beside each), written out as x^T W_k y + U_k x + V_k y + b_k: two million weights at 128
    dimensions. W is zero at first, where this is ``concat``.
    """

    def build(self, input_shape):
        dim = input_shape[0][-1]
        self.kernel = self.add_weight(shape=(dim, dim, dim), initializer="zeros", name="kernel")
        self.linear = layers.Dense(dim, name="linear")

    def call(self, inputs):
        photo, text = inputs
        dim = photo.shape[-1]
        rows = ops.matmul(photo, ops.reshape(self.kernel, (dim, dim * dim)))
        rows = ops.reshape(rows, (-1, dim, dim))  # (batch, of the text, of the output)
        products = ops.squeeze(ops.matmul(text[:, None, :], rows), axis=1)  # (batch, dim)
        return products + self.linear(ops.concatenate(inputs, axis=-1))


@fusion("low_rank")
class LowRank(keras.Layer):
    """The bilinear layer with ``rank`` products instead of (dim + 1)².

    z = P ((U x + a) * (V y + c) - 1) + b, where a and c are 1 at first: Kim et al. 2017,
    "Hadamard product for low-rank bilinear pooling", arXiv:1610.04325, eq. 3, with [1; x] and
    [1; y] for x and y. With rank (dim + 1)² it can be any bilinear layer.
    """

    def __init__(self, rank=128, **kwargs):
        super().__init__(**kwargs)
        self.rank = rank

    def build(self, input_shape):
        self.of_photo = layers.Dense(
            self.rank, kernel_initializer=_small(), bias_initializer="ones", name="of_photo"
        )
        self.of_text = layers.Dense(
            self.rank, kernel_initializer=_small(), bias_initializer="ones", name="of_text"
        )
        self.out = layers.Dense(input_shape[0][-1], name="out")

    def call(self, inputs):
        photo, text = inputs
        return self.out(self.of_photo(photo) * self.of_text(text) - 1)

    def get_config(self):
        return {**super().get_config(), "rank": self.rank}


@fusion("film")
class FiLM(keras.Layer):
    """The text turns the photo's dimensions up and down: z = (1 + γ(y)) * x + β(y).

    Feature-wise linear modulation (Perez et al. 2018, arXiv:1709.07871, eq. 2); γ and β are a
    dense layer each. Photo and text do not play the same part here.
    """

    def build(self, input_shape):
        dim = input_shape[0][-1]
        self.gamma = layers.Dense(dim, kernel_initializer=_small(), name="gamma")
        self.beta = layers.Dense(dim, name="beta")

    def call(self, inputs):
        photo, text = inputs
        return (1 + self.gamma(text)) * photo + self.beta(text)


@fusion("attention")
class CrossAttention(keras.Layer):
    """Pieces of the photo's vector read from pieces of the text's, and the other way round.

    A softmax over one single vector is 1 whatever it says, so each vector is first turned into
    ``tokens`` short ones. One table of affinities serves both directions (parallel co-attention,
    Lu et al. 2016, arXiv:1606.00061, section 3.3; scaled as in Vaswani et al. 2017,
    arXiv:1706.03762, eq. 1). What was read is added to the sum of both.
    """

    def __init__(self, tokens=8, **kwargs):
        super().__init__(**kwargs)
        self.tokens = tokens

    def build(self, input_shape):
        dim = input_shape[0][-1]
        if dim % self.tokens:
            raise TutorialError(f"{dim} dimensions do not divide into {self.tokens} tokens")
        self.width = dim // self.tokens
        self.keys_photo = layers.Dense(dim, name="keys_photo")
        self.keys_text = layers.Dense(dim, name="keys_text")
        start = "zeros"  # at first nothing is read, and z is the sum
        self.values_photo = layers.Dense(dim, kernel_initializer=start, name="values_photo")
        self.values_text = layers.Dense(dim, kernel_initializer=start, name="values_text")

    def call(self, inputs):
        photo, text = inputs
        shape = (-1, self.tokens, self.width)
        keys_photo = ops.reshape(self.keys_photo(photo), shape)
        keys_text = ops.reshape(self.keys_text(text), shape)
        affinity = ops.matmul(keys_photo, ops.swapaxes(keys_text, 1, 2)) / self.width**0.5
        # affinity: (batch, photo's tokens, text's tokens)
        from_text = ops.matmul(
            ops.softmax(affinity, axis=-1), ops.reshape(self.values_text(text), shape)
        )
        from_photo = ops.matmul(
            ops.softmax(ops.swapaxes(affinity, 1, 2), axis=-1),
            ops.reshape(self.values_photo(photo), shape),
        )
        return photo + text + ops.reshape(from_text + from_photo, ops.shape(photo))

    def get_config(self):
        return {**super().get_config(), "tokens": self.tokens}


@fusion("tensor")
class TensorFusion(keras.Layer):
    """All products of [1; U x] and [1; V y], then a dense layer.

    Zadeh et al. 2017, "Tensor fusion network", arXiv:1707.07250, section 3.2, for two modalities,
    each brought to ``width`` numbers first. The 1 keeps each modality's own numbers among the
    products: they do not vanish where the other one is zero.
    """

    def __init__(self, width=32, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def build(self, input_shape):
        self.of_photo = layers.Dense(self.width, kernel_initializer=_small(), name="of_photo")
        self.of_text = layers.Dense(self.width, kernel_initializer=_small(), name="of_text")
        self.out = layers.Dense(input_shape[0][-1], name="out")

    def call(self, inputs):
        photo, text = inputs
        photo = _with_one(self.of_photo(photo))  # (batch, width + 1)
        text = _with_one(self.of_text(text))
        products = photo[:, :, None] * text[:, None, :]  # (batch, width + 1, width + 1)
        return self.out(ops.reshape(products, (-1, (self.width + 1) ** 2)))

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def _with_one(x):
    """``(batch, dim)`` → ``(batch, dim + 1)``: a 1 before the numbers of each row."""
    return ops.concatenate([ops.ones_like(x[:, :1]), x], axis=-1)


def _small():
    """How what is multiplied starts: small beside the 1, or the products drown the numbers."""
    return keras.initializers.RandomNormal(stddev=0.02)
