import time

import numpy as np
import pandas as pd
import pytest
from toy_shop import toy_table

from mmtutorial.search import query_reader


def test_a_partner_is_what_goes_with_a_term_and_not_what_goes_with_everything():
    left = [["tee", "new"]] * 3 + [["shoe", "new"]] * 5
    right = [["Tshirts", "Casual"]] * 3 + [["Shoes", "Casual"]] * 4 + [["Shoes"]]
    assert query_reader.associated_terms(left, right, min_confidence=0.8) == {
        "tee": "Tshirts", "shoe": "Shoes", "new": "Casual",
    }  # fmt: skip
    assert query_reader.associated_terms(left, right, min_confidence=0.9)["shoe"] == "Shoes"
    assert "new" not in query_reader.associated_terms(left, right, min_confidence=0.9)  # 7 of 8
    assert query_reader.associated_terms(left, right, min_confidence=0.8, min_count=4).keys() == {
        "shoe",
        "new",
    }
    assert query_reader.associated_terms(left, [[]] * 8, min_confidence=0.8) == {}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a red tee", [("colour", "Red"), ("article_type", "Tshirts")]),
        ("T-shirt, GREEN", [("article_type", "Tshirts"), ("colour", "Green")]),
        ("ACME red", [("brand", "Acme"), ("colour", "Red")]),
        ("navy blue handbag", [("colour", "Navy Blue"), ("article_type", "Handbags")]),
        ("red red", [("colour", "Red")]),
        ("Acme's", [("brand", "Acme")]),
        ("something else", []),
        ("", []),
    ],
)
def test_attributes_are_read_by_value_or_by_a_word_that_titles_use(query, expected):
    assert query_reader.QueryReader(toy_table()).attributes(query) == expected


def test_chinese_is_read_through_the_two_titles_of_each_product():
    reader = query_reader.QueryReader(toy_table())
    assert reader.translated("红色手提包") == "red bag"
    assert reader.translated("green bag") == "green bag"
    without = query_reader.QueryReader(toy_table().assign(title_zh=""))
    assert without.translated("红色手提包") == "红色手提包"


def test_a_misspelt_word_gets_the_nearest_known_one():
    reader = query_reader.QueryReader(toy_table())
    assert reader.unknown("gren bagg") == {"gren": "green", "bagg": "bag"}
    assert reader.unknown("a green xylophone for Acme, T-shirts, handbags") == {"xylophone": ""}


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("sneekers", "sneakers"),  # one edit
        ("snaekrs", ""),  # two edits in 7 letters
        ("sneaeksr", "sneakers"),  # two edits in 8: letters that changed places
        ("alert", ""),  # "wallet" has 5 of its letters, 3 edits away
        ("hta", ""),
        ("hatt", "hat"),
    ],
)
def test_the_word_meant_is_few_edits_away_for_its_length(word, meant):
    products = toy_table().assign(title=["Red Sneakers Wallet Hat"] * 24, title_zh="")
    assert query_reader.QueryReader(products).unknown(f"red {word}") == {word: meant}


@pytest.mark.parametrize(
    ("a", "b", "edits"),
    [("", "ab", 2), ("cap", "cap", 0), ("cap", "cape", 1), ("cap", "cup", 1), ("form", "from", 1),
     ("kitten", "sitting", 3), ("alert", "wallet", 3)],
)  # fmt: skip
def test_edits_are_counted(a, b, edits):
    assert query_reader._edits(a, b) == query_reader._edits(b, a) == edits


def test_a_function_word_names_no_value():
    """A work lamp called Fors in three colours: "for" is the singular of "fors"."""
    titles = [f"Fors Work Lamp {colour}" for colour in ("Red", "Grey", "White")]
    titles += ["Pasta Pan"] * 3 + ["Towel"] * 3
    kinds = ["Work lamp"] * 3 + ["Cookware"] * 3 + ["Textile"] * 3
    reader = query_reader.QueryReader(pd.DataFrame({"title": titles, "article_type": kinds}))
    assert reader.attributes("towel for my mother") == [("article_type", "Textile")]
    assert reader.attributes("pan for pasta") == [("article_type", "Cookware")]
    assert reader.attributes("a Fors lamp") == [("article_type", "Work lamp")]
    only = query_reader.QueryReader(pd.DataFrame({"title": ["Red Top"] * 3, "brand": ["Any"] * 3}))
    assert only.attributes("any top") == [("brand", "Any")]  # spelt exactly so


def test_the_word_meant_is_the_one_that_looking_at_all_words_finds():
    """Words that differ in too many letters are passed over: none of them is the nearest."""
    rng = np.random.default_rng(0)
    titles = ["".join(rng.choice(list("abcdé红"), rng.integers(3, 10))) for _ in range(400)]
    reader = query_reader.QueryReader(pd.DataFrame({"title": titles * 2 + titles[:50]}))
    for word in ["".join(rng.choice(list("abcdé"), rng.integers(4, 10))) for _ in range(100)]:
        most = 1 if len(word) < 8 else 2
        near = [(query_reader._edits(word, other), -n, other) for other, n in reader.known.items()]
        meant = min(each for each in near if len(each[2]) > 2)
        assert reader._nearest(word) == (meant[2] if meant[0] <= most else "")


@pytest.mark.slow
def test_the_word_meant_is_found_quickly_among_many():
    rng = np.random.default_rng(0)
    letters = list("eaiorntlsudcmphgbfvykwzxjq")
    shares = 1 / np.arange(4, 30)
    lengths = rng.integers(4, 11, 15_000)
    words = ["".join(rng.choice(letters, n, p=shares / shares.sum())) for n in lengths]
    reader = query_reader.QueryReader(pd.DataFrame({"title": words}))
    began = time.process_time()
    for _ in range(5):
        reader.unknown("snekaers")
    assert (time.process_time() - began) / 5 < 0.05  # a few milliseconds; a loop takes over 200


def test_words_that_name_no_value_are_told_with_their_forms():
    reader = query_reader.QueryReader(toy_table())
    assert reader.other_words("a red tee for Xylophone tees acme") == ["xylophone"]
    products = toy_table().assign(title=["Lamp lamps shine"] * 24)
    reader = query_reader.QueryReader(products.drop(columns=["article_type"]))
    assert reader.spelt_like("lamps") == ["lamp", "lamps"] and reader.spelt_like("x") == []
    assert reader.unknown_words("lamps sofas") == ["sofas"]
