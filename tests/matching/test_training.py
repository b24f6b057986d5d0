"""The training loop, on a model of one layer: batches, learning rate, resuming, averages."""

import errno
import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from mmtutorial import TutorialError, devices
from mmtutorial.devices import computing_in
from mmtutorial.files import DamagedFile
from mmtutorial.matching import training
from mmtutorial.matching.training import (
    Batches,
    averaged,
    constant,
    cosine,
    restore_state,
    save_state,
    train,
    warm_up_then_cosine,
)

N, DIM = 40, 3


class Recording(Batches):
    """Batches of a plane to fit, with some noise; they note which epochs they were asked for."""

    def __init__(self, batch_size=8, seed=0):
        rng = np.random.default_rng(1)
        x = rng.normal(size=(N, DIM)).astype("float32")
        y = x @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=N)
        self.epochs = []
        super().__init__({"x": x}, y.astype("float32")[:, None], batch_size, seed)

    def set_epoch(self, epoch):
        super().set_epoch(epoch)
        self.epochs.append(epoch)


def plane(optimizer="adamw", **options):
    """An untrained layer with dropout, so that the state of random numbers counts too."""
    keras.utils.set_random_seed(0)
    x = keras.Input((DIM,), name="x")
    dropped = keras.layers.Dropout(0.2, seed=3)(x)
    model = keras.Model({"x": x}, keras.layers.Dense(1)(dropped))
    made = keras.optimizers.get(optimizer) if isinstance(optimizer, str) else optimizer
    model.compile(made, loss="mse", run_eagerly=True, **options)  # a few steps: not worth compiling
    return model


def weights_of(model):
    return [ops.convert_to_numpy(weight) for weight in model.trainable_weights]


# Batches ----------------------------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 99), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_an_epoch_holds_each_row_once_at_most_and_depends_on_seed_and_epoch(n, size, seed, epoch):
    def rows_of(seed, epoch):
        batches = Batches({"a": np.arange(n)}, np.arange(n), size, seed)
        batches.set_epoch(epoch)
        found = [batches[number] for number in range(len(batches))]
        assert all((x["a"] == y).all() for x, y in found)
        return [list(y) for _, y in found]

    in_order = rows_of(None, epoch)
    assert [row for rows in in_order for row in rows] == list(range(n))
    shuffled = rows_of(seed, epoch)
    assert shuffled == rows_of(seed, epoch)
    assert all(len(rows) == size for rows in shuffled) and len(shuffled) == n // size
    assert len({row for rows in shuffled for row in rows}) == n // size * size


# The learning rate ------------------------------------------------------------------------------


@pytest.mark.parametrize("warm_up", [0, 4])
def test_the_schedules_are_those_of_keras(warm_up):
    total, highest = 20, 0.3
    theirs = keras.optimizers.schedules.CosineDecay(
        highest / 20 if warm_up else highest,
        total - warm_up,
        warmup_target=highest if warm_up else None,
        warmup_steps=warm_up,
    )
    ours = warm_up_then_cosine(warm_up) if warm_up else cosine
    for step in range(total + 1):
        assert highest * ours(step, total) == pytest.approx(float(theirs(step)), abs=1e-6)


def test_each_step_has_its_learning_rate(monkeypatch):
    rates, step = [], keras.Model.train_on_batch

    def noting(model, *batch):
        rates.append(float(model.optimizer.learning_rate))
        return step(model, *batch)

    monkeypatch.setattr(keras.Model, "train_on_batch", noting)
    train(plane(), Recording(), 2, 0.1, schedule=cosine, bar=False)
    assert rates == pytest.approx([0.1 * cosine(step, 10) for step in range(10)], rel=1e-5)


# The loop ---------------------------------------------------------------------------------------


def test_it_is_what_keras_fit_does():
    """The same batches in the same order: the same weights, and the same losses."""
    ours, theirs = plane("sgd"), plane("sgd")
    log = train(ours, Recording(seed=None), 3, 0.01, schedule=constant, bar=False)
    data = Recording(seed=None)
    history = theirs.fit(data.x, data.y, 8, 3, shuffle=False, verbose=0).history["loss"]
    assert log["loss"].tolist() == pytest.approx(history, rel=1e-5)
    for one, other in zip(weights_of(ours), weights_of(theirs), strict=True):
        assert np.allclose(one, other, atol=1e-6)


