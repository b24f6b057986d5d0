"""The base model: its losses by hand, what it learns from, a training that can be interrupted."""

import errno
import functools
import json
import shutil

import keras
import numpy as np
import pytest
from small_catalogue import TINY, small_catalogue

from mmtutorial import TutorialError
from mmtutorial.benchmark import kagl
from mmtutorial.catalogue import fashion
from mmtutorial.catalogue.catalogue import load_catalogue
from mmtutorial.encoders.tokenisers import UNKNOWN, Vocabulary, WordsAndNgrams
from mmtutorial.files import DamagedFile
from mmtutorial.matching import attribute_encoder, attribute_retriever, attribute_training, training
from mmtutorial.matching.attribute_encoder import TitleTokens, phrase_loss
from mmtutorial.matching.attribute_labels import HEADS, PHRASES, LabelledBatches, Labels, augment
from mmtutorial.matching.attribute_retriever import AttributeRetriever, fuse_scores
from mmtutorial.matching.attribute_training import train_attributes
from mmtutorial.matching.contrastive import contrastive_loss
from mmtutorial.matching.retriever import load
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.paths import ROOT


@pytest.fixture(scope="module")
def shop():
    return small_catalogue()


@pytest.fixture(scope="module")
def untrained(shop):
    keras.utils.set_random_seed(0)
    return AttributeRetriever.new(shop, {**attribute_encoder.SETTINGS, **TINY})


# The losses -------------------------------------------------------------------------------------


def test_phrase_loss_by_hand():
    """Two of three products fit the phrase: each should get half of the mass."""
    products = np.eye(3, dtype="float32")
    phrase = products[:1]
    values = np.array([[4, 7], [2, 4], [1, -1]])
    p, q = np.e / (np.e + 2), 1 / (np.e + 2)  # softmax of (1, 0, 0)
    expected = -(np.log(p) + np.log(q)) / 2 - np.log(2)
    assert float(phrase_loss(phrase, products, np.array([4]), values, 1.0)) == pytest.approx(
        expected, abs=1e-5
    )


def test_phrase_loss_is_zero_where_the_fitting_products_share_all_the_mass():
    products = unit_length(np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]))
    phrases = products[[0, 2]]
    values = np.array([[0], [0], [1]])
    asked = np.array([0, 1])
    assert float(phrase_loss(phrases, products, asked, values, 100.0)) == pytest.approx(0, abs=1e-4)
    assert float(phrase_loss(phrases, products, asked[::-1], values, 100.0)) > 100


def test_a_phrase_of_which_nothing_is_known_does_not_count():
    rows = np.eye(3, dtype="float32")
    values = np.array([[0], [-1], [-1]])
    alone = phrase_loss(rows[:1], rows, np.array([0]), values, 5.0)
    beside = phrase_loss(rows[:2], rows, np.array([0, -1]), values, 5.0)
    assert float(beside) == pytest.approx(float(alone))
    assert float(phrase_loss(rows[:1], rows, np.array([-1]), values, 5.0)) == 0


def test_phrase_loss_for_strangers_is_cross_entropy():
    rng = np.random.default_rng(0)
    rows = unit_length(rng.normal(size=(2, 5, 8)))
    numbers = np.arange(5)
    expected = keras.losses.sparse_categorical_crossentropy(
        numbers, 7.0 * rows[0] @ rows[1].T, from_logits=True
    )
    found = phrase_loss(rows[0], rows[1], numbers, numbers[:, None], 7.0)
    assert float(found) == pytest.approx(float(np.mean(expected)), rel=1e-4)


# What it learns from ----------------------------------------------------------------------------


def test_title_tokens_are_the_words_then_the_bag():
    texts = ["Acme red shirt", "red shoe Unheard"]
    tokeniser = TitleTokens.fit(texts, min_count=1)
    found = tokeniser.encode(texts)
    assert found.shape == (2, 16 + 128)
    assert (found[:, :16] == Vocabulary(tokeniser.words, 16).encode(texts)).all()
    assert (found[:, 16:] == WordsAndNgrams(tokeniser.words).encode(texts)).all()
    assert (TitleTokens.fit(texts[:1], min_count=1).encode(texts)[1, 1:3] == UNKNOWN).all()


def test_title_tokens_build_their_vocabularies_once(monkeypatch):
    tokeniser = TitleTokens.fit(["Acme red shirt"], min_count=1)
    before, made = tokeniser.encode(["red shirt"]), []
    monkeypatch.setattr(Vocabulary, "__init__", lambda *given, **named: made.append(given))
    assert (tokeniser.encode(["red shirt"]) == before).all()
    assert not made


