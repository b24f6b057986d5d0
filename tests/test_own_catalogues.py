"""Every lesson ends on catalogues that strangers bring, and claims nothing on copies of titles."""

import shutil

import own_catalogues
import pytest
import yaml

from mmtutorial.catalogue.catalogue import load_catalogue
from mmtutorial.course.lessons import find_lessons
from mmtutorial.course.runner import run
from mmtutorial.paths import ROOT

SMALL = {  # enough to go through every cell; the encoders are the same wherever they can be
    "00": {"EPOCHS": 2, "DRAWS": 2},
    "01": {"SPLITS": 2},
    "02": {"SEEDS": 2, "EPOCHS": 1, "SNAPSHOTS": 30},
    "03": {"TEXT_EPOCHS": 2, "EPOCHS": 1},
    "04": {"EPOCHS": 2},
    "05": {"PHOTO_EPOCHS": 2, "EPOCHS": 1, "SEEDS": 2, "REVIEWS": 200},
    "06": {"EPOCHS": 2, "SEEDS": 1},
    "07": {"EPOCHS": 2, "SEEDS": 1, "SKETCH_EPOCHS": 1, "WEIGHT_EPOCHS": 1},
    "08": {"EPOCHS": 2, "SEEDS": 1, "STEPS": 10, "COMPARE_ALL": False},
    "09": {"EPOCHS": 2, "SEEDS": 2, "ROUNDS": 1, "QUERIES": 200},
    "10": {"QUERIES": 50},
    "11": {"EPOCHS": 2, "GROWN": 3000, "TIMED": 5},
    "12": {"EPOCHS": 2, "SEEDS": 1, "SHOPPERS": 150, "QUESTIONS": 60, "CUSTOMERS": 60, "PASSES": 1},
    "13": {"EPOCHS": 2, "MOST_LABELS": 1000, "NETWORK_LABELS": 200, "NETWORK_EPOCHS": 1},
    "14": {"EPOCHS": 2, "PRODUCTS": 60, "PAIR_EPOCHS": 1, "FOLDS": 2},
    "24": {"EPOCHS": 4, "MIN_STEPS": 4, "BATCH_SIZE": 64, "LEFT_OUT": 1, "OTHER_SEEDS": 1},
}

PRODUCTS = 300


@pytest.fixture(scope="module")
def small_lessons(tmp_path_factory):
    """The lessons, with a quick profile that is quicker still."""
    folder = tmp_path_factory.mktemp("lessons") / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".*"))
    profile = {"quick": {"other": SMALL}, "full": {}}
    (folder / "profiles.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    return folder


def test_every_lesson_has_a_small_size():
    assert set(SMALL) == {lesson.number for lesson in find_lessons(ROOT / "notebooks")}


# By day each lesson meets one of the catalogues, the next lesson the next; nightly it meets all.
KINDS = ("plain", "spreadsheet", "furniture")
BY_DAY = {kind: tuple(SMALL)[turn :: len(KINDS)] for turn, kind in enumerate(KINDS)}
CASES = [
    *(pytest.param(kind, numbers, id=kind) for kind, numbers in BY_DAY.items()),
    *(
        pytest.param(
            kind,
            tuple(number for number in SMALL if number not in numbers),
            id=f"{kind}-others",
            marks=pytest.mark.nightly,
        )
        for kind, numbers in BY_DAY.items()
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "numbers"), CASES)
def test_every_lesson_ends_on_a_catalogue_of_ones_own(
    kind, numbers, small_lessons, tmp_path, monkeypatch
):
    """Without the real sets, which lessons read beside the catalogue where they are there."""
    monkeypatch.setenv("MMTUTORIAL_DATA", str(tmp_path / "no sets"))
    shop = tmp_path / kind
    shop.mkdir()
    getattr(own_catalogues, kind)(shop, n=PRODUCTS)
    assert len(load_catalogue(shop)) == PRODUCTS
    found = run(
        numbers, dataset=str(shop), notebooks=small_lessons, results=tmp_path / "results", jobs=2
    )
    assert {one["lesson"]: one["error"] for one in found if one["status"] != "passed"} == {}
    for one in found:
        assert one["claims"]
        for claim in one["claims"]:
            if "copies of titles" in claim["protocol"]:
                assert claim["holds"] is None, (one["lesson"], claim)
