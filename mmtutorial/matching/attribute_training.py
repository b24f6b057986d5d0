"""Training the attribute encoder: what it sees when, its optimizer, its folder (lesson 24)."""

import json

import keras
import numpy as np
import pandas as pd
from filelock import FileLock

from mmtutorial import TutorialError
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.devices import computing_in
from mmtutorial.files import checkpoint_key, writing
from mmtutorial.matching.attribute_encoder import check_settings
from mmtutorial.matching.attribute_labels import PHRASES, LabelledBatches
from mmtutorial.matching.attribute_retriever import (
    AttributeRetriever,
    choose_fusion,
    fingerprints,
    measure,
)
from mmtutorial.matching.training import ELSEWHERE, averaged, refresh_batch_statistics, train
from mmtutorial.paths import cache_home

VERSION = 3  # of the recipe: raise it when a change below would train another model
SAVE_EVERY = 25  # steps


def train_attributes(train_part, validation_part, settings=None, name="base", precision="float32"):
    """Train the model, or go on with a training that was interrupted: an ``AttributeRetriever``.

    The training's state is written every ``SAVE_EVERY`` steps, whole or not at all, to
    ``MMTUTORIAL_CACHE/base/NAME-<hex>``; the hex digits come from the products, ``VERSION``, the
    precision and the settings but for ``epochs`` and ``decay``, which may be changed on the way.
    Beside it lie ``log.csv``, a line an epoch, and ``tensorboard/``.

    The weights of the late fusion are chosen on the validation part while it has not been trained
    on; the last epochs, while the learning rate falls, train on it too. ``precision`` is one of
    ``devices.PRECISIONS``.

    Raises ``TutorialError`` for a setting out of its range, too few products, a loss that turns
    NaN, a full disk, or a damaged state.
    """
    settings = check_settings(settings or {})
    home = training_folder(train_part, validation_part, settings, name, precision)
    with writing(home, ELSEWHERE, home / "state.npz"), computing_in(precision):
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / "lock"):  # two at once: the second waits, then has little left to do
            return _train(train_part, validation_part, settings, home)


def _train(train_part, validation_part, settings, home):
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
    keras.utils.set_random_seed(settings["seed"])
    retriever = AttributeRetriever.new(train_part, settings)
    epochs = settings["epochs"]
    decay_from = epochs - round(settings["decay"] * epochs)
    everything = join(train_part, validation_part)
    batches = LabelledBatches(
        everything, retriever.tokeniser, retriever.labels, settings["batch_size"], steps,
        settings["seed"], without=settings["without"], n_first=len(train_part),
        all_from_epoch=decay_from,
    )  # fmt: skip
    model = retriever.model
    model.compile(optimizer=_optimizer(settings), jit_compile=False)
    retriever.trained_on, retriever.n_products = fingerprints(everything.table), len(everything)

    def schedule(step, total):
        return _rate(step / steps, epochs, decay_from)

    def before_epoch(epoch, log):
        if epoch >= decay_from and not any("fusion" in row for row in log):
            with averaged(model, model.image_encoder, batches):
                return choose_fusion(retriever, validation_part, everything)
        if 0 < epoch < decay_from and epoch % max(5, epochs // 8) == 0:  # to see how it goes
            with averaged(model, model.image_encoder, batches):
                return measure(retriever, validation_part, validation_part)
        return {}

    log = train(
        model, batches, epochs, settings["learning_rate"], home,
        schedule=schedule, before_epoch=before_epoch, save_every=SAVE_EVERY,
    )  # fmt: skip
    retriever.log = _lines(log)
    for line in retriever.log:
        retriever.fusion = line.get("fusion", retriever.fusion)
    batches.set_epoch(epochs)  # whether just trained or not
    refresh_batch_statistics(model.image_encoder, batches)
    return retriever


def _lines(log):
    """The log as ``config.json`` has it: ``epochs`` done so far, and what was then known."""
    lines = []
    for row in log.to_dict("records"):
        epoch, loss, seconds = (row.pop(name) for name in ("epoch", "loss", "seconds"))
        found = {name: value for name, value in row.items() if value == value}  # not the NaNs
        lines += [{"epochs": epoch, **found}] if found else []
        lines.append({"epochs": epoch + 1, "loss": loss, "seconds": seconds})
    return lines


def training_folder(train_part, validation_part, settings, name="base", precision="float32"):
    """Where the state of that training is kept."""
    seen = ["id", "title", "photo_hash", *PHRASES]
    parts = [part.table[seen].to_numpy().tolist() for part in (train_part, validation_part)]
    shape = {key: value for key, value in settings.items() if key not in ("epochs", "decay")}
    key = checkpoint_key(VERSION, [shape, precision], [json.dumps(parts)])
    return cache_home() / "base" / f"{name}-{key}"


def join(first, second):
    """Two catalogues as one, without queries."""
    table = pd.concat([first.table, second.table], ignore_index=True)
    return Catalogue(first.name, table, np.concatenate([first.photos, second.photos]))


def _optimizer(settings):
    optimizer = keras.optimizers.AdamW(
        settings["learning_rate"],
        weight_decay=settings["weight_decay"],
        use_ema="weight averages" not in settings["without"],
        ema_momentum=settings["ema"],
    )
    # Only what multiplies shrinks: not biases, norms, the temperature, nor rarely used embeddings.
    optimizer.exclude_from_weight_decay(
        var_names=["bias", "gamma", "beta", "log_scale", "embeddings"]
    )
    return optimizer


def _rate(epoch, epochs, decay_from):
    """Share of the highest learning rate: up for two epochs, constant, then a line down to zero.

    Unlike a cosine it does not need to know the end from the start: a training can be made
    shorter or longer while it runs (Hägele et al. 2024, arXiv:2405.18392).
    """
    warm_up = min(1.0, (epoch + 0.1) / 2)
    cool_down = min(1.0, (epochs - epoch) / max(epochs - decay_from, 1))
    return warm_up * cool_down
