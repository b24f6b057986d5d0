"""A small dual encoder for the KAGL benchmark, with attribute heads.

Lesson 06's dual encoder with more of everything, as far as two CPU cores go: a residual photo
encoder that sees fine detail, a text encoder that reads words, their n-grams and their order;
next to the contrastive loss each half also names the brand, the article type, the colour and the
gender, and learns which photos a bare attribute value ("Navy Blue") asks for. The weights are
averaged over time. ``train_base`` trains one, ``load_model`` reads one.
"""

import contextlib
import hashlib
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from filelock import FileLock
from keras import layers, ops
from scipy.special import softmax
from tqdm import tqdm

from mmtutorial import TutorialError
from mmtutorial.catalogue import Catalogue, title_queries
from mmtutorial.cleaning import normalise_title
from mmtutorial.contrastive import (
    ELSEWHERE,
    RANGES,
    DualEncoder,
    contrastive_loss,
    restore_state,
    save_state,
    settle_averages,
    title_groups,
)
from mmtutorial.files import (
    DamagedFile,
    are_texts,
    check_whole,
    checkpoint_key,
    intact,
    is_a,
    read_array,
    read_arrays,
    read_json,
    writing,
)
from mmtutorial.images import PHOTO_SHAPE, residual_block
from mmtutorial.metrics import recall, reciprocal_rank, relevance_in_order
from mmtutorial.paths import ROOT, cache_home
from mmtutorial.search import best, places_of
from mmtutorial.similarity import unit_length
from mmtutorial.tokens import Vocabulary, WordsAndNgrams, from_config

VERSION = 2  # of the recipe: raise it when a change below would train another model
FORMAT = 1  # of a saved model's folder: raise it when an older one cannot be read any more
HEADS = {"brand": 0.7, "article_type": 0.3, "colour": 0.3, "gender": 0.3}  # → weight in the loss
PHRASES = (*HEADS, "category", "subcategory", "season", "usage")  # attributes to be asked for
PHRASE_WEIGHT = 0.3  # of the loss that asks for photos and titles by one attribute value
TEXT_HEADS = 0.3  # the text's heads count so much less: reading is easier than seeing
SAVE_EVERY = 25  # steps
LEAST = 5  # products that an attribute value needs to become a class

CONFIG = {  # what config.json holds
    "version": int,
    "settings": dict,
    "products": int,
    "fusion": dict,
    "log": list,
    "classes": dict,
    "phrases": list,
    "vocabulary": dict,
}

SETTINGS = {
    "epochs": 28,
    "decay": 0.25,  # the last quarter of the epochs: the learning rate falls, all is trained on
    "batch_size": 512,
    "learning_rate": 1.5e-3,
    "weight_decay": 0.05,
    "dim": 256,
    "widths": (32, 64, 128, 256),
    "ema": 0.995,
    "seed": 0,
    "without": (),  # which of PARTS to leave out, to see what each is worth (lesson 20)
}

PARTS = {  # what can be left out → what is then done instead
    "attribute heads": "neither half learns to name attributes",
    "n-grams": "the bag holds words only",
    "title twins": "products of the same title are wrong answers to each other",
    "word order": "no LSTM, the mean of the bag alone",
    "attribute phrases": "no bare attribute value is learnt from",
    "augmentation": "every photo as it is, each time",
    "weight averages": "the weights of the last step",
}


# The two encoders -------------------------------------------------------------------------------


class TitleTokens(WordsAndNgrams):
    """A title's words in their order, then the bag of its words and n-grams, in one row.

    ``(n, 16 + 128)`` int32: the first ``WORDS`` columns are for a recurrent layer, the others for
    a mean. Both use the same numbers, those of ``WordsAndNgrams`` (lesson 04).
    """

    WORDS = 16

    def __init__(self, word_list, length=128, buckets=2**14, ngrams=True):
        super().__init__(word_list, length, buckets)
        self.ngrams = ngrams

    def encode(self, texts):
        """Texts → ``(n, 144)`` int32, both parts padded on the right with 0."""
        texts = list(texts)
        in_order = Vocabulary(self.words, self.WORDS).encode(texts)
        plain = Vocabulary(self.words, self.length)
        bag = super().encode(texts) if self.ngrams else plain.encode(texts)
        return np.concatenate([in_order, bag], axis=1)

    def get_config(self):
        """What the constructor needs to make the same again, as JSON can hold it."""
        return {**super().get_config(), "ngrams": self.ngrams}


