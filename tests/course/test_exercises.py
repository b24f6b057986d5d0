"""Every exercise: its solution passes, its untouched stub fails with a hint, a lesson uses it."""

import ast
import contextlib
import io

import pytest

from mmtutorial import TutorialError
from mmtutorial.course import exercises
from mmtutorial.course.exercises import Verdict, check, exercise, show_solution
from mmtutorial.course.lessons import find_lessons, parse
from mmtutorial.paths import ROOT

NAMES = exercises.names()


def checks_in(lesson):
    """What a lesson's cells check: exercise's name → the syntax tree of the answer."""
    found = {}
    for cell in lesson.notebook.cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(parse(cell, lesson.name)):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if called and node.func.id == "check" and len(node.args) == 2:
                found[ast.literal_eval(node.args[0])] = node.args[1]
    return found


LESSONS = find_lessons(ROOT / "notebooks")
CHECKED = {name: lesson for lesson in LESSONS for name in checks_in(lesson)}


def stub(lesson, name):
    """The answer that a learner who wrote nothing hands in."""
    cells = [cell for cell in lesson.notebook.cells if cell.cell_type == "code"]
    imports = [
        node
        for cell in cells
        for node in parse(cell, lesson.name).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    stubs = [cell for cell in cells if "exercise" in cell.metadata.get("tags", [])]
    assert stubs, f"{lesson.name} checks {name} but has no cell tagged `exercise`"
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(ast.Module(imports, []), lesson.name, "exec"), namespace)
        for cell in stubs:
            tree = parse(cell, lesson.name)
            tree.body = [node for node in tree.body if not _is_check(node)]
            exec(compile(tree, lesson.name, "exec"), namespace)
    answer = ast.Expression(checks_in(lesson)[name])
    return eval(compile(answer, lesson.name, "eval"), namespace)


def _is_check(node):
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) in ("check", "show_solution")
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes(name):
    verdict = check(name, exercises.find(name).solution)
    assert verdict, repr(verdict)


@pytest.mark.parametrize("name", sorted(CHECKED))
def test_the_untouched_stub_fails_with_its_hint(name):
    verdict = check(name, stub(CHECKED[name], name))
    assert not verdict
    assert exercises.find(name).hint in repr(verdict)


def test_lessons_and_registry_name_the_same_exercises():
    assert sorted(CHECKED) == NAMES


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_each_stub_is_checked_and_each_solution_is_left_hidden(lesson):
    code = [cell for cell in lesson.notebook.cells if cell.cell_type == "code"]
    stubs = [cell for cell in code if "exercise" in cell.metadata.get("tags", [])]
    assert len(stubs) == len(checks_in(lesson))
    for cell in code:
        calls = [node for node in ast.walk(parse(cell, lesson.name)) if isinstance(node, ast.Call)]
        assert "show_solution" not in [ast.unparse(call.func) for call in calls]


@pytest.mark.parametrize("name", NAMES)
def test_an_exercise_is_named_after_the_lesson_that_its_file_is_for(name):
    assert exercises.find(name).test.__module__.endswith(f".lesson{name[:2]}")
    assert name[2] == "."


@pytest.fixture
def doubling(monkeypatch):
    monkeypatch.setattr(exercises, "EXERCISES", dict(exercises.EXERCISES))

    def double(x):
        return 2 * x

    @exercise("99.double", solution=double, hint="add x to itself")
    def check_double(answer):
        assert answer(2) == 4, "2 doubled is 4"
        assert answer("ab") == "abab"

    return double


def test_a_right_answer(doubling):
    assert check("99.double", lambda x: x + x) == Verdict("99.double", True)
    assert "✓" in repr(check("99.double", doubling))


def test_a_wrong_answer_gets_the_message_of_the_check_and_the_hint(doubling):
    verdict = check("99.double", lambda x: x)
    assert not verdict
    assert "Not yet: 2 doubled is 4" in repr(verdict)
    assert "add x to itself" in repr(verdict)


@pytest.mark.parametrize("answer", [None, ..., "text", lambda: 3, lambda x: 1 / 0])
def test_an_answer_that_cannot_run_gets_its_error_and_the_hint(doubling, answer):
    verdict = check("99.double", answer)
    assert "your answer stopped with" in repr(verdict)
    assert "add x to itself" in repr(verdict)


def test_a_verdict_is_escaped_in_html(doubling):
    def broken(x):
        raise ValueError("<b>")

    assert "&lt;b&gt;" in check("99.double", broken)._repr_html_()


def test_an_unknown_exercise_is_named_with_those_there_are(doubling):
    for name in ("10.recal", "77.nothing", "nonsense", 3):
        with pytest.raises(TutorialError, match=r"no exercise named .*99\.double"):
            check(name, print)


def test_a_name_is_given_once(doubling):
    with pytest.raises(TutorialError, match="exists already"):
        exercise("99.double", solution=doubling, hint="twice")(print)


def test_show_solution_shows_the_source(doubling, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    show_solution("99.double")
    assert shown[0]["text/plain"] == "def double(x):\n    return 2 * x"
