"""The dual encoder: its loss against plain formulas, its training against chance."""

import errno
import inspect
import json
import zipfile
from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from other_backends import each_other_backend, run_on

from mmtutorial import TutorialError, files
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.groups import title_groups
from mmtutorial.devices import computing_in
from mmtutorial.encoders import images
from mmtutorial.encoders.images import cnn_encoder
from mmtutorial.encoders.text import lstm_encoder
from mmtutorial.encoders.tokenisers import Vocabulary
from mmtutorial.files import DamagedFile
from mmtutorial.matching import contrastive
from mmtutorial.matching.contrastive import DualEncoder, contrastive_loss
from mmtutorial.matching.retriever import Retriever, _key, load, train_or_load
from mmtutorial.matching.training import (
    Batches,
    pair_batches,
    refresh_batch_statistics,
    train,
)
from mmtutorial.metrics.similarity import unit_length

COLOURS = {
    "red": (200, 30, 30),
    "blue": (30, 30, 200),
    "green": (20, 150, 20),
    "pink": (240, 150, 190),
}
SHAPES = {"bar": (slice(10, 70), slice(25, 35)), "box": (slice(25, 55), slice(10, 50))}


def small_shop(n=160, seed=0):
    """Coloured bars and boxes on white with titles that name both, as a catalogue."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    photos = np.full((n, 80, 60, 3), 255, dtype="uint8")
    titles = []
    for row in range(n):
        colour, shape = rng.choice(list(COLOURS)), rng.choice(list(SHAPES))
        photos[row][SHAPES[shape]] = COLOURS[colour]
        photos[row] -= rng.integers(0, 15, photos[row].shape, dtype="uint8")
        titles.append(f"{colour} {shape}")
    table = pd.DataFrame({"id": [f"{row:04d}" for row in range(n)], "title": titles})
    return Catalogue("small", table, photos)


def unit_rows(rng, n, dim):
    return unit_length(rng.normal(size=(n, dim)))


@given(st.integers(2, 8), st.integers(1, 5), st.floats(0.5, 50), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_loss_with_distinct_groups_is_symmetric_info_nce(n, dim, scale, seed):
    rng = np.random.default_rng(seed)
    photo, text = unit_rows(rng, n, dim), unit_rows(rng, n, dim)
    logits = scale * photo @ text.T
    right = np.arange(n)
    by_keras = [
        keras.losses.sparse_categorical_crossentropy(right, each, from_logits=True)
        for each in (logits, logits.T)
    ]
    expected = np.mean([ops.convert_to_numpy(each) for each in by_keras])
    found = contrastive_loss(photo, text, right, scale)
    assert float(found) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_loss_by_hand_where_two_share_a_title():
    photo = text = np.eye(3, dtype="float32")
    groups = np.array([7, 7, 9])
    p = np.e / (np.e + 2)  # softmax of (1, 0, 0) at the 1, scale 1
    q = 1 / (np.e + 2)
    expected = (2 * -(0.5 * np.log(p) + 0.5 * np.log(q)) - np.log(p)) / 3
    assert float(contrastive_loss(photo, text, groups, 1.0)) == pytest.approx(expected, abs=1e-6)


def test_a_twin_title_is_not_pushed_away():
    together = unit_length(np.array([[1.0, 0.2], [1.0, 0.2], [0.0, 1.0]]))
    apart = unit_length(np.array([[1.0, 0.0], [1.0, 0.6], [0.0, 1.0]]))
    strangers, twins = np.array([0, 1, 2]), np.array([0, 0, 1])

    def loss(rows, groups):
        return float(contrastive_loss(rows, rows, groups, 100.0))

    assert loss(apart, strangers) < loss(together, strangers)  # moving apart pays for strangers
    assert loss(apart, twins) > loss(together, twins)  # and costs where the titles are one


def small_model(vocabulary, dim=16):
    keras.utils.set_random_seed(0)
    return DualEncoder(cnn_encoder(dim, widths=(8, 16)), lstm_encoder(len(vocabulary), dim, 16))


@pytest.fixture(scope="module")
def trained():
    shop = small_shop()
    vocabulary = Vocabulary.fit(shop.table["title"])
    model = small_model(vocabulary)
    batches = pair_batches(shop, vocabulary, batch_size=32, seed=0)
    log = train(model, batches, epochs=8, learning_rate=5e-3)
    return Retriever(model, vocabulary, log)


@pytest.mark.slow
def test_training_finds_the_right_product_for_every_title(trained):
    unseen = small_shop(seed=1)
    photos = trained.embed_photos(unseen.photos)
    titles = sorted(set(unseen.table["title"]))
    best = (trained.embed_texts(titles) @ photos.T).argmax(axis=1)
    right = [unseen.table["title"][row] == title for row, title in zip(best, titles, strict=True)]
    assert np.mean(right) >= 0.75  # chance is 1 / 8


@pytest.mark.slow
def test_moving_statistics_are_right_after_few_steps(trained):
    """What prediction uses must be near what training used: the loss with either agrees."""
    shop = small_shop(seed=2)
    x = {"photo": shop.photos[:64], "tokens": trained.tokeniser.encode(shop.table["title"][:64])}
    groups = title_groups(shop)[:64]
    losses = []
    for training in (True, False):
        y = trained.model(x, training=training)
        losses.append(float(contrastive_loss(y["photo"], y["text"], groups, trained.model.scale)))
    assert abs(losses[1] - losses[0]) < 0.3 * np.log(64)


def test_saved_and_loaded_is_the_same(trained, tmp_path):
    trained.save(tmp_path)
    loaded = load(tmp_path)
    shop = small_shop(8)
    assert loaded.loaded
    assert np.allclose(
        loaded.embed_photos(shop.photos), trained.embed_photos(shop.photos), atol=1e-5
    )
    assert np.allclose(loaded.embed_texts(["red bar"]), trained.embed_texts(["red bar"]), atol=1e-5)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_a_byte(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def one_weight_nan(file):
    model = keras.saving.load_model(file, compile=False)
    model.image_encoder.layers[-1].bias.assign(np.full(16, np.nan))
    model.save(file)


def another_model(file):
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(file)


def more_words(file):
    config = json.loads(file.read_text())
    config["word_list"] += [f"word{n}" for n in range(50)]
    file.write_text(json.dumps(config))


def rewrite(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("model.keras", cut, "not a zip file"),
        ("model.keras", lambda file: file.unlink(), "there is no"),
        ("model.keras", lambda file: file.write_bytes(b""), "not a zip file"),
        ("model.keras", flip_a_byte, "in it is damaged"),
        ("model.keras", one_weight_nan, "bias is not finite"),
        ("model.keras", another_model, "Sequential and not a DualEncoder"),
        ("vocabulary.json", lambda file: file.write_text("{}"), "no tokeniser None; there are"),
        ("vocabulary.json", cut, "JSONDecodeError"),
        ("vocabulary.json", more_words, "reads 8 words, and vocabulary.json has 58"),
        ("log.csv", lambda file: file.write_bytes(b""), "EmptyDataError"),
        ("config.json", cut, "JSONDecodeError"),
        ("config.json", lambda file: file.write_text('{"kind": "oracle"}'), "no retriever of kind"),
        ("config.json", lambda file: file.write_text('{"kind": ["x"]}'), "TypeError"),
        ("config.json", lambda file: rewrite(file, version=99), "version 99, and 3 is read here"),
        ("config.json", lambda file: rewrite(file, code="x"), "knows no 'code'"),
    ],
)
def test_a_damaged_model_is_refused(trained, tmp_path, name, damage, reason):
    trained.save(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(DamagedFile, match=f"(?=.*{tmp_path}).*{reason}.*or train it again"):
        load(tmp_path)


def test_a_model_without_a_log_is_saved_and_loaded(trained, tmp_path):
    Retriever(trained.model, trained.tokeniser).save(tmp_path)
    assert load(tmp_path).log.empty


def spying_lambda(model, spied):
    """A layer that writes a file when it is called; its code is inside the saved model."""
    photo = keras.Input((80, 60, 3))
    spy = keras.layers.Lambda(lambda x: (open(spied, "w").close(), x)[1], output_shape=(80, 60, 3))
    return DualEncoder(keras.Model(photo, model.image_encoder(spy(photo))), model.text_encoder)


def rewritten(file, change):
    """The same .keras archive with another config.json."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = json.dumps(change(json.loads(parts["config.json"]))).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_a_lambda_layer_runs_no_code(trained, tmp_path):
    spied = str(tmp_path / "spied")
    model = spying_lambda(trained.model, spied)
    (tmp_path / "model").mkdir()
    Retriever(model, trained.tokeniser).save(tmp_path / "model")
    model.image_encoder(np.zeros((1, 80, 60, 3)))
    (tmp_path / "spied").unlink()  # so it writes when it runs
    with pytest.raises(DamagedFile, match="ambda"):
        load(tmp_path / "model")
    assert not (tmp_path / "spied").exists()