def photo_encoder(dim, widths, classes):
    """A residual CNN with a fine stem: photo → vector and one row of logits a head.

    The stem halves the photo twice, once by stride and once by pooling, before there are many
    channels; then come residual blocks, each after a pooling (He et al. 2016, arXiv:1512.03385).
    Mean and maximum over the places are both kept: a logo is in one place only.

    ``(batch, 80, 60, 3)`` values 0-255 → ``{"vector": (batch, dim), head: (batch, n_classes)}``.
    """
    photo = keras.Input(PHOTO_SHAPE, name="photo")
    x = layers.Rescaling(1 / 127.5, -1, name="rescale")(photo)
    x = layers.Conv2D(widths[0], 5, 2, padding="same", activation="relu", name="stem")(x)
    x = layers.MaxPooling2D(2, name="stem_pool")(x)  # (batch, 20, 15, widths[0])
    x = layers.BatchNormalization(momentum=0.9, name="stem_norm")(x)
    for stage, width in enumerate(widths[1:], start=1):
        if stage > 1:
            x = layers.MaxPooling2D(2, padding="same", name=f"pool_{stage}")(x)
        x = residual_block(x, width, f"block_{stage}")
    mean = layers.GlobalAveragePooling2D(name="mean")(x)
    most = layers.GlobalMaxPooling2D(name="most")(x)
    features = layers.Concatenate(name="features")([mean, most])  # (batch, 2 · widths[-1])
    return keras.Model(photo, _vector_and_heads(features, dim, classes), name="photo_encoder")


