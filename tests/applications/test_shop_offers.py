"""The offers that the shop shows beside a product."""

import numpy as np
import pytest
from small_catalogue import small_catalogue

from mmtutorial import TutorialError
from mmtutorial.applications.shop_offers import find_offers, offers_of
from mmtutorial.catalogue.drawn_offers import DOLLARS, draw_offers


@pytest.fixture(scope="module")
def shop():
    catalogue = small_catalogue(n=80)
    catalogue.table["title"] = [f"{t} no{n}" for n, t in enumerate(catalogue.table["title"])]
    catalogue.table["price"] = np.linspace(20, 60, 80)
    return catalogue, draw_offers(catalogue, 60, seed=2)


@pytest.fixture(scope="module")
def found(shop):
    catalogue, drawn = shop
    return find_offers(catalogue, drawn.table, drawn.photos, DOLLARS)


def test_offers_stand_beside_the_product_that_they_show(shop, found):
    truth = shop[1].truth.set_index("id")
    assert len(found) > 0.3 * len(truth) and found["id"].is_unique
    assert (truth.loc[found["id"], "shown"].to_numpy() == found["product"].to_numpy()).mean() > 0.8


def test_they_come_by_price_in_one_currency_and_as_the_seller_gave_it(shop, found):
    product = found["product"].value_counts().index[0]
    mine = offers_of(found, product)
    honest = mine.loc[~mine["too_cheap"], "amount"]
    assert len(mine) > 1 and honest.is_monotonic_increasing
    given = shop[1].table.set_index("id").loc[mine["id"]]
    assert (given["price"].to_numpy() == mine["price"].to_numpy()).all()
    assert (given["currency"].to_numpy() == mine["currency"].to_numpy()).all()
    assert np.allclose(mine["amount"], mine["price"] * mine["currency"].map(DOLLARS))
    assert offers_of(found, "unknown").empty


def test_a_wrong_attribute_and_a_price_too_low_are_flagged(shop):
    catalogue, drawn = shop
    table = drawn.table.iloc[:0]
    first = catalogue.table.iloc[0]
    offer = {
        "title": first["title"], "brand": first["brand"], "model": "", "currency": "USD",
        "attributes": {"colour": first["colour"]},
    }  # fmt: skip
    prices = (20.0, 22.0, 5.0)
    for number, price in enumerate(prices):
        table.loc[number] = {**offer, "id": f"o{number}", "seller": "S", "price": price}
    table.at[1, "attributes"] = {"colour": "no such colour"}
    found = find_offers(catalogue, table, rates=DOLLARS).set_index("id")
    assert found.index[found["odd"] == "colour"].tolist() == ["o1"]
    assert not found.loc[["o0", "o1"], "too_cheap"].any()
    assert "o2" not in found.index or found.loc["o2", "too_cheap"]


def test_mixed_currencies_and_a_shop_without_titles(shop):
    catalogue, drawn = shop
    with pytest.raises(TutorialError, match="prices are in EUR, GBP, INR, USD"):
        find_offers(catalogue, drawn.table)
    untitled = small_catalogue(n=8)
    untitled.table["title"] = ""
    with pytest.raises(TutorialError, match="no product of 'small' has a title"):
        find_offers(untitled, drawn.table, rates=DOLLARS)
