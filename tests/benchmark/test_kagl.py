"""The benchmark: trec_eval as the referee, nothing of the exam in the training, sibling by hand."""

import json
import os

import ir_measures
import keras
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies
from small_catalogue import TINY, small_catalogue

from mmtutorial import TutorialError
from mmtutorial.benchmark import kagl
from mmtutorial.catalogue.catalogue import Catalogue, leaked
from mmtutorial.cli import main
from mmtutorial.matching import attribute_encoder, attribute_retriever
from mmtutorial.matching.attribute_retriever import AttributeRetriever
from mmtutorial.matching.retriever import load
from mmtutorial.metrics import runs


@pytest.fixture(scope="module")
def retriever():
    keras.utils.set_random_seed(0)
    return AttributeRetriever.new(small_catalogue(), {**attribute_encoder.SETTINGS, **TINY})


@pytest.fixture
def shop():
    """96 products; four of them are asked for, one of them has a photo twin, all title twins."""
    shop = small_catalogue()
    photos = shop.photos.copy()
    photos[50] = photos[0]
    table = shop.table.copy()
    table.loc[50, "photo_hash"] = table["photo_hash"][0]
    titles = table["title"]
    queries = {titles[0]: {"0000": 1}, titles[10]: {"0010": 1, "0011": 1}, titles[20]: {"0020": 1}}
    return Catalogue("small", table, photos, queries=queries)


# Files and ties ---------------------------------------------------------------------------------


@given(
    numpy_strategies.arrays(
        "float32", (2, 20), elements=st.sampled_from([0.5, 1.0, -3.0, 1000.0, 0.0])
    )
)
@settings(max_examples=50, deadline=None)
def test_pulling_ties_apart_keeps_the_order_and_hardly_changes_the_scores(scores):
    scores = -np.sort(-scores, axis=1)
    apart = runs.strictly_falling(scores)
    assert (np.diff(apart, axis=1) < 0).all()
    assert np.allclose(apart, scores, rtol=1e-5, atol=1e-40)


def read_run(file):
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        query, _, product, _, score, _ = line.split()
        found.setdefault(query, {})[product] = float(score)
    return found


def read_qrels(file):
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        query, _, product, grade = line.split()
        found.setdefault(query, {})[product] = int(grade)
    return found


def scored_by_trec_eval(run, qrels, name, k):
    found = {
        each.query_id: each.value for each in ir_measures.pytrec_eval.iter_calc([name], qrels, run)
    }
    if name == ir_measures.RR:  # which trec_eval does not cut
        found = {query: value if value * k >= 1 - 1e-9 else 0 for query, value in found.items()}
    return np.mean(list(found.values()))


@pytest.mark.slow
@pytest.mark.parametrize("fusion", [{}, {"brand": 0.5, "colour": 1.0}])
def test_trec_eval_gives_the_numbers_of_metrics_json(shop, retriever, tmp_path, fusion):
    """With a photo twin in the gallery, so that there are ties to break."""
    retriever.fusion = fusion
    parts = kagl.split_for(shop)
    results = kagl.evaluate(retriever, shop, parts, tmp_path)
    qrels = read_qrels(tmp_path / "qrels.trec")
    assert len(qrels) == results["queries"] == 3
    systems = {"cosine": "run-cosine.trec"} | ({"late_fusion": "run.trec"} if fusion else {})
    for system, file in systems.items():
        run = read_run(tmp_path / file)
        assert all(len(hits) >= 10 for hits in run.values())
        for key, measure in (
            ("recall@1", ir_measures.R @ 1),
            ("recall@10", ir_measures.R @ 10),
            ("mrr@10", ir_measures.RR),
        ):
            expected = scored_by_trec_eval(run, qrels, measure, 10)
            assert results[system][key] == pytest.approx(expected, abs=1e-9), (system, key)
    assert results["recall@10"] == results[results["system"]]["recall@10"]


def test_twin_photos_are_ranked_by_id_in_the_file_too(shop, retriever, tmp_path):
    retriever.fusion = {}
    kagl.evaluate(retriever, shop, kagl.split_for(shop), tmp_path)
    assert (tmp_path / "run.trec").exists()
    for hits in read_run(tmp_path / "run.trec").values():
        order = list(hits)
        assert order.index("0000") + 1 == order.index("0050")


def test_a_query_becomes_one_word_and_stays_its_own():
    names = runs.query_names(["red  shoe", "red shoe", "red_shoe", "blue", " "])
    assert len(set(names.values())) == 5
    assert names["blue"] == "blue" and names["red  shoe"] == "red_shoe"
    assert not any(set(name) & set(" \t\n") for name in names.values())


# What is kept out -------------------------------------------------------------------------------


def test_twins_of_what_is_asked_for_are_kept_out(shop):
    table = shop.table.copy()
    table.loc[90, "title"] = next(iter(shop.queries)).upper()  # in another case
    shop = Catalogue("small", table, shop.photos, queries=shop.queries)
    parts = kagl.split_for(shop)
    kept_out = set(parts.test.table["id"])
    assert {"0000", "0001", "0010", "0011", "0020", "0021", "0050", "0051", "0090"} <= kept_out
    assert len(kept_out) < 20
    for trained in (parts.train, parts.validation):
        assert not leaked(trained, parts.test).any()


