import ast
import importlib

import pytest
from tiny_lessons import PARAMETERS, write_lesson

from mmtutorial import TutorialError
from mmtutorial.course.lessons import (
    CHOICES,
    FREE,
    MINIMUM,
    Lesson,
    check_text,
    check_value,
    choices,
    find_lessons,
    parse,
    plan,
    read_profiles,
    select,
)
from mmtutorial.paths import ROOT

COURSE = find_lessons(ROOT / "notebooks")

TYPES = PARAMETERS + '\nRATE = 0.1  # r\nFAST = False  # f\nWORDS = "a b"  # w\nKS = [1, 10]  # k'
READS = "print(RATE, FAST, WORDS, KS, -SEED)"


@pytest.fixture
def lessons(tmp_path):
    write_lesson(tmp_path, "00", "Start", parameters=TYPES + "\nUNREAD = 1  # u", body=[READS])
    write_lesson(
        tmp_path, "06", "One space", parameters=PARAMETERS + "\nEPOCHS = 30  # e", body=["EPOCHS"]
    )
    write_lesson(tmp_path, "10", "Metrics", parameters=PARAMETERS, body=["%time x = 1\n!ls"])
    (tmp_path / "notes.ipynb").write_text("not a lesson")
    return find_lessons(tmp_path)


def planned(lessons, selected=None, dataset="demo", profile="full", **parameters):
    profiles = read_profiles(lessons[0].path.parent, lessons)
    chosen = lessons if selected is None else select(lessons, selected)
    return plan(lessons, chosen, profiles, profile=profile, dataset=dataset, parameters=parameters)


def test_lessons_are_found_by_number(lessons):
    assert [lesson.name for lesson in lessons] == ["00_start", "06_one_space", "10_metrics"]
    assert [lesson.title for lesson in lessons] == ["Start", "One space", "Metrics"]


@pytest.mark.parametrize("word", ["06", "6", "06_one_space", "notebooks/06_one_space.ipynb"])
def test_a_lesson_is_selected_by_number_or_name(lessons, word):
    assert [lesson.name for lesson in select(lessons, [word])] == ["06_one_space"]


def test_none_named_selects_all_and_order_is_by_number(lessons):
    assert select(lessons, []) == lessons
    assert [lesson.number for lesson in select(lessons, ["10", "0"])] == ["00", "10"]


@pytest.mark.parametrize("word", ["07", "one_space", "600", ""])
def test_an_unknown_lesson_is_named_with_those_there_are(lessons, word):
    with pytest.raises(TutorialError, match=rf"no lesson '{word}'.*00_start, 06_one_space"):
        select(lessons, [word])


def test_a_folder_without_lessons(tmp_path):
    with pytest.raises(TutorialError, match="no lessons"):
        find_lessons(tmp_path)


def test_two_lessons_of_one_number(lessons):
    write_lesson(lessons[0].path.parent, "06", "Other")
    with pytest.raises(TutorialError, match="share a number"):
        find_lessons(lessons[0].path.parent)


def test_a_broken_notebook_is_named(lessons, tmp_path):
    (tmp_path / "11_cut.ipynb").write_text('{"cells": [')
    with pytest.raises(TutorialError, match=r"11_cut\.ipynb is no readable notebook"):
        Lesson(tmp_path / "11_cut.ipynb").parameters  # noqa: B018


@pytest.mark.parametrize(
    ("number", "name", "text", "value"),
    [
        ("06", "EPOCHS", "3", 3),
        ("00", "RATE", "0.5", 0.5),
        ("00", "RATE", "2", 2.0),
        ("00", "RATE", "1e-3", 0.001),
        ("00", "FAST", "true", True),
        ("00", "FAST", "False", False),
        ("00", "WORDS", "3", "3"),
        ("00", "KS", "[5]", [5]),
        ("00", "RATE", "-1", -1.0),
    ],
)
def test_text_becomes_a_value_of_the_parameters_type(lessons, number, name, text, value):
    (lesson,) = select(lessons, [number])
    found = check_text(lesson, name, text, "-p")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("SEED", "0.5"), ("SEED", "true"), ("SEED", "many"), ("FAST", "1"), ("KS", "5")],
)
def test_a_value_of_another_type_is_refused(lessons, name, text):
    with pytest.raises(TutorialError, match=rf"-p: {name} of 00_start takes a value of type"):
        check_text(lessons[0], name, text, "-p")


