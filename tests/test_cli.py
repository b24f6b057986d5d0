import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from mmtutorial import TutorialError, __version__
from mmtutorial.catalogue import fashion
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.cli import main
from mmtutorial.course import checks, runner, sweep
from mmtutorial.course.checks import Finding, Report
from mmtutorial.encoders.tokenisers import Vocabulary
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.search.product_search import ProductSearch
from mmtutorial.shop import terminal
from mmtutorial.shop.opening import RANKING


def call(*arguments):
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def run_with(monkeypatch):
    """What ``run`` hands to the runner, which then ends as told."""
    given = {}

    def ending(*statuses, error=None):
        def run(wanted, **options):
            given.update(options, wanted=wanted)
            if error:
                raise error
            return [{"status": status} for status in statuses]

        monkeypatch.setattr(runner, "run", run)
        return given

    return ending


def test_version_and_help():
    assert call("--version").output == f"mmtutorial, version {__version__}\n"
    assert {"check", "data", "run", "sweep"} <= set(call("--help").output.split())


def test_run_passes_everything_on(run_with):
    given = run_with("passed")
    words = (
        "run 06 10_ranking_metrics --dataset fashion --profile full --jobs 2 --force --results r"
    )
    done = call(*words.split(), "-p", "EPOCHS", "3", "-p", "NAME", "a b")
    assert done.exit_code == 0
    assert given == {
        "wanted": ("06", "10_ranking_metrics"),
        "dataset": "fashion",
        "profile": "full",
        "parameters": {"EPOCHS": "3", "NAME": "a b"},
        "jobs": 2,
        "force": True,
        "results": "r",
    }


def test_without_options_all_lessons_run_on_the_demo_shop_quickly(run_with):
    given = run_with("passed")
    call("run")
    assert (given["wanted"], given["dataset"], given["profile"]) == ((), "demo", "quick")


def test_the_exit_status_tells(run_with):
    run_with("passed", "failed")
    assert call("run").exit_code == 1
    run_with(error=KeyboardInterrupt())
    assert call("run").exit_code == 130
    run_with(error=TutorialError("no lesson '17'; there are: 00_start"))
    done = call("run", "17")
    assert done.exit_code == 1
    assert done.output == "Error: no lesson '17'; there are: 00_start\n"


@pytest.mark.parametrize("command", [["run"], ["sweep", "00"]])
def test_an_empty_dataset_is_not_the_current_folder(command):
    done = call(*command, "--dataset", "")
    assert done.exit_code == 1
    assert "take demo, fashion, or the path of your own catalogue" in done.output


@pytest.fixture
def sweep_with(monkeypatch):
    """What ``sweep`` is given; its runs then end as told."""
    given = {}

    def ending(*statuses):
        def ended(lesson, grid, **options):
            given.update(options, lesson=lesson, grid=grid)
            return pd.DataFrame({"status": statuses})

        monkeypatch.setattr(sweep, "sweep", ended)
        return given

    return ending


def test_sweep_passes_everything_on(sweep_with):
    given = sweep_with("passed")
    words = "sweep 08 -p FUSION sum gated --seeds 3 4 -p SHIFT -1 .5 -.5 --jobs 2 --force"
    done = call(*words.split(), "-p", "FUSION", "a b", "--profile", "full", "--results", "r")
    assert done.exit_code == 0, done.output
    assert given == {
        "lesson": "08",
        "grid": {"FUSION": ["sum", "gated", "a b"], "SHIFT": ["-1", ".5", "-.5"]},
        "seeds": (3, 4),
        "dataset": "demo",
        "profile": "full",
        "jobs": 2,
        "force": True,
        "results": "r",
    }


def test_a_sweep_takes_three_seeds_unless_told(sweep_with):
    given = sweep_with("passed")
    assert call("sweep", "08").exit_code == 0
    assert (given["grid"], given["seeds"]) == ({}, (0, 1, 2))


def test_a_failed_run_is_a_sweeps_exit_status(sweep_with):
    sweep_with("passed", "failed", "passed")
    assert call("sweep", "08").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["walk"],
        ["run", "--profile", "fast"],
        ["run", "--jobs", "0"],
        ["run", "-p", "EPOCHS"],
        ["sweep", "-p", "K", "5"],
        ["sweep", "08", "-p"],
        ["sweep", "08", "-p", "K", "--seeds", "1"],
        ["sweep", "08", "--seeds", "--force"],
        ["sweep", "08", "--seeds", "one"],
        ["sweep", "08", "--seeds", "-1"],
        ["data", "get", "shoes"],
    ],
)
def test_wrong_usage_is_status_2(arguments):
    assert call(*arguments).exit_code == 2


def test_check_prints_the_report_and_its_status_tells(monkeypatch):
    asked = []

    def report(gpu):
        asked.append(gpu)
        return Report([Finding("device", "fault" if gpu else "ok", "cpu:0")])

    monkeypatch.setattr(checks, "report", report)
    assert call("check").exit_code == 0
    done = call("check", "--gpu")
    assert done.exit_code == 1
    assert "✗ device" in done.output
    assert asked == [False, True]


