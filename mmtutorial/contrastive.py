"""One space for photos and words: contrastive training of a dual encoder (lesson 06).

A photo encoder and a text encoder are trained together so that a product's photo and its
title end up near each other, and far from everybody else's. What comes out are rows of unit
length, ``(n, dim) float32``: photos and titles can be compared by their dot product.
"""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from filelock import FileLock
from keras import layers, ops
from tqdm import tqdm

from mmtutorial import TutorialError
from mmtutorial.bert import MeanBert
from mmtutorial.cleaning import normalise_title
from mmtutorial.devices import has_gpu
from mmtutorial.files import (
    DamagedFile,
    check_whole,
    checkpoint_key,
    intact,
    read_arrays,
    replacing,
    writing,
)
from mmtutorial.images import IMAGE_ENCODERS, make_image_encoder
from mmtutorial.paths import cache_home
from mmtutorial.similarity import unit_length
from mmtutorial.text import TEXT_ENCODERS, fit_text_encoder, load_tokeniser, save_tokeniser
from mmtutorial.tokens import words

MAX_SCALE = 100.0  # 1 / temperature never grows past this (Radford et al. 2021, section 2.5)
RANGES = {  # of settings that are whole numbers
    "epochs": (1, 100_000),
    "batch_size": (2, 1_000_000),  # one product has nobody to differ from
    "dim": (1, 8192),
    "seed": (0, 2**32 - 1),
}
VERSION = 2  # of the files of a checkpoint: raise it when they change
ELSEWHERE = "set MMTUTORIAL_CACHE to a folder on another disk"
AGAIN = "train the model again and save it there"


def contrastive_loss(photo, text, groups, scale):
    """Softmax cross-entropy over the batch, both ways, with every same-title pair a positive.

    Row i of the logits asks which texts belong to photo i. All texts of the same group (the
    same normalised title) are right answers and share the target mass equally: counted as
    negatives they would push equal titles apart. With all groups distinct this is the
    symmetric InfoNCE of CLIP (Radford et al. 2021, arXiv:2103.00020, figure 3); with several
    positives it is the cross-entropy form of Khosla et al. 2020 (arXiv:2004.11362, eq. 2).
    Defined in lesson 06.

    Parameters
    ----------
    photo, text : ``(batch, dim)`` float, rows of unit length
    groups : ``(batch,)`` int, equal where two products share their title
    scale : float, 1 / temperature

    Returns
    -------
    The loss, a scalar in nats; ``log(batch)`` is what knowing nothing costs.
    """
    photo, text = ops.cast(photo, "float32"), ops.cast(text, "float32")
    logits = scale * ops.matmul(photo, ops.transpose(text))  # (batch, batch)
    groups = ops.reshape(groups, (-1,))
    same = ops.cast(groups[:, None] == groups[None, :], "float32")
    target = same / ops.sum(same, axis=1, keepdims=True)  # (batch, batch), rows sum to 1
    to_text = -ops.sum(target * ops.log_softmax(logits, axis=1), axis=1)
    to_photo = -ops.sum(target * ops.log_softmax(ops.transpose(logits), axis=1), axis=1)
    return ops.mean(to_text + to_photo) / 2


