"""Checks of arguments: what the caller can put right is said by the argument's name."""

from numbers import Integral, Real
from typing import Any

from mmtutorial import TutorialError


def check_whole(*, low: int | None = None, high: int | None = None, **numbers: Any) -> None:
    """Raise ``TutorialError`` for the first argument that is no whole number in the range.

    ``low``, ``high``: the range, both included; None: no limit. The arguments come by their names.

    >>> check_whole(k=10, page=1, low=1)
    >>> check_whole(k=0, low=1)
    Traceback (most recent call last):
    mmtutorial.TutorialError: k is 0: choose a whole number of at least 1
    """
    for name, value in numbers.items():
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if low is None and high is None:
            if not whole:
                raise TutorialError(f"{name} has to be a whole number, not {value!r}")
        elif high is None:
            if not whole or value < low:
                raise TutorialError(f"{name} is {value!r}: choose a whole number of at least {low}")
        elif not whole or not low <= value <= high:
            raise TutorialError(
                f"{name} is {value!r}: choose a whole number from {low} to {high:,}"
            )


def check_share(**numbers: Any) -> None:
    """Raise ``TutorialError`` for the first argument that is not from 0 to 1, by its name.

    >>> check_share(photo_weight=0.5)
    """
    for name, value in numbers.items():
        if not isinstance(value, Real) or not 0 <= float(value) <= 1:  # NaN is not
            raise TutorialError(f"{name} is a share from 0 to 1, not {value!r}")


def check_choice(name: str, value: Any, choices: tuple) -> None:
    """Raise ``TutorialError`` where ``value`` is none of the ``choices``.

    >>> check_choice("ties", "id", ("id", "average"))
    """
    if value not in choices:
        raise TutorialError(f"{name} must be one of {choices}, got {value!r}")