def test_title_tokens_without_ngrams_are_the_words_twice():
    tokeniser = TitleTokens.fit(["Acme red shirt"], min_count=1)
    tokeniser.ngrams = False
    found = tokeniser.encode(["red shirt"])
    words = Vocabulary(tokeniser.words, 128).encode(["red shirt"])
    assert (found[:, 16:] == words).all()
    again = TitleTokens(**tokeniser.get_config())
    assert (again.encode(["red shirt"]) == found).all()


def test_rare_values_are_no_class_of_their_own(shop):
    table = shop.table.copy()
    table.loc[:3, "brand"] = "Rarely"  # one less than MIN_PRODUCTS
    labels = Labels.fit(table)
    assert labels.classes["brand"] == ["", "Acme", "Bolt"]
    numbers = labels.class_numbers(table)
    assert (numbers[:4, 0] == 0).all()
    for column, head in enumerate(HEADS):
        values = np.array(labels.classes[head])[numbers[:, column]]
        assert (values[4:] == table[head][4:]).all()


def test_phrases_say_what_the_products_are(shop):
    labels = Labels.fit(shop.table)
    for product, numbers in zip(
        shop.table.to_dict("records"), labels.value_numbers(shop.table), strict=True
    ):
        told = {labels.phrases[number] for number in numbers if number >= 0}
        assert told == {(column, product[column]) for column in PHRASES if product[column]}


def batches_of(shop, retriever, seed=0):
    return LabelledBatches(shop, retriever.tokeniser, retriever.labels, 16, 3, seed, n_phrases=8)


def test_batches_depend_on_seed_and_epoch_alone(shop, untrained):
    def read(seed=0, epoch=0):
        batches = batches_of(shop, untrained, seed)
        batches.set_epoch(epoch)
        return batches[1]

    first, again = read(), read()
    assert all((first[0][key] == again[0][key]).all() for key in first[0])
    for other in (read(seed=1), read(epoch=1)):
        assert (first[1]["group"] != other[1]["group"]).any()


def test_each_phrase_of_a_batch_fits_some_product_of_it(shop, untrained):
    x, y = batches_of(shop, untrained)[0]
    assert len(x["phrases"]) == 8
    assert (y["phrase"][:, None, None] == y["values"]).any(axis=(1, 2)).all()
    assert (y["phrase"] >= 0).all()
    spoken = [untrained.labels.phrases[number][1] for number in y["phrase"]]
    assert (x["phrases"] == untrained.tokeniser.encode(spoken)).all()


def test_augmenting_moves_and_hides_but_never_recolours(shop):
    rng = np.random.default_rng(0)
    out = augment(shop.photos, rng)
    assert out.shape == shop.photos.shape and out.dtype == np.uint8
    assert (out != shop.photos).any(axis=(1, 2, 3)).mean() > 0.9
    for before, after in zip(shop.photos[:20], out[:20], strict=True):
        known = {tuple(pixel) for pixel in before.reshape(-1, 3)} | {(255, 255, 255)}
        assert {tuple(pixel) for pixel in after.reshape(-1, 3)} <= known


# Training ---------------------------------------------------------------------------------------


@functools.cache  # making a model takes seconds; no test below changes one
def without(shop, *parts):
    settings = {**attribute_encoder.SETTINGS, **TINY, "without": parts}
    keras.utils.set_random_seed(0)
    retriever = AttributeRetriever.new(shop, settings)
    batches = LabelledBatches(
        shop, retriever.tokeniser, retriever.labels, 16, 3, n_phrases=8, without=parts
    )
    return retriever, batches


def test_leaving_out_every_part_leaves_the_contrastive_loss(shop):
    retriever, batches = without(shop, *attribute_encoder.PARTS)
    x, y = batches[0]
    outputs = retriever.model(x)
    plain = contrastive_loss(outputs["photo"], outputs["text"], y["group"], retriever.model.scale)
    assert float(retriever.model.compute_loss(x, y, outputs)) == pytest.approx(float(plain))
    whole, _ = without(shop)
    assert float(whole.model.compute_loss(x, y, whole.model(x))) > float(plain) + 0.1


