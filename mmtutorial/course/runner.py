"""The strict runner: every lesson under papermill, what it claims kept and checked.

``run`` gives each lesson a process of its own (see ``execute``), so that its memory is measured
and its failure stays its own. A finished lesson is kept with a fingerprint of all that went into
it and not run again while that stays the same. Results lie in
``results/<dataset>-<profile>/<NN_topic>/``; ``report`` makes ``results/index.html`` of them.

A lesson with another value than the profile's is a tweaked run. It has a folder of its own,
``results/<dataset>-<profile>/tweaked/<NN_topic>/<NAME=VALUE,...>/``, so that the numbers it is
compared with stay. A number below its floor is marked there, and is no failure: floors are set
for the lesson's own parameters.
"""

import contextlib
import hashlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psutil
from filelock import FileLock, Timeout
from tqdm import tqdm

from mmtutorial import TutorialError
from mmtutorial.catalogue import real_sets
from mmtutorial.course import report
from mmtutorial.course.checks import versions
from mmtutorial.course.execute import kill_below, replace_folder, write_json
from mmtutorial.course.imports import files_of
from mmtutorial.course.lessons import Lesson, find_lessons, plan, read_profiles, select
from mmtutorial.course.results import mark, number
from mmtutorial.files import writing
from mmtutorial.paths import ROOT, cache_home, data_home, results_home

GRACE_SECONDS = 10
ELSEWHERE = "name another folder with --results. Finished lessons are kept"
LESSON_BYTES = 3_000_000_000  # bytes a lesson takes, with some room
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
# The C library hands large arrays back to the kernel after each training step and fetches them
# anew: on Linux an eighth of a small training's CPU time. Told to keep them, it does not.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "20000000000"}


class Task(NamedTuple):
    """A lesson to run with its parameters: what the terminal calls it, where its results go.

    ``changed``: the parameters that were given another value than the profile's, or, of a sweep,
    its point. With any, no floor is held against the run.
    """

    label: str
    lesson: Lesson
    parameters: dict
    folder: Path
    changed: dict


def run(
    wanted: Iterable[str] = (),
    *,
    dataset: str | Path = "demo",
    profile: str = "quick",
    parameters: dict | None = None,
    jobs: int | None = None,
    force: bool = False,
    results: str | Path | None = None,
    notebooks: str | Path | None = None,
) -> list[dict]:
    """Run the lessons ``wanted`` (numbers or names; none: all) and return their metrics.

    ``dataset``: "demo", "fashion" or the path of your own catalogue; ``parameters``: name → value
    (or its text), for every selected lesson; ``jobs``: lessons at a time, by default
    ``usual_jobs``; ``force``: run those too whose inputs did not change; ``results``,
    ``notebooks``: folders other than the project's.

    Raises
    ------
    TutorialError
        before anything runs, for an unknown lesson, dataset, profile, backend or parameter; and
        at once for a results folder that cannot be written.
    KeyboardInterrupt
        on Ctrl-C or SIGTERM, after taking down what was running; finished lessons are kept.
    """
    notebooks = Path(notebooks or ROOT / "notebooks").resolve()
    results = Path(results or results_home()).resolve()
    lessons = find_lessons(notebooks)
    selected = select(lessons, wanted)
    found, label, common = resolve_dataset(dataset, profile)
    profiles = read_profiles(notebooks, lessons)
    options = {"profile": profile, "dataset": found}
    usual = plan(lessons, selected, profiles, **options, parameters={})
    given = plan(lessons, selected, profiles, **options, parameters=parameters or {})
    folder = results / f"{label}-{profile}"
    tasks = [_task(one, usual[one.name], given[one.name], folder) for one in selected]
    metrics = run_tasks(
        tasks, common, folder, jobs=jobs, force=force, after_each=partial(report.write, results)
    )
    tweaked = [task for task in tasks if task.changed]
    baselines = {task.lesson.name: read_metrics(folder / task.lesson.name) for task in tweaked}
    print(f"\n{label} catalogue, {profile} profile\n{summary(metrics, baselines)}\n")
    for task in tweaked:
        name, baseline = task.lesson.name, baselines[task.lesson.name]
        if not baseline:
            print(f"No baseline of {name} yet: the same command without -p makes it.")
        elif baseline.get("fingerprint") != fingerprint(task.lesson, usual[name], common):
            print(f"The baseline of {name} is older than the course: run it again without -p.")
        print(f"Tweaked, beside the baseline: {task.folder}")
    print(f"Report: {results / 'index.html'}")
    return metrics


