import pandas as pd
import pytest

from mmtutorial.search.suggestions import MOST, Suggestions

ROWS = [  # title, title_zh, colour, article_type; how often
    ("Acme Red Sneakers", "Acme 红色运动鞋", "Red", "Sports Shoes", 5),
    ("Acme Navy Blue Sneakers", "Acme 藏青色运动鞋", "Navy Blue", "Sports Shoes", 3),
    ("Bolt Red Snood", "Bolt 红色围脖", "Red", "Scarves", 2),
    ("Bolt Red Bag", "Bolt 红色手提包", "Red", "Handbags", 1),
]


@pytest.fixture(scope="module")
def suggestions():
    rows = [row[:4] for row in ROWS for _ in range(row[4])]
    columns = ["title", "title_zh", "colour", "article_type"]
    return Suggestions(pd.DataFrame(rows, columns=columns))


def texts(found, kind=None):
    return [each.text for each in found if kind in (None, each.kind)]


def test_the_last_word_is_completed_by_the_commonest_first(suggestions):
    found = suggestions.suggest("sn")
    assert texts(found, "word") == ["sneakers", "snood"]
    assert [each.count for each in found if each.kind == "word"] == [8, 2]
    assert texts(suggestions.suggest("bolt sn"), "word") == ["bolt sneakers", "bolt snood"]


def test_a_value_is_completed_also_from_its_second_word(suggestions):
    for typed in ("sneakers navy", "sneakers navy b", "Sneakers NAVY bl"):
        first = suggestions.suggest(typed)[0]
        assert (first.text, first.kind, first.column) == ("sneakers navy blue", "value", "colour")
        assert first.count == 3


def test_a_word_that_is_a_value_is_suggested_once_as_the_value(suggestions):
    found = [each for each in suggestions.suggest("re") if each.text == "red"]
    assert [(each.kind, each.column, each.count) for each in found] == [("value", "colour", 8)]


def test_titles_hold_all_words_the_last_one_begun(suggestions):
    assert texts(suggestions.suggest("bolt re"), "title") == ["Bolt Red Snood", "Bolt Red Bag"]
    assert texts(suggestions.suggest("sneak re"), "title") == []  # only the last may be begun
    assert texts(suggestions.suggest("red sneakers "), "title") == ["Acme Red Sneakers"]
    assert texts(suggestions.suggest("red sneak "), "title") == []  # a space ends a word


def test_chinese_is_found_inside_titles(suggestions):
    found = suggestions.suggest("运动")
    assert texts(found) == ["Acme 红色运动鞋", "Acme 藏青色运动鞋"]
    assert [(each.kind, each.count) for each in found] == [("title", 5), ("title", 3)]
    assert "Bolt 红色围脖" not in texts(suggestions.suggest("bolt"))
    assert "Bolt 红色围脖" in texts(suggestions.suggest("bolt", chinese=True))


@pytest.mark.parametrize("typed", ["", "  ", "<", "😀", "\0", "zzz", "a" * 5000, "(" * 50, "\n"])
def test_what_nothing_begins_with_suggests_nothing(suggestions, typed):
    assert suggestions.suggest(typed) == []


def test_there_are_never_too_many_and_none_twice():
    titles = [f"sn{a}{b} shoe" for a in "abcdefgh" for b in "xyz"]
    found = Suggestions(pd.DataFrame({"title": titles, "colour": titles})).suggest("sn")
    assert len(found) == MOST == len({each.text.casefold() for each in found})
    assert Suggestions(pd.DataFrame({"title": [""]})).suggest("sn") == []
