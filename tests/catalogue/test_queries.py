"""Queries with known answers: what they ask for, which products answer, what an exam is made of."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalogue import small_catalogue

from mmtutorial import TutorialError
from mmtutorial.catalogue.groups import title_queries
from mmtutorial.catalogue.queries import (
    ASKED,
    KIND,
    attribute_grades,
    attribute_queries,
    held_out_queries,
    split_queries,
    spoken_types,
    training_queries,
)
from mmtutorial.catalogue.reading import ATTRIBUTES

SEEDS = st.integers(0, 10**6)


def shelf(rows):
    """A product table: title, article type and whatever attributes are given."""
    table = pd.DataFrame(rows).fillna("")
    for name in (KIND, *ASKED):
        if name not in table:
            table[name] = ""
    return table


def small_shelf():
    rows = [
        {"article_type": kind, "title": f"Acme {colour} {word}", "colour": colour,
         "usage": usage, "brand": "Acme"}
        for kind, words in {"Tshirts": ("Tee", "T-shirt"), "Hats": ("Hat", "Hat")}.items()
        for word in words
        for colour in ("Red", "Navy Blue")
        for usage in ("Sports", "Party")
    ]  # fmt: skip
    return shelf(rows)


def test_types_are_called_what_their_titles_end_in():
    table = small_shelf()
    table.loc[len(table)] = {"title": "Acme Hat 2009", KIND: "Hats"} | dict.fromkeys(ASKED, "")
    table.loc[len(table)] = {"title": "Perfume 100", KIND: "Perfume"} | dict.fromkeys(ASKED, "")
    found = spoken_types(table)
    assert {kind: sorted(words) for kind, words in found.items()} == {
        "Tshirts": ["t-shirt", "tee"],
        "Hats": ["hat"],
    }


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_product_that_a_query_was_made_of_answers_it(seed):
    table = small_shelf()
    queries = attribute_queries(table, 10, spoken_types(table), seed)
    grades = attribute_grades(queries.wanted, table)
    assert len(set(queries.texts)) == len(queries.texts) == len(queries.wanted)
    assert (grades[np.arange(len(grades)), queries.anchors] == 2).all()
    for text, (_, wishes) in zip(queries.texts, queries.wanted.iterrows(), strict=True):
        asked = [wishes[name] for name in ASKED if wishes[name]]
        assert 2 <= len(asked) <= 4
        assert text.startswith(" ".join(asked).lower())


def test_grades_by_hand():
    table = shelf(
        [
            {KIND: "Hats", "colour": "Red", "usage": "Party"},  # all of it
            {KIND: "Hats", "colour": "Red", "usage": "Sports"},  # one missed
            {KIND: "Hats", "colour": "Red", "usage": ""},  # not known is missed
            {KIND: "Hats", "colour": "Blue", "usage": "Sports"},  # two missed
            {KIND: "Ties", "colour": "Red", "usage": "Party"},  # another type
        ]
    )
    wanted = shelf([{KIND: "Hats", "colour": "Red", "usage": "Party"}, {KIND: "Ties"}])
    assert attribute_grades(wanted, table).tolist() == [[2, 1, 1, 0, 0], [0, 0, 0, 0, 2]]


@pytest.fixture
def typed_shop():
    """Its titles end in the type: "Acme Men Red Bars"."""
    shop = small_catalogue(320)
    shop.table["title"] = shop.table["title"].str.replace(r" \d+$", "", regex=True)
    return shop


def test_the_exam_is_the_catalogues_own_without_copies_of_titles(typed_shop):
    first = typed_shop.table.iloc[0]
    title = {f" {first['title'].upper()}": {first["id"]: 1}}
    own = {"something for the beach": {first["id"]: 1}, "a present": {first["id"]: 2}}
    parts = typed_shop.split(shares=(0.5, 0.1, 0.4))
    typed_shop.queries = own | title
    assert typed_shop.exam(parts) == (own, "the catalogue's own queries", False)
    typed_shop.queries = {"a present": {first["id"]: 1}} | title
    assert "composed" in typed_shop.exam(parts, n=20, min_queries=5).source


def test_what_is_not_relevant_is_no_answer_of_the_exam(typed_shop):
    first, second = typed_shop.table["id"][:2]
    typed_shop.queries = {"a present": {first: 0, second: 2}, "nothing": {first: 0}}
    assert typed_shop.exam(typed_shop.split()).qrels == {"a present": {second: 2}}


def test_a_composed_exam_asks_for_test_products_alone(typed_shop):
    parts = typed_shop.split(seed=0, shares=(0.5, 0.1, 0.4))
    exam = typed_shop.exam(parts, n=20, min_queries=5)
    assert "composed" in exam.source and not exam.copied and 5 <= len(exam.qrels) <= 20
    tested, titles = set(parts.test.table["id"]), set(typed_shop.table["title"].str.lower())
    for query, answers in exam.qrels.items():
        assert set(answers) <= tested and 1 <= len(answers) <= 10
        assert query not in titles
    too_few = typed_shop.exam(parts, n=20, min_queries=21)
    assert "titles" in too_few.source and too_few.copied


def test_without_attributes_the_exam_asks_for_titles(typed_shop):
    typed_shop.table[["article_type", "colour", "brand", "gender", "season", "category"]] = ""
    parts = typed_shop.split()
    exam = typed_shop.exam(parts)
    assert exam.qrels == title_queries(parts.test) and exam.copied
    assert len(typed_shop.exam(parts, n=3).qrels) == 3
    typed_shop.queries = {typed_shop.table["title"][0]: {typed_shop.table["id"][0]: 1}}
    assert typed_shop.exam(parts).qrels == typed_shop.queries


def furniture(types=60, colours=4):
    """A shop with a type and a colour, titles that do not end in the type, and no brand."""
    shop = small_catalogue(types * colours)
    empty = [name for name in ATTRIBUTES if name not in ("article_type", "colour")]
    shop.table[empty] = ""
    names = [f"Thing no {n}" for n in range(types) for _ in range(colours)]
    shop.table["article_type"] = names
    shop.table["colour"] = ["Oak", "White,black", "Grey", "Dark blue"] * types
    shop.table["title"] = [f"{name} KIVIK {n} wide" for n, name in enumerate(names)]
    return shop


def test_one_attribute_beside_the_type_is_enough_for_an_exam():
    shop = furniture()
    exam = shop.exam(shop.split(shares=(0.5, 0.1, 0.4)))
    assert "composed" in exam.source and len(exam.qrels) >= 20
    rows = shop.table.set_index("id")
    for query, answers in exam.qrels.items():
        for product in answers:
            asked = f"{rows['colour'][product]} {rows['article_type'][product]}"
            assert query == asked.lower()


def test_the_type_may_stand_in_a_coarser_column():
    shop = furniture()
    shop.table["category"], shop.table["article_type"] = shop.table["article_type"], ""
    assert "composed" in shop.exam(shop.split(shares=(0.5, 0.1, 0.4))).source


def test_a_catalogue_without_titles_has_no_exam(typed_shop):
    typed_shop.table[["title", "article_type", "category"]] = ""
    with pytest.raises(TutorialError, match=r"queries\.json"):
        typed_shop.exam(typed_shop.split())


@given(st.dictionaries(st.text(min_size=1), st.sets(st.integers(0, 20), min_size=1), max_size=12))
def test_halves_share_no_product_and_lose_no_query(answers):
    qrels = {query: dict.fromkeys(map(str, products), 1) for query, products in answers.items()}
    first, second = split_queries(qrels)
    assert first | second == qrels and not first.keys() & second.keys()
    assert not {p for each in first.values() for p in each} & {
        p for each in second.values() for p in each
    }


def test_halves_of_unlinked_queries_are_even():
    first, second = split_queries({f"q{n}": {f"p{n}": 1} for n in range(9)})
    assert sorted([len(first), len(second)]) == [4, 5]
    first, second = split_queries({"a": {"1": 1, "2": 1}, "b": {"2": 1, "3": 1}, "c": {"3": 1}})
    assert [len(first), len(second)] == [3, 0]


def test_kept_queries_stay_together():
    table = small_shelf()
    queries = attribute_queries(table, 8, spoken_types(table))
    chosen = np.arange(8) % 2 == 1
    kept = queries.keep(chosen)
    assert kept.texts == queries.texts[1::2]
    assert kept.wanted.to_numpy().tolist() == queries.wanted.to_numpy()[1::2].tolist()
    assert kept.anchors.tolist() == queries.anchors[1::2].tolist()


def test_a_table_that_nothing_can_be_asked_of_is_refused():
    table = small_shelf()
    with pytest.raises(TutorialError, match="fill the columns article_type"):
        attribute_queries(table.assign(colour="", usage="", brand=""), 5, spoken_types(table))


def test_half_titles_ask_for_the_products_that_bear_the_title(typed_shop):
    table = typed_shop.table
    table[["article_type", "colour", "brand", "gender", "season", "category"]] = ""
    queries = training_queries(table, 20, spoken_types(table))
    grades = attribute_grades(queries.wanted, table)
    assert queries.texts and (grades[np.arange(len(grades)), queries.anchors] == 2).all()
    for text, title, line in zip(queries.texts, queries.wanted["title"], grades, strict=True):
        assert len(text.split()) == len(title.split()) // 2
        assert set(text.split()) <= set(title.lower().split())
        assert (line == np.where(table["title"] == title, 2, 0)).all()


def test_training_queries_of_nothing_are_refused(typed_shop):
    table = typed_shop.table.assign(title="x", article_type="", category="", colour="", brand="")
    with pytest.raises(TutorialError, match="no title has two words"):
        training_queries(table, 5, spoken_types(table))


def test_held_out_queries_ask_for_one_part_alone(typed_shop):
    parts = typed_shop.split(shares=(0.5, 0.1, 0.4))
    table, spoken = typed_shop.table, spoken_types(typed_shop.table)
    inside = table["id"].isin(parts.test.table["id"]).to_numpy()
    for min_queries, words in ((5, "men"), (10**6, "")):  # composed; too few of them: half titles
        queries, grades = held_out_queries(parts.test, 50, spoken, table, min_queries=min_queries)
        assert len(queries.texts) >= 5 and any(words in text for text in queries.texts)
        assert (grades[:, inside] == 2).any(axis=1).all() and (grades[:, ~inside] < 2).all()
        assert list(queries.wanted.columns) == (["title"] if min_queries > 50 else [KIND, *ASKED])