def _task(lesson: Lesson, usual: dict, given: dict, folder: Path) -> Task:
    """The lesson's task in the run's ``folder``: the baseline, or a tweaked run of its own."""
    before = {**lesson.parameters, **usual}
    changed = {
        name: given[name] for name in before if given.get(name, before[name]) != before[name]
    }
    if not changed:
        return Task(lesson.name, lesson, usual, folder / lesson.name, {})
    own = folder / "tweaked" / lesson.name / file_name(changed)
    return Task(_name(lesson.name, changed), lesson, {**usual, **changed}, own, changed)


def values_text(parameters: dict) -> str:
    """``FUSION=concat, DIM=64``

    >>> values_text({"FUSION": "concat", "DIM": 64})
    'FUSION=concat, DIM=64'
    """
    return ", ".join(f"{name}={value}" for name, value in parameters.items())


def _name(lesson: str, changed: dict) -> str:
    return f"{lesson}, {values_text(changed)}" if changed else lesson


def file_name(parameters: dict) -> str:
    """A folder's name for these values, whatever characters they have.

    >>> file_name({"DATASET": "my/shop", "DIM": 64})
    'DATASET=my%2Fshop,DIM=64'
    """
    name = ",".join(f"{name}={quote(str(value), safe=' ')}" for name, value in parameters.items())
    if len(name) < 120:
        return name
    return f"{name[:100]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def run_tasks(
    tasks: list[Task],
    common: dict,
    folder: Path,
    *,
    jobs: int | None = None,
    force: bool = False,
    after_each: Callable[[], object] | None = None,
) -> list[dict]:
    """Run the tasks, ``jobs`` at a time, below ``folder``, which no other run may use meanwhile.

    ``after_each`` is called when one is over. Returns their metrics in their order; raises as
    ``run`` does.
    """
    jobs = usual_jobs() if jobs is None else jobs
    if jobs < 1:
        raise TutorialError(f"--jobs {jobs}: run at least one lesson at a time")
    with writing(folder, ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / ".probe.json", {})
        (folder / ".probe.json").unlink()
    try:
        with FileLock(folder / ".run.lock", timeout=0):  # let go of when this process ends
            _clear_leftovers(folder)
            return _Run(folder, min(jobs, len(tasks)), after_each).all(tasks, common, force)
    except Timeout as busy:
        raise TutorialError(
            f"another run is writing into {folder}: wait until it ends, or name another folder "
            "with --results"
        ) from busy


def _clear_leftovers(folder: Path) -> None:
    """Put away what a killed run left: half-made folders, and a replacement that was cut short."""
    for place in (folder, *folder.glob("tweaked/*")):
        for half in place.glob(".*.running"):
            shutil.rmtree(half, ignore_errors=True)
        for old in place.glob(".*.old"):
            whole = old.with_name(old.name[1 : -len(".old")])
            if whole.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.rename(whole)


def resolve_dataset(dataset: str | Path, profile: str) -> tuple[str, str, dict]:
    """The value of DATASET, the name of its results folder, and what all its runs depend on."""
    found, label, sources = find_dataset(dataset)
    common = {"dataset": label, "profile": profile, "versions": versions(), "sources": sources}
    return found, label, common


