"""Drawn reviews: deterministic, complete, and their truth is the truth."""

import numpy as np
import pandas as pd
import pytest
from small_catalogue import small_catalogue, small_shop

from mmtutorial import TutorialError
from mmtutorial.catalogue.drawn_reviews import ASPECTS, draw_reviews


@pytest.fixture(scope="module")
def catalogue():
    return small_catalogue(300)


@pytest.fixture(scope="module")
def drawn(catalogue):
    return draw_reviews(catalogue, per_product=8)


def test_the_same_seed_draws_the_same_and_another_does_not(catalogue, drawn):
    again = draw_reviews(catalogue, per_product=8)
    for ours, theirs in zip(drawn[:-1], again[:-1], strict=True):
        pd.testing.assert_frame_equal(ours, theirs)
    other = draw_reviews(catalogue, per_product=8, seed=1)
    assert other.quality["stars"].corr(drawn.quality["stars"]) < 0.3


def test_reviews_truth_and_sentences_belong_together(catalogue, drawn):
    reviews = drawn.reviews
    assert (reviews["review"] == drawn.truth["review"]).all() and reviews["review"].is_unique
    assert set(reviews["product"]) <= set(catalogue.table["id"])
    assert reviews["rating"].between(1, 5).all() and (reviews["helpful"] >= 0).all()
    assert reviews["date"].is_monotonic_increasing
    for column in ("text", "text_zh"):
        assert (reviews[column] != "").all()
    joined = drawn.sentences.groupby("review")["text"].agg(". ".join)
    assert (joined[reviews["review"]].to_numpy() == reviews["text"]).all()
    assert not reviews["text_zh"].str.contains("[a-z]").any()
    assert set(drawn.truth["kind"]) == {"plain", "sarcastic", "delivery", "fake"}
    assert set(drawn.sentences["aspect"]) == {*ASPECTS, "delivery", ""}


def test_honest_ratings_tend_to_the_true_stars(drawn):
    honest = drawn.reviews[drawn.truth["kind"].isin(["plain", "sarcastic"])]
    means = honest.groupby("product")["rating"].agg(["mean", "size"])
    true = drawn.quality.set_index("product")["stars"][means.index]
    many = means["size"] >= 15
    assert np.corrcoef(means["mean"][many], true[many])[0, 1] > 0.85
    assert abs(np.average(means["mean"] - true, weights=means["size"])) < 0.12


def test_what_is_written_of_an_aspect_follows_its_quality(drawn):
    told = drawn.sentences.merge(drawn.truth).merge(drawn.reviews[["review", "product"]])
    told = told[told["kind"] == "plain"]
    for aspect in ASPECTS:
        true = drawn.quality.set_index("product")[aspect]
        of_it = told[told["aspect"] == aspect]
        good = of_it["positive"].to_numpy()
        assert true[of_it["product"]][good == 1].mean() > true[of_it["product"]][good == 0].mean()


def test_sarcasm_praises_and_fakes_come_in_bursts(drawn):
    kind = drawn.truth["kind"].to_numpy()
    assert drawn.reviews["rating"][kind == "sarcastic"].max() == 2
    fake = drawn.reviews[kind == "fake"]
    days = fake.groupby("product")["date"].agg(lambda dates: (dates.max() - dates.min()).days)
    assert days.max() <= 60
    assert fake.groupby("product")["rating"].nunique().max() == 1


def test_returns_follow_the_quality(drawn):
    rate = drawn.purchases.groupby("product")["returned"].agg(["mean", "size"])
    true = drawn.quality.set_index("product")["returned"][rate.index]
    assert abs(np.average(rate["mean"] - true, weights=rate["size"])) < 0.03
    assert drawn.quality["returned"].corr(drawn.quality["fit"]) < -0.5


def test_a_catalogue_of_titles_alone_says_what_is_missing():
    drawn = draw_reviews(small_shop(80), per_product=2)
    assert len(drawn.notes) == 3 and "titles stand in" in drawn.notes[0]
    assert len(drawn.reviews) and np.isfinite(drawn.quality[list(ASPECTS)].to_numpy()).all()


@pytest.mark.parametrize("wrong", [{"per_product": 0}, {"sold": 0}, {"seed": -1}])
def test_counts_that_make_no_sense_are_refused(catalogue, wrong):
    with pytest.raises(TutorialError, match=next(iter(wrong))):
        draw_reviews(catalogue, **wrong)
