"""Every example that the package and its README show runs, and gives what it says."""

import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
import re

import pytest

import mmtutorial
from mmtutorial.paths import ROOT

MODULES = ["mmtutorial"] + [
    module.name for module in pkgutil.walk_packages(mmtutorial.__path__, "mmtutorial.")
]
# Here each public function teaches by an example. What needs a trained model or files shows none.
TAUGHT = [name for name in MODULES if name.startswith("mmtutorial.metrics.")] + [
    f"mmtutorial.{name}"
    for name in (
        "arguments", "catalogue.attribute_reader", "catalogue.cleaning", "catalogue.groups",
        "encoders.by_hand", "encoders.photos", "encoders.tokenisers", "encoders.understanding",
        "matching.alignment", "matching.attribute_labels", "matching.candidates",
        "matching.contrastive", "matching.ranking", "search.filters", "search.indexes",
        "search.query_reader", "search.score_fusion",
    )
]  # fmt: skip
PAGES = [ROOT / "README.md", ROOT / "models" / "fashion-base" / "README.md"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert not failed, "the example that failed is printed above"


@pytest.mark.parametrize("name", TAUGHT)
def test_public_functions_show_an_example(name):
    module = importlib.import_module(name)
    public = [
        value
        for each, value in vars(module).items()
        if inspect.isfunction(inspect.unwrap(value))  # one with a cache, too
        and value.__module__ == name
        and not each.startswith("_")
    ]
    assert public
    assert not [each.__name__ for each in public if ">>>" not in (each.__doc__ or "")]


def blocks(page):
    """A page's Python blocks, and the text block that follows: ``[(code, output or None), …]``."""
    found = re.findall(
        r"^```python\n(.*?)^```\n(?:\n^```text\n(.*?)^```\n)?",
        page.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"{page} has no Python block any more: take it out of PAGES"
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_in_readmes(page, tmp_path, monkeypatch):
    """They run in one go, as a reader pastes them; what they print is what the page shows."""
    monkeypatch.chdir(tmp_path)
    names = {}
    for code, shown in blocks(page):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, page.name, "exec"), names)
        # Where nothing is in the cache, bars show how far drawing and training are.
        lines = [line for line in printed.getvalue().split("\n") if "%|" not in line]
        assert "\n".join(lines) == (shown or "")
