"""Sweeps, on a notebook of a few cells: the grid, what is kept, what a run's failure leaves."""

import json
import signal
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import stats
from test_runner import wait_for
from tiny_lessons import PARAMETERS, write_lesson

from mmtutorial import TutorialError
from mmtutorial.course import runner
from mmtutorial.course.execute import write_json
from mmtutorial.course.sweep import LEGEND, means, plot, summary, sweep, tidy

TUNED = (
    f'{PARAMETERS}\nMETHOD = "sum"  # how\nFUSION = "sum"  # a name of the package\n'
    "RATE = 1.0  # how much\nSIZES = [1]  # unread"
)
BODY = """\
import time

assert FUSION
if METHOD == "none":
    raise ValueError(f"no method {METHOD!r}")
if METHOD == "slow":
    open("started", "w").close()
    time.sleep(600)"""
RESULTS = """\
results = course.Results("demo")
recall = {"sum": 0.5, "low": 0.1}[METHOD] + 0.01 * SEED * RATE
results.record("recall", recall, chance=0.01, floor={"demo": 0.3}, protocol="by hand")
results.record(f"{METHOD} alone", 1.0)
results"""


@pytest.fixture
def course(tmp_path):
    """A course of one lesson that can be swept and one that has no seed; options to sweep it."""
    write_course(tmp_path)
    return {"notebooks": tmp_path / "notebooks", "results": tmp_path / "results", "jobs": 1}