def test_each_part_that_is_left_out_changes_something(shop):
    whole, batches = without(shop)
    x, y = batches[0]
    other_x, other_y = without(shop, "augmentation", "title twins", "n-grams")[1][0]
    rows = np.sort(batches.order[:16])
    assert (other_x["photo"] == shop.photos[rows]).all() and (x["photo"] != shop.photos[rows]).any()
    assert len(np.unique(other_y["group"])) == 16 > len(np.unique(y["group"]))
    assert (other_x["tokens"] > 0).sum() < (x["tokens"] > 0).sum()
    assert without(shop, "word order")[0].model.count_params() < whole.model.count_params()


def test_an_unknown_part_to_leave_out_is_named(shop):
    with pytest.raises(TutorialError, match="no part 'bert' to leave out; there are attribute"):
        train_attributes(shop, shop, {**TINY, "without": ["bert"]})


def test_learning_rate_warms_up_stays_and_falls_to_zero():
    rates = [attribute_training._rate(epoch, 40, 30) for epoch in (0, 1, 2, 20, 30, 35, 40)]
    assert rates == pytest.approx([0.05, 0.55, 1, 1, 1, 0.5, 0])


@pytest.fixture(scope="module")
def parts(shop):
    return shop.split(seed=0, shares=(0.8, 0.2, 0.0))


@pytest.fixture(scope="module")
def trained(parts, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMTUTORIAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        return train_attributes(parts.train, parts.validation, TINY)


@pytest.mark.slow
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    parts, trained, tmp_path, monkeypatch
):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path))
    monkeypatch.setattr(attribute_training, "SAVE_EVERY", 3)
    save, saved = training.save_state, []

    def interrupting(model, file, **progress):
        save(model, file, **progress)
        saved.append(progress["steps"])
        if len(saved) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_state", interrupting)
    with pytest.raises(KeyboardInterrupt):
        train_attributes(parts.train, parts.validation, TINY)
    resumed = train_attributes(parts.train, parts.validation, TINY)
    assert saved[0] == 3 and saved[1] > 3  # it did not begin anew
    for name, embed in (("photos", parts.train.photos[:8]), ("texts", ["Acme Men Red Bars"])):
        one, other = (getattr(each, f"embed_{name}")(embed) for each in (trained, resumed))
        assert np.allclose(one, other, atol=1e-3), name
    again = train_attributes(parts.train, parts.validation, TINY)  # finished: read, not trained
    photos = parts.train.photos[:8]
    assert np.allclose(again.embed_photos(photos), resumed.embed_photos(photos), atol=1e-5)
    assert again.log == resumed.log
    assert [line["epochs"] for line in again.log] == [1, 1, 2]
    assert set(again.log[1]["fusion"]) == set(HEADS)  # chosen before the last epoch, on validation
    for one, other in zip(again.log, trained.log, strict=True):
        assert one.get("loss", 0) == pytest.approx(other.get("loss", 0), rel=1e-4)


@pytest.mark.slow
def test_ctrl_c_and_a_full_disk_lose_no_more_than_the_steps_since_the_last_save(
    parts, tmp_path, monkeypatch
):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path))
    monkeypatch.setattr(attribute_training, "SAVE_EVERY", 3)
    train, done = keras.Model.train_on_batch, []

    def interrupting(model, *batch):
        if len(done) == 5:
            done.append("cut")
            raise KeyboardInterrupt
        done.append("step")
        return train(model, *batch)

    def saved():
        with np.load(next(tmp_path.rglob("state.npz"))) as state:
            return json.loads(str(state["progress"]))["steps"]

    monkeypatch.setattr(keras.Model, "train_on_batch", interrupting)
    with pytest.raises(KeyboardInterrupt):
        train_attributes(parts.train, parts.validation, TINY)
    assert saved() >= 5 - 3
    before = saved()

    def full(file, **values):
        file.write_bytes(b"PK half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(TutorialError, match=r"no space left.*base.*MMTUTORIAL_CACHE.*is kept"):
            train_attributes(parts.train, parts.validation, TINY)
    assert saved() == before
    done.append("again")
    train_attributes(parts.train, parts.validation, TINY)
    steps = 2 * (len(parts.train) // TINY["batch_size"])
    assert len(done[done.index("again") + 1 :]) == steps - before


@pytest.mark.slow
def test_a_catalogue_of_photos_and_titles_alone_trains(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path))
    bare = small_catalogue(96)
    bare.table[list(PHRASES)] = ""
    parts = bare.split(seed=0, shares=(0.7, 0.3, 0.0))
    retriever = train_attributes(parts.train, parts.validation, TINY)
    assert all(np.isfinite(line["loss"]) for line in retriever.log if "loss" in line)
    assert retriever.labels.phrases == []


@pytest.mark.slow
def test_it_learns(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path))
    parts = small_catalogue(320, seed=1).split(seed=0, shares=(0.8, 0.2, 0.0))
    settings = {**TINY, "epochs": 12, "widths": (8, 16, 16, 16), "batch_size": 32, "ema": 0.9}
    retriever = train_attributes(parts.train, parts.validation, settings)
    unseen = small_catalogue(64, seed=9, first=5000)
    photos = retriever.attributes_of_photos(unseen.photos)
    for head in ("colour", "article_type"):
        best = np.array(retriever.labels.classes[head])[photos[head].argmax(axis=1)]
        assert (best == unseen.table[head]).mean() > 0.75, head  # chance is 1/3 and 1/2
    found = (retriever.embed_texts(["Red", "Blue", "Green"]) @ photos["vector"].T).argmax(axis=1)
    assert list(unseen.table["colour"].iloc[found]) == ["Red", "Blue", "Green"]