def test_a_product_that_bears_the_query_as_its_title_is_kept_out_even_if_it_is_not_relevant(shop):
    shop.queries = {shop.table["title"][40].lower(): {"0070": 1}}
    kept_out = set(kagl.split_for(shop).test.table["id"])
    assert {"0040", "0041", "0070"} <= kept_out


@pytest.mark.parametrize("what", ["id", "title", "photo_hash"])
def test_a_model_that_knows_the_exam_is_refused(shop, retriever, what):
    parts = kagl.split_for(shop)
    retriever.trained_on = attribute_retriever.fingerprints(parts.train.table)
    kagl.refuse_leaks(retriever, parts.test)  # fine so far
    spy = parts.train.table.iloc[[0]].copy()
    spy[what] = parts.test.table[what].iloc[0]
    retriever.trained_on |= attribute_retriever.fingerprints(spy)
    with pytest.raises(TutorialError, match=r"trained on \d+ products .*leave --model out"):
        kagl.refuse_leaks(retriever, parts.test)
    retriever.trained_on = set()


def test_siblings_by_hand():
    def catalogue(*titles):
        table = pd.DataFrame({"id": map(str, range(len(titles))), "title": titles})
        table["colour"] = ["Red", "Navy Blue", "Blue"][: len(titles)]
        return Catalogue("c", table, np.zeros((len(titles), 80, 60, 3), "uint8"))

    parts = (
        catalogue("Nike Men Navy Blue Shoe", "Acme red bag", "Puma Bluetooth Cap"),
        catalogue(),
        catalogue("Nike"),
    )
    from mmtutorial.catalogue.catalogue import Split

    queries = {
        "nike men RED shoe": True,  # Navy Blue goes as a whole
        "Nike Men Shoe": True,
        "Acme Blue Bag": True,
        "Nike Women Red Shoe": False,
        "Puma Tooth Cap": False,  # a colour inside a word is no colour
        "Nike": False,  # what is kept out is no sibling
    }
    found = kagl.with_sibling(list(queries), Split(*parts))
    assert list(found) == list(queries.values())


# The attribute tasks ----------------------------------------------------------------------------


def test_attribute_tasks_by_hand(shop, retriever):
    """Photo vectors that are the text vectors of their colours: the colour task is perfect."""
    qrels = kagl.attribute_qrels(shop.table, "colour")
    assert sum(map(len, qrels.values())) == len(shop) and set(qrels) == {"Red", "Blue", "Green"}
    photos = retriever.embed_texts(shop.table["colour"])
    found = kagl.attribute_tasks(retriever, photos, shop)
    assert found["colour"]["P@10"] == found["colour"]["P@1"] == found["colour"]["MRR@10"] == 1
    assert found["fine category"]["P@10"] < 0.9
    assert "usage" not in found  # nobody filled it in


def test_a_rare_value_lowers_the_ceiling(shop, retriever):
    table = shop.table.copy()
    table.loc[:3, "colour"] = "Lime"
    found = kagl.attribute_tasks(
        retriever, retriever.embed_texts(table["colour"]), Catalogue("c", table, shop.photos)
    )["colour"]
    assert found["P@10 ceiling"] == pytest.approx((3 + 0.4) / 4)
    assert found["P@10"] == pytest.approx(found["P@10 ceiling"])
    assert found["P@10 of frequent values"] == 1 and found["frequent values"] == 3


# Opening, and the command -----------------------------------------------------------------------


def write_catalogue(shop, folder):
    """As the public copy of the fashion collection writes it."""
    import io

    from PIL import Image

    def encoded(photo):
        stream = io.BytesIO()
        Image.fromarray(photo).save(stream, "png")
        return stream.getvalue()

    names = kagl.fashion.COLUMNS
    table = shop.table[[column for column in names if column in shop.table]].rename(columns=names)
    table["image"] = [encoded(photo) for photo in shop.photos]
    table.to_parquet(folder / "products.parquet")
    qrels = {**shop.queries, "not in this shop": {"9999": 1}}
    (folder / "qrels.json").write_text(json.dumps(qrels), encoding="utf-8")


def test_foreign_columns_are_known_and_foreign_queries_left_out(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    write_catalogue(shop, tmp_path)
    queries = json.loads((tmp_path / "qrels.json").read_text())
    for products in (tmp_path, tmp_path / "products.parquet"):
        found = kagl.open_catalogue(str(products), queries)
        assert list(found.table["title"]) == list(shop.table["title"])
        assert list(found.table["article_type"]) == list(shop.table["article_type"])
        assert found.queries == shop.queries
    with pytest.raises(TutorialError, match="none of the 1 queries"):
        kagl.open_catalogue(str(tmp_path), {"red": {"9999": 1}})


@pytest.fixture
def on_disk(shop, tmp_path, monkeypatch):
    """The shop as files, and no training at all."""
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    write_catalogue(shop, tmp_path)
    monkeypatch.setattr(kagl, "train_attributes", lambda *args: pytest.fail("it was trained"))
    return tmp_path


def of(folder, **changes):
    words = {"products": folder, "qrels": folder / "qrels.json", "output": folder / "out"}
    words |= changes
    return CliRunner().invoke(
        main,
        ["benchmark", *(word for key, value in words.items()
                        for word in (f"--{key.replace('_', '-')}", str(value)))],
    )  # fmt: skip


def refuses(done, *words):
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit)  # no traceback
    assert all(word in done.output for word in words), done.output


