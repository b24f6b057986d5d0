"""What a lesson's cached results depend on: the modules that it imports, on whatever detour."""

import ast
import shutil
import subprocess
import sys
from functools import partial

import pytest
from tiny_lessons import write_lesson

from mmtutorial.course import runner
from mmtutorial.course.imports import PACKAGE, files_of, imported
from mmtutorial.course.lessons import Lesson, find_lessons, parse
from mmtutorial.paths import ROOT

LESSONS = {lesson.number: lesson for lesson in find_lessons(ROOT / "notebooks")}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package's files, which the runner then looks at instead of its own."""
    copy = tmp_path / "mmtutorial"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(runner, "files_of", partial(files_of, package=copy))
    return copy


def fingerprint(number):
    return runner.fingerprint(LESSONS[number], {"SEED": 0}, {"dataset": "demo"})


def touch(file):
    assert file.exists()
    file.write_text(file.read_text("utf-8") + "\n# touched\n", "utf-8")


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("metrics/measures.py", "a cell imports it"),
        ("catalogue/catalogue.py", "a cell imports it"),
        ("catalogue/spreadsheet.py", "catalogue → reading → spreadsheet"),
        ("catalogue/fashion.py", "catalogue imports it inside a function"),
        ("course/exercises/lesson10.py", "`check` imports it by the lesson's number"),
        ("course/execute.py", "it executes every lesson"),
        ("course/results.py", "it records what the lesson claims"),
        ("metrics/__init__.py", "Python runs it before any module of the folder"),
    ],
)
def test_a_module_that_lesson_10_imports_changes_its_fingerprint(package, module, why):
    before = fingerprint("10")
    touch(package / module)
    assert fingerprint("10") != before, why


@pytest.mark.parametrize(
    "module",
    [
        "cli.py", "shop/page.py", "search/store.py", "course/report.py", "course/sweep.py",
        "course/exercises/lesson11.py", "matching/fusion.py",
    ],
)  # fmt: skip
def test_a_module_that_lesson_10_does_not_import_keeps_its_fingerprint(package, module):
    before = fingerprint("10")
    touch(package / module)
    assert fingerprint("10") == before


def test_imports_are_followed_through_functions_and_folders_and_in_circles(tmp_path):
    package = tmp_path / "mmtutorial"
    for name, text in {
        "__init__": "",
        "course/__init__": "",
        "course/execute": "import mmtutorial.near",
        "near": "def late():\n    from mmtutorial.far import names",
        "far/__init__": "",
        "far/names": "import mmtutorial.near, mmtutorial.far.beyond as b",
        "far/beyond": "import numpy",
        "unread": "import mmtutorial.near",
    }.items():
        file = package / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = files_of(Lesson(write_lesson(tmp_path)), package)
    short = [name.removeprefix("mmtutorial").removeprefix(".") for name in found]
    assert short == [
        "", "course", "course.execute", "far", "far.beyond", "far.names", "near",
    ]  # fmt: skip
    assert found["mmtutorial.far"] == package / "far" / "__init__.py"


def test_the_package_imports_by_whole_names_and_by_statements_alone():
    """What the search for imports cannot see, the package does not do (exercises apart)."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{file}: relative"
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in ("__import__", "import_module", "importlib.import_module"):
                assert file.parent.name == "exercises", f"{file}: imports by {called}"


@pytest.mark.slow
def test_all_that_python_loads_for_lesson_10_is_found():
    lesson = LESSONS["10"]
    cells = [cell for cell in lesson.notebook.cells if cell.cell_type == "code"]
    statements = [
        ast.unparse(node)
        for cell in cells
        for node in parse(cell, lesson.name).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert imported(parse(cell, lesson.name) for cell in cells)
    say = "import sys; print(*(n for n in sys.modules if n.partition('.')[0] == 'mmtutorial'))"
    code = "\n".join([*statements, say])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert len(loaded) > 10
    assert loaded <= set(files_of(lesson))


def test_a_real_set_that_was_fetched_changes_the_lessons_that_read_sets(monkeypatch, tmp_path):
    monkeypatch.setenv("MMTUTORIAL_DATA", str(tmp_path))
    without = fingerprint("12"), fingerprint("10")
    monkeypatch.setattr(runner.real_sets, "available", lambda name: name == "sessions")
    assert fingerprint("12") != without[0]
    assert fingerprint("10") == without[1]