def write_course(folder):
    (folder / "notebooks").mkdir()
    tuned = {"body": [BODY], "parameters": TUNED, "results": RESULTS}
    write_lesson(folder / "notebooks", "00", "Tuned", **tuned)
    write_lesson(folder / "notebooks", "01", "Seedless", parameters='DATASET = "demo"\nK = 1')


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Three fusions with two seeds each: one good, one below its floor, one that raises."""
    folder = tmp_path_factory.mktemp("sweep")
    write_course(folder)
    options = {"notebooks": folder / "notebooks", "results": folder / "results", "jobs": 2}
    table = sweep("0", {"METHOD": ["sum", "low", "none"]}, seeds=(0, 1), **options)
    return folder / "results" / "demo-quick" / "sweeps" / "00_tuned" / "METHOD", table


def test_every_run_and_number_has_its_row(swept):
    recall = swept[1][swept[1]["claim"] == "recall"]
    assert list(zip(recall["METHOD"], recall["SEED"], strict=True)) == [
        ("sum", 0),
        ("sum", 1),
        ("low", 0),
        ("low", 1),
    ]
    np.testing.assert_allclose(recall["value"], [0.5, 0.51, 0.1, 0.11])
    assert (recall["protocol"] == "by hand").all()


def test_a_missed_floor_is_marked_and_no_failure(swept):
    low = swept[1].query("METHOD == 'low' and claim == 'recall'")
    assert list(low["status"]) == ["passed", "passed"]
    assert list(low["holds"]) == [False, False]


def test_a_failed_run_stops_no_other_and_has_its_row(swept):
    failed = swept[1][swept[1]["METHOD"] == "none"]
    assert list(failed["status"]) == ["failed", "failed"]
    assert failed["claim"].isna().all() and failed["value"].isna().all()
    assert failed["error"].str.contains("ValueError: no method 'none'").all()
    assert (swept[0] / failed["run"].iloc[0] / "notebook.ipynb").exists()


def test_what_a_sweep_leaves(swept):
    folder, table = swept
    written = pd.read_csv(folder / "sweep.csv")
    assert list(written.columns) == list(table.columns)
    np.testing.assert_array_equal(written["value"], table["value"])
    assert set(written["run"]) == {path.parent.name for path in folder.glob("*/metrics.json")}
    of_points = pd.read_csv(folder / "means.csv").query("claim == 'recall'").set_index("METHOD")
    assert list(of_points["runs"]) == [2, 2, 0]
    assert list(of_points["failed"]) == [0, 0, 2]
    assert list(of_points["below_floor"]) == [0, 2, 0]
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert (folder.parents[3] / "index.html").exists()
    one = json.loads((folder / "METHOD=low,SEED=1" / "metrics.json").read_text("utf-8"))
    assert one["changed"] == {"METHOD": "low", "SEED": 1}


def test_the_summary_shows_means_marks_and_failures(swept):
    table = swept[1]
    lines = summary(table, means(table, ["METHOD"])).splitlines()
    start = lines.index("recall")
    good, low, none = (lines[start + place].split() for place in (2, 3, 4))
    assert good[:2] == ["METHOD=sum", "0.505"]
    assert low[:2] == ["METHOD=low", "0.105"] and low[-4:] == ["✗", "2", "below", "floor"]
    assert none[-2:] == ["2", "failed"]
    assert sum(line.startswith("failed: METHOD=none,SEED=") for line in lines) == 2
    alone = lines[lines.index("sum alone") :]
    assert "METHOD=low" not in "".join(alone[:4]), "it records no such number"


def finished(parameters, value, status="passed", **claim):
    claim = {
        "name": "recall",
        "value": value,
        "chance": None,
        "floor": None,
        "holds": None,
        "promised": True,
    } | claim
    of_run = {"parameters": parameters, "status": status, "seconds": 1.0, "error": ""}
    return {**of_run, "claims": [{**claim, "protocol": ""}]}


def test_the_interval_is_students():
    values = [0.2, 0.5, 0.9, 0.4]
    runs = [finished({"K": 5, "SEED": seed}, value) for seed, value in enumerate(values)]
    (row,) = means(tidy(runs, ["K"], [""] * 4), ["K"]).to_dict("records")
    reference = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose((row["t95_low"], row["t95_high"]), reference)
    assert (row["K"], row["mean"], row["min"], row["max"]) == (5, 0.5, 0.2, 0.9)


def test_one_seed_has_no_interval():
    runs = [finished({"K": k, "SEED": 0}, 0.5) for k in (5, 10)]
    table = tidy(runs, ["K"], ["", ""])
    of_points = means(table, ["K"])
    assert of_points[["t95_low", "t95_high"]].isna().all(axis=None)
    assert "–" in summary(table, of_points).splitlines()[3]


def drawn(values, seeds=1, **claim):
    """The figure of a sweep over K, each value with so many seeds; and its one panel."""
    runs = [
        finished({"K": k, "SEED": seed}, value + 0.001 * seed, **claim)
        for k, value in values.items()
        for seed in range(seeds)
    ]
    table = tidy(runs, ["K"], [""] * len(runs))
    figure = plot(table, means(table, ["K"]), "a title")
    FigureCanvasAgg(figure).draw()
    return figure, figure.axes[0]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize(
    ("claim", "reached"),
    [
        ({"chance": 0.05, "floor": 0.3, "holds": True}, (0.05, 0.3)),
        ({"chance": 0.05, "floor": 0.7, "holds": False}, (0.05, 0.7)),
        ({"chance": 0.0}, (0.0,)),
        ({}, (0.0,)),
    ],
)
@pytest.mark.parametrize("seeds", [1, 3])
def test_an_axis_reaches_chance_or_zero_and_the_floor(claim, reached, seeds):
    _, axis = drawn({5: 0.481, 10: 0.485}, seeds, **claim)
    low, high = axis.get_xlim()
    for level in (*reached, 0.481, 0.485):
        assert low < level < high


def test_an_axis_reaches_the_ends_of_the_intervals():
    _, axis = drawn({5: 0.481, 10: 0.485}, seeds=2, chance=0.48)
    low, high = axis.get_xlim()
    half = stats.t.ppf(0.975, 1) * 0.0005
    assert low < 0.4815 - half and high > 0.4855 + half


@pytest.mark.parametrize("value", [0.0004, 0.004, 0.48, 31.5, 31234.0])
def test_the_figures_on_an_axis_do_not_overlap(value):
    figure, axis = drawn({5: value, 10: 1.01 * value}, seeds=3, chance=0.0)
    renderer = figure.canvas.get_renderer()
    boxes = [
        label.get_window_extent(renderer) for label in axis.get_xticklabels() if label.get_text()
    ]
    assert len(boxes) >= 3
    for left, right in pairwise(sorted(boxes, key=lambda box: box.x0)):
        assert left.x1 + 4 < right.x0


def test_one_seed_is_drawn_as_one_seed():
    figure, axis = drawn({5: 0.481, 10: 0.485}, chance=0.1)
    assert [line.get_markerfacecolor() for line in axis.lines] == ["white", "white"]
    assert legend_of(figure) == ["one seed: no interval", "chance"]


def test_several_seeds_are_a_mean_an_interval_and_small_dots():
    figure, axis = drawn({5: 0.481}, seeds=3, chance=0.1, floor=0.6, holds=False)
    interval, mean, dots = axis.lines
    half = stats.t.ppf(0.975, 2) * 0.001 / np.sqrt(3)
    np.testing.assert_allclose(interval.get_xdata(), [0.482 - half, 0.482 + half])
    np.testing.assert_allclose(mean.get_xdata(), 0.482)
    np.testing.assert_allclose(dots.get_xdata(), [0.481, 0.482, 0.483])
    assert dots.get_markersize() < mean.get_markersize()
    assert legend_of(figure) == [name for name in LEGEND if name != "one seed: no interval"]


@pytest.fixture
def fake_execute(monkeypatch):
    """Which runs would start; no kernel does. METHOD "none" fails."""
    started = []

    def execute(self, task, metrics):
        started.append(task.label.split(" ", 1)[1])
        task.folder.mkdir(parents=True, exist_ok=True)
        failed = task.parameters.get("METHOD") == "none"
        done = finished(metrics["parameters"], 0.5, "failed" if failed else "passed")
        write_json(task.folder / "metrics.json", {**metrics, **done, "peak_memory_mb": 1})

    monkeypatch.setattr(runner._Run, "execute", execute)
    return started


def test_several_parameters_make_a_grid(course, fake_execute):
    grid = {"METHOD": ["sum", "low"], "RATE": ["1", "0.5"]}
    table = sweep("00_tuned", grid, seeds=(0, 7), **course)
    assert fake_execute == [
        f"METHOD={fusion}, RATE={rate}, SEED={seed}"
        for fusion in ("sum", "low")
        for rate in ("1.0", "0.5")
        for seed in (0, 7)
    ]
    assert len(table) == len(set(table["run"])) == 8
    assert table["RATE"].dtype == float
    sweeps = course["results"] / "demo-quick" / "sweeps"
    assert (sweeps / "00_tuned" / "METHOD-RATE" / "sweep.csv").exists()


def test_seeds_alone_can_be_swept(course, fake_execute, capsys):
    sweep("0", {}, seeds=(0, 1, 2), **course)
    assert fake_execute == ["SEED=0", "SEED=1", "SEED=2"]
    assert "all seeds" in capsys.readouterr().out


def test_a_value_that_all_runs_share_stands_in_the_title(course, fake_execute, capsys):
    table = sweep("0", {"RATE": ["3"], "METHOD": ["sum", "low"]}, seeds=(0, 1), **course)
    assert list(table.index.unique()) == ["METHOD=sum", "METHOD=low"]
    assert set(table["RATE"]) == {3.0}
    assert "demo catalogue, quick profile, RATE=3.0\n" in capsys.readouterr().out


def test_finished_runs_are_not_run_again(course, fake_execute, capsys):
    def started(*fusions, **options):
        fake_execute.clear()
        sweep("0", {"METHOD": fusions}, **{"seeds": (0, 1), **course, **options})
        return [label.removeprefix("METHOD=") for label in fake_execute]

    assert started("sum", "low") == ["sum, SEED=0", "sum, SEED=1", "low, SEED=0", "low, SEED=1"]
    assert started("sum", "low") == []
    assert "4/4 METHOD=low, SEED=1: unchanged" in capsys.readouterr().out
    assert started("low", "mean") == ["mean, SEED=0", "mean, SEED=1"]
    assert started("low", seeds=(1, 2)) == ["low, SEED=2"]
    assert started("low", force=True) == ["low, SEED=0", "low, SEED=1"]
    assert started("none") == started("none"), "failed runs are run again"


def test_a_lesson_that_changes_during_its_sweep_is_told(course, fake_execute, monkeypatch, capsys):
    sweep("0", {}, seeds=(0, 1, 2), **course)
    assert "changed meanwhile" not in capsys.readouterr().out
    execute, path = runner._Run.execute, course["notebooks"] / "00_tuned.ipynb"

    def edited(self, task, metrics):
        execute(self, task, metrics)
        path.write_text(path.read_text("utf-8").replace("no method", "no way"), "utf-8")

    monkeypatch.setattr(runner._Run, "execute", edited)
    sweep("0", {}, seeds=(0, 1, 2), force=True, **course)
    assert "changed meanwhile: 3 of these runs may mix" in capsys.readouterr().out
    fake_execute.clear()
    sweep("0", {}, seeds=(0, 1, 2), **course)
    assert len(fake_execute) == 3


@pytest.mark.filterwarnings("ignore:Glyph")  # the plot's font has no Chinese
def test_any_value_names_a_folder_of_its_own(course, fake_execute):
    values = ["a/b", "a_b", "a%2Fb", "..", "{0}", "颜色", "x" * 300, "x" * 301]
    table = sweep("0", {"METHOD": values}, seeds=(0,), **course)
    folder = course["results"] / "demo-quick" / "sweeps" / "00_tuned" / "METHOD"
    assert len(set(table["run"])) == len(values)
    assert {path.parent for path in folder.rglob("metrics.json")} == {
        folder / name for name in table["run"]
    }


@pytest.mark.parametrize(
    ("lesson", "grid", "options", "why"),
    [
        ("17", {"RATE": ["1"]}, {}, "no lesson '17'"),
        ("0", {"EPOCHS": ["1"]}, {}, "-p EPOCHS: 00_tuned has no such parameter.*RATE"),
        ("0", {"FUSION": ["sum", "summ"]}, {}, "-p FUSION: no FUSION 'summ' in 00_tuned; .*gated"),
        ("0", {}, {"seeds": (0, -1)}, "SEED of 00_tuned is at least 0"),
        ("0", {"METHOD": ["a"], "RATE": ["1", "much"]}, {}, "RATE of 00_tuned takes .* type float"),
        ("0", {"SIZES": ["[1]", "[2]"]}, {}, "no later cell of 00_tuned reads SIZES"),
        ("0", {"RATE": ["1", "1.0"]}, {}, r"RATE=1.0, SEED=0 comes twice"),
        ("0", {}, {"seeds": (3, 4, 3)}, r"SEED=3 comes twice"),
        ("0", {"SEED": ["1", "2"]}, {}, "-p SEED: give the seeds with --seeds"),
        ("0", {"DATASET": ["demo", "fashion"]}, {}, "-p DATASET: choose the catalogue with"),
        ("0", {"RATE": ["1"]}, {"seeds": (0,)}, "nothing to sweep"),
        ("0", {"RATE": []}, {}, "nothing to sweep"),
        ("1", {"K": ["1", "2"]}, {}, "01_seedless has no parameter SEED"),
        ("0", {"RATE": ["1"]}, {"dataset": "shoes"}, "no dataset 'shoes'"),
        ("0", {"RATE": ["1"]}, {"profile": "fast"}, "no profile 'fast'"),
        ("0", {"RATE": ["1"]}, {"jobs": 0}, "--jobs 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    course, fake_execute, lesson, grid, options, why
):
    with pytest.raises(TutorialError, match=why):
        sweep(lesson, grid, **{**course, **options})
    assert fake_execute == []


def test_the_same_sweep_twice_at_once_is_refused(course, fake_execute):
    folder = course["results"] / "demo-quick" / "sweeps" / "00_tuned" / "RATE"
    folder.mkdir(parents=True)
    with (
        FileLock(folder / ".run.lock"),
        pytest.raises(TutorialError, match=r"another run is writing into .*RATE"),
    ):
        sweep("0", {"RATE": ["1"]}, **course)


def test_a_sweep_without_one_number_still_tells(course, fake_execute, capsys):
    sweep("0", {"METHOD": ["none"]}, seeds=(0, 1), **course)
    folder = course["results"] / "demo-quick" / "sweeps" / "00_tuned" / "METHOD"
    assert list(pd.read_csv(folder / "sweep.csv")["status"]) == ["failed", "failed"]
    assert not (folder / "sweep.png").exists()
    assert "failed: METHOD=none,SEED=1" in capsys.readouterr().out


INTERRUPTED = """\
import pathlib, sys
from mmtutorial import cli
from mmtutorial.course import sweep
sweep.ROOT = pathlib.Path(sys.argv[1])
cli.main(["sweep", "0", "-p", "METHOD", "sum", "slow", "--seeds", "0", "--jobs", "1",
          "--results", sys.argv[2]])"""


@pytest.mark.slow
def test_ctrl_c_loses_nothing_finished_and_the_same_sweep_goes_on(course, fake_execute, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path), str(course["results"])],
        stdout=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and its children would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for((course["notebooks"] / "started").exists)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted: 1 of 2 runs were finished and are kept" in printed
    sweep("0", {"METHOD": ["sum", "slow"]}, seeds=(0,), **course)
    assert fake_execute == ["METHOD=slow, SEED=0"]