@pytest.mark.parametrize(
    ("module", "name", "config"),
    [
        ("os", "system", "touch {}"),
        ("builtins", "exec", "open({!r}, 'w')"),
        ("subprocess", "getoutput", "touch {}"),
        ("keras.config", "enable_unsafe_deserialization", None),
    ],
)
def test_a_config_that_names_other_code_runs_none(trained, tmp_path, module, name, config):
    spied = tmp_path / "spied"
    (tmp_path / "model").mkdir()
    trained.save(tmp_path / "model")

    def foreign(saved):
        saved["config"]["image_encoder"] = {
            "module": module,
            "class_name": name,
            "config": {} if config is None else config.format(str(spied)),
            "registered_name": name,
        }
        return saved

    rewritten(tmp_path / "model" / "model.keras", foreign)
    with pytest.raises(DamagedFile):
        load(tmp_path / "model")
    assert not spied.exists()


def test_temperature_is_learnt_and_bounded(trained):
    scale = float(trained.model.scale)
    assert scale != pytest.approx(1 / 0.07, rel=1e-3)
    trained.model.log_scale.assign(20.0)
    assert float(trained.model.scale) == contrastive.MAX_SCALE
    trained.model.log_scale.assign(np.log(scale))


def test_too_few_pairs_for_a_batch_is_an_error():
    shop = small_shop(8)
    vocabulary = Vocabulary.fit(shop.table["title"], min_count=1)
    batches = pair_batches(shop, vocabulary, batch_size=32, seed=0)
    with pytest.raises(TutorialError, match=r"8 training products.*32.*smaller batch size"):
        train(small_model(vocabulary), batches, epochs=1)