def text_encoder(vocabulary_size, dim, classes, word_order=True, width=128):
    """Words in order through a BiLSTM, beside the mean of words and n-grams → vector and heads.

    Without ``word_order`` there is no BiLSTM. While training, whole tokens are left out at random,
    so that no single word is relied on.
    ``(batch, 144)`` int32 (``TitleTokens``) → ``{"vector": (batch, dim), head: (batch, n)}``.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embed = layers.Embedding(vocabulary_size, width, mask_zero=True, name="embed")
    split = TitleTokens.WORDS
    words = layers.Dropout(0.1, noise_shape=(None, None, 1), name="drop_words")(
        embed(tokens[:, :split])
    )
    bag = layers.Dropout(0.2, noise_shape=(None, None, 1), name="drop_bag")(
        embed(tokens[:, split:])
    )
    features = layers.GlobalAveragePooling1D(name="mean")(bag)  # (batch, width)
    if word_order:
        order = layers.Bidirectional(layers.LSTM(width), name="bilstm")(words)
        features = layers.Concatenate(name="features")([order, features])  # (batch, 3 · width)
    return keras.Model(tokens, _vector_and_heads(features, dim, classes), name="text_encoder")


def _vector_and_heads(features, dim, classes):
    outputs = {"vector": layers.Dense(dim, name="project")(features)}
    for head, values in classes.items():
        outputs[head] = layers.Dense(len(values), name=f"head_{head}")(features)
    return outputs


class AttributeDualEncoder(DualEncoder):
    """A ``DualEncoder`` whose halves name attributes too, with the losses that train it all.

    Call with ``{"photo", "tokens", "phrases"}``; ``y`` holds ``group`` (title groups), ``classes``
    ``(batch, heads)`` and ``values`` ``(batch, attributes)`` (numbers of attribute values, -1
    where unknown) and ``phrase``, the value number that each row of ``phrases`` spells out.
    """

    without = ()  # of PARTS; those that are losses are left out here

    def call(self, inputs, training=False):
        photo = self.image_encoder(inputs["photo"], training=training)
        n = ops.shape(inputs["tokens"])[0]
        texts = self.text_encoder(
            ops.concatenate([inputs["tokens"], inputs["phrases"]], axis=0), training=training
        )
        outputs = {f"photo_{head}": photo[head] for head in HEADS}
        outputs |= {f"text_{head}": texts[head][:n] for head in HEADS}
        vectors = self.to_unit(texts["vector"])
        return outputs | {
            "photo": self.to_unit(photo["vector"]),
            "text": vectors[:n],
            "phrase": vectors[n:],
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        photo, text, group = y_pred["photo"], y_pred["text"], y["group"]
        loss = contrastive_loss(photo, text, group, self.scale)
        asked = (y_pred["phrase"], y["phrase"], y["values"])
        # Times 0 where left out: so every weight has a gradient, be it zero.
        loss += ("attribute phrases" not in self.without) * self._phrase_losses(photo, text, *asked)
        loss += ("attribute heads" not in self.without) * self._head_losses(y["classes"], y_pred)
        return loss

    def _phrase_losses(self, photo, text, phrases, asked, values):
        both = [phrase_loss(phrases, side, asked, values, self.scale) for side in (photo, text)]
        return PHRASE_WEIGHT * (both[0] + both[1]) / 2

    def _head_losses(self, classes, y_pred):
        loss = 0.0
        for number, (head, weight) in enumerate(HEADS.items()):
            for side, share in (("photo", 1.0), ("text", TEXT_HEADS)):
                wrong = keras.losses.sparse_categorical_crossentropy(
                    classes[:, number], y_pred[f"{side}_{head}"], from_logits=True
                )
                loss += share * weight * ops.mean(wrong)
        return loss


def phrase_loss(phrases, products, asked, values, scale):
    """Softmax cross-entropy of attribute phrases over the batch: every product that fits is right.

    ``phrases``: ``(n, dim)``, ``products``: ``(batch, dim)``, unit rows; ``asked``: ``(n,)`` the
    value number of each phrase; ``values``: ``(batch, attributes)``, those of the products; -1
    is no value, and a phrase of none does not count. The target mass is shared by all products
    that bear the value (Khosla et al. 2020, arXiv:2004.11362, eq. 2). Returns a scalar in nats,
    above what sharing costs.
    """
    logits = scale * ops.matmul(phrases, ops.transpose(products))  # (n, batch)
    fits = ops.cast(ops.any(asked[:, None, None] == values[None], axis=-1), "float32")
    share = fits / ops.maximum(ops.sum(fits, axis=1, keepdims=True), 1)
    surplus = ops.sum(share * ops.log(ops.maximum(share, 1e-9)), axis=1)
    losses = surplus - ops.sum(share * ops.log_softmax(logits, axis=1), axis=1)  # (n,)
    counts = ops.cast(asked >= 0, "float32")
    return ops.sum(counts * losses) / ops.maximum(ops.sum(counts), 1)


# What it learns from ----------------------------------------------------------------------------


class Labels:
    """The attribute values that training products bear often enough, numbered; and their texts.

    ``classes``: head → its values, the first of them ``""`` for all that is rare or unknown;
    ``phrases``: ``(attribute, value)``, what can be asked for, its place being its number.
    """

    def __init__(self, classes, phrases):
        self.classes = classes
        self.phrases = [tuple(phrase) for phrase in phrases]

    @classmethod
    def fit(cls, table):
        """The values that ``LEAST`` products of ``table`` have."""

        def often(column):
            counts = table[column][table[column] != ""].value_counts()
            return sorted(counts.index[counts >= LEAST])

        return cls(
            {head: ["", *often(head)] for head in HEADS},
            [(column, value) for column in PHRASES for value in often(column)],
        )

    def class_numbers(self, table):
        """``(n, heads)`` int32: the class of each product for each head."""
        columns = [pd.Index(self.classes[head]).get_indexer(table[head]) for head in HEADS]
        return np.maximum(np.stack(columns, axis=1), 0).astype("int32")

    def value_numbers(self, table):
        """``(n, attributes)`` int32: the phrases that are true of each product, -1 for none."""
        number = {phrase: n for n, phrase in enumerate(self.phrases)}
        columns = [
            [number.get((column, value), -1) for value in table[column]] for column in PHRASES
        ]
        return np.array(columns, dtype="int32").T


class LabelledBatches:
    """Batches for ``AttributeDualEncoder``: augmented photos, titles, labels, phrases.

    What a batch holds depends on the seed, the epoch and its number alone, so that a resumed
    training sees what an uninterrupted one would have seen. An epoch is ``steps`` batches.
    """

    def __init__(
        self, catalogue, tokeniser, labels, batch_size, steps, seed=0, n_phrases=64, without=()
    ):
        self.photos = catalogue.photos
        self.augment = augment if "augmentation" not in without else lambda photos, rng: photos
        self.tokens = tokeniser.encode(catalogue.table["title"])
        twins = "title twins" not in without
        groups = title_groups(catalogue) if twins else np.arange(len(catalogue))
        self.groups = groups.astype("int32")
        self.classes = labels.class_numbers(catalogue.table)
        self.values = labels.value_numbers(catalogue.table)
        values = [value for _, value in labels.phrases]
        self.phrases = tokeniser.encode([*values, ""])  # number -1, nothing known, is the last
        self.batch_size, self.steps, self.seed, self.n_phrases = batch_size, steps, seed, n_phrases
        self.set_epoch(0, np.arange(len(catalogue)))

    def set_epoch(self, epoch, rows):
        """Take that epoch's order of the products at ``rows``."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.seed, epoch)).permutation(rows)

    def __len__(self):
        return self.steps

    def __getitem__(self, number):
        rng = np.random.default_rng((self.seed, self.epoch, number))
        rows = np.sort(self.order[number * self.batch_size :][: self.batch_size])
        spoken = rng.choice(rows, min(self.n_phrases, len(rows)), replace=False)
        known = self.values[spoken] >= 0  # a value that the product has, whichever
        columns = (known * rng.random(known.shape)).argmax(axis=1)
        asked = self.values[spoken, columns]
        x = {
            "photo": self.augment(self.photos[rows], rng),
            "tokens": self.tokens[rows],
            "phrases": self.phrases[asked],
        }
        y = {
            "group": self.groups[rows],
            "classes": self.classes[rows],
            "values": self.values[rows],
            "phrase": asked,
        }
        return x, y


