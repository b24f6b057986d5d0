"""A space of fused vectors, trained on frozen encoders (lesson 08)."""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from mmtutorial import TutorialError
from mmtutorial.catalogue.groups import title_groups
from mmtutorial.matching.contrastive import LearntScale, contrastive_loss
from mmtutorial.matching.fusion import make_fusion
from mmtutorial.matching.training import cosine, train


@keras.saving.register_keras_serializable("mmtutorial")
class FusedSpace(LearntScale, keras.Model):
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
        self.add_scale(1 / temperature)
        shape = fusion((keras.Input((dim,)), keras.Input((dim,)))).shape  # builds it, too
        if tuple(shape) != (None, dim):
            raise TutorialError(
                f"{type(fusion).__name__} returns {tuple(shape)} for two inputs (None, {dim}): a "
                f"fusion returns (batch, {dim})"
            )
        self.built = True  # all there is to build was built above

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

    >>> said, rest = cut_title("Acme Kids Blue Tee", np.random.default_rng(0))
    >>> sorted([*said.split(), *rest.split()])
    ['Acme', 'Blue', 'Kids', 'Tee']
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

    ``retriever`` is a ``retriever.Retriever``; nothing here trains it on. Defined in lesson 08.
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

    >>> photo, text = drop_parts(np.ones((9, 2)), np.ones((9, 2)), 1.0, np.random.default_rng(0))
    >>> bool(((photo + text) == 1).all())  # one of the two is left of each product
    True
    """
    lost, which = rng.random(len(photo)) < share, rng.random(len(photo)) < 0.5
    keep_photo, keep_text = ~(lost & which), ~(lost & ~which)
    return photo * keep_photo[:, None], text * keep_text[:, None]


class FusionBatches:
    """Batches of products, with queries for them, for a ``FusedSpace``: the same for every method.

    A query is some words of a title, a mirrored photo, or both, in equal shares. Its product has
    the photo and, in every other case, the words of the title that the query did not say; else the
    whole title. ``dropout`` is the share of products that lose a part (``drop_parts``).

    ``pairs``: ``FusionPairs``. The products of a batch are drawn anew for each one, so an "epoch"
    is just ``steps`` batches. A batch depends on the seed, the epoch and its number alone. It is
    the input of ``FusedSpace`` and the title groups. Defined in lesson 08.
    """

    def __init__(self, pairs, steps, batch_size, dropout=0.0, seed=0):
        self.pairs, self.steps, self.batch_size = pairs, steps, batch_size
        self.dropout, self.seed = dropout, seed
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Draw the batches of that epoch."""
        self.epoch = epoch

    def __len__(self):
        return self.steps

    def __getitem__(self, number):
        pairs, size = self.pairs, self.batch_size
        rng = np.random.default_rng((self.seed, self.epoch, number))
        rows = rng.choice(len(pairs.groups), size, replace=False)
        cut = rng.integers(pairs.said.shape[1], size=size)
        asks = rng.choice(["words", "photo", "both"], size=size)[:, None]
        left = rng.random((size, 1)) < 0.5  # only what the query left of the title
        title = np.where(left, pairs.rest[rows, cut], pairs.title[rows])
        photo, text = drop_parts(pairs.photo[rows], title, self.dropout, rng)
        query_photo = pairs.mirrored[rows] * (asks != "words")
        query_text = pairs.said[rows, cut] * (asks != "photo")
        parts = {"query_photo": query_photo, "query_text": query_text, "photo": photo, "text": text}
        return (
            {name: part.astype("float32") for name, part in parts.items()},
            pairs.groups[rows].astype("int32"),
        )


def train_fusion(fusion, pairs, steps=300, batch_size=128, learning_rate=1e-3, dropout=0.0, seed=0):
    """A ``FusedSpace`` around ``fusion`` (a name or a layer), trained; its ``log`` is a table.

    AdamW with a learning rate that falls to zero along a cosine; every method sees the same
    ``FusionBatches``. ``log`` has the columns ``step`` and ``loss``, in nats, the mean over the
    last 25 steps. Defined in lesson 08.

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
    each = min(25, steps)  # steps in a line of the log
    batches = FusionBatches(pairs, each, batch_size, dropout, seed)
    log = train(space, batches, steps // each, learning_rate, schedule=cosine, bar=False)
    space.log = log[["loss"]].assign(step=each * (log["epoch"] + 1))[["step", "loss"]]
    return space
