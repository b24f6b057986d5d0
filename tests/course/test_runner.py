"""The runner, on notebooks of a few cells: what it keeps, what it refuses, how it ends."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_notebook, new_output
from tiny_lessons import PARAMETERS, write_lesson

from mmtutorial import TutorialError, course
from mmtutorial.course import execute, report, runner
from mmtutorial.course.execute import replace_folder, write_json
from mmtutorial.course.lesson_page import save_html
from mmtutorial.course.runner import run

LOW = (
    'results = course.Results("demo")\nresults.record("gain", 0.1, chance=0.0, floor={"demo": 0.2})'
)
PLOT = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2]);"
LATE = "raise KeyError('no such product')"
DIE = "import os, signal\n\nos.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture(scope="module")
def course_run(tmp_path_factory):
    """Five lessons, each ending in its own way, run once; a foreign kernel in the way."""
    folder = tmp_path_factory.mktemp("course {1}")  # papermill formats the paths it is given
    write_lesson(folder, "00", "Good", body=[PLOT, PLOT, "import sys; print(sys.executable)"])
    write_lesson(folder, "01", "Raises", body=[PLOT, LATE, PLOT])
    write_lesson(folder, "02", "Low", results=f"{LOW}\nresults")
    write_lesson(folder, "03", "Silent", results=LOW)
    write_lesson(folder, "04", "Dies", body=[DIE])
    foreign = folder / "jupyter" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    foreign.joinpath("kernel.json").write_text(
        json.dumps({"argv": ["false"], "display_name": "foreign", "language": "python"})
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(folder / "jupyter"))
        patch.setenv("MPLBACKEND", "agg")
        metrics = run(notebooks=folder, results=folder / "results", jobs=2)
    return folder, {one["lesson"]: one for one in metrics}


def results_of(course_run, lesson):
    return course_run[0] / "results" / "demo-quick" / lesson


def test_a_lesson_that_keeps_its_claims_passes(course_run):
    good = course_run[1]["00_good"]
    assert good["status"] == "passed"
    assert good["error"] == ""
    assert good["claims"][0]["value"] == 0.5
    assert good["parameters"] == {"DATASET": "demo", "MAX_PRODUCTS": 0, "SEED": 0}
    assert good["seconds"] > 0
    assert good["peak_memory_mb"] > 30
    assert good["versions"]["python"] == sys.version.split()[0]


def test_what_a_lesson_leaves(course_run):
    folder = results_of(course_run, "00_good")
    assert sorted(path.name for path in folder.iterdir()) == [
        "figure-01.png",
        "figure-02.png",
        "metrics.json",
        "notebook.html",
        "notebook.ipynb",
    ]
    assert folder.joinpath("figure-01.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads(folder.joinpath("metrics.json").read_text("utf-8"))
    assert metrics == course_run[1]["00_good"]
    assert metrics["figures"][1] == {"file": "figure-02.png", "caption": "A closer look"}


def test_of_a_progress_bar_the_page_shows_the_last_state(tmp_path):
    bar = [new_output("stream", name="stdout", text=f"\rstep {n} of 3") for n in (1, 2, 3)]
    cell = new_code_cell("train()", outputs=bar, execution_count=1)
    save_html(new_notebook(cells=[cell]), tmp_path / "notebook.html")
    page = (tmp_path / "notebook.html").read_text("utf-8")
    assert "step 3 of 3" in page and "step 1 of 3" not in page


def test_the_kernel_is_this_interpreter_whatever_is_installed(course_run):
    notebook = nbformat.read(results_of(course_run, "00_good") / "notebook.ipynb", as_version=4)
    printed = [
        out.text for cell in notebook.cells for out in cell.get("outputs", []) if "text" in out
    ]
    assert f"{sys.executable}\n" in printed


def test_a_lesson_that_raises_keeps_its_notebook_and_names_cell_and_error(course_run):
    failed = course_run[1]["01_raises"]
    assert failed["status"] == "failed"
    assert failed["error"].startswith("cell \"01-body-1\": KeyError: 'no such product'")
    assert LATE in failed["error"]
    assert len(failed["figures"]) == 1  # the cell before the error ran, the one after did not
    assert (results_of(course_run, "01_raises") / "notebook.ipynb").exists()


def test_a_missed_floor_fails_the_lesson_by_the_claims_name(course_run):
    failed = course_run[1]["02_low"]
    assert failed["status"] == "failed"
    assert failed["error"] == 'claim: "gain" is 0.100, below its floor 0.200'


def test_on_an_own_catalogue_a_number_near_chance_is_marked_and_fails_nothing():
    results = course.Results("mine")
    results.record("recall", 0.2, chance=0.1, floor={"demo": 0.5})
    assert execute.broken_claims(results.claims, strict=True) == ""
    one = {"lesson": "00_tiny", "status": "passed", "changed": {}, "claims": results.claims}
    text = runner.summary([{**one, "seconds": 1.0, "peak_memory_mb": 1}])
    assert "✗ recall" in text and "less than three times chance" in text


def test_a_lesson_that_records_nothing_fails(course_run):
    assert course_run[1]["03_silent"]["status"] == "failed"
    assert "recorded nothing" in course_run[1]["03_silent"]["error"]


def test_a_kernel_that_dies_is_named_with_its_cell(course_run):
    assert course_run[1]["04_dies"]["status"] == "failed"
    assert 'cell "04-body-0"' in course_run[1]["04_dies"]["error"]


def test_the_report_shows_every_lesson(course_run):
    page = (course_run[0] / "results" / "index.html").read_text("utf-8")
    for text in ("Good", "Raises", "Silent", "no such product", "demo-quick/00_good/figure-01.png"):
        assert text in page


def test_the_summary_lists_lessons_and_numbers(course_run):
    text = runner.summary(list(course_run[1].values()))
    assert "✓ recall" in text
    assert "✗ gain" in text
    for lesson in course_run[1]:
        assert lesson in text


def test_a_finished_lesson_is_not_run_again(course_run, capsys):
    folder, before = course_run
    (again,) = run(["00"], notebooks=folder, results=folder / "results")
    assert again == before["00_good"]
    printed = capsys.readouterr().out
    assert "00_good: unchanged, not run again" in printed
    assert printed.endswith(f"Report: {folder / 'results' / 'index.html'}\n")


@pytest.fixture
def fake_execute(monkeypatch):
    """Which lessons would be run; no kernel starts."""
    started = []

    def execute(self, task, metrics):
        started.append(task.label)
        task.folder.mkdir(parents=True, exist_ok=True)
        metrics |= {"status": "passed", "error": "", "claims": [], "figures": []}
        metrics |= {"seconds": 1.0, "peak_memory_mb": 1}
        write_json(task.folder / "metrics.json", metrics)

    monkeypatch.setattr(runner._Run, "execute", execute)
    return started


def test_a_change_of_any_input_runs_it_again(tmp_path, monkeypatch, fake_execute):
    path = write_lesson(tmp_path, "00", "One")
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "products.csv").write_text("id,title\n")
    results = {"notebooks": tmp_path, "results": tmp_path / "results", "dataset": shop}

    def runs(**options):
        fake_execute.clear()
        run(**{**results, **options})
        return bool(fake_execute)

    assert runs()
    assert not runs()
    assert runs(force=True)
    assert runs(parameters={"SEED": "1"})
    assert not runs(), "a tweaked run leaves the baseline"
    (shop / "products.csv").write_text("id,title\n1,Cap\n")
    assert runs()
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].execution_count = 7
    nbformat.write(notebook, path)
    assert not runs(), "outputs are no input"
    notebook.cells[2].source += "\n"
    nbformat.write(notebook, path)
    assert runs()
    monkeypatch.setattr(runner, "versions", lambda: {"backend": "tensorflow", "keras": "4"})
    assert runs()
    assert not runs()


TWEAKED = """\
results = course.Results("demo")
results.record("recall", 0.5 if FUSION == "gated" else 0.1, chance=0.01, floor={"demo": 0.3})
print(__import__("os").environ["MMTUTORIAL_PROFILE"])
results"""


@pytest.mark.slow
def test_a_tweaked_lesson_stands_beside_the_baseline_and_no_floor_fails_it(tmp_path, capsys):
    parameters = PARAMETERS + '\nFUSION = "gated"  # how\nDIM = 8  # length'
    write_lesson(
        tmp_path, "08", "Fuse", parameters=parameters, results=TWEAKED, body=["FUSION, DIM"]
    )
    (tmp_path / "profiles.yaml").write_text('quick: {demo: {"08": {DIM: 4}}}')
    folder = tmp_path / "results" / "demo-quick"
    options = {"notebooks": tmp_path, "results": tmp_path / "results"}

    (tweaked,) = run(["08"], parameters={"FUSION": "film"}, **options)
    assert (tweaked["status"], tweaked["error"]) == ("passed", "")
    assert tweaked["changed"] == {"FUSION": "film"}
    assert tweaked["parameters"]["DIM"] == 4
    assert tweaked["claims"][0]["holds"] is False
    own = folder / "tweaked" / "08_fuse" / "FUSION=film"
    assert json.loads((own / "metrics.json").read_text("utf-8")) == tweaked
    assert "quick, FUSION=film" in (own / "notebook.ipynb").read_text("utf-8")
    assert not (folder / "08_fuse").exists()
    printed = capsys.readouterr().out
    assert "No baseline of 08_fuse yet" in printed

    (baseline,) = run(["08"], parameters={"FUSION": "gated", "DIM": "4"}, **options)
    assert (baseline["status"], baseline["changed"]) == ("passed", {})
    assert [path.name for path in folder.glob("[0-9]*")] == ["08_fuse"]
    left = (folder / "08_fuse" / "metrics.json").read_text("utf-8")
    capsys.readouterr()

    assert run(["08"], parameters={"FUSION": "film"}, **options) == [tweaked]
    printed = capsys.readouterr().out
    assert "08_fuse, FUSION=film: unchanged" in printed
    assert "demo catalogue, quick profile\nlesson " in printed
    (row,) = [line.split() for line in printed.splitlines() if "✗ recall" in line]
    assert row == ["✗", "recall", "0.100", "0.500", "0.0100", "0.300"]
    assert "baseline" in printed and "is no failure" in printed and str(own) in printed
    assert "No baseline" not in printed and "older" not in printed
    assert (folder / "08_fuse" / "metrics.json").read_text("utf-8") == left


def test_each_tweak_has_a_folder_whatever_its_order_and_characters(tmp_path, fake_execute, capsys):
    parameters = PARAMETERS + '\nMODEL = ""  # which'
    path = write_lesson(tmp_path, "00", "One", parameters=parameters, body=["MODEL"])
    options = {"notebooks": tmp_path, "results": tmp_path / "results"}
    run(parameters={"MODEL": "a/../b", "SEED": "1"}, **options)
    run(parameters={"SEED": "1", "MODEL": "a/../b"}, **options)
    assert fake_execute == ["00_one, SEED=1, MODEL=a/../b"]
    baseline = tmp_path / "results" / "demo-quick" / "00_one"
    baseline.mkdir()
    (baseline / "metrics.json").write_text('{"status": "failed"}')  # not of this version
    run(parameters={"MAX_PRODUCTS": "4000"}, **options)
    folder = tmp_path / "results" / "demo-quick" / "tweaked" / "00_one"
    assert sorted(one.name for one in folder.iterdir()) == [
        "MAX_PRODUCTS=4000",
        "SEED=1,MODEL=a%2F..%2Fb",
    ]
    run(**options)
    path.write_text(path.read_text("utf-8").replace("Can it run?", "Does it run?"), "utf-8")
    capsys.readouterr()
    run(parameters={"MAX_PRODUCTS": "4000"}, **options)
    assert "The baseline of 00_one is older" in capsys.readouterr().out


def test_what_a_killed_run_left_is_put_away_by_the_next(tmp_path, fake_execute):
    write_lesson(tmp_path, "00", "One")
    folder = tmp_path / "results" / "demo-quick"
    for name in (".01_gone.running", ".00_one.running", "tweaked/00_one/.SEED=1.running"):
        (folder / name).mkdir(parents=True)
        (folder / name / "log.txt").write_text("")
    for name in (".00_one.old", ".02_cut.old"):  # the second was cut between its two renames
        (folder / name).mkdir()
        (folder / name / "metrics.json").write_text("{}")
    (folder / "00_one").mkdir()
    other = folder / "sweeps" / "00_one" / "SEED" / ".SEED=0.running"  # perhaps a sweep at work
    other.mkdir(parents=True)
    run(notebooks=tmp_path, results=tmp_path / "results")
    assert sorted(path.name for path in folder.iterdir()) == [
        ".run.lock",
        "00_one",
        "02_cut",
        "sweeps",
        "tweaked",
    ]
    assert list((folder / "tweaked" / "00_one").iterdir()) == []
    assert other.exists()


def test_a_failed_lesson_is_run_again(tmp_path, fake_execute):
    write_lesson(tmp_path, "00", "One")
    run(notebooks=tmp_path, results=tmp_path / "results")
    path = tmp_path / "results" / "demo-quick" / "00_one" / "metrics.json"
    path.write_text(path.read_text().replace('"passed"', '"failed"'))
    fake_execute.clear()
    run(notebooks=tmp_path, results=tmp_path / "results")
    assert fake_execute == ["00_one"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"wanted": ["17"]}, "no lesson '17'"),
        ({"parameters": {"EPOCHS": "1"}}, "-p EPOCHS: 00_one has no such parameter"),
        ({"parameters": {"SEED": "one"}}, "takes a value of type int"),
        ({"parameters": {"SEED": "-1"}}, "SEED of 00_one is at least 0"),
        ({"dataset": "shoes"}, r"no dataset 'shoes': take demo, fashion, or the path"),
        ({"dataset": ""}, "--dataset is empty: take demo, fashion, or the path"),
        ({"dataset": " "}, "--dataset is empty"),
        ({"profile": "fast"}, "no profile 'fast'"),
        ({"jobs": 0}, "--jobs 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(tmp_path, fake_execute, options, why):
    write_lesson(tmp_path, "00", "One")
    with pytest.raises(TutorialError, match=why):
        run(**{"notebooks": tmp_path, "results": tmp_path / "results", **options})
    assert fake_execute == []


def test_an_unknown_backend_is_refused(tmp_path, fake_execute, monkeypatch):
    write_lesson(tmp_path, "00", "One")
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(TutorialError, match=r"'theano'; set KERAS_BACKEND to one of tensorflow"):
        run(notebooks=tmp_path, results=tmp_path / "results")


def test_the_fashion_catalogue_must_be_there(tmp_path, fake_execute, monkeypatch):
    write_lesson(tmp_path, "00", "One")
    monkeypatch.setenv("MMTUTORIAL_DATA", str(tmp_path / "nothing"))
    with pytest.raises(TutorialError, match="mmtutorial data get fashion"):
        run(dataset="fashion", notebooks=tmp_path, results=tmp_path / "results")


def test_a_path_is_made_absolute_and_names_its_results(tmp_path, monkeypatch, fake_execute):
    write_lesson(tmp_path, "00", "One")
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    (metrics,) = run(dataset="./demo", notebooks=tmp_path, results="results")
    assert metrics["parameters"]["DATASET"] == str(tmp_path / "demo")
    assert (tmp_path / "results" / "own-demo-quick" / "00_one").is_dir()


def test_lessons_at_a_time_share_the_cores_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for name in runner.THREADS:
        monkeypatch.delenv(name, raising=False)
    assert not set(runner.THREADS) & set(runner._environment("jax", jobs=1))
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    given = runner._environment("jax", jobs=3)
    assert (given["TF_NUM_INTRAOP_THREADS"], given["OMP_NUM_THREADS"]) == ("2", "5")
    assert runner._environment("jax", jobs=20)["TF_NUM_INTRAOP_THREADS"] == "1"


@pytest.mark.parametrize(
    ("cores", "gigabytes", "gpu", "jobs"),
    [(2, 20, None, 2), (2, 5, None, 1), (1, 1, None, 1), (16, 60, None, 4), (16, 60, "/gpu", 1)],
)
def test_as_many_lessons_run_as_there_are_cores_and_memory(
    cores, gigabytes, gpu, jobs, monkeypatch
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    free = SimpleNamespace(available=gigabytes * 10**9)
    monkeypatch.setattr(runner.psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(runner.shutil, "which", lambda name: gpu)
    assert runner.usual_jobs() == jobs


def test_a_second_run_into_the_same_folder_is_refused_while_the_first_runs(tmp_path, fake_execute):
    write_lesson(tmp_path, "00", "Good")
    folder = tmp_path / "results" / "demo-quick"
    folder.mkdir(parents=True)
    options = {"notebooks": tmp_path, "results": tmp_path / "results"}
    with (
        FileLock(folder / ".run.lock"),
        pytest.raises(TutorialError, match=r"another run is writing into .*demo-quick.*--results"),
    ):
        run(**options)
    assert [one["status"] for one in run(**options)] == ["passed"]


def test_a_results_folder_that_cannot_be_written(tmp_path, fake_execute):
    write_lesson(tmp_path, "00", "One")
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "results", Path("/proc/results")):
        with pytest.raises(TutorialError, match=rf"cannot write into {place}.*--results"):
            run(notebooks=tmp_path, results=place)
    assert fake_execute == []


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_before_anything_runs(tmp_path, fake_execute, monkeypatch):
    write_lesson(tmp_path, "00", "One")
    monkeypatch.setattr(runner, "write_json", full_disk)
    with pytest.raises(TutorialError, match=rf"no space left on the disk of {tmp_path}.*free some"):
        run(notebooks=tmp_path, results=tmp_path / "results")
    assert fake_execute == []


def test_a_disk_that_fills_while_the_course_runs(tmp_path, fake_execute, monkeypatch):
    write_lesson(tmp_path, "00", "One")
    write_lesson(tmp_path, "01", "Two")
    monkeypatch.setattr(report, "write_text", full_disk)
    with pytest.raises(TutorialError, match="no space left"):
        run(notebooks=tmp_path, results=tmp_path / "results")
    assert (tmp_path / "results" / "demo-quick" / "00_one" / "metrics.json").exists()


@pytest.mark.slow
def test_a_disk_that_fills_under_a_lesson_is_told_to_the_runner(tmp_path):
    """The lesson's process cannot write: its folder is a file."""
    path = write_lesson(tmp_path, "00", "One")
    (tmp_path / "file").write_text("")
    job = {
        "notebook": str(path),
        "cwd": str(tmp_path),
        "parameters": {},
        "working": str(tmp_path / "file" / "working"),
        "folder": str(tmp_path / "file" / "final"),
        "metrics": {},
        "strict": True,
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "mmtutorial.course.execute"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child.stdin.write(json.dumps(job) + "\n")
    child.stdin.flush()
    told = child.stdout.read()
    assert child.wait() == 1
    assert "disk" in json.loads(told.splitlines()[-1])


SLEEPS = """\
import os, subprocess, sys, time

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("started", "w").write(f"{os.getpid()} {child.pid}")
time.sleep(600)"""

STARTED_RUN = """\
import sys
from mmtutorial import cli, paths
from mmtutorial.course import runner
runner.ROOT = paths.ROOT = __import__("pathlib").Path(sys.argv[1])
cli.main(["run", "--results", sys.argv[1] + "/results"])"""


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_an_interrupted_run_leaves_no_process_and_loses_nothing(tmp_path, sent, status):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    write_lesson(folder, "00", "Slow", body=[SLEEPS])
    earlier = tmp_path / "results" / "demo-quick" / "00_slow"
    earlier.mkdir(parents=True)
    (earlier / "metrics.json").write_text('{"status": "failed"}')
    env = {name: value for name, value in os.environ.items() if name != "MMTUTORIAL_RESULTS"}
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env["TMPDIR"] = str(temporary)
    process = subprocess.Popen(
        [sys.executable, "-c", STARTED_RUN, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
        # A shell's background job ignores Ctrl-C, and its children would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: (folder / "started").exists() and " " in (folder / "started").read_text())
    kernel, below = (int(pid) for pid in (folder / "started").read_text().split())
    assert psutil.pid_exists(kernel)
    process.send_signal(sent)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == status
    wait_for(lambda: not alive(kernel) and not alive(below), seconds=60)
    assert (earlier / "metrics.json").read_text() == '{"status": "failed"}'
    assert not list(temporary.rglob("kernel*")), "no kernel is left in the temporary folder"
    if sent != signal.SIGKILL:
        assert "Interrupted: 0 of 1 runs were finished and are kept" in printed
        assert "again goes on with the others" in printed


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_lessons_folder_is_replaced_whole(tmp_path):
    old, new = tmp_path / "00_one", tmp_path / ".00_one.running"
    for folder, file in ((old, "old"), (new, "new")):
        folder.mkdir()
        (folder / file).write_text("")
    replace_folder(new, old)
    assert [path.name for path in tmp_path.iterdir()] == ["00_one"]
    assert [path.name for path in old.iterdir()] == ["new"]