def augment(photos, rng, most=4):
    """Each photo mirrored or not, moved by up to ``most`` pixels, half of them with a hole.

    The colour stays what it is: queries ask for it. ``(n, height, width, 3) uint8`` → the same.
    """
    n, height, width, _ = photos.shape
    mirrored = rng.random(n) < 0.5
    wide = np.pad(photos, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    shifts = rng.integers(0, 2 * most + 1, (n, 2))
    out = np.empty_like(photos)
    for i, (down, across) in enumerate(shifts):
        out[i] = wide[i, down : down + height, across : across + width]
    out[mirrored] = out[mirrored, :, ::-1]
    for i in np.flatnonzero(rng.random(n) < 0.5):  # random erasing (arXiv:1708.04896), in white
        h, w = rng.integers(8, 25), rng.integers(6, 19)
        top, left = rng.integers(0, height - h), rng.integers(0, width - w)
        out[i, top : top + h, left : left + w] = 255
    return out


# Training ---------------------------------------------------------------------------------------


def train_base(train_part, validation_part, settings=None, name="base"):
    """Train the model, or go on with a training that was interrupted: a ``BaseRetriever``.

    The training's state is written every ``SAVE_EVERY`` steps, whole or not at all, to
    ``MMTUTORIAL_CACHE/base/NAME-<hex>``; the hex digits come from the products, ``VERSION`` and
    the settings but for ``epochs`` and ``decay``, which may be changed on the way. ``log.jsonl``
    beside it grows by a line an epoch.

    The weights of the late fusion are chosen on the validation part while it has not been trained
    on; the last epochs, while the learning rate falls, train on it too.

    Raises ``TutorialError`` for a setting out of its range, too few products, a loss that turns
    NaN, a full disk, or a damaged state.
    """
    settings = check_settings(settings or {})
    home = training_folder(train_part, validation_part, settings, name)
    with writing(home, ELSEWHERE, home / "state.npz"):
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / "lock"):  # two at once: the second waits, then has little left to do
            return _train(train_part, validation_part, settings, home)


def check_settings(settings):
    """``settings`` with those of ``SETTINGS`` that they do not name.

    Raises ``TutorialError`` for an unknown name or a value out of its range.
    """
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        raise TutorialError(f"no setting {unknown[0]!r}; there are {', '.join(SETTINGS)}")
    settings = {**SETTINGS, **settings}
    for name, (low, high) in RANGES.items():
        check_whole(name.upper(), settings[name], low, high)
    widths = settings["widths"]
    if not isinstance(widths, (tuple, list)) or not 2 <= len(widths) <= 8:
        raise TutorialError(f"WIDTHS is {widths!r}: choose from 2 to 8 numbers of channels")
    for width in widths:
        check_whole("one of WIDTHS", width, 1, 2048)
    for name, high in (("decay", 1), ("learning_rate", 100), ("weight_decay", 100), ("ema", 1)):
        value = settings[name]
        if not is_a(value, float) or not 0 <= value <= high:
            raise TutorialError(f"{name.upper()} is {value!r}: choose a number from 0 to {high}")
    left_out = sorted(set(settings["without"]) - set(PARTS))
    if left_out:
        raise TutorialError(f"no part {left_out[0]!r} to leave out; there are {', '.join(PARTS)}")
    return settings


