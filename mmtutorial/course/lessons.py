"""The lessons as files: found by their number, their parameters read, never executed here.

A lesson is a notebook ``NN_topic.ipynb``. Its cell tagged ``parameters`` holds plain literals,
one assignment a name; that is all that a run may change. ``notebooks/profiles.yaml`` says which
smaller numbers the quick profile takes; the values in the cell are those of the full profile.
"""

import ast
import contextlib
import itertools
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import yaml

import mmtutorial
from mmtutorial import TutorialError

# nbformat's validator would build a grammar of web addresses: two seconds, for no notebook's good
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

PROFILES = ("quick", "full")
DATASETS = ("demo", "fashion", "other")  # the keys of a profile; "other" is your own catalogue


class Choice(NamedTuple):
    """Where the package keeps the names that a parameter may have.

    ``file``: the module, from the package's folder; ``registry``: the dict or list of names in
    it; ``decorator``: the function that adds a name; ``prefix``: text begun so is valid, too.
    """

    file: str
    registry: str
    decorator: str = ""
    prefix: str = ""


CHOICES = {  # parameters that are one of a set of names; every other text is in FREE
    "ATTRIBUTE": Choice("catalogue/reading.py", "ATTRIBUTES"),
    "DETAIL": Choice("catalogue/reading.py", "COLUMNS"),
    "FUSION": Choice("matching/fusion.py", "FUSIONS", decorator="fusion"),
    "IMAGE_ENCODER": Choice("encoders/images.py", "IMAGE_ENCODERS", prefix="resnet:"),
    "LOSS": Choice("matching/ranking.py", "RANKING_LOSSES"),
    "SHELF": Choice("catalogue/reading.py", "COLUMNS"),
    "TEXT_ENCODER": Choice("encoders/text.py", "TEXT_ENCODERS", prefix="bert:"),
}
FREE = ("DATASET", "MODEL", "PRESET", "STORE")  # a path, an address, a name from elsewhere
MINIMUM = {  # parameters that count something → the smallest number that makes sense
    "BATCH_SIZE": 1,
    "DIM": 1,
    "EPOCHS": 1,
    "K": 1,
    "MAX_PRODUCTS": 0,
    "SEED": 0,
    "SEEDS": 1,
}


@dataclass(frozen=True)
class Lesson:
    """One notebook. ``name`` is ``06_one_space``, ``number`` ``06``."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def number(self) -> str:
        return self.path.stem[:2]

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        try:
            return read_notebook(self.path)
        except (nbformat.reader.NotJSONError, nbformat.ValidationError, OSError) as error:
            raise TutorialError(
                f"{self.path} is no readable notebook ({error}); take it anew from the repository"
            ) from None

    @property
    def title(self) -> str:
        """Its first heading, without the number: ``One space``."""
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown" and cell.source.startswith("# "):
                return cell.source.splitlines()[0].lstrip("# ").removeprefix(self.number).strip()
        return self.name

    def tagged(self, tag: str) -> nbformat.NotebookNode:
        """The one code cell that carries ``tag``."""
        cells = [c for c in self.notebook.cells if tag in c.metadata.get("tags", [])]
        if len(cells) != 1 or cells[0].cell_type != "code":
            raise TutorialError(
                f"{self.path.name} has {len(cells)} cells tagged {tag!r}; it needs one code cell"
            )
        return cells[0]

    @cached_property
    def parameters(self) -> dict:
        """Name → default of the cell tagged ``parameters``, which may hold plain literals only."""
        cell = self.tagged("parameters")
        found = {}
        for statement in parse(cell, self.path.name).body:
            name, value = "", None
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    with contextlib.suppress(ValueError):
                        value = ast.literal_eval(statement.value)
            if value is None or isinstance(value, bytes | complex):
                raise TutorialError(
                    f'{self.path.name}, cell "{cell.id}", line {statement.lineno}: a parameter is '
                    f"a plain literal (NAME = 3), not `{ast.unparse(statement)}`"
                )
            found[name] = value
        return found

    @cached_property
    def names_read(self) -> set[str]:
        """The names that cells below the parameters read."""
        cells = self.notebook.cells
        below = cells[cells.index(self.tagged("parameters")) + 1 :]
        return {
            node.id
            for cell in below
            if cell.cell_type == "code"
            for node in ast.walk(parse(cell, self.path.name))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """The notebook in ``path``, validated."""
    return nbformat.read(path, as_version=4)


def parse(cell: nbformat.NotebookNode, where: str) -> ast.Module:
    """The syntax tree of a code cell, with IPython's ``%magic`` and ``!command`` lines read too."""
    try:
        with contextlib.suppress(SyntaxError):
            return ast.parse(cell.source)
        from IPython.core.inputtransformer2 import TransformerManager

        return ast.parse(TransformerManager().transform_cell(cell.source))
    except SyntaxError as error:
        raise TutorialError(
            f'{where}, cell "{cell.id}", line {error.lineno}: no valid Python ({error.msg})'
        ) from None


