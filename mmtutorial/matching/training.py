"""Training a dual encoder on pairs of photo and title (lesson 06)."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops
from tqdm import tqdm

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.catalogue.groups import title_groups
from mmtutorial.files import (
    intact,
    read_arrays,
    replacing,
    writing,
)

RANGES = {  # of settings that are whole numbers
    "epochs": (1, 100_000),
    "batch_size": (2, 1_000_000),  # one product has nobody to differ from
    "dim": (1, 8192),
    "seed": (0, 2**32 - 1),
}
ELSEWHERE = "set MMTUTORIAL_CACHE to a folder on another disk"


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
    low, high = RANGES["epochs"]
    check_whole(EPOCHS=epochs, low=low, high=high)
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


def pair_batches(catalogue, vocabulary, batch_size, seed=None):
    """The photos and titles of a catalogue as ``PairBatches``."""
    tokens = vocabulary.encode(catalogue.table["title"])
    return PairBatches(catalogue.photos, tokens, title_groups(catalogue), batch_size, seed)
