"""Exercises that check themselves: ``check`` an answer, ``show_solution`` when you give up.

Lesson NN registers its exercises in ``lessonNN.py`` beside this file. An answer is always a
function: the learner's, with the stub's name and arguments.

    def recall_at_k(ranked, relevant, k):          # the solution, shown as it stands here
        return len(set(ranked[:k]) & set(relevant)) / len(relevant)

    @exercise("10.recall", solution=recall_at_k, hint="how many of the relevant are in the top k?")
    def check_recall(answer):
        assert answer(["a", "b"], {"b"}, 1) == 0, "b is second: with k = 1 nothing is found"
        assert answer(["a", "b"], {"b"}, 2) == 1, "b is the only relevant one, and it is found"
"""

import html
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from mmtutorial import TutorialError


@dataclass(frozen=True)
class Exercise:
    """One exercise: ``test`` takes an answer and raises AssertionError, with words that help."""

    name: str
    test: Callable
    solution: Callable
    hint: str


@dataclass(frozen=True)
class Verdict:
    """What ``check`` found. True when the answer is right."""

    name: str
    passed: bool
    message: str = ""
    hint: str = ""

    def __bool__(self):
        return self.passed

    def __repr__(self):
        if self.passed:
            return f"✓ {self.name}: right."
        return f"Not yet: {self.message}\nHint: {self.hint}"

    def _repr_html_(self):
        colour = "#2e7d32" if self.passed else "#b26a00"
        return (
            f'<div style="border-left: 4px solid {colour}; padding: 0.3em 0.8em; '
            f'white-space: pre-wrap">{html.escape(repr(self))}</div>'
        )


EXERCISES: dict[str, Exercise] = {}


def exercise(name: str, *, solution: Callable, hint: str):
    """Register the decorated check as exercise ``name``: the lesson's number, a dot, a word."""

    def register(test):
        if name in EXERCISES:
            raise TutorialError(f"an exercise named {name!r} exists already; take another name")
        if not hint.strip():
            raise TutorialError(f"exercise {name!r} needs a hint")
        EXERCISES[name] = Exercise(name, test, solution, inspect.cleandoc(hint))
        return test

    return register


def names() -> list[str]:
    """The names of all exercises."""
    for module in _modules():
        importlib.import_module(module)
    return sorted(EXERCISES)


def find(name: str) -> Exercise:
    """The exercise called ``name``; a TutorialError lists those there are."""
    module = f"{__name__}.lesson{str(name).partition('.')[0]}"
    if name not in EXERCISES and module in _modules():
        importlib.import_module(module)  # only this lesson's: others may be heavy
    if name not in EXERCISES:
        raise TutorialError(f"no exercise named {name!r}; there are: {', '.join(names())}")
    return EXERCISES[name]


def _modules() -> list[str]:
    return [f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)]


def check(name: str, answer: Callable) -> Verdict:
    """Try ``answer`` on exercise ``name``. A wrong answer never raises: it gets a hint."""
    task = find(name)
    try:
        task.test(answer)
    except AssertionError as error:
        message = str(error) or "the result is not the expected one."
    except Exception as error:
        message = f"your answer stopped with {type(error).__name__}: {error}"
    else:
        return Verdict(name, True)
    lines = message.strip().splitlines()[:8]  # NumPy's messages can be pages long
    return Verdict(name, False, "\n".join(lines), task.hint)


def show_solution(name: str) -> None:
    """Show the source of the solution of exercise ``name``."""
    from IPython.display import display

    source = textwrap.dedent(inspect.getsource(find(name).solution)).strip()
    display({"text/markdown": f"```python\n{source}\n```", "text/plain": source}, raw=True)