@pytest.mark.slow
def test_weights_come_back_after_a_look_at_the_averaged_ones(shop, untrained):
    batches = batches_of(shop, untrained)
    model = untrained.model
    model.compile(optimizer=attribute_training._optimizer(untrained.settings), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    model.train_on_batch(*batches[0])
    before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    with training.averaged(model, model.image_encoder, batches):
        inside = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    after = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    assert all((one == other).all() for one, other in zip(before, after, strict=True))
    assert any((one != other).any() for one, other in zip(before, inside, strict=True))


def test_too_few_products_for_a_batch_is_an_error(parts, tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path))
    with pytest.raises(TutorialError, match=r"do not fill one batch of 512.*smaller batch size"):
        train_attributes(parts.train, parts.validation, {**TINY, "batch_size": 512})


def test_unrelated_changes_keep_the_training_and_related_ones_do_not(parts):
    def folder(**changes):
        settings = {**attribute_encoder.SETTINGS, **changes}
        return attribute_training.training_folder(parts.train, parts.validation, settings)

    assert folder() == folder(epochs=60) == folder(decay=0.5)
    assert folder() != folder(dim=128)
    other = attribute_training.training_folder(
        parts.validation, parts.train, attribute_encoder.SETTINGS
    )
    assert folder() != other


# Search -----------------------------------------------------------------------------------------


def test_fused_score_is_cosine_and_the_log_probability_to_agree(shop, untrained):
    queries = untrained.attributes_of_texts(["Acme Red", "Blue Boxes"])
    products = untrained.attributes_of_photos(shop.photos[:5])
    weights = dict.fromkeys(HEADS, 0.0) | {"brand": 0.5, "colour": 2.0}
    found = fuse_scores(untrained.score_parts(queries, products), weights)
    scale = float(untrained.model.scale)
    for q in range(2):
        for p in range(5):
            expected = scale * (queries["vector"][q] @ products["vector"][p])
            for head in ("brand", "colour"):
                agree = (queries[head][q] * products[head][p]).sum()
                expected += weights[head] * np.log(agree + 1e-4)
            assert found[q, p] == pytest.approx(expected, rel=1e-4)


def test_reading_gives_unit_vectors_and_probabilities_the_same_for_a_mirrored_photo(
    shop, untrained
):
    read = untrained.attributes_of_photos(shop.photos[:6], block=4)
    mirrored = untrained.attributes_of_photos(shop.photos[:6, :, ::-1])
    assert np.allclose(np.linalg.norm(read["vector"], axis=1), 1, atol=1e-5)
    for head in HEADS:
        assert np.allclose(read[head].sum(axis=1), 1, atol=1e-5)
    for key in read:
        assert np.allclose(read[key], mirrored[key], atol=1e-5)


def test_saved_and_loaded_is_the_same_in_half_the_bytes(shop, untrained, tmp_path):
    untrained.fusion = {"brand": 0.4}
    untrained.trained_on, untrained.n_products = (
        attribute_retriever.fingerprints(shop.table),
        len(shop),
    )
    untrained.save(tmp_path)
    loaded = load(tmp_path)
    assert loaded.fusion == untrained.fusion and loaded.trained_on == untrained.trained_on
    assert loaded.n_products == len(shop)
    texts = ["Acme Red Bars", "unheard of"]
    assert np.allclose(loaded.embed_texts(texts), untrained.embed_texts(texts), atol=5e-3)
    photos = shop.photos[:4]
    assert np.allclose(loaded.embed_photos(photos), untrained.embed_photos(photos), atol=5e-3)
    size = (tmp_path / "weights.npz").stat().st_size
    assert size < 2.2 * untrained.model.count_params() + 50_000