@pytest.mark.slow
def test_second_call_loads_the_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path))
    settings = {"epochs": 1, "batch_size": 16, "dim": 8}
    first = train_or_load(small_shop(48), small_shop(16, seed=1), **settings)
    second = train_or_load(small_shop(48), small_shop(16, seed=1), **settings)
    other = train_or_load(small_shop(48), small_shop(16, seed=1), **settings, seed=1)
    assert (first.loaded, second.loaded, other.loaded) == (False, True, False)
    assert np.allclose(first.embed_texts(["red bar"]), second.embed_texts(["red bar"]), atol=1e-5)
    assert "val_loss" in second.log


@pytest.mark.slow
def test_a_damaged_checkpoint_is_moved_aside_and_trained_again(tmp_path, monkeypatch, capsys):
    """On a disk that is full when the model is saved first: what was trained is not lost."""
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path))
    settings = {"epochs": 2, "batch_size": 16, "dim": 8}
    parts = small_shop(48), small_shop(16, seed=1)
    steps = []
    step = keras.Model.train_on_batch
    monkeypatch.setattr(
        keras.Model, "train_on_batch", lambda *batch: steps.append(1) or step(*batch)
    )

    def full(retriever, folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Retriever, "save", full)
        with pytest.raises(TutorialError, match=r"no space left.*MMTUTORIAL_CACHE.*is kept in"):
            train_or_load(*parts, **settings)
    assert len(steps) == 2 * 3
    first = train_or_load(*parts, **settings)
    assert len(steps) == 2 * 3 and list(first.log["epoch"]) == [0, 1]
    (home,) = [file.parent for file in tmp_path.rglob("model.keras")]
    assert not (home / "state.npz").exists()  # of no use any more

    cut(home / "model.keras")
    again = train_or_load(*parts, **settings)
    assert not again.loaded and len(steps) == 4 * 3
    assert "training starts again" in capsys.readouterr().out
    assert home.with_suffix(".damaged").is_dir()
    assert train_or_load(*parts, **settings).loaded


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("dim", 0, "DIM is 0: choose a whole number from 1 to 8,192"),
        ("dim", -5, "DIM is -5"),
        ("epochs", 0, "EPOCHS is 0: choose a whole number from 1 to"),
        ("batch_size", 1, "BATCH_SIZE is 1: choose a whole number from 2 to"),
        ("seed", -1, "SEED is -1"),
        ("learning_rate", 0, "LEARNING_RATE is 0"),
        ("learning_rate", float("nan"), "LEARNING_RATE is nan"),
    ],
)
def test_a_setting_out_of_its_range_is_named_with_the_range(setting, value, message):
    settings = {"epochs": 1, setting: value}
    with pytest.raises(TutorialError, match=message):
        train_or_load(small_shop(8), small_shop(8), **settings)


