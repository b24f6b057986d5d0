"""Drawn shoppers: what they do follows from what they like, on any catalogue."""

import numpy as np
import pandas as pd
import pytest
from small_catalogue import small_catalogue

from mmtutorial import TutorialError
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.drawn_shoppers import (
    START,
    Tastes,
    draw_shoppers,
    photo_style,
    title_words,
)


@pytest.fixture(scope="module")
def drawn():
    return draw_shoppers(small_catalogue(120), n_shoppers=150, days=100, seed=3)


def test_the_same_seed_draws_the_same_and_more_shoppers_change_no_shopper(drawn):
    few = draw_shoppers(small_catalogue(120), n_shoppers=20, days=100, seed=3)
    first = drawn.events[drawn.events["shopper"] < "s00020"].reset_index(drop=True)
    pd.testing.assert_frame_equal(few.events, first)
    other = draw_shoppers(small_catalogue(120), n_shoppers=20, days=100, seed=4)
    assert not other.events.equals(few.events)


def test_events_are_in_order_and_of_products_that_are_there(drawn):
    events = drawn.events
    assert events["time"].is_monotonic_increasing
    assert events["item"].isin(small_catalogue(120).table["id"]).all()
    assert set(events["event"]) == {"view", "basket", "purchase", "return"}
    assert ((events["place"] > 0) == (events["event"] == "view")).all()
    first = events[events["event"] != "return"].groupby(["session", "item"])["event"].agg(list)
    assert first.map(lambda each: each == ["view", "basket", "purchase"][: len(each)]).all()


def test_what_is_clicked_is_truly_liked_more_than_what_is_not(drawn):
    views = drawn.events[drawn.events["event"] == "view"]
    rows = views["item"].astype(int).to_numpy()
    utility = drawn.tastes.utility(views["shopper"], views["time"])
    assert utility[np.arange(len(rows)), rows].mean() > utility.mean() + 0.5


def test_places_further_down_are_clicked_less(drawn):
    places = drawn.events.loc[drawn.events["place"] > 0, "place"]
    assert (places <= 5).mean() > 1.5 * ((places > 10) & (places <= 15)).mean()


def test_new_products_are_seen_only_from_their_day_on(drawn):
    new = small_catalogue(120).table["id"][drawn.new]
    times = drawn.events.loc[drawn.events["item"].isin(new), "time"]
    assert 0 < len(new) < 40 and len(times) > 10
    assert (times >= drawn.new_from).all()


def test_tastes_drift_and_seasons_turn():
    features = np.eye(2, dtype="float32")
    tastes = Tastes(
        features, {}, np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]),
        np.zeros(2), np.array([0.0, np.nan]), np.array(["a"]), days=100,
    )  # fmt: skip
    early, late = tastes.utility(["a", "a"], [START, START + pd.Timedelta(days=182.5)])
    assert early == pytest.approx([1.8, 0.0])  # liked, and at its time of the year
    assert late == pytest.approx([-0.8, 1.0], abs=0.01)


def test_an_unknown_shopper_is_named(drawn):
    with pytest.raises(TutorialError, match="no shopper 'nobody'"):
        drawn.tastes.utility(["nobody"], [START])


def test_a_catalogue_with_titles_alone_still_has_shoppers_and_says_what_is_left_out():
    full = small_catalogue(60)
    table = full.table.copy()
    for column in table.columns.difference(["id", "title", "photo_hash", "price"]):
        table[column] = ""
    table["title"] = [title.split()[row % 4] for row, title in enumerate(table["title"])]
    drawn = draw_shoppers(Catalogue("bare", table, full.photos), n_shoppers=20)
    assert list(drawn.tastes.parts) == ["style", "words"] and len(drawn.events) > 50
    assert [note.split(":")[0] for note in drawn.notes] == [
        "no article type", "no brands to like or dislike", "no colours to like or dislike",
        "no prices", "no season",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [{"n_shoppers": 1}, {"days": 9}, {"sessions": 0}])
def test_numbers_that_are_too_small_are_named(number):
    with pytest.raises(TutorialError, match=next(iter(number))):
        draw_shoppers(small_catalogue(40), **number)


def test_too_few_products_are_refused():
    with pytest.raises(TutorialError, match="8 products are too few"):
        draw_shoppers(small_catalogue(8))


def test_style_is_of_the_photo_and_words_of_the_title_alone():
    dark, light = np.full((80, 60, 3), 20, "uint8"), np.full((80, 60, 3), 255, "uint8")
    light[10:70, 10:50] = (250, 120, 120)
    bright, colourful, _ = (photo_style(np.stack([dark, light]))[1] > 0).tolist()
    assert bright and colourful
    titles = ["Acme Nova Tee", "Acme Echo Tee", "Acme Tees", "Acme Bag"] * 5
    table = pd.DataFrame({"title": titles, "brand": "Acme", "article_type": "Tees"})
    assert set(title_words(table)) == {"nova", "echo", "bag"}