def find_dataset(dataset: str | Path) -> tuple[str, str, list]:
    """The value of DATASET, the name of its results folder, and [path, bytes, mtime] of its files.

    The demo shop is drawn by the package itself, so it has no files of its own to look at.
    """
    if not str(dataset).strip():  # as a path it would be the current folder
        raise TutorialError(
            "--dataset is empty: take demo, fashion, or the path of your own catalogue (a folder "
            "or a parquet file)"
        )
    if dataset == "demo":
        return "demo", "demo", []
    if dataset == "fashion":
        from mmtutorial.catalogue import fashion

        source = fashion.find()
        return "fashion", "fashion", _stamps([*source.files, *filter(None, [source.queries])])
    path = Path(dataset).resolve()
    if not path.exists():
        raise TutorialError(
            f"no dataset {str(dataset)!r}: take demo, fashion, or the path of your own catalogue "
            f"(a folder or a parquet file); {path} does not exist"
        )
    label = path.stem if path.stem not in ("demo", "fashion") else f"own-{path.stem}"
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return str(path), label, _stamps(files)


def _stamps(files: Iterable[str | Path]) -> list:
    return [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in map(Path, files)]


def fingerprint(lesson: Lesson, parameters: dict, common: dict) -> str:
    """A digest of all that a lesson's results depend on; of the package, what it imports."""
    lock, files = ROOT / "requirements.lock", files_of(lesson)
    reads_sets = real_sets.__name__ in files  # a set that was fetched since changes the results
    inputs = {
        "cells": [(cell.cell_type, cell.source) for cell in lesson.notebook.cells],
        "parameters": parameters,
        "common": common,
        "code": {name: file.read_text("utf-8") for name, file in files.items()},
        "sets": list(filter(real_sets.available, real_sets.real_sets())) if reads_sets else [],
        "lock": lock.read_text("utf-8") if lock.exists() else "",
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


class _Run:
    """One command's run: the processes it started, and the terminal they share."""

    def __init__(self, folder: Path, jobs: int, after_each: Callable[[], object] | None):
        self.folder, self.jobs, self.after_each = folder, jobs, after_each
        self.lock = threading.Lock()
        self.children: set[subprocess.Popen] = set()
        self.stopping = False
        self.slots: queue.Queue[int] = queue.Queue()  # lines of the terminal for progress bars
        for slot in range(jobs):
            self.slots.put(slot)

    def all(self, tasks: list[Task], common: dict, force: bool) -> list[dict]:
        """Run the tasks, ``jobs`` at a time; their metrics, in their order.

        Of several at a time the last is started first: the capstone takes longest, and at the end
        it would run alone.
        """
        with _sigterm_interrupts(), ThreadPoolExecutor(self.jobs) as pool:
            order = tasks if self.jobs == 1 else tasks[::-1]
            running = [pool.submit(self.one, task, common, force) for task in order]
            running = running if self.jobs == 1 else running[::-1]
            try:
                for task in as_completed(running):
                    task.result()
            except BaseException as stop:
                self.stop(running)
                if isinstance(stop, KeyboardInterrupt):
                    self.say_how_to_go_on(running)
                raise
        return [task.result() for task in running]

    def one(self, task: Task, common: dict, force: bool) -> dict:
        """Run one task, or take what an earlier run left if nothing changed since.

        Of a run that is being stopped: {}.
        """
        lesson = task.lesson
        with self.lock:  # Python 3.11's parser counts its depth for all threads together
            digest = fingerprint(lesson, task.parameters, common)
        metrics = {
            "lesson": lesson.name,
            "title": lesson.title,
            **{key: common[key] for key in ("dataset", "profile", "versions")},
            "parameters": {**lesson.parameters, **task.parameters},
            "changed": task.changed,
            "fingerprint": digest,
        }
        earlier = read_metrics(task.folder) or {}
        passed = earlier.get("status") == "passed" and not force
        if passed and earlier["fingerprint"] == metrics["fingerprint"]:
            self.say(f"{task.label}: unchanged, not run again (--force runs it anyway)")
        else:
            self.execute(task, metrics)
            if self.stopping:
                return {}
            earlier = read_metrics(task.folder) or {}
            self.say(_line(task.label, earlier))
        if self.after_each:
            with self.lock, writing(self.folder, ELSEWHERE):
                self.after_each()
        return earlier

    def execute(self, task: Task, metrics: dict) -> None:
        """Have a child process execute the lesson; see to it that metrics.json is there after."""
        working = task.folder.with_name(f".{task.folder.name}.running")
        with writing(self.folder, ELSEWHERE):
            shutil.rmtree(working, ignore_errors=True)
            working.mkdir(parents=True)
            log = open(working / "log.txt", "wb")  # noqa: SIM115 - closed below
        job = {
            "notebook": str(task.lesson.path),
            "cwd": str(task.lesson.path.parent),
            "parameters": task.parameters,
            "working": str(working),
            "folder": str(task.folder),
            "metrics": metrics,
            "strict": not task.changed,
        }
        with log:
            with self.lock:
                if self.stopping:
                    return
                child = subprocess.Popen(
                    [sys.executable, "-m", "mmtutorial.course.execute"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env={
                        **_environment(metrics["versions"]["backend"], self.jobs),
                        "MMTUTORIAL_PROFILE": _name(metrics["profile"], task.changed),
                    },
                    start_new_session=True,  # Ctrl-C comes to the runner alone
                    text=True,
                    encoding="utf-8",
                )
                self.children.add(child)
            self.say(f"{task.label}: started")
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(json.dumps(job) + "\n")
                child.stdin.flush()  # and left open: its end is the child's sign to end
            refused = self.follow(child, task)
            child.wait()
            with self.lock:
                self.children.discard(child)
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
        if refused:
            with writing(self.folder, ELSEWHERE):
                raise OSError(*refused)
        if child.returncode and not self.stopping:
            said = (working / "log.txt").read_text("utf-8", errors="replace").strip()
            killed = child.returncode == -signal.SIGKILL
            why = "killed, perhaps for want of memory" if killed else f"exit {child.returncode}"
            error = "\n".join([f"its process ended early ({why})", *said.splitlines()[-5:]])
            lost: dict = {"status": "failed", "error": error, "claims": [], "figures": []}
            lost |= {"seconds": None, "peak_memory_mb": None}
            with writing(self.folder, ELSEWHERE):
                write_json(working / "metrics.json", {**metrics, **lost})
                replace_folder(working, task.folder)

    def follow(self, child: subprocess.Popen, task: Task) -> list | None:
        """Show the child's progress to its end; what the disk refused it, if it did."""
        refused, slot = None, self.slots.get()
        bar = tqdm(
            total=len(task.lesson.notebook.cells),
            desc=task.label,
            bar_format="{desc}: {n_fmt}/{total_fmt} cells |{bar}| {elapsed}",
            position=slot,
            leave=False,
            disable=not sys.stderr.isatty(),
        )
        for line in child.stdout:
            told = json.loads(line)
            refused = told.get("disk", refused)
            if "cell" in told:
                bar.total = told["of"]
                bar.update(told["cell"] - bar.n)
        bar.close()
        self.slots.put(slot)
        return refused

    def stop(self, running: list[Future]) -> None:
        """Take down what runs: each child, and the kernel below it."""
        with self.lock:
            self.stopping = True
            children = list(self.children)
        for task in running:
            task.cancel()
        for child in children:
            with contextlib.suppress(OSError):
                child.stdin.close()  # its sign to end, and its kernel with it
        for child in children:
            try:
                child.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                kill_below(child.pid)
                child.kill()

    def say_how_to_go_on(self, running: list[Future]) -> None:
        over = [task for task in running if task.done() and not task.cancelled()]
        done = sum(not task.exception() and task.result() != {} for task in over)
        self.say(
            f"\nInterrupted: {done} of {len(running)} runs were finished and are kept in "
            f"{self.folder}. The same command again goes on with the others."
        )

    def say(self, line: str) -> None:
        with self.lock:
            tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # what this process may use of them
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usual_jobs() -> int:
    """How many lessons run at a time unless told: a core and 3 GB of free memory each, at most 4.

    A lesson's small models leave a second core idle half of the time. A GPU is for one lesson.
    """
    if shutil.which("nvidia-smi"):
        return 1
    return max(1, min(_cores(), psutil.virtual_memory().available // LESSON_BYTES, 4))


def _environment(chosen: str, jobs: int) -> dict[str, str]:
    """The environment of a lesson: this one, with paths that mean the same from its folder.

    Of several lessons at a time each gets its share of the cores. What the user set stays.
    """
    left_out = ("PYTHONDONTWRITEBYTECODE", "MPLBACKEND")  # slow imports; figures not inline
    return {
        **(dict.fromkeys(THREADS, str(max(1, _cores() // jobs))) if jobs > 1 else {}),
        **KEEP_MEMORY,
        **{name: value for name, value in os.environ.items() if name not in left_out},
        "KERAS_BACKEND": chosen,
        "MMTUTORIAL_DATA": str(data_home()),
        "MMTUTORIAL_CACHE": str(cache_home()),
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
    }


def read_metrics(folder: Path) -> dict | None:
    """A lesson's metrics.json, or None where there is none."""
    try:
        return json.loads((folder / "metrics.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _size(metrics: dict) -> str:
    seconds, memory = metrics["seconds"], metrics["peak_memory_mb"]
    return (f"{seconds:>6.0f} s" if seconds is not None else f"{'–':>6}  ") + (
        f" {memory:>7,} MB" if memory is not None else ""
    )


def _line(label: str, metrics: dict) -> str:
    line = f"{label}: {metrics['status']} {_size(metrics)}"
    return "\n".join([line, *(f"    {text}" for text in metrics["error"].splitlines())])


def summary(metrics: list[dict], baselines: dict | None = None) -> str:
    """The table at the end of a run: every lesson, and below it every number it recorded.

    ``baselines``: lesson's name → the metrics of its run with the profile's own values (or None),
    whose numbers stand beside those of a tweaked run.
    """
    heads = ["value", *(["baseline"] if baselines else []), "chance", "floor"]
    titles = [_name(one["lesson"], one["changed"]) for one in metrics]
    names = [claim["name"] for one in metrics for claim in one["claims"]]
    width = max(map(len, [*names, *titles])) + 2
    lines = [_row("lesson", heads, width)]
    for one, title in zip(metrics, titles, strict=True):
        lines.append(f"{title:<{width}}  {one['status']:>9}  {_size(one)}")
        baseline = (baselines or {}).get(one["lesson"]) or {}
        usual = {claim["name"]: claim["value"] for claim in baseline.get("claims", [])}
        for claim in one["claims"]:
            values = {**claim, "baseline": usual.get(claim["name"])}
            name = f"{mark(claim['holds'])} {claim['name']}"
            lines.append(_row(name, [number(values[head]) for head in heads], width))
    missed = [(one, claim) for one in metrics for claim in one["claims"] if claim["holds"] is False]
    if any(one["changed"] for one, _ in missed):
        lines.append(
            "✗ of a tweaked run is no failure: floors are set for the lesson's own values."
        )
    if any(not claim["promised"] for _, claim in missed):
        lines.append(
            "✗ on a catalogue of your own is no failure: it means less than three times chance. "
            "Train longer (--profile full) or take more products."
        )
    return "\n".join(lines)


def _row(name: str, cells: list[str], width: int) -> str:
    return f"{name:<{width}}  " + "  ".join(f"{cell:>9}" for cell in cells)