def test_data_get_downloads_and_a_truncated_download_is_an_error(monkeypatch):
    called = []
    monkeypatch.setattr(fashion, "download", lambda: called.append(True))
    assert call("data", "get", "fashion").exit_code == 0
    assert called

    def truncated():
        raise TutorialError("products.parquet is cut short; run the command again")

    monkeypatch.setattr(fashion, "download", truncated)
    done = call("data", "get", "fashion")
    assert done.exit_code == 1
    assert "Error: products.parquet is cut short" in done.output


# mmtutorial search --------------------------------------------------------------------------------


@pytest.fixture
def shop(monkeypatch):
    """A shop of two colours and two kinds, in place of the one that would be opened."""
    products = pd.DataFrame(
        [
            {"id": f"{n}", "title": f"{colour} {kind}", "colour": colour, "price": 10.0 + n}
            for n, (colour, kind) in enumerate(
                (colour, kind) for colour in ("Red", "Navy") for kind in ("Tee", "Bag", "Hat")
            )
        ]
    )
    photos = np.zeros((6, 80, 60, 3), dtype="uint8")
    photos[:3, ..., 0] = photos[3:, ..., 2] = 255

    class ByWords:
        tokeniser = Vocabulary(["red", "navy", "tee", "bag", "hat"])

        def embed_texts(self, texts):
            return unit_length([[w in t.lower() for w in self.tokeniser.words] for t in texts])

        def embed_photos(self, photos):
            shown = np.asarray(photos, "float32").mean(axis=(1, 2)) + 1e-3
            return unit_length(np.pad(shown[:, [0, 2]], ((0, 0), (0, 3))))

    opened = []

    def open_shop(dataset, model):
        opened.append((dataset, model))
        return ProductSearch(ByWords(), Catalogue("six", products, photos), **RANKING)

    monkeypatch.setattr(terminal.opening, "open_shop", open_shop)
    return opened


def test_search_shows_a_table(shop):
    done = call("search", "navy tee", "-k", "2", "--dataset", "some/where", "--model", "m")
    assert done.exit_code == 0 and shop == [("some/where", "m")]
    head, *lines = done.output.splitlines()
    assert head.split() == ["id", "score", "title", "colour", "price"]
    assert len(lines) == 2 and lines[0].split() == ["3", "1.00", "Navy", "Tee", "Navy", "13.00"]


def test_search_by_a_photo_with_filters_gives_json(shop, tmp_path):
    Image.new("RGB", (90, 120), "blue").save(tmp_path / "blue.png")
    words = f"search hat --photo {tmp_path}/blue.png --where colour=red --where price=11..12 --json"
    found = json.loads(call(*words.split()).output)
    assert [product["title"] for product in found] == ["Red Hat", "Red Bag"]
    for product in found:
        assert sum(product["parts"].values()) == pytest.approx(product["score"], abs=2e-3)
    photo_alone = call("search", "--photo", f"{tmp_path}/blue.png", "-k", "1").output
    assert "Navy" in photo_alone
    one = json.loads(call("search", "hat", "--where", "price=12", "--json").output)
    assert [product["id"] for product in one] == ["2"]
    several = call("search", "hat", "--where", "colour=red", "--where", "colour=navy").output
    assert len(several.splitlines()) == 7
    assert (
        call("search", "hat", "--where", "price=90..").output == "No product passes the filters.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to search by: give words in quotes, or --photo FILE"),
        (["xylophone"], "no word of 'xylophone' occurs"),
        (["hat", "--photo", "none.jpg"], "none.jpg"),
        (["hat", "--where", "red"], "--where red: give a column and a value, as colour=red"),
        (["hat", "--where", "colour=rad"], "no product has the colour 'rad': the nearest"),
        (["hat", "--where", "size=1"], "no column 'size' to filter by"),
        (["hat", "--where", "price=low"], "the column holds numbers; give one, or a range"),
        (["hat", "--where", "price=5..1"], "no range of numbers"),
        (["hat", "--where", "price=1..5", "--where", "price=7"], "give one range"),
    ],
)
def test_a_search_that_cannot_be_answered_says_why(shop, words, message):
    done = call("search", *words)
    assert done.exit_code == 1
    assert done.output.startswith("Error: ") and message in done.output


@pytest.mark.slow
def test_a_search_on_the_terminal_is_quiet(tmp_path):
    """The answer alone is the output; while it is built bars go to the other stream."""
    command = "from mmtutorial.cli import main; main()"
    words = [sys.executable, "-c", command, "search", "red tee", "-k", "3"]
    first = subprocess.run(words, capture_output=True, text=True)
    again = subprocess.run(words, capture_output=True, text=True)
    assert first.returncode == again.returncode == 0
    assert again.stdout == first.stdout and len(again.stdout.splitlines()) == 4
    assert again.stderr == ""