@keras.saving.register_keras_serializable("mmtutorial")
class DualEncoder(keras.Model):
    """A photo encoder and a text encoder that meet in one space. Defined in lesson 06.

    Call with ``{"photo": (batch, 80, 60, 3), "tokens": (batch, length) int32}``; returns
    ``{"photo": (batch, dim), "text": (batch, dim)}``, rows of unit length. The temperature is
    learnt: what is stored is the logarithm of its inverse. Train with ``y`` = title groups.
    """

    def __init__(self, image_encoder, text_encoder, temperature=0.07, **kwargs):
        super().__init__(**kwargs)
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.temperature = temperature
        self.to_unit = layers.UnitNormalization(axis=-1, dtype="float32")
        self.log_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(-np.log(temperature)),
            name="log_scale",
        )

    @property
    def scale(self):
        """1 / temperature, at most ``MAX_SCALE``."""
        return ops.minimum(ops.exp(ops.cast(self.log_scale, "float32")), MAX_SCALE)

    def call(self, inputs, training=False):
        return {
            "photo": self.to_unit(self.image_encoder(inputs["photo"], training=training)),
            "text": self.to_unit(self.text_encoder(inputs["tokens"], training=training)),
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return contrastive_loss(y_pred["photo"], y_pred["text"], y, self.scale)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "image_encoder": serialize(self.image_encoder),
            "text_encoder": serialize(self.text_encoder),
            "temperature": self.temperature,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        for part in ("image_encoder", "text_encoder"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)


class PairBatches(keras.utils.PyDataset):
    """Batches of photos, titles and title groups, in another order every epoch.

    The order depends on ``seed`` and the epoch alone, so that a resumed training sees what an
    uninterrupted one would have seen. The last, smaller batch is left out when shuffling: its
    fewer negatives would make it an easier task.
    """

    def __init__(self, photos, tokens, groups, batch_size, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.photos, self.tokens, self.groups = photos, tokens, np.asarray(groups, dtype="int32")
        self.batch_size = batch_size
        self.seed = seed  # None: in the given order
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Take the order of that epoch."""
        self.order = np.arange(len(self.tokens))
        if self.seed is not None:
            self.order = np.random.default_rng((self.seed, epoch)).permutation(self.order)

    def __len__(self):
        if self.seed is None:
            return -(-len(self.order) // self.batch_size)
        return len(self.order) // self.batch_size

    def __getitem__(self, number):
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        return {"photo": self.photos[rows], "tokens": self.tokens[rows]}, self.groups[rows]


class _Progress(keras.callbacks.Callback):
    """A tqdm bar over the steps; tells the batches which epoch it is."""

    def __init__(self, batches, epochs):
        super().__init__()
        self.batches, self.epochs = batches, epochs

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.set_epoch(epoch)
        if not hasattr(self, "bar"):
            steps = len(self.batches)
            self.bar = tqdm(
                total=self.epochs * steps, initial=epoch * steps, desc="training", file=sys.stdout
            )

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        self.bar.set_postfix({name: f"{value:.3f}" for name, value in (logs or {}).items()})

    def on_train_end(self, logs=None):
        if hasattr(self, "bar"):
            self.bar.close()


class _Backup(keras.callbacks.Callback):
    """After every epoch, the training's state and its log, in one file: they never disagree."""

    def __init__(self, folder, log):
        super().__init__()
        self.folder, self.log = folder, log

    def on_epoch_end(self, epoch, logs=None):
        self.log.append({"epoch": epoch, **{name: float(value) for name, value in logs.items()}})
        if self.folder is not None and np.isfinite(self.log[-1]["loss"]):
            save_state(self.model, self.folder / "state.npz", log=self.log)
            pd.DataFrame(self.log).to_csv(self.folder / "log.csv", index=False)


def save_state(model, file, **progress):
    """Write what a training goes on from: variables, those of the optimizer, and ``progress``.

    ``progress`` is what JSON can hold. Whole, or not at all: a training that is cut here goes on
    from the state before.
    """
    values = {name: ops.convert_to_numpy(each) for name, each in _state(model).items()}
    with replacing(file) as arriving:
        np.savez(arriving, progress=json.dumps(progress), **values)


def restore_state(model, file):
    """Bring back what ``save_state`` wrote; returns its ``progress``, None if there is no file.

    Raises ``TutorialError`` where the file is damaged, or of another model.
    """
    if not file.exists():
        return None
    remedy = f"remove {file} to train from the beginning"
    variables = _state(model)
    values = read_arrays(file, remedy, {**variables, "progress": np.array("")})
    with intact(file, remedy):
        progress = json.loads(str(values["progress"]))
    for name, variable in variables.items():
        variable.assign(values[name])
    return progress


def _state(model):
    return {f"v{n}": each for n, each in enumerate([*model.variables, *model.optimizer.variables])}


def train(model, batches, epochs, learning_rate=1e-3, folder=None, validation=None):
    """Train a ``DualEncoder`` with AdamW: a short warm-up, then a cosine down to zero.

    With a ``folder``, every epoch is logged (``log.csv``, ``tensorboard/``) and backed up there
    (``state.npz``): the same call after an interruption goes on from the last finished epoch.

    Returns the log, one row an epoch: ``epoch``, ``loss`` and, given ``validation``
    (``PairBatches`` without a seed), ``val_loss``, in nats.
    Raises ``TutorialError`` where there are fewer pairs than one batch holds, the loss turns NaN,
    the state in ``folder`` is damaged, or its disk is full.
    """
    check_whole("EPOCHS", epochs, *RANGES["epochs"])
    if len(batches) == 0:
        raise TutorialError(
            f"{len(batches.order)} training pairs do not fill one batch of {batches.batch_size}: "
            "use a smaller batch size or more products"
        )
    steps = epochs * len(batches)
    warm_up = min(len(batches), steps // 5)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 20, steps - warm_up, warmup_target=learning_rate, warmup_steps=warm_up
    )
    model.compile(optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-4))
    model({name: values[:1] for name, values in batches[0][0].items()})  # build, to be restored
    model.optimizer.build(model.trainable_variables)
    if folder is None:
        return _fit(model, batches, epochs, validation, None)
    folder = Path(folder)
    with writing(folder, ELSEWHERE, folder / "state.npz"):
        folder.mkdir(parents=True, exist_ok=True)
        return _fit(model, batches, epochs, validation, folder)


def _fit(model, batches, epochs, validation, folder):
    progress = None if folder is None else restore_state(model, folder / "state.npz")
    log = progress["log"] if progress else []
    callbacks = [
        _Progress(batches, epochs),
        keras.callbacks.TerminateOnNaN(),
        _Backup(folder, log),
    ]
    if folder is not None:
        callbacks.append(keras.callbacks.TensorBoard(folder / "tensorboard"))
    model.fit(
        batches, initial_epoch=len(log), epochs=epochs, validation_data=validation,
        callbacks=callbacks, verbose=0,
    )  # fmt: skip
    log = pd.DataFrame(log)
    if not np.isfinite(log["loss"]).all():
        raise TutorialError("the loss turned NaN: train again with a lower learning rate")
    return log


def settle_averages(image_encoder, batches, steps=30):
    """Bring the running averages of batch normalisation up to date; no weight changes.

    They remember networks that training has left behind: an encoder trained for a few dozen steps
    may have learnt and cannot show it. So it reads some training photos in training mode, without
    training. Nothing happens where there is no batch normalisation. Defined in lesson 03.
    """
    if not image_encoder.non_trainable_weights:
        return
    for number in range(steps):  # momentum 0.9: after 30 steps 4 % of the old average is left
        photos = batches[number % len(batches)][0]["photo"]
        image_encoder(photos, training=True)


class Retriever:
    """A trained ``DualEncoder`` with its vocabulary: photos and texts in, unit vectors out.

    ``log`` is its training log, empty if none is given; ``loaded`` says whether it came from a
    checkpoint. Used from lesson 00 on.
    """

    def __init__(self, model, vocabulary, log=None, loaded=False):
        self.model, self.vocabulary = model, vocabulary
        self.log = pd.DataFrame({"epoch": [], "loss": []}) if log is None else log
        self.loaded = loaded

    def embed_photos(self, photos, block=2048):
        """``(n, 80, 60, 3)`` uint8 → ``(n, dim)`` float32 of unit length."""
        encoder = self.model.image_encoder
        parts = [
            encoder.predict(np.asarray(photos[start : start + block]), batch_size=256, verbose=0)
            for start in range(0, len(photos), block)
        ]
        return unit_length(np.concatenate(parts))

    def embed_texts(self, texts):
        """n texts → ``(n, dim)`` float32 of unit length."""
        tokens = self.vocabulary.encode(list(texts))
        return unit_length(self.model.text_encoder.predict(tokens, batch_size=256, verbose=0))

    def save(self, folder):
        """Write ``model.keras``, ``vocabulary.json`` and ``log.csv`` into ``folder``."""
        folder = Path(folder)
        self.model.save(folder / "model.keras")
        save_tokeniser(self.vocabulary, folder / "vocabulary.json")
        self.log.to_csv(folder / "log.csv", index=False)

    @classmethod
    def load(cls, folder):
        """Read what ``save`` wrote; no code of a file is run, not even a ``Lambda`` layer's.

        Raises ``TutorialError`` where a file is missing or damaged, or the files do not belong
        together.
        """
        folder = Path(folder)
        vocabulary = load_tokeniser(folder / "vocabulary.json", AGAIN)
        with intact(folder / "model.keras", AGAIN):
            with zipfile.ZipFile(folder / "model.keras") as archive:  # Keras says "not found" here
                if archive.testzip() is not None:
                    raise ValueError(f"{archive.testzip()} in it is damaged")
            # compile=False: an optimizer saved by one backend does not load in another.
            model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
            _check_model(model, vocabulary)
        with intact(folder / "log.csv", AGAIN):
            log = pd.read_csv(folder / "log.csv")
        return cls(model, vocabulary, log, loaded=True)


def _check_model(model, vocabulary):
    if not isinstance(model, DualEncoder):
        raise ValueError(f"it holds a {type(model).__name__} and not a DualEncoder")
    for weight in model.weights:
        if not np.isfinite(ops.convert_to_numpy(weight)).all():
            raise ValueError(f"the weight {weight.path} is not finite")
    tables = [e.input_dim for e in model.text_encoder.layers if isinstance(e, layers.Embedding)]
    if tables and len(vocabulary) > max(tables):
        raise ValueError(
            f"it reads {max(tables):,} words, and vocabulary.json has {len(vocabulary):,}"
        )


def train_or_load(
    train_part,
    validation_part,
    *,
    epochs,
    batch_size=256,
    learning_rate=1e-3,
    dim=128,
    seed=0,
    image_encoder="cnn",
    text_encoder="lstm",
):
    """A ``Retriever`` trained on one part of a catalogue, or its checkpoint where there is one.

    The checkpoint is kept under the cache folder by everything that shaped it: the products,
    the settings, the code that builds and trains it. An interrupted training is resumed. On a
    GPU it computes in mixed precision. ``image_encoder`` is a name of ``IMAGE_ENCODERS`` (lesson
    03), ``text_encoder`` one of ``TEXT_ENCODERS`` (lesson 05); ``"resnet:PRESET"`` and
    ``"bert:PRESET"`` begin with pretrained weights, by a preset's name or folder. Used from
    lesson 00 on; lesson 06 writes it out.

    A damaged checkpoint is moved aside, and the model is trained again. Raises ``TutorialError``
    for an encoder that is not there, a setting out of its range, a full disk, and as ``train``.
    """
    if not 0 < learning_rate <= 100:  # so NaN is none either
        raise TutorialError(f"LEARNING_RATE is {learning_rate}: choose a number from 0 to 100")
    for name, known in ((image_encoder, IMAGE_ENCODERS), (text_encoder, TEXT_ENCODERS)):
        if name.partition(":")[0] not in known:
            raise TutorialError(f"no encoder {name!r}; choose one of {sorted(known)}")
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "dim": dim,
        "seed": seed,
        "image_encoder": image_encoder,
        "text_encoder": text_encoder,
    }
    for name, (low, high) in RANGES.items():
        check_whole(name.upper(), settings[name], low, high)
    home = cache_home() / "models" / _key(train_part, validation_part, settings)
    unfinished = home.with_suffix(".unfinished")
    with writing(home.parent, ELSEWHERE, unfinished / "state.npz"):
        home.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{home}.lock"):  # two lessons at once: the second waits, then loads
            if home.exists():
                try:
                    return Retriever.load(home)
                except DamagedFile as fault:
                    _move_aside(home, fault)
            retriever = _train_new(train_part, validation_part, unfinished, settings)
            retriever.save(unfinished)
            (unfinished / "settings.json").write_text(json.dumps(settings))
            os.replace(unfinished, home)  # all or nothing
            (home / "state.npz").unlink(missing_ok=True)  # three times the model, and of no use now
    return retriever


