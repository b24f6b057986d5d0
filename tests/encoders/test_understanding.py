"""Sentiment and roles: the truth is what the grammar meant, the taggers find it again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtutorial.encoders.tokenisers import words
from mmtutorial.encoders.understanding import (
    BAD,
    GOOD,
    ROLES,
    SENTENCES,
    BiLSTMTagger,
    DictionaryTagger,
    draw_reviews,
    product_names,
    role_scores,
    roles_of,
)


def test_reviews_are_even_distinct_and_reproducible():
    reviews = draw_reviews(2000)
    assert reviews["text"].is_unique
    assert reviews.equals(draw_reviews(2000)) and not reviews.equals(draw_reviews(2000, seed=1))
    assert abs(reviews["positive"].mean() - 0.5) < 0.05
    assert set(reviews["kind"]) == set(SENTENCES)


@pytest.mark.parametrize("kind", sorted(SENTENCES))
def test_the_label_of_a_review_is_what_it_means(kind):
    reviews = draw_reviews(1000).query("kind == @kind")
    for text, positive in zip(reviews["text"], reviews["positive"], strict=True):
        said = [word in GOOD for word in words(text) if word in GOOD + BAD]
        assert len(said) == (2 if kind == "contrast" else 1)
        assert said[-1] == (1 - positive if kind == "negated" else positive)


@pytest.mark.parametrize(
    ("title", "names", "expected"),
    [
        (
            "Red Tape Men's Navy Blue Casual T-Shirt",
            {"brand": ["Red Tape"], "type": ["Tshirts"], "colour": ["Navy Blue"],
             "gender": ["Men"], "occasion": ["Casual"]},
            ["brand", "brand", "gender", "colour", "colour", "occasion", "type", "type"],
        ),
        (
            "Casual Men Casual Shoe",  # the type claims its "Casual" first, the occasion another
            {"type": ["Casual Shoes"], "gender": ["Men"], "occasion": ["Casual"]},
            ["occasion", "gender", "type", "type"],
        ),
        ("Nike Air White Navy", {"colour": ["Navy Blue"]}, ["", "", "", "colour"]),
        ("Q&Q Women Dial Watch", {"brand": ["Q&Q"], "type": ["Watches"], "gender": ["Women"]},
         ["brand", "brand", "gender", "", "type"]),
        ("plain tee", {"type": ["Tshirts", "tee"], "colour": [""]}, ["", "type"]),
        ("", {"type": ["Tshirts"]}, []),
    ],
)  # fmt: skip
def test_a_role_claims_its_words(title, names, expected):
    assert roles_of(title, names) == expected


@given(st.text(max_size=40), st.dictionaries(st.sampled_from(ROLES), st.lists(st.text(max_size=9))))
def test_roles_are_one_a_word_and_only_those_asked_for(text, names):
    roles = roles_of(text, names)
    assert len(roles) == len(words(text))
    assert set(roles) <= {"", *names}


def shop(brands, n=300, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "brand": rng.choice(brands, n),
            "gender": rng.choice(["Men", "Women"], n),
            "colour": rng.choice(["Red", "Navy Blue", "Black"], n),
            "article_type": rng.choice(["Tshirts", "Casual Shoes"], n),
            "usage": rng.choice(["Party", "Casual"], n),
        }
    )
    order = table[["brand", "gender", "usage", "colour", "article_type"]]
    return order.agg(" ".join, axis=1).tolist(), product_names(table)


@pytest.mark.slow
def test_taggers_find_roles_and_only_the_neighbours_give_a_new_brand_away():
    titles, names = shop(["Acme", "Bolt", "Cord", "Dune"])
    roles = [roles_of(title, name) for title, name in zip(titles, names, strict=True)]
    assert set(roles[0]) == set(ROLES)
    new, new_names = shop(["Zebu", "Yarn"], n=80, seed=1)
    truth = [roles_of(title, name) for title, name in zip(new, new_names, strict=True)]
    scores = {
        kind.__name__: role_scores(truth, kind().fit(titles, roles).tag(new))["F1"]
        for kind in (DictionaryTagger, BiLSTMTagger)
    }
    assert scores["DictionaryTagger"]["brand"] == 0
    assert scores["BiLSTMTagger"]["brand"] > 0.9
    assert scores["BiLSTMTagger"].min() > 0.9


def test_scores_are_counted_over_words_role_by_role():
    true = [["brand", "type"], ["brand", "", "colour"]]
    found = [["brand", "brand"], ["", "type", "colour"]]
    scores = role_scores(true, found)
    assert list(scores.index) == list(ROLES)
    assert scores.loc["brand"].tolist() == [0.5, 0.5, 0.5, 2]
    assert scores.loc["type"].tolist() == [0, 0, 0, 1]
    assert scores.loc["colour"].tolist() == [1, 1, 1, 1]
    gender = scores.loc["gender"]
    assert gender["words"] == 0 and gender.drop("words").isna().all(), "neither there nor found"
