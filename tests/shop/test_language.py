"""The labels of the shop page: each is there in both languages, and each is used."""

import re
import string
from importlib import resources

import pytest

from mmtutorial.catalogue.reading import COLUMNS
from mmtutorial.shop.language import SAYS

MADE = ("its ", "sort ", "about ")  # the page puts a name behind these


def files(*kinds):
    folder = resources.files("mmtutorial.shop")
    for file in folder.iterdir():
        if file.name.endswith(kinds) and file.name != "language.py":
            yield file.read_text("utf-8")


def test_each_label_that_the_page_asks_for_is_there():
    page = "\n".join(files(".js", ".html"))
    asked = re.findall(r'data-say(?:-\w+)?="([^"]+)"', page)
    for call in re.findall(r"\bsays\(([^;]*?)\)", page):
        asked += re.findall(r'"([^"]+)"', call.partition(", {")[0])
    assert len(set(asked)) > 60
    assert {key for key in asked if key not in SAYS} == set()


def test_each_label_is_used():
    texts = "\n".join(files(".js", ".html", ".py"))
    ends = {f"{end}, short" for end in ("from", "to")}
    unused = {
        key
        for key in SAYS.keys() - COLUMNS.keys() - ends
        if not key.startswith(MADE) and f'"{key}"' not in texts
    }
    assert unused == set()


@pytest.mark.parametrize("key", SAYS)
def test_both_languages_say_the_same_things(key):
    english, chinese = SAYS[key]
    fields = [[*string.Formatter().parse(text)] for text in (english, chinese)]
    names = [sorted(name for _, name, *_ in each if name) for each in fields]
    assert english and chinese and names[0] == names[1]
    specs = [spec for each in fields for _, _, spec, _ in each if spec]
    assert specs == []  # the page fills in names only, and formats numbers itself
