"""Quality from few reviews: the formula, the interval, the truth; bad tables are refused."""

import numpy as np
import pandas as pd
import pytest
from small_catalogue import small_catalogue
from toy_shop import toy_search, toy_table

from mmtutorial import TutorialError
from mmtutorial.applications import product_quality as quality
from mmtutorial.catalogue.drawn_reviews import draw_reviews
from mmtutorial.catalogue.reviews import usable


@pytest.fixture(scope="module")
def drawn():
    return draw_reviews(small_catalogue(300), per_product=8)


@pytest.fixture(scope="module")
def found(drawn):
    return quality.quality_of(drawn.reviews)


def normal(tau, sigma=1.0, products=800, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.normal(3.5, tau, products)
    product = np.repeat(np.arange(products), rng.integers(1, 9, products))
    return true, product, true[product] + rng.normal(0, sigma, len(product))


@pytest.mark.parametrize("tau", [0.2, 0.5, 1.0])
def test_shrunk_means_are_nearer_and_their_intervals_hold_the_truth(tau):
    true, product, values = normal(tau)
    table = quality.shrink(product, values)
    errors = [((table[name] - true) ** 2).mean() for name in ("value", "mean")]
    assert errors[0] < errors[1]
    assert 0.92 < ((table["low"] < true) & (true < table["high"])).mean() < 0.98


def test_few_values_move_further_than_many():
    _, product, values = normal(0.5)
    table = quality.shrink(product, values)
    moved = ((table["value"] - table["mean"]) / (table["value"].mean() - table["mean"])).abs()
    assert moved[table["n"] == 1].median() > 2 * moved[table["n"] == 8].median()


def test_equal_products_shrink_to_the_mean_and_single_values_half_way():
    rng = np.random.default_rng(0)
    alike = quality.shrink(np.repeat(np.arange(200), 5), rng.normal(3, 1, 1000))
    assert alike["value"].std() < 0.1 * alike["mean"].std() + 0.05
    single = quality.shrink(list("abcd"), [1, 2, 4, 5])
    assert np.allclose(single["value"], [2, 2.5, 3.5, 4])
    one = quality.shrink(["a", "a"], [4, 4])
    assert one["value"].tolist() == [4]


@pytest.mark.parametrize("values", [[], [np.nan]])
def test_nothing_to_shrink_is_said(values):
    with pytest.raises(TutorialError, match="nothing to shrink"):
        quality.shrink(["a"] * len(values), values)


def test_quality_follows_the_truth(drawn, found):
    for aspect, column in (("overall", "stars"), ("fit", "fit"), ("fabric", "fabric")):
        of_it = found[found["aspect"] == aspect]
        true = drawn.quality.set_index("product")[column][of_it["product"]]
        many = of_it["n"].to_numpy() >= 4
        assert np.corrcoef(of_it["stars"][many], true[many])[0, 1] > 0.45, aspect


def test_each_aspect_has_stars_in_an_interval_and_a_quote(drawn, found):
    assert (found["low"] <= found["stars"]).all() and (found["stars"] <= found["high"]).all()
    assert found[["low", "high"]].stack().between(1, 5).all()
    assert not found.duplicated(["product", "aspect"]).any()
    named = found[found["aspect"] != "overall"]
    assert (named["quote"] != "").all() and len(named) > 300
    texts = drawn.reviews.groupby("product")["text"].agg(" | ".join)
    for _, row in named.head(50).iterrows():
        assert row["quote"] in texts[row["product"]]
        assert row["aspect"] in quality.aspects_of(row["quote"])


@pytest.mark.parametrize(
    ("sentence", "aspects"),
    [
        ("It fits well", ["fit"]),
        ("My friend thinks so", []),  # no "thin"
        ("The colours looked faded", ["colour"]),
        ("Tighter than the last one, and thinner", ["fabric", "fit"]),
        ("颜色很正，价格便宜", ["colour", "price"]),
    ],
)
def test_an_aspect_is_named_by_a_word_and_not_by_a_part_of_one(sentence, aspects):
    assert quality.aspects_of(sentence) == aspects


def test_chinese_reviews_tell_the_same(drawn, found):
    chinese = quality.quality_of(drawn.reviews, "text_zh")
    both = found.merge(chinese, on=["product", "aspect"], suffixes=("", "_zh"))
    fit = both[(both["aspect"] == "fit") & (both[["n", "n_zh"]].min(axis=1) >= 3)]
    assert fit["stars"].corr(fit["stars_zh"]) > 0.6


BAD = {
    "an empty review": ("text", "  ", "no text"),
    "a missing review": ("text", None, "no text"),
    "100,000 characters": ("text", "a" * 100_000, "longer than 20,000 characters"),
    "six stars": ("rating", 6, "rating outside 1 to 5"),
    "no stars": ("rating", 0, "rating outside 1 to 5"),
    "no number": ("rating", np.nan, "rating outside 1 to 5"),
}


@pytest.mark.parametrize("name", BAD)
def test_reviews_that_cannot_be_used_are_named_and_set_aside(name):
    column, value, reason = BAD[name]
    table = pd.DataFrame({"product": list("aab"), "rating": [5.0, 4, 2], "text": ["good fit"] * 3})
    table[column] = table[column].astype(object)
    table.loc[1, column] = value
    with pytest.raises(TutorialError, match=f"1 of 3 reviews cannot be used.*row 1: {reason}"):
        quality.quality_of(table)
    kept, aside = usable(table.assign(rating=pd.to_numeric(table["rating"])), "reviews.csv")
    assert aside.to_dict("records") == [{"row": 1, "reason": reason}]
    assert quality.quality_of(kept)["product"].unique().tolist() == ["a", "b"]


def test_a_table_without_ratings_or_texts_is_refused_by_name():
    with pytest.raises(TutorialError, match="no column 'rating'"):
        quality.quality_of(pd.DataFrame({"product": ["a"], "text": ["good"]}))
    with pytest.raises(TutorialError, match="no column 'text_zh'"):
        quality.quality_of(pd.DataFrame({"product": ["a"], "text": [""], "rating": [5]}), "text_zh")


def test_one_review_is_enough():
    one = pd.DataFrame({"product": ["a"], "rating": [4], "text": ["The fit is good"]})
    assert quality.quality_of(one)[["aspect", "stars"]].values.tolist() == [
        ["overall", 4.0],
        ["fit", 4.0],
    ]


def test_fakes_of_other_products_are_found(drawn):
    fake = (drawn.truth["kind"] == "fake").to_numpy()
    learn = (drawn.reviews["product"].astype(int) % 2 == 0).to_numpy()
    spotter = quality.FakeSpotter().fit(drawn.reviews[learn], fake[learn])
    scores = spotter.scores(drawn.reviews[~learn])
    first = fake[~learn][np.argsort(-scores)[:20]]
    assert first.mean() > 4 * fake.mean()


def test_the_scorer_prefers_the_better_of_two_alike():
    table = toy_table()
    stars = pd.DataFrame({"product": table["id"][6:8], "aspect": "overall", "stars": [5.0, 1.0]})
    scorer = quality.QualityScorer(stars, table["id"])
    assert scorer.stars[:2].tolist() == [3.0, 3.0]  # nobody reviewed them
    shop = toy_search(table, scorers=("vectors", scorer), weights=(0.9, 0.1))
    query = table["title"][6]
    assert shop.search(query)["id"].iloc[0] == table["id"][6]
    with pytest.raises(TutorialError, match="no review speaks of 'smell'"):
        quality.QualityScorer(stars, table["id"], "smell")