def test_a_model_that_is_not_compiled_gets_adamw():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs["x"])

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return ops.mean(ops.square(y - y_pred))

    model = Own()
    log = train(model, Recording(), 4, 0.1, bar=False)
    assert isinstance(model.optimizer, keras.optimizers.AdamW)
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]


def test_the_validation_loss_is_the_mean_over_rows_with_the_weights_of_the_epoch():
    model, validation = plane(), Recording(batch_size=16, seed=None)
    assert len(validation[2][1]) == 8  # the last batch is smaller, and counts less
    log = train(model, Recording(), 2, 0.1, validation=validation, bar=False)
    expected = np.mean((model.predict(validation.x, verbose=0) - validation.y) ** 2)
    assert log["val_loss"].iloc[-1] == pytest.approx(expected, rel=1e-4)


def test_a_loss_that_turns_nan_is_an_error_and_no_state(tmp_path):
    batches = Recording()
    batches.y[:] = np.nan
    with pytest.raises(TutorialError, match="the loss turned NaN: train again with a lower"):
        train(plane(), batches, 2, folder=tmp_path, save_every=1)
    assert not (tmp_path / "state.npz").exists()


def test_what_was_found_before_an_epoch_is_in_its_row():
    def before_epoch(epoch, log):
        assert len(log) == epoch
        return {"found": 10 * epoch} if epoch == 1 else {}

    log = train(plane(), Recording(), 3, before_epoch=before_epoch, bar=False)
    assert log["found"].iloc[1] == 10 and log["found"].isna().tolist() == [True, False, True]


