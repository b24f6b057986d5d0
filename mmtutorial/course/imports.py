"""What a lesson imports of the package: the files that its results depend on.

The imports are read in the source and followed from file to file, those inside functions too.
Nothing is imported here, so this takes milliseconds and no Keras.
"""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from mmtutorial.course.lessons import Lesson, parse

PACKAGE = Path(__file__).parent.parent
# Executes the lesson and reads what it records; `check` imports a lesson's exercises by its number.
ALWAYS = ("mmtutorial.course.execute",)
EXERCISES = "mmtutorial.course.exercises.lesson{}"


def files_of(lesson: Lesson, package: Path = PACKAGE) -> dict[str, Path]:
    """The modules that ``lesson`` imports, on whatever detour: name → file, sorted by name.

    ``package`` is the folder of the package ``mmtutorial``.
    """
    cells = [cell for cell in lesson.notebook.cells if cell.cell_type == "code"]
    trees = [parse(cell, lesson.path.name) for cell in cells]
    names = [*ALWAYS, EXERCISES.format(lesson.number), *imported(trees)]
    found: dict[str, Path] = {}
    while names:
        name = names.pop()
        file = module_file(name, package)
        if name not in found and file is not None:
            found[name] = file
            names += _imported_by(file.read_text("utf-8"))
    return dict(sorted(found.items()))


def imported(trees: Iterable[ast.AST]) -> list[str]:
    """What the code imports: dotted names, of which the last may be no module but what is in it.

    With ``a.b`` comes ``a``: Python runs its ``__init__`` first.
    """
    names = []
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    parts = [name.split(".") for name in names]
    return [".".join(each[:size]) for each in parts for size in range(1, len(each) + 1)]


@cache
def _imported_by(source: str) -> tuple[str, ...]:
    return tuple(imported([ast.parse(source)]))


def module_file(name: str, package: Path = PACKAGE) -> Path | None:
    """The file of the module ``name``; None if the package has no such module."""
    first, *rest = name.split(".")
    place = package.joinpath(*rest)
    if first == "mmtutorial":
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
    return None
