"""Fusion: one vector out of a photo's and a text's (lesson 08).

Every method is one small layer with the same face: it takes the photo vectors and the text
vectors of the same products, ``(batch, dim)`` float each, and returns the fused vectors
``(batch, dim)``. Pick one by name from ``FUSIONS``; add your own with ``@fusion``.

A missing part is a row of zeros, which no vector of unit length can be. Nothing stands in for it,
so a method must make do with the other part: what multiplies the two has a 1 beside each, as in
Zadeh et al. 2017 below, or the product with nothing would be nothing.

``FusedSpace`` puts queries and products through one such layer; ``train_fusion`` trains it on the
vectors of locked encoders. Late fusion, which joins scores and not vectors, stands at the end.
"""

from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from mmtutorial import TutorialError
from mmtutorial.contrastive import MAX_SCALE, contrastive_loss, title_groups
from mmtutorial.devices import steps_per_call

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


# One space for queries and products ------------------------------------------------------------


@keras.saving.register_keras_serializable("mmtutorial")
class FusedSpace(keras.Model):
    """Queries and products, each with a photo, a text or both, in one space. Defined in lesson 08.

    Both sides go through the same fusion layer and are brought to unit length, so that whatever a
    query holds can be compared with whatever a product holds. Before the layer each part is
    stretched to numbers of about 1, which is what a fresh layer expects.

    Call with ``{"query_photo", "query_text", "photo", "text"}``, each ``(batch, dim)`` float;
    returns ``{"query", "product"}``, ``(batch, dim)`` float32 rows of unit length. Train with
    ``y`` = title groups. ``fusion`` is a layer with the face of ``FUSIONS``; a layer that returns
    another shape raises ``TutorialError``.
    """

    def __init__(self, fusion, dim, temperature=0.07, **kwargs):
        super().__init__(**kwargs)
        self.fusion, self.dim, self.temperature = fusion, dim, temperature
        self.to_unit = layers.UnitNormalization(axis=-1, dtype="float32")
        start = keras.initializers.Constant(-np.log(temperature))
        self.log_scale = self.add_weight(shape=(), initializer=start, name="log_scale")
        shape = fusion((keras.Input((dim,)), keras.Input((dim,)))).shape  # builds it, too
        if tuple(shape) != (None, dim):
            raise TutorialError(
                f"{type(fusion).__name__} returns {tuple(shape)} for two inputs (None, {dim}): a "
                f"fusion returns (batch, {dim})"
            )
        self.built = True  # all there is to build was built above

    @property
    def scale(self):
        """1 / temperature, at most ``MAX_SCALE``."""
        return ops.minimum(ops.exp(ops.cast(self.log_scale, "float32")), MAX_SCALE)

    def fuse(self, photo, text):
        """``(batch, dim)`` each, zeros where missing → ``(batch, dim)`` float32, unit length."""
        stretch = self.dim**0.5  # a vector of unit length has numbers of about 1 / √dim
        return self.to_unit(self.fusion((stretch * photo, stretch * text)))

    def call(self, inputs):
        return {
            "query": self.fuse(inputs["query_photo"], inputs["query_text"]),
            "product": self.fuse(inputs["photo"], inputs["text"]),
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return contrastive_loss(y_pred["query"], y_pred["product"], y, self.scale)

    def embed(self, photo=None, text=None, block=1024):
        """Arrays in, an array out: ``(n, dim)`` float → ``(n, dim)`` float32 of unit length.

        A part that all rows lack can be left out. Raises ``TutorialError`` when both are.
        """
        if photo is None and text is None:
            raise TutorialError("nothing to embed: give photo vectors, text vectors, or both")
        photo = np.zeros_like(text) if photo is None else photo
        text = np.zeros_like(photo) if text is None else text
        parts = [
            self.fuse(
                ops.convert_to_tensor(photo[start : start + block], dtype="float32"),
                ops.convert_to_tensor(text[start : start + block], dtype="float32"),
            )
            for start in range(0, len(photo), block)
        ]
        return np.concatenate([ops.convert_to_numpy(part) for part in parts])

    def get_config(self):
        layer = keras.saving.serialize_keras_object(self.fusion)
        return {"fusion": layer, "dim": self.dim, "temperature": self.temperature}

    @classmethod
    def from_config(cls, config):
        config["fusion"] = keras.saving.deserialize_keras_object(config["fusion"])
        return cls(**config)


class FusionPairs(NamedTuple):
    """What ``train_fusion`` learns from: the vectors of n training products, by locked encoders.

    ``photo``, ``title``, ``mirrored`` (the photo, left and right changed): ``(n, dim)``;
    ``said``, ``rest``: ``(n, cuts, dim)``, the parts of a title that ``cut_title`` cut in two;
    ``groups``: ``(n,)`` int, equal for equal titles.
    """

    photo: np.ndarray
    title: np.ndarray
    mirrored: np.ndarray
    said: np.ndarray
    rest: np.ndarray
    groups: np.ndarray


def cut_title(title, rng):
    """A title cut in two at random: what a shopper may say of the product, and the rest.

    Each word goes to either side with the same chance, but none gets all of them. The inverse
    cloze task (Lee et al. 2019, arXiv:1906.00300), with words in place of sentences.
    Returns ``(said, rest)``; ``rng`` is a ``numpy.random.Generator``. Defined in lesson 08.
    """
    words = title.split()
    is_said = rng.random(len(words)) < 0.5
    if len(words) > 1 and (is_said.all() or not is_said.any()):
        is_said[rng.integers(len(words))] ^= True
    said = " ".join(word for word, this in zip(words, is_said, strict=True) if this)
    rest = " ".join(word for word, this in zip(words, is_said, strict=True) if not this)
    return said, rest


def fusion_pairs(retriever, catalogue, cuts=4, seed=0):
    """Embed a training part once, as ``FusionPairs``; each title is cut in two ``cuts`` times.

    ``retriever`` is a ``contrastive.Retriever``; nothing here trains it on. Defined in lesson 08.
    """
    rng = np.random.default_rng(seed)
    titles = list(catalogue.table["title"])
    halves = [cut_title(title, rng) for title in titles for _ in range(cuts)]
    said, rest = (
        retriever.embed_texts(side).reshape(len(titles), cuts, -1)
        for side in zip(*halves, strict=True)
    )
    return FusionPairs(
        photo=retriever.embed_photos(catalogue.photos),
        title=retriever.embed_texts(titles),
        mirrored=retriever.embed_photos(catalogue.photos[:, :, ::-1]),
        said=said,
        rest=rest,
        groups=title_groups(catalogue),
    )


def drop_parts(photo, text, share, rng):
    """Modality dropout: of a ``share`` of the rows one part is zero, the photo or the text.

    ``photo``, ``text``: ``(n, dim)``; never both parts of one row (Neverova et al. 2016, "ModDrop",
    arXiv:1501.00102). Returns the two. Defined in lesson 08.
    """
    lost, which = rng.random(len(photo)) < share, rng.random(len(photo)) < 0.5
    keep_photo, keep_text = ~(lost & which), ~(lost & ~which)
    return photo * keep_photo[:, None], text * keep_text[:, None]


def fusion_batches(pairs, steps, batch_size, dropout=0.0, seed=0):
    """Yield ``steps`` batches for a ``FusedSpace``: the same ones for every method.

    A query is some words of a title, a mirrored photo, or both, in equal shares. Its product has
    the photo and, in every other case, the words of the title that the query did not say; else the
    whole title. ``dropout`` is the share of products that lose a part (``drop_parts``).
    """
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = rng.choice(len(pairs.groups), batch_size, replace=False)
        cut = rng.integers(pairs.said.shape[1], size=batch_size)
        asks = rng.choice(["words", "photo", "both"], size=batch_size)[:, None]
        left = rng.random((batch_size, 1)) < 0.5  # only what the query left of the title
        title = np.where(left, pairs.rest[rows, cut], pairs.title[rows])
        photo, text = drop_parts(pairs.photo[rows], title, dropout, rng)
        query_photo = pairs.mirrored[rows] * (asks != "words")
        query_text = pairs.said[rows, cut] * (asks != "photo")
        parts = {"query_photo": query_photo, "query_text": query_text, "photo": photo, "text": text}
        yield (
            {name: part.astype("float32") for name, part in parts.items()},
            pairs.groups[rows].astype("int32"),
        )


def train_fusion(fusion, pairs, steps=300, batch_size=128, learning_rate=1e-3, dropout=0.0, seed=0):
    """A ``FusedSpace`` around ``fusion`` (a name or a layer), trained; its ``log`` is a table.

    AdamW with a learning rate that falls to zero along a cosine; every method sees the batches of
    ``fusion_batches`` with that seed. ``log`` has the columns ``step`` and ``loss``, in nats, the
    mean over the last 25 steps. Defined in lesson 08.

    Raises ``TutorialError`` for an unknown name, fewer pairs than one batch holds, or a loss that
    turns NaN.
    """
    if len(pairs.groups) < batch_size:
        raise TutorialError(
            f"{len(pairs.groups)} training products do not fill one batch of {batch_size}: use a "
            "smaller batch size or more products"
        )
    keras.utils.set_random_seed(seed)
    layer = make_fusion(fusion) if isinstance(fusion, str) else fusion
    space = FusedSpace(layer, pairs.photo.shape[1])
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    each = min(25, steps)  # steps in a line of the log
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-4)
    space.compile(optimizer=optimizer, steps_per_execution=steps_per_call(each))
    batches = fusion_batches(pairs, steps // each * each, batch_size, dropout, seed)
    history = space.fit(
        batches, steps_per_epoch=each, epochs=steps // each, shuffle=False, verbose=0
    )
    losses = history.history["loss"]
    if not np.isfinite(losses).all():
        raise TutorialError("the loss turned NaN: train again with a lower learning rate")
    space.log = pd.DataFrame({"step": each * np.arange(1, len(losses) + 1), "loss": losses})
    return space


# Late fusion: scores, not vectors --------------------------------------------------------------


def part_scores(query, photo, text):
    """How near each query is to each product's photo, and to its text, apart.

    ``query``: ``(n_queries, dim)``; ``photo``, ``text``: ``(n_products, dim)``, zeros where
    missing. Returns ``(2, n_queries, n_products)`` float32, NaN where the product lacks the part.
    """
    scores = np.stack([query @ photo.T, query @ text.T])
    missing = np.stack([~photo.any(axis=1), ~text.any(axis=1)])  # (2, n_products)
    scores[np.broadcast_to(missing[:, None], scores.shape)] = np.nan
    return scores


def weighted_scores(scores, weights=(0.5, 0.5)):
    """The weighted mean of the scores of the parts that are there; 0 where none is.

    ``scores``: ``(parts, n_queries, n_products)``, NaN where missing; returns ``(n_queries,
    n_products)``. The parts' scores must mean the same: a distance and a BM25 do not mix.
    Defined in lesson 08.
    """
    weights = np.reshape(weights, (-1, 1, 1)) * ~np.isnan(scores)
    return (weights * np.nan_to_num(scores)).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-12)


def reciprocal_ranks(scores, k=60):
    """Reciprocal rank fusion: Σ 1 / (k + rank), over the lists that rank the product.

    Only the order of each list counts, so any scores can be joined. Shapes as ``weighted_scores``;
    equal scores are ranked in the order of the columns: have these ascend by product id. A missing
    part adds nothing (Cormack et al. 2009, doi:10.1145/1571941.1572114). Defined in lesson 08.
    """
    order = np.argsort(-scores, axis=-1, kind="stable")  # NaN goes last
    ranks = np.empty(scores.shape, dtype="int64")
    np.put_along_axis(ranks, order, np.arange(1, scores.shape[-1] + 1), axis=-1)
    return np.where(np.isnan(scores), 0, 1 / (k + ranks)).sum(axis=0)


SCORE_FUSIONS = {"late weighted": weighted_scores, "late ranks": reciprocal_ranks}
