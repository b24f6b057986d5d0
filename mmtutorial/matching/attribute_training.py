"""Training the attribute encoder, with a state that is written every few steps (lesson 24)."""

import contextlib
import json
import sys
import time

import keras
import numpy as np
import pandas as pd
from filelock import FileLock
from keras import ops
from tqdm import tqdm

from mmtutorial import TutorialError
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.files import (
    checkpoint_key,
    writing,
)
from mmtutorial.matching.attribute_encoder import check_settings
from mmtutorial.matching.attribute_fusion import choose_fusion, measure
from mmtutorial.matching.attribute_labels import PHRASES, LabelledBatches
from mmtutorial.matching.attribute_retriever import AttributeRetriever, fingerprints
from mmtutorial.matching.training import (
    ELSEWHERE,
    refresh_batch_statistics,
    restore_state,
    save_state,
)
from mmtutorial.paths import cache_home

VERSION = 2  # of the recipe: raise it when a change below would train another model
SAVE_EVERY = 25  # steps


def train_attributes(train_part, validation_part, settings=None, name="base"):
    """Train the model, or go on with a training that was interrupted: a ``AttributeRetriever``.

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


def _train(train_part, validation_part, settings, home):
    keras.utils.set_random_seed(settings["seed"])
    retriever = AttributeRetriever.new(train_part, settings)
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
    refresh_batch_statistics(model.image_encoder, batches)


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