def test_a_bool_is_no_int_and_text_no_number_where_values_are_typed(lessons):
    for name, value in [("SEED", True), ("SEED", "1"), ("RATE", True), ("WORDS", 1)]:
        with pytest.raises(TutorialError, match="takes a value of type"):
            check_value(lessons[0], name, value, "profiles.yaml")
    assert check_value(lessons[0], "RATE", 1, "profiles.yaml") == 1.0


def test_an_unknown_parameter_is_named_with_those_there_are(lessons):
    with pytest.raises(TutorialError, match=r"no parameter SEEDS; it has: DATASET, MAX_PRODUCTS"):
        check_value(lessons[0], "SEEDS", 1, "-p")


def test_a_parameter_that_no_later_cell_reads_is_refused(lessons):
    with pytest.raises(TutorialError, match="no later cell of 00_start reads UNREAD"):
        planned(lessons, ["00"], UNREAD="2")


def test_a_parameter_must_fit_every_selected_lesson(lessons):
    with pytest.raises(TutorialError, match=r"00_start, 10_metrics .*have it: 06_one_space") as e:
        planned(lessons, EPOCHS="1")
    assert "all have: DATASET, MAX_PRODUCTS, SEED" in str(e.value)
    assert planned(lessons, ["06"], EPOCHS="1")["06_one_space"] == {"DATASET": "demo", "EPOCHS": 1}


CHOSEN = f'{PARAMETERS}\nFUSION = "sum"  # f\nIMAGE_ENCODER = "cnn"  # i\nDIM = 8  # d'
OWN = """\
@fusion("mine")
class Mine:
    pass


images.IMAGE_ENCODERS["mine too"] = print"""


@pytest.fixture
def choosing(tmp_path):
    reads = "print(FUSION, IMAGE_ENCODER, DIM)"
    return Lesson(write_lesson(tmp_path, "08", "Fuse", parameters=CHOSEN, body=[reads, OWN]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FUSION", "concat"),
        ("FUSION", "mine"),
        ("IMAGE_ENCODER", "resnet"),
        ("IMAGE_ENCODER", "mine too"),
        ("IMAGE_ENCODER", "resnet:resnet_18_imagenet"),
        ("DIM", "1"),
    ],
)
def test_a_name_of_the_package_or_of_the_lessons_own_cells_is_valid(choosing, name, value):
    assert str(check_text(choosing, name, value, "-p")) == value


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("FUSION", "concatt", "-p FUSION: no FUSION 'concatt' in 08_fuse; .*concat, .*mine$"),
        ("FUSION", "", "no FUSION ''"),
        ("FUSION", "mine too", "no FUSION"),
        ("FUSION", "resnet:x", "no FUSION"),
        ("IMAGE_ENCODER", "mine", "no IMAGE_ENCODER 'mine'.*cnn.*mine too, or \"resnet:\" and a"),
        ("IMAGE_ENCODER", "resnet:", "no IMAGE_ENCODER"),
        ("DIM", "0", "-p DIM: DIM of 08_fuse is at least 1, not 0"),
        ("SEED", "-1", "SEED of 08_fuse is at least 0"),
        ("MAX_PRODUCTS", "-1", "MAX_PRODUCTS of 08_fuse is at least 0"),
    ],
)
def test_a_value_that_cannot_be_is_refused(choosing, name, value, why):
    with pytest.raises(TutorialError, match=why):
        check_text(choosing, name, value, f"-p {name}")


@pytest.mark.parametrize("name", CHOICES)
def test_the_names_read_from_the_source_are_those_of_the_registry(choosing, name):
    choice = CHOICES[name]
    module = choice.file.removesuffix(".py").replace("/", ".")
    registry = getattr(importlib.import_module(f"mmtutorial.{module}"), choice.registry)
    own = {"FUSION": ["mine"], "IMAGE_ENCODER": ["mine too"]}.get(name, [])
    assert choices(choosing, name) == [*registry, *own]


@pytest.mark.parametrize("lesson", COURSE, ids=lambda lesson: lesson.name)
def test_the_course_says_what_each_of_its_parameters_may_be(lesson):
    texts = {name for name, value in lesson.parameters.items() if isinstance(value, str)}
    assert texts <= {*CHOICES, *FREE}, "a text is one of CHOICES, or FREE"
    for name in texts & set(CHOICES):
        assert check_value(lesson, name, lesson.parameters[name], "the lesson's own cell")
    for name in set(lesson.parameters) & set(MINIMUM):
        assert lesson.parameters[name] >= MINIMUM[name]


