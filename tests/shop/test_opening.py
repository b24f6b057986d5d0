"""Opening a shop: its model and ranking are those of the lessons, and it is built once."""

import json
import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from PIL import Image
from small_catalogue import TINY, small_catalogue

from mmtutorial import TutorialError
from mmtutorial.catalogue.catalogue import load_catalogue
from mmtutorial.course import lessons
from mmtutorial.matching import attribute_encoder, attribute_retriever
from mmtutorial.paths import ROOT
from mmtutorial.search.product_search import ProductSearch
from mmtutorial.shop import opening


def test_it_takes_the_model_of_lesson_00():
    """Its quick profile on every catalogue, so that who ran the lesson does not train again."""
    folder = ROOT / "notebooks"
    lessons_there = lessons.find_lessons(folder)
    (first,) = lessons.select(lessons_there, ["00"])
    profiles = lessons.read_profiles(folder, lessons_there)
    for dataset in ("demo", "fashion", "some/where"):
        given = lessons.plan(
            lessons_there, [first], profiles, profile="quick", dataset=dataset, parameters={}
        )[first.name]
        of_lesson = {name.lower(): value for name, value in (first.parameters | given).items()}
        ours = opening.MODEL | opening.MODEL_OF.get(dataset, {})
        assert ours == {name: of_lesson[name] for name in ours}
        assert of_lesson["max_products"] == 0


def test_it_ranks_by_what_lesson_24_finds():
    """The lesson chooses weights for the same scorers, in the same fusion, from the same grid."""
    notebook = json.loads((ROOT / "notebooks" / "24_capstone.ipynb").read_text("utf-8"))
    cells = {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}
    grid = re.search(r"np.linspace\(0, 1, (\d+)\)", cells["24-shop-weights"]).group(1)
    steps = np.array(opening.WEIGHTS) * (int(grid) - 1)
    assert np.allclose(steps, steps.round()) and sum(opening.WEIGHTS) == pytest.approx(1)
    assert "scorers=opening.SCORERS" in cells["24-shop-weights"]
    assert '"scorers": opening.SCORERS, "weights": weights' in cells["24-shop"]
    assert "fusion" not in cells["24-shop"] and opening.RANKING.keys() == {"scorers", "weights"}
    assert "weighted_scores(said, w)" in cells["24-shop-weights"]  # ProductSearch's own default
    assert "page.make(shop)" in cells["24-app"]


@pytest.fixture
def own(tmp_path):
    """The folder of a small catalogue as its owner might have it."""
    catalogue = small_catalogue(300)
    folder = tmp_path / "own"
    (folder / "photos").mkdir(parents=True)
    for name, photo in zip(catalogue.table["id"], catalogue.photos, strict=True):
        Image.fromarray(photo).resize((150, 200)).save(folder / "photos" / f"{name}.png")
    names = {"id": "sku", "title": "name", "colour": "color"}
    products = catalogue.table[[*names]].rename(columns=names)
    products.to_csv(folder / "products.csv", index=False)
    (folder / "columns.json").write_text(json.dumps(names))
    return folder


@pytest.mark.slow
def test_another_model_can_be_put_in_and_is_embedded_once(own, tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    catalogue = load_catalogue(own).cleaned()
    attribute_retriever.AttributeRetriever.new(
        catalogue, {**attribute_encoder.SETTINGS, **TINY}
    ).save(tmp_path / "m")
    home = opening.build(str(own), str(tmp_path / "m"))
    monkeypatch.setattr(ProductSearch, "save", None)  # not called again
    assert opening.build(str(own), str(tmp_path / "m")) == home
    shop = opening.load(str(own), str(home))
    assert isinstance(shop.retriever, attribute_retriever.AttributeRetriever)
    assert tuple(shop.scorers) == opening.SCORERS
    assert tuple(shop.weights.values()) == opening.WEIGHTS
    assert shop.search("red bars", k=12)["colour"].tolist() == ["Red"] * 12
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        words = other.submit(opening.words_of, str(home))
        again = opening.load(str(own), str(home), words.result)
    assert again.search("red bars", k=12).equals(shop.search("red bars", k=12))


@pytest.mark.slow
def test_what_shapes_a_search_makes_another_folder(own, tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    home = opening.home(str(own))
    assert opening.home(str(own)) == home and not home.exists()
    monkeypatch.setattr(opening, "MODEL", {**opening.MODEL, "seed": 1})
    assert opening.home(str(own)) != home
    monkeypatch.undo()
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    with_model = opening.home(str(own), str(model))
    (model / "config.json").write_text("{ }")
    assert len({home, with_model, opening.home(str(own), str(model))}) == 3
    products = own / "products.csv"
    products.write_text(products.read_text().replace("Red", "Rot", 1))
    assert opening.home(str(own)) != home


def test_a_search_of_other_products_says_which_folder_to_remove(tmp_path, monkeypatch):
    catalogue = small_catalogue(8)
    monkeypatch.setattr(opening, "load_catalogue", lambda which: catalogue)
    for table, reason in (
        (None, "there is no .*table.parquet"),
        (catalogue.table[1:], "it holds other products than the catalogue"),
    ):
        if table is not None:
            table.to_parquet(tmp_path / "table.parquet")
        with pytest.raises(TutorialError, match=f"remove the folder {tmp_path} .*{reason}"):
            opening.load("own", str(tmp_path))