def test_settled_averages_are_those_of_the_photos_and_no_weight_moved():
    shop = small_shop(64)
    model = small_model(Vocabulary.fit(shop.table["title"]))
    encoder = model.image_encoder
    (norm,) = [e for e in encoder.layers if e.name == "norm_1"]
    norm.moving_mean.assign(norm.moving_mean + 7.0)  # an average of networks that are gone
    before = [keras.ops.convert_to_numpy(weight) for weight in encoder.trainable_weights]
    batches = Batches({"photo": shop.photos}, np.arange(64), batch_size=32, seed=0)
    refresh_batch_statistics(encoder, batches)
    into_norm = keras.Model(encoder.input, norm.input).predict(shop.photos, verbose=0)
    right = into_norm.mean(axis=(0, 1, 2))
    assert np.allclose(norm.moving_mean, right, atol=0.5)  # of the 7.0, 0.9 ** 30 = 0.3 is left
    assert not np.allclose(norm.moving_mean, right + 7.0, atol=1.0)
    for weight, old in zip(encoder.trainable_weights, before, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(weight), old)


def test_what_shapes_a_model_is_in_its_checkpoint_s_name(tmp_path):
    shop, preset = small_shop(8), tmp_path / "preset"
    preset.mkdir()
    settings = {"image_encoder": f"resnet:{preset}", "text_encoder": "lstm", "epochs": 1}

    def name(part=shop, **changed):
        return _key(part, shop, settings | changed)

    names = [name(), name(epochs=2), name(small_shop(9)), name(text_encoder="bag")]
    (preset / "config.json").write_text("{}")
    names += [name(), name(image_encoder="cnn")]
    assert len(set(names)) == len(names)
    assert names[4] == name()


@pytest.mark.parametrize("module",
    [
        "matching.contrastive", "matching.training", "matching.retriever", "encoders.images",
        "encoders.text", "encoders.tokenisers", "encoders.bert", "catalogue.cleaning",
        "catalogue.groups",
    ],
)  # fmt: skip
def test_the_code_that_shapes_a_model_is_in_its_checkpoint_s_name(monkeypatch, module):
    """Among it the normalisation of titles, which both the tokens and the title groups use."""
    shop, settings = small_shop(8), {"image_encoder": "cnn", "text_encoder": "lstm"}
    before, source = _key(shop, shop, settings), inspect.getsource

    def edited(code):
        changed = getattr(code, "__name__", "") == f"mmtutorial.{module}"
        return source(code) + "# another line" * changed

    monkeypatch.setattr(files.inspect, "getsource", edited)
    assert _key(shop, shop, settings) != before


def test_an_own_encoder_s_checkpoint_is_known_by_its_source(monkeypatch):
    shop = small_shop(8)

    def name(encoder):
        monkeypatch.setitem(images.IMAGE_ENCODERS, "own", encoder)
        return _key(shop, shop, {"image_encoder": "own", "text_encoder": "lstm"})

    def own(dim):
        return images.make_image_encoder("cnn", dim)

    first = name(own)

    def own(dim):
        return images.make_image_encoder("article", dim)

    assert name(own) != first
    with pytest.raises(TutorialError, match="write it with def"):
        name(partial(own, 3))


@pytest.mark.parametrize("which", ["image_encoder", "text_encoder"])
def test_an_unknown_encoder_is_refused_before_training(which):
    with pytest.raises(TutorialError, match=r"no encoder 'telepathy'; choose one of"):
        train_or_load(small_shop(8), small_shop(8), epochs=1, **{which: "telepathy"})


@pytest.mark.slow
def test_mixed_precision_trains():
    """What a GPU run does, on the CPU: float16 compute, float32 weights that all move.

    Keras leaves out the first steps, whose gradients overflow, until its scale of the loss fits.
    """
    shop = small_shop(32)
    vocabulary = Vocabulary.fit(shop.table["title"])
    with computing_in("mixed_float16"):
        model = small_model(vocabulary)
        batches = pair_batches(shop, vocabulary, batch_size=16, seed=0)
        model(batches[0][0])  # builds it
        before = [ops.convert_to_numpy(weight) for weight in model.trainable_weights]
        log = train(model, batches, epochs=10, learning_rate=5e-3)
    assert model.image_encoder.compute_dtype == "float16"
    assert 0 < int(model.optimizer.iterations) <= 20
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(ops.convert_to_numpy(weight) - old).max() > 1e-3, weight.path


ON_ANOTHER_BACKEND = """
from test_contrastive import pair_batches, small_model, small_shop, train, Vocabulary
shop = small_shop(96)
vocabulary = Vocabulary.fit(shop.table["title"])
batches = pair_batches(shop, vocabulary, batch_size=32, seed=0)
log = train(small_model(vocabulary), batches, epochs=6, learning_rate=5e-3)
report = list(log["loss"])
"""


@pytest.mark.slow
@each_other_backend
def test_the_same_code_learns_on_other_backends(backend):
    losses = run_on(backend, ON_ANOTHER_BACKEND)
    assert losses[-1] < 0.8 * losses[0]