def names_that_lean_on_another(lesson):
    """Texts that begin with "the same" where the lesson names what it records.

    That is: keys, first parts of tuples and the first argument of ``record``.
    """
    for cell in lesson.notebook.cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(parse(cell, lesson.name)):
            names = getattr(node, "keys", []) if isinstance(node, ast.Dict) else []
            if isinstance(node, ast.Subscript):
                names = [node.slice]
            elif isinstance(node, ast.Tuple):
                names = node.elts[:1]
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "record":
                names = node.args[:1]
            for name in names:
                start = name.values[0] if isinstance(name, ast.JoinedStr) else name
                text = start.value if isinstance(start, ast.Constant) else ""
                if isinstance(text, str) and text.lower().startswith("the same"):
                    yield f"{cell.id}: {ast.unparse(name)}"


@pytest.mark.parametrize("lesson", COURSE, ids=lambda lesson: lesson.name)
def test_the_name_of_a_recorded_number_makes_sense_alone(lesson):
    """Beside other runs and in a sweep, there is no row above for "the same" to mean."""
    assert list(names_that_lean_on_another(lesson)) == []


def test_a_name_that_leans_on_the_row_above_is_found(tmp_path):
    body = [
        'claims = {"the same, less the spread": 1, "gain, the same": 2}',
        'claims = [("The same again", 1)]\nclaims[f"the same {K}"] = 3',
        'results.record("the same")\nplt.title("the same exam")',
    ]
    path = write_lesson(tmp_path, body=body)
    assert len(list(names_that_lean_on_another(Lesson(path)))) == 4


def test_the_dataset_has_its_own_option(lessons):
    with pytest.raises(TutorialError, match="--dataset"):
        planned(lessons, DATASET="fashion")


def test_an_unknown_profile_is_named_with_those_there_are(lessons):
    with pytest.raises(TutorialError, match=r"no profile 'fast'; there are: quick, full"):
        planned(lessons, profile="fast")


def test_profiles_apply_by_dataset_and_the_command_line_wins(lessons, tmp_path):
    (tmp_path / "profiles.yaml").write_text(
        'quick:\n  demo: {"06": {EPOCHS: 3}}\n  other: {"06": {EPOCHS: 5}}\nfull:\n'
    )
    epochs = [
        planned(lessons, ["06"], dataset, "quick")["06_one_space"].get("EPOCHS")
        for dataset in ("demo", "fashion", "/my/shop")
    ]
    assert epochs == [3, None, 5]
    assert planned(lessons, ["06"], "demo", "quick", EPOCHS="7")["06_one_space"]["EPOCHS"] == 7
    assert "EPOCHS" not in planned(lessons, ["06"])["06_one_space"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fast: {}", "unknown profile 'fast'"),
        ("quick: {shoes: {}}", "unknown dataset 'shoes'"),
        ('quick: {demo: {"07": {}}}', "unknown lesson '07'"),
        ('quick: {demo: {"06": {EPOCH: 3}}}', "no parameter EPOCH;"),
        ('quick: {demo: {"06": {EPOCHS: "3"}}}', "takes a value of type int"),
        ('quick: {demo: {"00": {UNREAD: 3}}}', "no later cell"),
        ("quick: {demo: [", "no valid YAML"),
    ],
)
def test_profiles_are_strict(lessons, tmp_path, text, why):
    (tmp_path / "profiles.yaml").write_text(text)
    with pytest.raises(TutorialError, match=why):
        read_profiles(tmp_path, lessons)


@pytest.mark.parametrize(
    "statement",
    ["N = 2 * 3", "N: int = 3", "N = M = 3", "N = SEED", "import os", "N = None", "N, M = 1, 2"],
)
def test_parameters_are_plain_literals(tmp_path, statement):
    path = write_lesson(tmp_path, parameters=f"{PARAMETERS}\n{statement}")
    with pytest.raises(TutorialError, match=r'"00-parameters", line 4: .*plain literal'):
        Lesson(path).parameters  # noqa: B018


def test_code_that_is_no_python_is_named_by_its_cell(tmp_path):
    path = write_lesson(tmp_path, body=["x = = 1"])
    with pytest.raises(TutorialError, match='"00-body-0", line 1'):
        Lesson(path).names_read  # noqa: B018


def test_a_name_read_in_the_parameters_cell_only_is_not_read_later(lessons):
    assert "SEED" in lessons[0].names_read
    assert "UNREAD" not in lessons[0].names_read