def _move_aside(home, fault):
    """Keep a damaged checkpoint, in case that the fault is not the file's, but out of the way."""
    aside = home.with_suffix(".damaged")
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(home, aside)
    print(f"{fault}. It is now in {aside}; training starts again", flush=True)


def _train_new(train_part, validation_part, folder, settings):
    keras.utils.set_random_seed(settings["seed"])
    policy = keras.config.dtype_policy()
    if has_gpu():
        keras.config.set_dtype_policy("mixed_float16")
    try:
        image_encoder = make_image_encoder(settings["image_encoder"], settings["dim"])
        vocabulary, text_encoder = fit_text_encoder(
            settings["text_encoder"], train_part.table["title"], settings["dim"]
        )
        model = DualEncoder(image_encoder, text_encoder)
        size = settings["batch_size"]
        batches = pair_batches(train_part, vocabulary, size, settings["seed"])
        validation = pair_batches(validation_part, vocabulary, size)
        log = train(
            model, batches, settings["epochs"], settings["learning_rate"], folder, validation
        )
        settle_averages(model.image_encoder, batches)
    finally:
        keras.config.set_dtype_policy(policy)
    return Retriever(model, vocabulary, log)


def pair_batches(catalogue, vocabulary, batch_size, seed=None):
    """The photos and titles of a catalogue as ``PairBatches``."""
    tokens = vocabulary.encode(catalogue.table["title"])
    return PairBatches(catalogue.photos, tokens, title_groups(catalogue), batch_size, seed)


