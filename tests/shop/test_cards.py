"""The shop page's markup: escaped, and packed into the wheel with the code that reads it."""

from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from mmtutorial.shop import cards, serve
from mmtutorial.shop.language import CHINESE, ENGLISH
from mmtutorial.shop.uploads import MAX_BYTES

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

EVIL = '<script>"&'
SAFE = "&lt;script&gt;&#34;&amp;"


def test_what_comes_from_a_catalogue_is_escaped_and_our_own_markup_is_not():
    photo = np.zeros((80, 60, 3), np.uint8)
    why = cards.why_found({"colour": EVIL}, 0.5, {"photo": 0.4, "title": 0.1}, [("colour", "Red")])
    markup = cards.card({"price": 1234.5}, photo, EVIL, why)
    assert EVIL not in markup and "<script" not in markup
    assert f'<p class="title">{SAFE}</p>' in markup
    assert '<img alt="&lt;script' in markup and "1,234.50" in markup
    assert f'<li class="no">✗ {SAFE}, not Red</li>' in markup
    assert "<details><summary>" in markup and 'style="width: 40%"' in markup


@pytest.mark.parametrize(("has", "meaning"), [("navy", "yes"), ("", "open"), ("Red", "no")])
def test_an_attribute_agrees_is_open_or_does_not_agree(has, meaning):
    parts = {"photo": -0.1, "title": 1.2}
    why = cards.why_found({"colour": has}, 1.1, parts, [("colour", "Navy")], CHINESE)
    assert f'<li class="{meaning}">' in why
    assert "width: 0%" in why and "width: 100%" in why, "a bar never leaves its box"


def test_the_page_in_the_browser_knows_the_largest_upload():
    markup = serve.in_the_browser()
    assert f")({MAX_BYTES});" in markup and markup.count("<script>") == 1


def test_a_refusal_is_said_in_both_languages():
    said = cards.render("refusal.html", why="full", languages={"en": ENGLISH, "zh": CHINESE})
    assert "The shop is full" in said and "商店已满" in said


def test_every_file_beside_the_code_goes_into_the_wheel():
    folder = Path(cards.__file__).parent
    project = folder.parent.parent / "pyproject.toml"
    if not project.exists():
        pytest.skip("not a checkout")
    packed = tomllib.loads(project.read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    beside = {file.name for file in folder.iterdir() if file.is_file() and file.suffix != ".py"}
    assert {"style.css", "page.js", "card.html"} <= beside
    for name in beside:
        assert any(fnmatch(name, pattern) for pattern in packed["mmtutorial.shop"]), name
