"""What holds for the project as a whole: a light import, a lock without hosts."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmtutorial.course.imports import imported, module_file
from mmtutorial.course.lessons import find_lessons, parse
from mmtutorial.paths import ROOT

PACKAGE = ROOT / "mmtutorial"
LOCK = ROOT / "requirements.lock"


def run(*arguments):
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_importing_the_package_is_light():
    times = []
    for _ in range(3):  # the machine may be busy: the best of three counts
        _, log = run("-X", "importtime", "-c", "import mmtutorial")
        last = re.search(r"\|\s*(\d+) \|\s*mmtutorial$", log, re.MULTILINE)
        times.append(int(last.group(1)) / 1e6)
    assert min(times) < 0.5


@pytest.mark.parametrize(
    "module",
    [
        "catalogue.catalogue", "metrics.measures", "search.product_search", "search.score_fusion",
        "search.query_reader", "course.results", "course.plots", "shop.opening", "cli",
    ],
)  # fmt: skip
def test_what_needs_no_keras_does_not_import_it(module):
    heavy = "sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules))"
    found, _ = run("-c", f"import sys, mmtutorial.{module}; print({heavy})")
    assert found.strip() == "[]"


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path


def test_models_are_written_for_every_backend():
    for name, path in modules():
        if name not in ("devices", "course.checks"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^\s*(import|from) (tensorflow|jax|torch)\b", text, re.M), name


def test_the_lock_pins_versions_and_names_no_host():
    text = LOCK.read_text(encoding="utf-8")
    assert "://" not in text
    assert all("==" in line for line in text.splitlines())
    assert not re.search(r"^torch==", text, re.MULTILINE)  # gigabytes, and optional


def test_the_lock_covers_the_dependencies():
    pinned = {line.split("==")[0] for line in LOCK.read_text(encoding="utf-8").splitlines()}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = project.split("dependencies = [")[1].split("]")[0]
    names = re.findall(r'^\s*"([A-Za-z0-9-]+)', wanted, re.MULTILINE)
    assert len(names) > 15
    assert set(names) <= pinned


def test_tracked_files_name_no_path_of_a_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    files = listed.stdout.split()
    if not files:
        pytest.skip("not a git checkout")
    for name in files:
        path = ROOT / name
        if name.startswith("tests/"):  # which try paths that a lesson must not have
            continue
        if path.suffix in (".py", ".ipynb", ".md", ".yml", ".yaml", ".toml", ".lock"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(^|[\s\"'(])/(home|root|Users|work)/", text), name


def folders_of_the_package():
    """Lesson's number → the folders whose ``__init__`` names it, as in "(lessons 06 to 09, 24)"."""
    found = {}
    for file in sorted(PACKAGE.glob("*/__init__.py")):
        first = importlib.import_module(f"mmtutorial.{file.parent.name}").__doc__.splitlines()[0]
        named = re.search(r"\(lessons? ([\d ,to]+)\)", first)
        for part in named.group(1).split(", ") if named else []:
            start, _, end = part.partition(" to ")
            for number in range(int(start), int(end or start) + 1):
                found.setdefault(f"{number:02d}", set()).add(file.parent.name)
    return found


def folders_of_the_readme():
    """Lesson's number → the folders in its row of the table of lessons."""
    rows = re.findall(
        r"^\| \[(\d\d)\]\(notebooks/.*\| (.*) \|$", (ROOT / "README.md").read_text("utf-8"), re.M
    )
    return {number: set(re.findall(r"`(\w+)`", cell)) for number, cell in rows}


def test_readme_the_folders_and_the_lessons_say_the_same():
    """A reader finds from a lesson's number its folder in the package, wherever he looks."""
    lessons = find_lessons(ROOT / "notebooks")
    named = folders_of_the_readme()
    assert set(named) == {lesson.number for lesson in lessons}
    known = folders_of_the_package()
    assert named == {number: known.get(number, set()) for number in named}
    for lesson in lessons:
        cells = [cell for cell in lesson.notebook.cells if cell.cell_type == "code"]
        read = {name.split(".")[1] for name in imported(parse(cell, lesson.name) for cell in cells)
                if name.startswith("mmtutorial.")}  # fmt: skip
        assert named[lesson.number], f"README names no folder for lesson {lesson.number}"
        assert named[lesson.number] <= read, f"lesson {lesson.number} does not import from it"


def test_the_drawing_of_the_architecture_has_the_arrows_of_the_code():
    page = (ROOT / "book" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^    (\w+ --> \w+)$", page, re.MULTILINE)
    folders = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    arrows = set()
    for _, path in modules():
        start = path.relative_to(PACKAGE).with_suffix("").parts[0]
        names = imported([ast.parse(path.read_text(encoding="utf-8"))])
        ends = {name.split(".")[1] for name in names if name.startswith("mmtutorial.")}
        arrows |= {f"{start} --> {end}" for end in ends & folders - {start}}
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == arrows


def test_the_new_imports_in_the_changelog_are_there():
    """``mmtutorial.folder.module`` and, after it, other modules of that folder; newest version."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1]
    rows = re.findall(r"^\| `mmtutorial\.(.*) \| `mmtutorial\.(.*) \|$", text, re.MULTILINE)
    assert len(rows) > 30
    for old, new in rows:
        first, *others = re.findall(r"`?([\w.]+)`", "`mmtutorial." + new.partition(":")[0])
        folder = first.rpartition(".")[0]
        for name in [first, *(f"{folder}.{other}" for other in others if other[0].islower())]:
            assert module_file(name), f"{old}: there is no {name}"
        # `module`: `name`, … of the old place stand at the new one, or the second table says how
        # they are called now.
        files = [module_file(first), *(module_file(f"{folder}.{other}") for other in others)]
        code = "".join(file.read_text("utf-8") for file in files if file)
        for name in re.findall(r"`(\w+)`", old.partition(":")[2]):
            renamed = re.search(rf"^\| .*`{name}\b.* \|", text.partition("| old name |")[2], re.M)
            assert re.search(rf"^(def|class) {name}\b|^{name}\b.* =", code, re.M) or renamed, name


def test_where_things_lie(monkeypatch, tmp_path):
    from mmtutorial import paths

    monkeypatch.setenv("MMTUTORIAL_DATA", "elsewhere")
    assert paths.data_home() == Path(ROOT / "elsewhere")  # from the project, not from the cwd
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path))
    assert paths.cache_home() == tmp_path
    monkeypatch.delenv("MMTUTORIAL_RESULTS", raising=False)
    assert paths.results_home() == ROOT / "results"