def title_groups(catalogue):
    """``(n,)`` int: the same number for products with the same normalised title."""
    return pd.factorize(catalogue.table["title"].map(normalise_title))[0]


# Whatever a checkpoint depends on stands in the modules of these, wherever they lie.
_SHAPES = (
    DualEncoder, make_image_encoder, fit_text_encoder, words, MeanBert, normalise_title,
)  # fmt: skip


def _key(train_part, validation_part, settings):
    """The name of a checkpoint: of its data and settings, and of the code that shapes it.

    That is this module, those of the encoders, the tokenisers and the normalisation of titles,
    and the source of an encoder of one's own; what that calls is not looked at.
    """
    image_name, _, image_preset = settings["image_encoder"].partition(":")
    text_name, _, text_preset = settings["text_encoder"].partition(":")
    modules = {sys.modules[each.__module__] for each in _SHAPES}
    code = [
        *sorted(modules, key=lambda module: module.__name__),
        IMAGE_ENCODERS[image_name],
        *TEXT_ENCODERS[text_name],
    ]
    data = []
    for preset in filter(None, (image_preset, text_preset)):  # a folder's files; a name has none
        files = sorted(file for file in Path(preset).rglob("*") if file.is_file())
        data += [file.read_bytes() for file in files]
    for part in (train_part, validation_part):
        data += [*part.table["id"], *part.table["title"], part.photos]
    return checkpoint_key(VERSION, [settings, keras.backend.backend()], data, code)