def find_lessons(folder: Path) -> list[Lesson]:
    """All lessons of ``folder``, by number."""
    lessons = [Lesson(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
    if not lessons:
        raise TutorialError(
            f"there are no lessons (NN_topic.ipynb) in {folder}; run mmtutorial from the "
            "repository's folder"
        )
    for one, other in itertools.pairwise(lessons):
        if one.number == other.number:
            raise TutorialError(f"{one.path.name} and {other.path.name} share a number; rename one")
    return lessons


def select(lessons: list[Lesson], wanted: Iterable[str]) -> list[Lesson]:
    """The lessons named by number (``06``, ``6``) or name (``06_one_space``); none named: all."""
    chosen: set[str] = set()
    for word in wanted:
        name = Path(str(word)).name.removesuffix(".ipynb")
        number = name.zfill(2) if name.isdigit() else None
        found = [lesson for lesson in lessons if name == lesson.name or number == lesson.number]
        if not found:
            there = ", ".join(lesson.name for lesson in lessons)
            raise TutorialError(f"no lesson {word!r}; there are: {there}")
        chosen.update(lesson.name for lesson in found)
    return [lesson for lesson in lessons if not chosen or lesson.name in chosen]


def read_profiles(folder: Path, lessons: list[Lesson]) -> dict:
    """``folder``/profiles.yaml as profile → dataset → lesson's number → parameters, all checked."""
    path = folder / "profiles.yaml"
    profiles: dict[str, dict] = {name: {} for name in PROFILES}
    if path.exists():
        try:
            profiles |= yaml.safe_load(path.read_text("utf-8")) or {}
        except yaml.YAMLError as error:
            raise TutorialError(f"{path} is no valid YAML: {error}") from None
    by_number = {lesson.number: lesson for lesson in lessons}
    _known(profiles, PROFILES, "profile", path.name)
    for profile, datasets in profiles.items():
        profiles[profile] = datasets = datasets or {}
        _known(datasets, DATASETS, "dataset", path.name)
        for dataset, overrides in datasets.items():
            datasets[dataset] = overrides = overrides or {}
            _known(overrides, by_number, "lesson", path.name)
            for number, values in overrides.items():
                where = f"{path.name}, {profile}, {dataset}, {number!r}"
                overrides[number] = {
                    name: check_value(by_number[number], name, value, where)
                    for name, value in (values or {}).items()
                }
    return profiles


def _known(names: Iterable, valid: Collection, what: str, where: str) -> None:
    for name in names:
        if name not in valid:
            quoted = ", ".join(repr(one) for one in valid)
            raise TutorialError(f"{where} names an unknown {what} {name!r}; there are: {quoted}")


def check_value(lesson: Lesson, name: str, value: Any, where: str) -> Any:
    """``value`` as lesson's parameter ``name`` takes it.

    Raises
    ------
    TutorialError
        if there is no such parameter, no later cell reads it, the type is another, the value is
        none of the names in CHOICES, or it is below MINIMUM.
    """
    if name not in lesson.parameters:
        raise TutorialError(
            f"{where}: {lesson.name} has no parameter {name}; it has: "
            f"{', '.join(lesson.parameters)}"
        )
    if name not in lesson.names_read:
        raise TutorialError(
            f"{where}: no later cell of {lesson.name} reads {name}, so it would change nothing"
        )
    default = lesson.parameters[name]
    if type(default) is float and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        raise TutorialError(
            f"{where}: {name} of {lesson.name} takes a value of type {type(default).__name__} "
            f"like {default!r}, not {value!r} ({type(value).__name__})"
        )
    if name in MINIMUM and value < MINIMUM[name]:
        raise TutorialError(
            f"{where}: {name} of {lesson.name} is at least {MINIMUM[name]}, not {value}"
        )
    if name in CHOICES:
        _check_choice(lesson, name, value, where)
    return value


def _check_choice(lesson: Lesson, name: str, value: str, where: str) -> None:
    prefix = CHOICES[name].prefix
    if prefix and value.startswith(prefix) and value != prefix:
        return
    valid = choices(lesson, name)
    if value not in valid:
        more = f', or "{prefix}" and a preset\'s name or folder' if prefix else ""
        raise TutorialError(
            f"{where}: no {name} {value!r} in {lesson.name}; choose one of {', '.join(valid)}{more}"
        )


def choices(lesson: Lesson, name: str) -> list[str]:
    """The names that parameter ``name`` of CHOICES may have: the package's, then the lesson's own.

    They are read from the source and not imported: importing would start Keras, which takes
    seconds and half a gigabyte, to refuse a typing error.
    """
    choice = CHOICES[name]
    package = ast.parse((Path(mmtutorial.__file__).parent / choice.file).read_text("utf-8"))
    cells = [cell for cell in lesson.notebook.cells if cell.cell_type == "code"]
    trees = [package, *(parse(cell, lesson.path.name) for cell in cells)]
    return list(dict.fromkeys(found for tree in trees for found in _registered(tree, choice)))


def _registered(tree: ast.Module, choice: Choice) -> Iterator[Any]:
    """The names that this code puts into the registry, where they are written out.

    Three ways: ``REGISTRY = {"name": ...}`` (or a list), ``REGISTRY["name"] = ...`` and
    ``@decorator("name")``.
    """
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Subscript) and _called(target.value) == choice.registry:
                    names = [target.slice]
                elif _called(target) == choice.registry:
                    names = getattr(node.value, "keys", getattr(node.value, "elts", []))
        elif isinstance(node, ast.Call) and _called(node.func) == choice.decorator:
            names = node.args[:1]
        for name in names:
            if isinstance(name, ast.Constant):
                yield name.value


def _called(node: ast.AST) -> str | None:
    """``name`` of the expressions ``name`` and ``module.name``."""
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)


