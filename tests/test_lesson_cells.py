"""What learners do and the runner does not: sliders after Run All, cells that are run again."""

import ast

import pytest

from mmtutorial.course.lessons import find_lessons, parse
from mmtutorial.paths import ROOT

LESSONS = find_lessons(ROOT / "notebooks")


def assigned(tree):
    """The names that the top level of a cell binds, functions and imports included."""
    names, inner = set(), []
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.add(statement.name)
        else:
            inner.append(statement)
    while inner:
        node = inner.pop()
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ListComp | ast.SetComp):
            continue
        if isinstance(node, ast.DictComp | ast.GeneratorExp | ast.ClassDef):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        inner.extend(ast.iter_child_nodes(node))
    return names


def read_by(function):
    """The names that a function takes from outside: read in it, and neither given nor bound."""
    own = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    reads = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            (reads if isinstance(node.ctx, ast.Load) else own).add(node.id)
        elif isinstance(node, ast.FunctionDef) and node is not function:
            own.add(node.name)
    return reads - own


def taken_from_widgets(trees):
    """Names that a widget's callback reads and a later cell binds anew; one pair a fault.

    ``trees``: the code cells of a lesson in order. A callback runs after Run All, when a global
    has its last value.
    """
    functions, faults = {}, []
    for place, tree in enumerate(trees):
        functions |= {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
        if not any(
            isinstance(node, ast.Attribute) and node.attr == "observe" for node in ast.walk(tree)
        ):
            continue
        reads, open_ = (
            set(),
            set(functions) & {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            | {each.name for each in tree.body if isinstance(each, ast.FunctionDef)},
        )
        while open_:  # what the callback reads, and what the functions that it calls read
            new = read_by(functions[open_.pop()]) - reads
            reads |= new
            open_ |= new & set(functions)
        later = [assigned(other) for other in trees[place + 1 :]]
        faults += [name for name in sorted(reads) if any(name in names for names in later)]
    return faults


def cells(lesson):
    return [parse(cell, lesson.name) for cell in lesson.notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_no_later_cell_takes_what_a_widget_needs(lesson):
    assert taken_from_widgets(cells(lesson)) == []


def test_a_widget_that_a_later_cell_robs_is_found():
    widget = """
picture = Image()
def search(change=None):
    picture.value = draw(slider.value)
slider.observe(search, "value")
"""
    draws = "def draw(value):\n    return shelf[value]"
    trees = [ast.parse(source) for source in (draws, widget, "picture = axis.imshow(x)")]
    assert taken_from_widgets(trees) == ["picture"]
    trees[2] = ast.parse("for shelf in shelves:\n    pass")
    assert taken_from_widgets(trees) == ["shelf"]
    trees[2] = ast.parse("shown = [picture for picture in range(3)]")
    assert taken_from_widgets(trees) == []


def test_lesson_08_trains_a_layer_anew_that_was_registered_anew():
    lesson = next(lesson for lesson in LESSONS if lesson.number == "08")
    source = {cell.id: cell.source for cell in lesson.notebook.cells}
    trained = []

    def train_fusion(name, pairs, *rest, seed, **options):
        trained.append(name)
        return object()

    names = {
        "FUSIONS": {"gated": type("Gated", (), {}), "mine": type("Mine", (), {})},
        "FUSION": "gated",
        "SEED": 0,
        "SEEDS": 2,
        "STEPS": 1,
        "BATCH_SIZE": 1,
        "LEARNING_RATE": 0.1,
        "pairs": None,
        "weights_of": lambda name: 1,
        "train_fusion": train_fusion,
    }
    exec("import time", names)
    exec(source["08-train"], names)
    exec(source["08-train-keep"], names)
    for _ in range(2):  # a cell that is run again trains nothing twice
        exec('keep_trained("gated", SEEDS)\nkeep_trained("mine", SEEDS)', names)
    assert trained == ["gated"] * 5 + ["mine"] * 2
    names["FUSIONS"]["mine"] = type("Mine", (), {})
    exec('keep_trained("gated", SEEDS)\nkeep_trained("mine", SEEDS)', names)
    assert trained[7:] == ["mine"] * 2
    assert "keep_trained(name, SEEDS)" in source["08-all"]
