import pandas as pd
import pytest
from click.testing import CliRunner

from mmtutorial import TutorialError, __version__
from mmtutorial.catalogue import fashion
from mmtutorial.cli import main
from mmtutorial.course import checks, runner, sweep
from mmtutorial.course.checks import Finding, Report


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