def test_product_search_takes_it(shop, untrained):
    from mmtutorial.search.product_search import ProductSearch

    found = ProductSearch(untrained, shop).search("Acme red bars", photo=shop.photos[3], k=4)
    assert len(found) == 4 and found["score"].is_monotonic_decreasing
    with pytest.raises(TutorialError, match="no word"):
        ProductSearch(untrained, shop).search("zzz")


def test_an_unknown_model_is_an_error_that_lists_the_known(tmp_path):
    with pytest.raises(TutorialError, match=r"no model .*none of those in models/"):
        load(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def saved(shop, untrained, tmp_path_factory):
    """A model's folder, to be copied before it is damaged."""
    untrained.trained_on, untrained.n_products = (
        attribute_retriever.fingerprints(shop.table),
        len(shop),
    )
    folder = tmp_path_factory.mktemp("saved") / "model"
    untrained.save(folder)
    load(folder)  # fine so far
    return folder


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file):
    file.write_bytes(b"")


def flip_a_byte(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def weights_with(change):
    def damage(file):
        with np.load(file) as weights:
            values = dict(weights)
        change(values)
        np.savez(file, **values)

    return damage


def config_with(**changes):
    """A ``config.json`` with other values; None takes a key out."""

    def damage(file):
        config = json.loads(file.read_text("utf-8"))
        for path, value in changes.items():
            *outer, name = path.split("__")
            place = config
            for key in outer:
                place = place[key]
            place.pop(name) if value is None else place.update({name: value})
        file.write_text(json.dumps(config))

    return damage


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("weights.npz", cut, "not a zip file"),
        ("weights.npz", empty, "not a zip file"),
        ("weights.npz", flip_a_byte, "Bad CRC|Bad magic"),
        ("weights.npz", weights_with(lambda w: w["w0"].fill(np.nan)), "w0 is not finite"),
        ("weights.npz", weights_with(lambda w: w.pop("w3")), "arrays that are not those"),
        (
            "weights.npz",
            weights_with(lambda w: w.update(w1=w["w1"][:-1])),
            "w1 is 4 × .*, expected 5 × ",
        ),
        ("weights.npz", lambda file: file.unlink(), "there is no"),
        ("config.json", cut, "JSONDecodeError"),
        ("config.json", lambda file: file.write_text("[1]"), "no JSON object"),
        ("config.json", config_with(fusion=None), "lacks 'fusion'"),
        ("config.json", config_with(extra=1), "knows no 'extra'"),
        ("config.json", config_with(version=99), "version 99, and 1 is read here"),
        ("config.json", config_with(settings__dim=10**9), "DIM is 1000000000: .* 1 to 8,192"),
        ("config.json", config_with(settings__widths=[4, 10**9]), "WIDTHS is 1000000000"),
        ("config.json", config_with(vocabulary__buckets=10**9), "buckets is 1000000000"),
        ("config.json", config_with(vocabulary__length=None), "lacks 'length'"),
        ("config.json", config_with(vocabulary__word_list=[1, 2]), "no list of texts"),
        ("config.json", config_with(settings__shell="rm"), "no setting 'shell'"),
        ("config.json", config_with(classes__brand=None), "'classes' has no list"),
        ("config.json", config_with(phrases=[["brand"]]), "'phrases' is no list"),
        ("config.json", config_with(fusion={"brand": "x"}), "'fusion' gives a number"),
        ("config.json", config_with(fusion={"brand": float("nan")}), "'fusion' gives a number"),
        ("config.json", config_with(log=[1]), "'log' is no list"),
        ("trained_on.npy", empty, "EOFError"),
        ("trained_on.npy", cut, "greater than file size"),
        ("trained_on.npy", lambda file: file.unlink(), "there is no"),
        ("trained_on.npy", lambda file: np.save(file, np.empty(0, "uint64")), "holds 0 digests"),
        ("trained_on.npy", lambda file: np.save(file, np.load(file)[:50]), "holds 50 digests"),
        ("trained_on.npy", lambda file: np.save(file, np.ones(999)), "float64, expected uint64"),
    ],
)
def test_a_damaged_model_is_refused_by_its_file(saved, tmp_path, name, damage, reason):
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    damage(folder / name)
    with pytest.raises(DamagedFile, match=rf"(?=.*{folder}/{name}).*({reason}).*or train it again"):
        load(folder)