def test_an_output_that_cannot_be_written_is_refused_before_training(on_disk):
    refuses(of(on_disk, output="/proc/x"), "cannot write into /proc/x", "--output")
    (on_disk / "file").touch()
    refuses(of(on_disk, output=on_disk / "file" / "deeper"), "is a file", "--output")
    with pytest.raises(TutorialError, match="is a file"):
        kagl.run(on_disk, on_disk / "qrels.json", on_disk / "file")
    assert sorted(file.name for file in on_disk.glob("*")) == [
        "file",
        "products.parquet",
        "qrels.json",
    ]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_disk_too_full_for_the_results_is_noticed_before_training(on_disk, monkeypatch):
    full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115 - closed by what writes to it
    monkeypatch.setattr(kagl.tempfile, "TemporaryFile", lambda dir: full)
    refuses(of(on_disk), "no space left on the disk of", "name another folder with --output")


@pytest.mark.parametrize("weight", ["nan", "NaN"])
def test_a_photo_weight_that_is_no_number_is_refused_before_training(on_disk, weight):
    refuses(of(on_disk, photo_weight=weight), "--photo-weight is nan", "0 to 1")


@pytest.mark.parametrize("weight", [7, -1, float("nan")])
def test_a_photo_weight_out_of_its_range_is_refused_in_python_too(on_disk, weight):
    with pytest.raises(TutorialError, match=f"--photo-weight is {weight}"):
        kagl.run(on_disk, on_disk / "qrels.json", on_disk / "out", photo_weight=weight)


@pytest.mark.parametrize("junk", [b"", b"PAR1", b"PAR1 nothing PAR1", bytes(1000)])
def test_products_that_are_no_parquet_file_are_refused(on_disk, junk):
    (on_disk / "products.parquet").write_bytes(junk)
    for products in (on_disk, on_disk / "products.parquet"):
        refuses(of(on_disk, products=products), "products.parquet")


@pytest.mark.parametrize("junk", ["", "[1]", '{"red": 5}', '{"red": {"0000": "x"}}', '{"red": {}}'])
def test_qrels_of_another_form_are_refused(on_disk, junk):
    (on_disk / "qrels.json").write_text(junk)
    refuses(of(on_disk))


@pytest.mark.slow
def test_an_emptied_list_of_what_was_trained_on_is_no_permission(on_disk, shop, retriever):
    retriever.trained_on, retriever.n_products = (
        attribute_retriever.fingerprints(shop.table),
        len(shop),
    )
    model = on_disk / "model"
    retriever.save(model)
    refuses(of(on_disk, model=model), "was trained on")
    np.save(model / "trained_on.npy", np.empty(0, "uint64"))
    refuses(of(on_disk, model=model), "trained_on.npy", "holds 0 digests", "train it again")
    (model / "trained_on.npy").unlink()
    refuses(of(on_disk, model=model), "there is no", "trained_on.npy")
    assert not (on_disk / "out").exists()
    retriever.trained_on, retriever.n_products = set(), 0
    retriever.save(model)
    kagl.refuse_leaks(load(model), shop)  # it says: trained on nothing


@pytest.mark.slow
def test_the_command_trains_scores_and_evaluates_what_it_trained(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kagl, "QUICK", TINY)
    write_catalogue(shop, tmp_path)
    words = ["benchmark", "--products", str(tmp_path), "--qrels", str(tmp_path / "qrels.json")]
    done = CliRunner().invoke(main, [*words, "--output", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    results = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert {"recall@1", "recall@10", "mrr@10", "queries", "gallery", "interval_95"} <= set(results)
    assert (results["queries"], results["gallery"]) == (3, 96)
    low, high = results["interval_95"]["recall@10"]
    assert 0 <= low <= results["recall@10"] <= high <= 1
    model = tmp_path / "out" / "model"
    assert "in-domain" in (model / "README.md").read_text().lower()
    again = CliRunner().invoke(
        main, [*words, "--model", str(model), "--output", str(tmp_path / "again")]
    )
    assert again.exit_code == 0, again.output
    other = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert other["recall@10"] == pytest.approx(results["recall@10"], abs=0.34)  # float16: 1 of 3
    trained = load(model)
    assert trained.n_products == len(shop) - results["kept_out"]
    spied = {shop.table["title"][70]: {shop.table["id"][70]: 1}}
    (tmp_path / "spied.json").write_text(json.dumps(spied))
    words[-1] = str(tmp_path / "spied.json")
    refused = CliRunner().invoke(
        main, [*words, "--model", str(model), "--output", str(tmp_path / "spied")]
    )
    assert refused.exit_code == 1 and "was trained on" in refused.output
    assert not (tmp_path / "spied").exists()
