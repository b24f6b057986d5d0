"""What every lesson calls: ``begin`` seeds, ``say`` shows prose, ``Results`` keeps the numbers.

A lesson ends with a table of the numbers that its prose claims. Each has the value that chance
would give and a floor; a claim below its floor is marked ✗ for the reader, and makes
``mmtutorial run`` fail the lesson. The table travels inside the notebook's output as JSON.
"""

import html
import inspect
import logging
import math
import numbers
import os
import platform
import random
import sys

import numpy as np

from mmtutorial import TutorialError

RESULTS_MIME = "application/vnd.mmtutorial.results+json"
COPIED = "the queries are copies of titles, so this proves nothing and has no floor"


def begin(seed: int) -> None:
    """Seed Python, NumPy and, where the lesson imported it, Keras; print what it runs on.

    The line ``profile`` says whose numbers the lesson's parameters are: ``mmtutorial run`` passes
    the name of its profile in MMTUTORIAL_PROFILE.

    Raises
    ------
    TutorialError
        if ``seed`` is not a whole number from 0 to 2**32 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**32:
        raise TutorialError(
            f"SEED is {seed!r}; take a whole number from 0 to {2**32 - 1}, for example SEED = 0"
        )
    seed = int(seed)
    whole = "full (the numbers of this notebook); mmtutorial run takes quick, so its results differ"
    print(f"profile {os.environ.get('MMTUTORIAL_PROFILE', whole)}")
    print(f"python  {platform.python_version()}")
    print(f"numpy   {np.__version__}")
    keras = sys.modules.get("keras")
    if keras is not None:
        from mmtutorial.devices import devices

        print(f"keras   {keras.__version__} on {keras.backend.backend()}")
        print(f"device  {', '.join(devices())}")
        # Its advice on retracing is for long trainings; a lesson trains many small models.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        keras.utils.set_random_seed(seed)
    random.seed(seed)  # last: what was imported on the way may have drawn
    np.random.seed(seed)  # noqa: NPY002 - libraries still draw from the global generator
    print(f"seed    {seed}")


def say(markdown: str) -> None:
    """Show Markdown below the cell: prose whose numbers come from the code above it."""
    from IPython.display import display

    text = inspect.cleandoc(markdown)
    display({"text/markdown": text, "text/plain": text}, raw=True)


def holds(value: float, floor: float | None) -> bool | None:
    """Whether a recorded value keeps its claim; None where nothing was claimed.

    >>> holds(0.82, floor=0.75), holds(0.82, floor=None)
    (True, None)
    """
    return None if floor is None else value >= floor


class Results:
    """The numbers that a lesson claims, on one catalogue; higher is better.

    >>> results = Results("demo")  # in a lesson: catalogue.name
    >>> results.record("text → photo R@10", 0.409, chance=10 / 2997,
    ...                floor={"demo": 0.30, "fashion": 0.12},
    ...                protocol="300 queries, ties by id")
    >>> results  # the last line of the cell tagged ``results``
    Results on demo
    ✓ text → photo R@10      0.409  chance    0.0033  floor     0.300  300 queries, ties by id
    """

    def __init__(self, catalogue: str):
        if not isinstance(catalogue, str) or not catalogue:
            raise TutorialError(
                f"Results takes the catalogue's name (Results(catalogue.name)), not {catalogue!r}"
            )
        self.catalogue = catalogue
        self.claims: list[dict] = []

    def record(self, name, value, *, chance=None, floor=None, protocol="", copied=False):
        """Keep one number, and what it has to reach.

        ``chance``: what guessing would give (0.0 for a gain, "A beats B by"); ``floor``: the
        least value that keeps the claim, by catalogue name. On a catalogue that it does not name
        nothing is promised: the number is marked ✓ from three times chance on, or half the way
        from chance to 1 if that is less, and below that a run does not fail; without a chance
        above zero it has no mark. A missed floor is shown and does not raise: whoever tweaks a
        lesson still reaches its end. ``copied``: the number
        comes from queries that are copies of titles. Matching words would answer them, so the
        number proves nothing: it gets no floor, and the protocol says why.

        Raises
        ------
        TutorialError
            for a value that is no finite number, a name recorded twice, or a floor that chance
            or zero would pass.
        """
        if not isinstance(name, str) or not name.strip():
            raise TutorialError(f"a result needs a name in words, not {name!r}")
        if any(claim["name"] == name for claim in self.claims):
            raise TutorialError(f"{name!r} is recorded already; give each result its own name")
        value = _finite(value, f"the value of {name!r}")
        if chance is not None:
            chance = _finite(chance, f"the chance of {name!r}")
        if floor is not None and not isinstance(floor, dict):
            raise TutorialError(
                f"the floor of {name!r} goes by catalogue, like {{'demo': 0.3}}, not {floor!r}"
            )
        floors = {
            key: _finite(number, f"the floor of {name!r} on {key!r}")
            for key, number in (floor or {}).items()
        }
        for key, number in floors.items():
            if number <= 0:
                raise TutorialError(
                    f"the floor of {name!r} on {key!r} is {number:g}: zero would pass it; raise it"
                )
        lowest = floors.get(self.catalogue)
        if lowest is None and floors and chance is not None and chance > 0:
            lowest = 3 * chance if chance >= 1 else min(3 * chance, (1 + chance) / 2)
        if lowest is not None and chance is not None and lowest <= chance:
            raise TutorialError(
                f"the floor of {name!r} on {self.catalogue!r} is {lowest:g}, and chance gives "
                f"{chance:g}: guessing would pass it; raise it"
            )
        if copied:
            lowest = None
            protocol = "; ".join(filter(None, [str(protocol), COPIED]))
        self.claims.append(
            {
                "name": name,
                "value": value,
                "chance": chance,
                "floor": lowest,
                "holds": holds(value, lowest),
                "promised": lowest is not None and self.catalogue in floors,
                "protocol": str(protocol),
            }
        )

    def __repr__(self):
        if not self.claims:
            return f"Results on {self.catalogue}: nothing recorded yet"
        width = max(len(claim["name"]) for claim in self.claims)
        lines = [f"Results on {self.catalogue}"]
        for claim in self.claims:
            chance, floor = number(claim["chance"]), number(claim["floor"])
            lines.append(
                f"{mark(claim['holds'])} {claim['name']:<{width}}  {number(claim['value']):>9}"
                f"  chance {chance:>9}  floor {floor:>9}  {claim['protocol']}".rstrip()
            )
        return "\n".join(lines)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {
            "text/plain": repr(self),
            "text/html": table(self.claims),
            RESULTS_MIME: {"catalogue": self.catalogue, "claims": self.claims},
        }


def table(claims: list[dict]) -> str:
    """The HTML table of recorded claims: name, value, chance, floor, ✓/✗/–, protocol."""
    head = "".join(f"<th>{name}</th>" for name in ("result", "value", "chance", "floor", "holds"))
    rows = "".join(
        f'<tr><td style="text-align: left">{html.escape(claim["name"])}</td>'
        + "".join(f"<td>{number(claim[key])}</td>" for key in ("value", "chance", "floor"))
        + f'<td style="text-align: center">{mark(claim["holds"])}</td>'
        f'<td style="text-align: left">{html.escape(claim["protocol"])}</td></tr>'
        for claim in claims
    )
    return (
        f'<table class="results"><thead><tr>{head}<th>protocol</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def mark(kept: bool | None) -> str:
    """✓ where a claim holds, ✗ where it does not, – where nothing was claimed.

    >>> mark(True), mark(False), mark(None)
    ('✓', '✗', '–')
    """
    return "–" if kept is None else "✓" if kept else "✗"


def number(value: float | None) -> str:
    """A recorded number, short: three figures after the point, more of them where it is small.

    >>> number(0.81234), number(0.01234), number(1234.5)
    ('0.812', '0.0123', '1,234')
    """
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 0.1:
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 0.001 else f"{value:.4f}"


def _finite(value, what: str) -> float:
    try:
        value = float(value)
    except (TypeError, ValueError):
        raise TutorialError(f"{what} is {value!r}, which is no number") from None
    if not math.isfinite(value):
        raise TutorialError(f"{what} is {value}; look for an empty mean or a diverged training")
    return value