def test_no_pickle_in_a_model_s_folder_is_opened(saved, tmp_path):
    from test_files import Spy

    spies = np.array([Spy(tmp_path / "spied")], dtype=object)
    for name, write in (
        ("weights.npz", lambda file: np.savez(file, w0=spies)),
        ("trained_on.npy", lambda file: np.save(file, spies, allow_pickle=True)),
    ):
        folder = tmp_path / name / "model"
        shutil.copytree(saved, folder)
        write(folder / name)
        with pytest.raises(DamagedFile, match=name):
            load(folder)
    assert not (tmp_path / "spied").exists()


@pytest.mark.slow
def test_a_model_may_say_that_it_was_trained_on_nothing(shop, tmp_path):
    AttributeRetriever.new(shop, {**attribute_encoder.SETTINGS, **TINY}).save(tmp_path)
    assert load(tmp_path).trained_on == set()
    config_with(log=[{"epochs": 1, "loss": 1.0}])(tmp_path / "config.json")
    with pytest.raises(DamagedFile, match="holds 0 digests"):  # its log says otherwise
        load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 0}, "DIM is 0: choose a whole number from 1 to 8,192"),
        ({"epochs": 0}, "EPOCHS is 0"),
        ({"batch_size": 1}, "BATCH_SIZE is 1"),
        ({"learning_rate": float("nan")}, "LEARNING_RATE is nan"),
        ({"decay": 2}, "DECAY is 2: choose a number from 0 to 1"),
        ({"widths": (4,)}, "choose from 2 to 8"),
        ({"depth": 4}, "no setting 'depth'; there are epochs"),
        ({"without": ["words"]}, "no part 'words' to leave out"),
    ],
)
def test_a_setting_out_of_its_range_is_refused_before_training(parts, settings, message):
    with pytest.raises(TutorialError, match=message):
        train_attributes(parts.train, parts.validation, {**TINY, **settings})


# The model that comes with the course -----------------------------------------------------------


def test_too_few_validation_products_are_an_error(shop):
    with pytest.raises(TutorialError, match="5 validation products are too few"):
        train_attributes(shop, shop.subset(np.arange(5)), TINY)


@pytest.fixture(scope="module")
def shipped():
    return load("fashion-base")


def test_the_shipped_model_is_small_enough_to_ship():
    folder = ROOT / "models" / "fashion-base"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 30e6
    assert "In-domain, trained from scratch" in (folder / "README.md").read_text("utf-8")


def test_the_shipped_model_reads_queries(shipped):
    read = shipped.attributes_of_texts(["Nike Men Red T-shirt", "Fossil Women Black Watch"])
    for head, values in (
        ("colour", ["Red", "Black"]),
        ("gender", ["Men", "Women"]),
        ("article_type", ["Tshirts", "Watches"]),
    ):
        found = np.array(shipped.labels.classes[head])[read[head].argmax(axis=1)]
        assert list(found) == values
    assert np.allclose(np.linalg.norm(read["vector"], axis=1), 1, atol=1e-5)


def test_the_shipped_model_sees_colours(shipped):
    """A shirt drawn in red and in blue: red is nearer to "red t-shirt"."""
    photos = np.full((2, 80, 60, 3), 255, dtype="uint8")
    photos[0, 15:70, 12:48] = (190, 20, 30)
    photos[1, 15:70, 12:48] = (30, 50, 160)
    scores = shipped.embed_texts(["red t-shirt", "blue t-shirt"]) @ shipped.embed_photos(photos).T
    assert scores[0, 0] > scores[0, 1] and scores[1, 1] > scores[1, 0]


@pytest.mark.slow
def test_the_shipped_model_finds_photos_it_was_not_trained_on(shipped):
    """KAGL queries over a sample of the photos; what their products are it was never told."""
    try:
        fashion.find()
    except TutorialError as error:
        pytest.skip(str(error))
    catalogue = load_catalogue("fashion", max_products=3000)
    kagl.refuse_leaks(shipped, kagl.split_for(catalogue).test)
    found = attribute_retriever.measure(shipped, catalogue.subset(asked_for(catalogue)), catalogue)
    assert found["R@10"] > 0.6


def asked_for(catalogue):
    ids = {product for answers in catalogue.queries.values() for product in answers}
    return np.flatnonzero(catalogue.table["id"].isin(ids))