# Resuming ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("cut_at", [3, 10])
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    tmp_path, monkeypatch, cut_at
):
    """Cut within an epoch of five steps, and between two: weights and log are the same."""
    found = []

    def run(folder):
        model, batches = plane(), Recording()
        log = train(
            model, batches, 3, 0.1, folder, batches, save_every=2, bar=False,
            before_epoch=lambda epoch, log: found.append(epoch) or {"found": 10 * epoch},
        )  # fmt: skip
        return model, log.drop(columns="seconds"), batches.epochs

    straight = run(tmp_path / "straight")
    assert straight[2] == [0, 0, 1, 2]  # the first 0: made, not trained
    step, done = keras.Model.train_on_batch, []

    def interrupting(model, *batch):
        if len(done) == cut_at:
            done.append("cut")
            raise KeyboardInterrupt
        done.append("step")
        return step(model, *batch)

    monkeypatch.setattr(keras.Model, "train_on_batch", interrupting)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut")
    model, log, epochs = run(tmp_path / "cut")
    again = 15 - done[done.index("cut") + 1 :].count("step")  # steps that the state knew
    assert cut_at - 2 < again <= cut_at
    assert epochs == [0, *range(again // 5, 3)]
    assert int(model.optimizer.iterations) == 15
    for one, other in zip(weights_of(model), weights_of(straight[0]), strict=True):
        assert np.allclose(one, other, atol=1e-6)
    assert log.round(5).equals(straight[1].round(5))
    runs = (tmp_path / "straight", 1), (tmp_path / "cut", 1 if cut_at < 5 else 2)  # 5 an epoch
    for folder, n_runs in runs:  # a file for each run that ended an epoch
        assert len([*(folder / "tensorboard").rglob("events.*")]) == n_runs
    assert len((tmp_path / "cut" / "log.csv").read_text().splitlines()) == 1 + 3
    steps, (model, log, _) = len(done), run(tmp_path / "cut")  # finished: read, not trained
    assert len(done) == steps and log.round(5).equals(straight[1].round(5))


def test_a_full_disk_names_the_remedy_and_keeps_the_state_before(tmp_path, monkeypatch):
    write, written = np.savez, []

    def full(file, **values):
        if written:
            file.write_bytes(b"PK half")
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(file)
        write(file, **values)

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(TutorialError, match=r"no space left.*MMTUTORIAL_CACHE.*is kept in"):
            train(plane(), Recording(), 2, folder=tmp_path, save_every=2, bar=False)
    with np.load(tmp_path / "state.npz") as state:
        assert json.loads(str(state["progress"]))["steps"] == 2


def test_a_state_cut_while_it_is_written_is_the_state_before(tmp_path):
    """As by Ctrl-C or a crash in the middle of the file: half a state is none."""
    model, file = plane(), tmp_path / "state.npz"
    model.optimizer.build(model.trainable_variables)
    save_state(model, file, log=[1])
    before = weights_of(model)
    model.trainable_weights[0].assign(np.ones((DIM, 1)))

    def half(arriving, **values):
        arriving.write_bytes(b"PK half")
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(np, "savez", half)
        save_state(model, file, log=[1, 2])
    assert restore_state(model, file) == {"log": [1]}
    assert np.array_equal(weights_of(model)[0], before[0])
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(DamagedFile, match=r"state\.npz cannot be read.*'steps'.*remove .*npz"):
        training._restored(model, tmp_path)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DamagedFile, match=r"state\.npz cannot be read.*remove .*npz to train"):
        restore_state(model, file)
    assert restore_state(model, tmp_path / "none.npz") is None


# Averages ---------------------------------------------------------------------------------------


def with_averages():
    return plane(keras.optimizers.AdamW(0.1, use_ema=True, ema_momentum=0.5))


def test_the_weights_are_the_averages_in_the_end(monkeypatch):
    seen, step = [], keras.Model.train_on_batch

    def noting(model, *batch):
        loss = step(model, *batch)
        seen.append(weights_of(model)[0])
        return loss

    monkeypatch.setattr(keras.Model, "train_on_batch", noting)
    model = with_averages()
    train(model, Recording(), 2, 0.1, schedule=constant, bar=False)
    average = seen[0]  # Keras begins with the weights after the first step
    for weights in seen[1:]:
        average = 0.5 * average + 0.5 * weights
    assert np.allclose(weights_of(model)[0], average, atol=1e-5)
    assert not np.allclose(seen[-1], average, atol=1e-3)


def test_weights_come_back_after_a_look_at_the_averaged_ones():
    model, batches = with_averages(), Recording()
    for number in range(2):  # after the first step the averages are the weights
        model.train_on_batch(*batches[number])
    before = weights_of(model)
    with averaged(model):
        assert not np.allclose(weights_of(model)[0], before[0], atol=1e-4)
    assert all((one == two).all() for one, two in zip(weights_of(model), before, strict=True))


# Precision --------------------------------------------------------------------------------------


def test_layers_made_inside_compute_in_that_precision_and_others_do_not():
    with computing_in("mixed_float16"):
        assert keras.layers.Dense(1).compute_dtype == "float16"
    with pytest.raises(KeyError), computing_in("mixed_float16"):
        raise KeyError
    assert keras.layers.Dense(1).compute_dtype == "float32"


@pytest.mark.parametrize("gpu", [False, True])
def test_auto_is_half_precision_on_a_gpu_alone(monkeypatch, gpu):
    monkeypatch.setattr(devices, "has_gpu", lambda: gpu)
    with computing_in("auto"):
        assert keras.layers.Dense(1).compute_dtype == ("float16" if gpu else "float32")


def test_bfloat16_is_for_cpus_that_have_it(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "has_gpu", lambda: False)
    for flags, has in (("sse avx512_bf16", True), ("amx_bf16", True), ("avx512f bf16ish", False)):
        (tmp_path / "cpuinfo").write_text(f"flags : fpu {flags} ht")
        assert devices._cpu_knows_bfloat16(tmp_path / "cpuinfo") == has
        monkeypatch.setattr(devices, "_cpu_knows_bfloat16", lambda has=has: has)
        if has:
            with computing_in("mixed_bfloat16"):
                assert keras.layers.Dense(1).compute_dtype == "bfloat16"
        else:
            with pytest.raises(TutorialError, match=r"neither AMX nor.*choose float32"):
                computing_in("mixed_bfloat16").__enter__()
        monkeypatch.undo()
        monkeypatch.setattr(devices, "has_gpu", lambda: False)
    assert not devices._cpu_knows_bfloat16(tmp_path / "none")
    with pytest.raises(TutorialError, match="no precision 'half'; choose one of auto"):
        computing_in("half").__enter__()


def test_it_trains_in_bfloat16(monkeypatch):
    monkeypatch.setattr(devices, "_cpu_knows_bfloat16", lambda: True)
    with computing_in("mixed_bfloat16"):
        model = plane()
    before = weights_of(model)
    log = train(model, Recording(), 3, 0.1, bar=False)
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]
    moved = [np.abs(new - old).max() for new, old in zip(weights_of(model), before, strict=True)]
    assert min(moved) > 1e-2