def check_text(lesson: Lesson, name: str, text: Any, where: str) -> Any:
    """Like ``fit``, for a value typed on the command line: ``3``, ``0.5``, ``true``, ``words``."""
    value = text
    if isinstance(text, str) and not isinstance(lesson.parameters.get(name, ""), str):
        spelt = {"true": "True", "false": "False"}.get(text.lower(), text)
        try:
            value = ast.literal_eval(spelt)
        except (ValueError, SyntaxError):
            value = text
    return check_value(lesson, name, value, where)


def plan(
    lessons: list[Lesson],
    selected: list[Lesson],
    profiles: dict,
    *,
    profile: str,
    dataset: str,
    parameters: dict,
) -> dict[str, dict]:
    """What each selected lesson is given: its name → {parameter: value}; strict.

    ``dataset`` is the value of DATASET; ``parameters`` (name → value or text) go over those of
    the profile, and every selected lesson must have them.
    """
    if profile not in PROFILES:
        raise TutorialError(f"no profile {profile!r}; there are: {', '.join(PROFILES)}")
    if "DATASET" in parameters:
        raise TutorialError("-p DATASET: choose the catalogue with --dataset instead")
    for name in parameters:
        having = [lesson.name for lesson in lessons if name in lesson.parameters]
        lacking = [lesson.name for lesson in selected if name not in lesson.parameters]
        if lacking:
            valid = sorted(set.intersection(*(set(one.parameters) for one in selected)))
            raise TutorialError(
                f"-p {name}: {', '.join(lacking)} has no such parameter. "
                + (f"Lessons that have it: {', '.join(having)}. " if having else "")
                + f"The selected lessons all have: {', '.join(valid)}"
            )
    overrides = profiles[profile].get(dataset if dataset in DATASETS else "other", {})
    return {
        lesson.name: {
            "DATASET": check_value(lesson, "DATASET", dataset, "--dataset"),
            **overrides.get(lesson.number, {}),
            **{
                name: check_text(lesson, name, value, f"-p {name}")
                for name, value in parameters.items()
            },
        }
        for lesson in selected
    }
