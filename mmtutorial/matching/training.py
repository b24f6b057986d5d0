"""Training in plain sight: one loop for all models of this folder (lessons 02 to 09, 24).

Read it from top to bottom: the batches, the learning rate, the loop ``train``, the state that a
training goes on from. What differs between two trainings comes in as an argument, and the loss
stands with the model, in its ``compute_loss`` or in ``model.compile``.
"""

import contextlib
import functools
import json
import math
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops
from tensorboard.summary import Writer
from tqdm import tqdm

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.catalogue.groups import title_groups
from mmtutorial.files import intact, is_a, read_arrays, replacing, writing

RANGES = {  # of settings that are whole numbers
    "epochs": (1, 100_000),
    "batch_size": (2, 1_000_000),  # one product has nobody to differ from
    "dim": (1, 8192),
    "seed": (0, 2**32 - 1),
}
ELSEWHERE = "set MMTUTORIAL_CACHE to a folder on another disk"


# Batches ----------------------------------------------------------------------------------------


class Batches:
    """Rows of arrays in batches, in another order every epoch. Used from lesson 03 on.

    ``x``: name → array, ``(n, …)`` each; ``y``: the same, or one array. A batch is ``(x, y)`` of
    some rows. What it holds depends on the seed, the epoch and its number alone, so that a resumed
    training sees what an uninterrupted one would have seen.

    With ``seed=None`` the rows come in the given order. Otherwise they are shuffled, and the last,
    smaller batch is left out: its fewer negatives would make it an easier task.

    Whatever ``train`` learns from has this face: ``len()``, ``[number]`` and ``set_epoch``.
    """

    def __init__(self, x, y, batch_size, seed=None):
        self.x, self.y, self.batch_size, self.seed = x, y, batch_size, seed
        self.n = len(keras.tree.flatten(y)[0])
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Take the order of that epoch."""
        self.order = np.arange(self.n)
        if self.seed is not None:
            self.order = np.random.default_rng((self.seed, epoch)).permutation(self.order)

    def __len__(self):
        whole, rest = divmod(len(self.order), self.batch_size)
        return whole + (self.seed is None and rest > 0)

    def rows(self, number):
        """Which rows that batch of the epoch holds."""
        return self.order[number * self.batch_size : (number + 1) * self.batch_size]

    def __getitem__(self, number):
        rows = self.rows(number)
        return keras.tree.map_structure(lambda values: values[rows], (self.x, self.y))


# Learning rate: shares of the highest one, by step ----------------------------------------------


def constant(step, total):
    """The same at every step.

    >>> constant(0, 100), constant(99, 100)
    (1.0, 1.0)
    """
    return 1.0


def cosine(step, total):
    """From 1 down to 0 along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983).

    >>> [round(cosine(step, 4), 2) for step in range(5)]
    [1.0, 0.85, 0.5, 0.15, 0.0]
    """
    return (1 + math.cos(math.pi * step / total)) / 2


def warm_up_then_cosine(warm_up):
    """A straight line up from 1/20 over ``warm_up`` steps, then ``cosine``.

    >>> schedule = warm_up_then_cosine(2)
    >>> [round(schedule(step, 6), 2) for step in (0, 2, 4, 6)]
    [0.05, 1.0, 0.5, 0.0]
    """

    def share(step, total):
        if step < warm_up:
            return 0.05 + 0.95 * step / warm_up
        return cosine(step - warm_up, total - warm_up)

    return share


# The loop ---------------------------------------------------------------------------------------


def train(
    model,
    batches,
    epochs,
    learning_rate=1e-3,
    folder=None,
    validation=None,
    *,
    schedule=None,
    before_epoch=None,
    save_every=25,
    bar=True,
):
    """Train a model; returns its log, a table with a row an epoch.

    A model that is compiled keeps its optimizer and its loss; another one gets AdamW. If the
    optimizer averages the weights (``use_ema``), the model has the averages in the end.

    With a ``folder``, the training's state is written there every ``save_every`` steps and after
    each epoch (``state.npz``), whole or not at all: the same call after an interruption goes on
    from it. Beside it lie ``log.csv`` and, for TensorBoard, ``tensorboard/``.

    The log has the columns ``epoch``, ``loss`` (the mean over its batches, in nats for the losses
    of this package), ``seconds``, ``val_loss`` where there is a validation, and what
    ``before_epoch`` found.

    Parameters
    ----------
    batches : ``Batches``, or anything with ``len()``, ``[number]`` and ``set_epoch(epoch)``
    learning_rate : the highest that it gets
    validation : ``Batches`` without a seed
    schedule : function of the step and the number of all steps → share of ``learning_rate``; by
        default a warm-up of up to one epoch, then a cosine down to zero
    before_epoch : function of the epoch and the log so far, a list; returns a dict for the log
    bar : whether a bar shows the progress

    Raises ``TutorialError`` where there are fewer products than one batch holds, the loss turns
    NaN, the state in ``folder`` is damaged, or its disk is full.
    """
    steps = _ready(model, batches, epochs, learning_rate)  # in an epoch
    total = epochs * steps
    schedule = schedule or warm_up_then_cosine(min(steps, total // 5))
    with _kept_in(folder) as files, _log_files(files) as write_log:
        done, log, row, losses = _restored(model, files)
        began = time.time()
        shown = tqdm(
            range(done, total), "training", total, initial=done, file=sys.stdout, disable=not bar
        )
        for step in shown:
            epoch, number = divmod(step, steps)
            if number == 0:
                row, losses, began = {"epoch": epoch}, [], time.time()
                row |= before_epoch(epoch, log) if before_epoch else {}
            if number == 0 or step == done:
                batches.set_epoch(epoch)
            model.optimizer.learning_rate.assign(learning_rate * schedule(step, total))
            losses.append(float(model.train_on_batch(*batches[number])))
            if not np.isfinite(losses[-1]):
                raise TutorialError("the loss turned NaN: train again with a lower learning rate")
            if number == steps - 1:
                row |= {"loss": float(np.mean(losses)), "seconds": round(time.time() - began, 1)}
                row |= {"val_loss": _mean_loss(model, validation)} if validation else {}
                log.append(row)
                shown.set_postfix(loss=f"{row['loss']:.3f}")
                write_log(log)
            if files and (number == steps - 1 or (step + 1) % save_every == 0):
                progress = {"steps": step + 1, "log": log, "row": row, "losses": losses}
                save_state(model, files / "state.npz", **progress)
    if _averages(model):
        model.optimizer.finalize_variable_values(model.trainable_variables)
    return pd.DataFrame(log)


def _ready(model, batches, epochs, learning_rate):
    """Check what is trained with, and make all variables, so that they can be restored."""
    low, high = RANGES["epochs"]
    check_whole(EPOCHS=epochs, low=low, high=high)
    if len(batches) == 0:
        raise TutorialError(
            f"{batches.n} training products do not fill one batch of {batches.batch_size}: use a "
            "smaller batch size or more products"
        )
    if not model.compiled:
        model.compile(keras.optimizers.AdamW(learning_rate, weight_decay=1e-4))
    if not model.built:
        model(keras.tree.map_structure(lambda values: values[:1], batches[0][0]))
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return len(batches)


def _mean_loss(model, batches):
    """The mean loss over all rows; no weight changes."""
    losses = [model.test_on_batch(*batches[number]) for number in range(len(batches))]
    sizes = [len(batches.rows(number)) for number in range(len(batches))]  # the last is smaller
    return float(np.average(losses, weights=sizes))


# What a training leaves behind ------------------------------------------------------------------


@contextlib.contextmanager
def _kept_in(folder):
    """The folder of a training as a ``Path``, made if it is not there; None if there is none."""
    if folder is None:
        yield None
        return
    folder = Path(folder)
    with writing(folder, ELSEWHERE, folder / "state.npz"):
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


@contextlib.contextmanager
def _log_files(folder):
    """A function that writes the log of an epoch: ``log.csv``, and one TensorBoard file a run."""
    with contextlib.ExitStack() as opened:

        @functools.cache
        def board():  # with the first row: a training that was done before leaves no empty file
            return opened.enter_context(contextlib.closing(Writer(str(folder / "tensorboard"))))

        def write(log):
            if folder is None:
                return
            pd.DataFrame(log).to_csv(folder / "log.csv", index=False)
            for name, value in log[-1].items():
                if is_a(value, float):
                    board().add_scalar(name, value, log[-1]["epoch"])
            board().flush()  # what a killed training has done can be seen

        yield write


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


def _restored(model, folder):
    """``steps, log, row, losses`` as ``train`` left them, or those to begin with."""
    progress = restore_state(model, folder / "state.npz") if folder else None
    if progress is None:
        return 0, [], {}, []
    with intact(folder / "state.npz", f"remove {folder / 'state.npz'} to train from the beginning"):
        return tuple(progress[name] for name in ("steps", "log", "row", "losses"))


def _state(model):
    return {f"v{n}": each for n, each in enumerate([*model.variables, *model.optimizer.variables])}


# Averages ---------------------------------------------------------------------------------------


def _averages(model):
    """Whether the optimizer keeps moving averages of the weights."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer).use_ema  # float16 wraps it


@contextlib.contextmanager
def averaged(model, image_encoder=None, batches=None):
    """Inside, the model has its averaged weights; afterwards those that training goes on with.

    Where the optimizer averages none, they are the same. With an ``image_encoder`` its batch
    statistics are those of the weights inside, see ``refresh_batch_statistics``.
    """
    kept = [ops.convert_to_numpy(variable) for variable in model.variables]
    if _averages(model):
        model.optimizer.finalize_variable_values(model.trainable_variables)
    if image_encoder is not None:
        refresh_batch_statistics(image_encoder, batches)
    yield
    for variable, value in zip(model.variables, kept, strict=True):
        variable.assign(value)


def refresh_batch_statistics(image_encoder, batches, steps=30):
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


def pair_batches(catalogue, tokeniser, batch_size, seed=None):
    """The photos and titles of a catalogue, with its title groups: ``Batches``."""
    x = {"photo": catalogue.photos, "tokens": tokeniser.encode(catalogue.table["title"])}
    return Batches(x, title_groups(catalogue).astype("int32"), batch_size, seed)