def _train(train_part, validation_part, settings, home):
    keras.utils.set_random_seed(settings["seed"])
    retriever = BaseRetriever.new(train_part, settings)
    steps = len(train_part) // settings["batch_size"]
    if len(validation_part) < 10:
        raise TutorialError(
            f"{len(validation_part)} validation products are too few to choose the late fusion "
            "on, at least 10 are needed: use more products"
        )
    if steps == 0:
        raise TutorialError(
            f"{len(train_part)} training products do not fill one batch of "
            f"{settings['batch_size']}: use a smaller batch size or more products"
        )
    everything = join(train_part, validation_part)
    batches = LabelledBatches(
        everything, retriever.vocabulary, retriever.labels, settings["batch_size"], steps,
        settings["seed"], without=settings["without"],
    )  # fmt: skip
    model = retriever.model
    model.compile(optimizer=_optimizer(settings), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    retriever.trained_on, retriever.n_products = fingerprints(everything.table), len(everything)
    decay_from = settings["epochs"] - round(settings["decay"] * settings["epochs"])
    progress = restore_state(model, home / "state.npz") or {"steps": 0, "fusion": {}}
    done, retriever.fusion = progress["steps"], progress["fusion"]
    total = steps * settings["epochs"]
    bar = tqdm(desc="training", initial=done, total=total, file=sys.stdout, mininterval=5)
    for epoch in range(done // steps, settings["epochs"]):
        began = time.time()
        if epoch >= decay_from and not retriever.fusion:
            with averaged(model, batches, settings["without"]):
                chosen = choose_fusion(retriever, validation_part, everything)
            retriever.fusion = chosen["fusion"]
            _log(home, epochs=epoch, **chosen)
        elif epoch < decay_from and epoch % max(5, settings["epochs"] // 8) == 0 and epoch > 0:
            with averaged(model, batches, settings["without"]):
                _log(home, epochs=epoch, **measure(retriever, validation_part, validation_part))
        products = everything if epoch >= decay_from else train_part
        batches.set_epoch(epoch, np.arange(len(products)))
        losses = []
        for number in range(done % steps, steps):
            rate = _learning_rate(settings, epoch + number / steps, decay_from)
            model.optimizer.learning_rate.assign(rate)
            losses.append(float(model.train_on_batch(*batches[number])))
            if not np.isfinite(losses[-1]):
                raise TutorialError("the loss turned NaN: train again with a lower learning rate")
            done += 1
            bar.update()
            if done % SAVE_EVERY == 0 or done % steps == 0:
                save_state(model, home / "state.npz", steps=done, fusion=retriever.fusion)
        seconds = round(time.time() - began)
        _log(home, epochs=epoch + 1, loss=float(np.mean(losses)), seconds=seconds)
    bar.close()
    retriever.log = _read_log(home)
    batches.set_epoch(settings["epochs"], np.arange(len(everything)))  # whether just trained or not
    _average(model, batches, settings["without"])
    return retriever


def _log(home, **line):
    with open(home / "log.jsonl", "a+", encoding="utf-8", errors="replace") as log:
        log.seek(0)
        if not f"\n{log.read()}".endswith("\n"):
            log.write("\n")  # a line that was cut in the middle stays a line of its own
        log.write(json.dumps(line) + "\n")


def _read_log(home):
    """The lines of the log; one that was cut in the middle is left out: it only informs."""
    file = home / "log.jsonl"
    lines = file.read_text("utf-8", errors="replace").splitlines() if file.exists() else []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return [line for line in found if isinstance(line, dict)]


@contextlib.contextmanager
def averaged(model, batches, without=()):
    """Inside, the model has its averaged weights; afterwards those that training goes on with."""
    kept = [ops.convert_to_numpy(variable) for variable in model.variables]
    _average(model, batches, without)
    yield
    for variable, value in zip(model.variables, kept, strict=True):
        variable.assign(value)


def _average(model, batches, without=()):
    """Take the weights' moving averages, and the batch statistics that belong to them."""
    if "weight averages" not in without:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    settle_averages(model.image_encoder, batches)


def training_folder(train_part, validation_part, settings, name="base"):
    """Where the state of that training is kept."""
    seen = ["id", "title", "photo_hash", *PHRASES]
    parts = [part.table[seen].to_numpy().tolist() for part in (train_part, validation_part)]
    shape = {key: value for key, value in settings.items() if key not in ("epochs", "decay")}
    key = checkpoint_key(VERSION, shape, [json.dumps(parts)])
    return cache_home() / "base" / f"{name}-{key}"


def join(first, second):
    """Two catalogues as one, without queries."""
    table = pd.concat([first.table, second.table], ignore_index=True)
    return Catalogue(first.name, table, np.concatenate([first.photos, second.photos]))


def _optimizer(settings):
    optimizer = keras.optimizers.AdamW(
        settings["learning_rate"],
        weight_decay=settings["weight_decay"],
        use_ema=True,
        ema_momentum=settings["ema"],
    )
    # Only what multiplies shrinks: not biases, norms, the temperature, nor rarely used embeddings.
    optimizer.exclude_from_weight_decay(
        var_names=["bias", "gamma", "beta", "log_scale", "embeddings"]
    )
    return optimizer


def _learning_rate(settings, epoch, decay_from):
    """A warm-up of two epochs, then constant, then a straight line down to zero.

    Unlike a cosine it does not need to know the end from the start: a training can be made
    shorter or longer while it runs (Hägele et al. 2024, arXiv:2405.18392).
    """
    warm_up = min(1.0, (epoch + 0.1) / 2)
    cool_down = min(1.0, (settings["epochs"] - epoch) / max(settings["epochs"] - decay_from, 1))
    return settings["learning_rate"] * warm_up * cool_down


# Search -----------------------------------------------------------------------------------------


class BaseRetriever:
    """A trained model with its vocabulary and labels: photos and texts in, unit vectors out.

    It has the face of ``contrastive.Retriever``, so that ``ProductSearch`` takes it; and
    ``read_photos``, ``read_texts`` and ``fused`` for the late fusion with the attributes.
    """

    def __init__(
        self, model, vocabulary, labels, settings, fusion=None, trained_on=None, n_products=0,
        log=None,
    ):  # fmt: skip
        self.model, self.vocabulary, self.labels = model, vocabulary, labels
        self.settings = settings
        self.fusion = fusion or {}  # head → λ
        self.trained_on = trained_on or set()  # ``fingerprints`` of its training products
        self.n_products = n_products  # how many those were
        self.log = log or []  # of its training: a dict an epoch, and a dict a measurement

    @classmethod
    def new(cls, train_part, settings):
        """Untrained; vocabulary and labels are fitted on the training part."""
        vocabulary = TitleTokens.fit(train_part.table["title"])
        vocabulary.ngrams = "n-grams" not in settings["without"]
        labels = Labels.fit(train_part.table)
        return cls(build(len(vocabulary), labels.classes, settings), vocabulary, labels, settings)

    def read_photos(self, photos, block=64, mirror=True, keys=("vector", *HEADS)):
        """``(n, 80, 60, 3)`` uint8 → ``{"vector": (n, dim), head: (n, classes)}``.

        Vectors of unit length, probabilities for the heads, or those of them in ``keys``; each
        photo is read twice, the second time mirrored, and the mean is taken.
        """
        found = []
        for start in range(0, len(photos), block):
            some = np.asarray(photos[start : start + block])
            read = self._read(self.model.image_encoder, some, keys)
            if mirror:
                other = self._read(self.model.image_encoder, some[:, :, ::-1], keys)
                read = {key: (value + other[key]) / 2 for key, value in read.items()}
            found.append(read)
        return _together(found)

    def read_texts(self, texts, block=256, keys=("vector", *HEADS)):
        """n texts → the same of them; there is nothing to mirror."""
        texts = list(texts)
        found = []
        for start in range(0, len(texts), block):
            tokens = self.vocabulary.encode(texts[start : start + block])
            found.append(self._read(self.model.text_encoder, tokens, keys))
        return _together(found)

    def _read(self, encoder, inputs, keys):
        outputs = encoder.predict_on_batch(inputs)
        return {
            key: unit_length(outputs[key]) if key == "vector" else softmax(outputs[key], axis=1)
            for key in keys
        }

    def embed_photos(self, photos):
        """``(n, 80, 60, 3)`` uint8 → ``(n, dim)`` float32 of unit length."""
        return self.read_photos(photos, keys=("vector",))["vector"]

    def embed_texts(self, texts):
        """n texts → ``(n, dim)`` float32 of unit length."""
        return self.read_texts(texts, keys=("vector",))["vector"]

    def score_parts(self, queries, products, heads=tuple(HEADS)):
        """What the scores of the late fusion are added up from, ``(n_queries, n_products)`` each.

        ``queries`` and ``products`` are what ``read_texts`` and ``read_photos`` returned.
        ``"cosine"`` is divided by the temperature. That a query and a photo mean the same colour
        has the probability Σ p(c | query) · p(c | photo); ``"colour"`` is its logarithm,
        with a floor: one sure mistake must not rule a product out.
        """
        parts = {"cosine": float(self.model.scale) * (queries["vector"] @ products["vector"].T)}
        for head in heads:
            parts[head] = np.log(queries[head] @ products[head].T + 1e-4)
        return parts

    def fused(self, queries, products):
        """``(n_queries, n_products)`` float32: cosine / τ + Σ λ · log p(the attributes agree)."""
        return add_parts(self.score_parts(queries, products, self.fusion), self.fusion)

    def save(self, folder):
        """Write ``weights.npz``, ``config.json`` and ``trained_on.npy`` into ``folder``.

        What has two or more dimensions is stored as float16.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = [ops.convert_to_numpy(variable) for variable in _weights(self.model)]
        np.savez(
            folder / "weights.npz",
            **{
                f"w{n}": value.astype("float16") if value.ndim > 1 else value
                for n, value in enumerate(weights)
            },
        )
        config = {
            "version": FORMAT,
            "settings": self.settings,
            "products": self.n_products,
            "fusion": self.fusion,
            "log": self.log,
            "classes": self.labels.classes,
            "phrases": self.labels.phrases,
            "vocabulary": self.vocabulary.get_config(),
        }
        text = json.dumps(config, ensure_ascii=False)
        (folder / "config.json").write_text(text, encoding="utf-8")
        np.save(folder / "trained_on.npy", np.array(sorted(self.trained_on), dtype="uint64"))


def _together(found):
    """What was read block by block, as one."""
    read = {key: np.concatenate([each[key] for each in found]) for key in found[0]}
    read["vector"] = unit_length(read["vector"])
    return read


def load_model(name):
    """A ``BaseRetriever`` that ``save`` wrote: by its name in ``models/``, or its folder.

    Raises ``TutorialError`` if there is none; the message lists those in ``models/``. Also where
    a file is damaged, of another version or not finite, the files do not belong together, or the
    list of what it was trained on is cut.
    """
    shipped = ROOT / "models"
    folder = next(
        (each for each in (shipped / name, Path(name)) if (each / "config.json").exists()), None
    )
    if folder is None:
        known = sorted(file.parent.name for file in shipped.glob("*/config.json"))
        raise TutorialError(
            f"no model {str(name)!r}: it is no folder with a config.json, and none of those in "
            f"models/ ({', '.join(known) or 'there are none'}); mmtutorial benchmark trains one"
        )
    remedy = "fetch the model again, or train it again"
    config = read_json(folder / "config.json", remedy, CONFIG)
    with intact(folder / "config.json", remedy):
        labels, settings, vocabulary = _described(config)
        model = build(len(vocabulary), labels.classes, settings)
    variables = {f"w{n}": variable for n, variable in enumerate(_weights(model))}
    weights = read_arrays(folder / "weights.npz", remedy, variables)
    for name, variable in variables.items():
        variable.assign(weights[name])
    trained_on = read_array(folder / "trained_on.npy", remedy, (None,), np.uint64)
    if len(trained_on) < config["products"] or (config["log"] and config["products"] < 1):
        raise DamagedFile(  # each product left its id there, at least
            f"{folder / 'trained_on.npy'} holds {len(trained_on):,} digests, and config.json says "
            f"that the model was trained on {config['products']:,} products: without the whole "
            f"list nobody can tell what the model has seen; {remedy}"
        )
    return BaseRetriever(
        model, vocabulary, labels, settings, config["fusion"], set(trained_on.tolist()),
        config["products"], config["log"],
    )  # fmt: skip


def _described(config):
    """``labels, settings, vocabulary`` of a ``config.json``, each value looked at."""
    if config["version"] != FORMAT:
        raise ValueError(f"it is of version {config['version']}, and {FORMAT} is read here")
    if not all(head in HEADS and is_a(weight, float) for head, weight in config["fusion"].items()):
        raise ValueError(f"'fusion' gives a number to each of {', '.join(HEADS)}, and no more")
    if not all(isinstance(line, dict) for line in config["log"]):
        raise ValueError("'log' is no list of objects")
    classes = config["classes"]
    if classes.keys() != HEADS.keys() or not all(are_texts(names) for names in classes.values()):
        raise ValueError(f"'classes' has no list of texts for each of {', '.join(HEADS)}")
    if not all(are_texts(phrase) and len(phrase) == 2 for phrase in config["phrases"]):
        raise ValueError("'phrases' is no list of pairs of texts")
    vocabulary = from_config(TitleTokens, config["vocabulary"])
    # A setting that is newer than the file has its usual value.
    return Labels(classes, config["phrases"]), check_settings(config["settings"]), vocabulary


def _weights(model):
    """What has to be saved: all but the states of random numbers."""
    return [variable for variable in model.variables if "seed" not in variable.path]


def fingerprints(table):
    """What a training remembers of its products: 64-bit digests of ids, titles and photos."""
    titles = table["title"].map(normalise_title)
    marks = [
        *("id" + table["id"]),
        *("title" + titles[titles != ""]),
        *("photo" + table["photo_hash"]),
    ]
    return {
        int.from_bytes(hashlib.blake2b(mark.encode(), digest_size=8).digest(), "big")
        for mark in marks
    }


def build(vocabulary_size, classes, settings):
    """The untrained model, its weights made."""
    model = AttributeDualEncoder(
        photo_encoder(settings["dim"], settings["widths"], classes),
        text_encoder(
            vocabulary_size, settings["dim"], classes, "word order" not in settings["without"]
        ),
    )
    model.without = tuple(settings["without"])
    tokens = np.ones((1, 144), dtype="int32")
    model({"photo": np.zeros((1, *PHOTO_SHAPE)), "tokens": tokens, "phrases": tokens})
    return model


def add_parts(parts, fusion):
    """The scores out of what ``score_parts`` returned; ``fusion`` is λ of each head."""
    scores = parts["cosine"].copy()
    for head, weight in fusion.items():
        if weight:
            scores += np.float32(weight) * parts[head]
    return scores


# Choosing on the validation part ----------------------------------------------------------------


def measure(retriever, asking, gallery):
    """Each title of ``asking`` against the photos of ``gallery``: R@1, R@10 and MRR@10."""
    queries = title_queries(asking)
    photos = retriever.read_photos(gallery.photos, mirror=False, keys=("vector",))["vector"]
    return _measured(retriever.embed_texts(queries) @ photos.T, queries, gallery)


def _measured(scores, queries, gallery):
    ids = gallery.table["id"].to_numpy()
    rows, _ = best(scores, 10, places_of(ids))
    grades = relevance_in_order(list(queries), ids[rows], queries)
    counts = np.array([len(answers) for answers in queries.values()])
    return {
        "R@1": float(recall(grades, counts, 1).mean()),
        "R@10": float(recall(grades, counts, 10).mean()),
        "MRR@10": float(reciprocal_rank(grades, 10).mean()),
    }


def choose_fusion(retriever, asking, gallery, weights=(0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)):
    """λ of each head: the one that serves the titles of ``asking`` best, one head after another.

    Returns what ``measure`` does, without (``plain R@1``, …) and with the chosen ``"fusion"``.
    """
    queries = title_queries(asking)
    products = retriever.read_photos(gallery.photos, mirror=False)
    parts = retriever.score_parts(retriever.read_texts(queries), products)

    def value(fusion):
        return _measured(add_parts(parts, fusion), queries, gallery)

    fusion = dict.fromkeys(HEADS, 0.0)
    plain = value(fusion)
    for _ in range(2):  # heads overlap, so each is looked at again
        for head in HEADS:
            tried = {weight: value(fusion | {head: weight}) for weight in weights}
            fusion[head] = max(weights, key=lambda w: tried[w]["R@10"] + tried[w]["MRR@10"])
    return (
        {f"plain {name}": number for name, number in plain.items()}
        | value(fusion)
        | {"fusion": fusion}
    )
