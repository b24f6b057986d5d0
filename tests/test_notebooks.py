"""Every lesson: written as a lesson must be, and run as a learner runs it.

``faults`` is what keeps a notebook out: it reads the file and runs nothing. The tests marked
``slow`` execute all lessons under the real runner, which fails a lesson that misses one of its
floors: on the demo shop, and some of them on a sample of the fashion catalogue where it is there.
"""

import ast
import json
import re
import sys

import nbformat
import pytest
from tiny_lessons import PARAMETERS, RESULTS, tiny_lesson

from mmtutorial import TutorialError
from mmtutorial.catalogue import fashion
from mmtutorial.course.lessons import Lesson, find_lessons, parse, read_profiles
from mmtutorial.course.runner import run
from mmtutorial.paths import ROOT

NOTEBOOKS = ROOT / "notebooks"
LESSONS = find_lessons(NOTEBOOKS)
CODE_LINES = 20
COMPUTES = (ast.BinOp, ast.Call, ast.Attribute, ast.Subscript)
# What fashion has and the drawn shop has not: columns as a shop keeps them (01), real titles and
# the shop's own queries (04), its graded answers (10). `make nightly` runs all lessons there.
ON_FASHION_TOO = ("01", "04", "10")
ON_FASHION = [
    pytest.param(
        lesson,
        id=lesson.name,
        marks=[] if lesson.number in ON_FASHION_TOO else [pytest.mark.nightly],
    )
    for lesson in LESSONS
]
COMMON = ("DATASET", "MAX_PRODUCTS", "SEED")
LOCAL_PATH = re.compile(r"(?<![\w.:/])/(home|Users|root|work|tmp|mnt|var)/|\b[A-Z]:\\\\?\w|file://")


def faults(path):
    """What is wrong with the notebook in ``path``, one line a fault."""
    lesson = Lesson(path)
    raw = json.loads(path.read_text("utf-8"))["cells"]  # nbformat would mend the ids
    ids = [cell.get("id", "") for cell in raw]
    cells = lesson.notebook.cells
    found = [*faults_of_form(lesson), *faults_of_cells(cells, ids, lesson.number)]
    if found:
        return found
    try:
        found = [*faults_of_parameters(lesson), *faults_of_results(lesson)]
        found += faults_of_imports(lesson)
    except TutorialError as error:
        found = [str(error)]
    return found


def faults_of_form(lesson):
    cells = lesson.notebook.cells
    first = cells[0].source.splitlines()[0] if cells and cells[0].source else ""
    if not re.fullmatch(rf"# {lesson.number} \S.*", first):
        yield f"the first line is `# {lesson.number} Title`, not {first!r}"
    if lesson.notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernel is named python3"
    for tag in ("parameters", "results"):
        if sum(tag in cell.metadata.get("tags", []) for cell in cells) != 1:
            yield f"one cell is tagged {tag!r}"
    code = [cell for cell in cells if cell.cell_type == "code"]
    if code and "results" not in code[-1].metadata.get("tags", []):
        yield "the last code cell is the one tagged 'results'"


def faults_of_cells(cells, ids, number):
    for cell, name in zip(cells, ids, strict=True):
        readable = re.fullmatch(rf"{number}(-[a-z0-9]+)+", name)
        if not readable or re.fullmatch(rf"{number}-[0-9a-f]{{8,}}", name):
            yield f"cell id {name!r}: readable words after {number}-"
        if ids.count(name) > 1:
            yield f"cell id {name!r} twice"
        if LOCAL_PATH.search(cell.source):
            yield f"{name}: a local path"
        if cell.cell_type == "code":
            if cell.outputs or cell.execution_count is not None:
                yield f"{name}: outputs; strip them"
            lines = cell.source.splitlines()
            if len(lines) > CODE_LINES and not name.endswith("-imports"):  # a list, no idea
                yield f"{name}: more than {CODE_LINES} lines"


def faults_of_parameters(lesson):
    lines = lesson.tagged("parameters").source.splitlines()
    for name in COMMON:
        if name not in lesson.parameters:
            yield f"no parameter {name}"
    for name in lesson.parameters:
        if name not in lesson.names_read:
            yield f"no later cell reads {name}"
        if name != "SEED" and not any(re.match(rf"{name} = .*  # \S", line) for line in lines):
            yield f"parameter {name} has a comment beside it"


def faults_of_results(lesson):
    """Numbers are recorded, at least one with a floor, and no floor is computed."""
    cell = lesson.tagged("results")
    calls = [
        node
        for node in ast.walk(parse(cell, lesson.name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    floors = [
        keyword.value
        for call in calls
        if call.func.attr == "record"
        for keyword in call.keywords
        if keyword.arg == "floor"
    ]
    if not floors:
        yield f"{cell.id}: nothing is recorded with a floor"
    for floor in floors:
        if any(isinstance(node, COMPUTES) for node in ast.walk(floor)):
            yield f"{cell.id}: a floor is typed, not computed: `{ast.unparse(floor)}`"


def faults_of_imports(lesson):
    """The package is imported first: from then on TensorFlow starts without its log lines."""
    for cell in lesson.notebook.cells:
        for node in parse(cell, lesson.name).body if cell.cell_type == "code" else []:
            modules = [getattr(node, "module", "")] if isinstance(node, ast.ImportFrom) else []
            modules += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for name in (module.partition(".")[0] for module in modules):
                if name == "mmtutorial":
                    return
                if name not in sys.stdlib_module_names:
                    yield f"{cell.id}: {name} is imported before mmtutorial"


def typed_for_results(lesson):
    """The numbers written out in the last section, which ends with the cell of results."""
    cells = lesson.notebook.cells
    headings = [n for n, cell in enumerate(cells) if cell.source.startswith("## Results")]
    return {
        node.value
        for cell in cells[headings[-1] :]
        if cell.cell_type == "code"
        for node in ast.walk(parse(cell, lesson.name))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    }


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_is_written_as_it_must_be(lesson):
    assert faults(lesson.path) == []


def test_the_profiles_name_lessons_and_parameters_that_are_there():
    assert set(read_profiles(NOTEBOOKS, LESSONS)) == {"quick", "full"}


def written(tmp_path, change=lambda notebook: None, **parts):
    notebook = tiny_lesson("05", "Tiny", **parts)
    change(notebook)
    path = tmp_path / "05_tiny.ipynb"
    path.write_text(json.dumps(notebook), "utf-8")
    return path


def test_a_lesson_as_it_must_be_has_no_faults(tmp_path):
    assert faults(written(tmp_path, body=["y = 1\n" * CODE_LINES])) == []


def set_cell(place, **values):
    return lambda notebook: notebook.cells[place].update(values)


def drop_tag(place):
    return lambda notebook: notebook.cells[place].metadata.update(tags=[])


def stream(notebook):
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="hello")]


@pytest.mark.filterwarnings("ignore:Non-unique cell id")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (stream, "05-setup: outputs"),
        (set_cell(2, execution_count=1), "05-setup: outputs"),
        (set_cell(2, id="3fa9c2d1"), "cell id '3fa9c2d1'"),
        (set_cell(2, id="05-3fa9c2d1"), "cell id '05-3fa9c2d1'"),
        (set_cell(2, id="06-setup"), "cell id '06-setup'"),
        (set_cell(2, id="05-look"), "cell id '05-look' twice"),
        (drop_tag(1), "tagged 'parameters'"),
        (drop_tag(-1), "tagged 'results'"),
        (set_cell(0, source="# Tiny"), "the first line is `# 05 Title`"),
        (set_cell(2, source="x = 1\n" * (CODE_LINES + 1)), "05-setup: more than 20 lines"),
        (set_cell(2, source="open('/home/me/shop.csv')"), "05-setup: a local path"),
        (set_cell(3, source=r"Put it into C:\shop"), "05-look: a local path"),
        (lambda notebook: notebook.metadata.clear(), "the kernel is named python3"),
        (lambda notebook: notebook.cells.append(notebook.cells.pop(-2)), "last code cell"),
    ],
)
def test_a_notebook_in_bad_form_is_refused(tmp_path, change, fault):
    path = written(tmp_path, change, body=["print(SEED)"])
    assert any(fault in line for line in faults(path)), faults(path)


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        (PARAMETERS + "\nEPOCHS = 2 * 3  # e", "plain literal"),
        (PARAMETERS + "\nEPOCHS = 3  # e", "no later cell reads EPOCHS"),
        (PARAMETERS.replace("  # which", ""), "parameter DATASET has a comment"),
        (PARAMETERS.replace("MAX_PRODUCTS", "MOST"), "no parameter MAX_PRODUCTS"),
    ],
)
def test_parameters_out_of_rule_are_refused(tmp_path, parameters, fault):
    path = written(tmp_path, parameters=parameters)
    assert any(fault in line for line in faults(path)), faults(path)


@pytest.mark.parametrize(
    ("results", "fault"),
    [
        ("results = course.Results('demo')\nresults.record('r', 1)", "nothing is recorded"),
        (RESULTS.replace("0.3}", "3 * chance}"), "a floor is typed"),
        (RESULTS.replace('{"demo": 0.3}', "floors['recall']"), "a floor is typed"),
    ],
)
def test_results_out_of_rule_are_refused(tmp_path, results, fault):
    path = written(tmp_path, results=results)
    assert any(fault in line for line in faults(path)), faults(path)


@pytest.mark.parametrize(
    ("imports", "first"), [("import io, keras", "keras"), ("from keras.ops import ones", "keras")]
)
def test_a_library_before_the_package_is_refused(tmp_path, imports, first):
    def change(notebook):
        notebook.cells[2].source = f"{imports}\n{notebook.cells[2].source}"

    fault = f"05-setup: {first} is imported before mmtutorial"
    assert faults(written(tmp_path, change, body=["print(SEED)"])) == [fault]


@pytest.fixture(scope="session")
def demo_results(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def on_the_demo_shop(demo_results):
    return {one["lesson"]: one for one in run(results=demo_results, jobs=2)}


@pytest.fixture(scope="session")
def on_a_sample_of_fashion(request, tmp_path_factory):
    """The metrics of the lessons whose tests were selected."""
    tests = (one for one in request.session.items if request.fixturename in one.fixturenames)
    selected = [one.callspec.params["lesson"].name for one in tests]
    try:
        fashion.find()
    except TutorialError as error:
        pytest.skip(str(error))
    metrics = run(
        selected,
        dataset="fashion",
        parameters={"MAX_PRODUCTS": 4000},
        results=tmp_path_factory.mktemp("fashion"),
        jobs=2,
    )
    return {one["lesson"]: one for one in metrics}


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_promises_something_on_the_demo_shop_and_keeps_it(lesson, on_the_demo_shop):
    """That chance and zero miss each floor, and that each is reached, the run has seen to."""
    metrics = on_the_demo_shop[lesson.name]
    assert metrics["status"] == "passed", metrics["error"]
    floors = {claim["floor"] for claim in metrics["claims"] if claim["promised"]}
    assert floors, "nothing is promised on the demo shop"
    assert floors <= typed_for_results(lesson), "a floor is typed where it is recorded"


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_shows_no_log_or_warning(lesson, on_the_demo_shop, demo_results):
    assert on_the_demo_shop[lesson.name]["status"] == "passed"
    executed = nbformat.read(demo_results / "demo-quick" / lesson.name / "notebook.ipynb", 4)
    errors = [
        line
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr"
        for line in re.split(r"[\r\n]+", output.text)
    ]
    progress = re.compile(r"\d+%\||\[\d\d:\d\d")  # tqdm's bars
    assert [line for line in errors if line.strip() and not progress.search(line)] == []


@pytest.mark.slow
@pytest.mark.parametrize("lesson", ON_FASHION)
def test_a_lesson_keeps_its_claims_on_a_sample_of_fashion(lesson, on_a_sample_of_fashion):
    metrics = on_a_sample_of_fashion[lesson.name]
    assert metrics["status"] == "passed", metrics["error"]


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do(on_the_demo_shop, demo_results, capsys):
    passed = [name for name, one in on_the_demo_shop.items() if one["status"] == "passed"]
    run(passed, results=demo_results)
    assert passed
    assert capsys.readouterr().out.count("unchanged, not run again") == len(passed)
