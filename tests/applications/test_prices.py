import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_pinball_loss

from mmtutorial import TutorialError
from mmtutorial.applications.prices import (
    FairPrice,
    compare_offers,
    coverage,
    odd_attributes,
    offers_of,
    pinball,
    spreads,
    too_cheap,
)


@pytest.fixture
def offers():
    return pd.DataFrame(
        {
            "id": list("abcdef"),
            "price": [100.0, 95.0, 20.0, 90.0, 50.0, np.nan],
            "currency": ["USD", "EUR", "USD", "USD", "USD", "USD"],
            "attributes": [{"colour": "red"}, {"colour": "Red"}, {}, {"colour": "blue"}, {}, {}],
        }
    )


def test_the_cheapest_honest_offer_of_each_product(offers):
    found = compare_offers(offers, [0, 0, 0, 0, 1, 1], {"USD": 1, "EUR": 1.1}).set_index("id")
    assert found.index[found["too_cheap"]].tolist() == ["c"]
    assert found.index[found["cheapest"]].tolist() == ["d", "e"]
    assert found.loc["d", "odd"] == "colour" and (found["odd"] != "").sum() == 1
    assert found.loc["b", "amount"] == pytest.approx(104.5)


def test_a_products_offers_by_price_and_the_suspicious_last(offers):
    compared = compare_offers(offers, [0, 0, 0, 0, 1, 1], {"USD": 1, "EUR": 1.1})
    assert offers_of(compared, 0)["id"].tolist() == ["d", "a", "b", "c"]
    assert offers_of(compared, 1)["id"].tolist() == ["e", "f"]  # no price: after those with one
    with pytest.raises(TutorialError, match="no offer has the cluster 7"):
        offers_of(compared, 7)


def test_spread_leaves_out_what_is_too_cheap(offers):
    compared = compare_offers(offers, [0, 0, 0, 0, 1, 1], {"USD": 1, "EUR": 1.1})
    table = spreads(compared)
    assert table["cluster"].tolist() == [0] and table["lowest"][0] == 90
    assert table["saving"][0] == pytest.approx(0.1)


def test_mixed_currencies_and_wrong_numbers_of_clusters(offers):
    with pytest.raises(TutorialError, match="prices are in EUR, USD"):
        compare_offers(offers, [0] * 6)
    with pytest.raises(TutorialError, match="negative"):
        compare_offers(offers.assign(price=-1.0, currency="USD"), [0] * 6)
    with pytest.raises(TutorialError, match="5 cluster numbers for 6 offers"):
        compare_offers(offers, [0] * 5)


def test_nobody_is_too_cheap_alone():
    assert not too_cheap([5, 100, np.nan, 90], [0, 1, 2, 3]).any()
    assert too_cheap([5, 100, np.nan, 90], [0, 0, 0, 0]).tolist() == [True, False, False, False]


def test_one_against_one_is_not_odd():
    assert odd_attributes([{"c": "red"}, {"c": "blue"}], [0, 0]) == ["", ""]
    assert odd_attributes([{"c": "red"}, {"c": "blue"}, {"c": "blue"}], [0, 0, 1]) == [""] * 3


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_pinball_agrees_with_scikit_learn_and_is_lowest_at_the_quantile(level):
    prices = np.random.default_rng(0).lognormal(3, 1, 500)
    flat = np.full(500, np.quantile(prices, level))
    assert pinball(prices, flat, level) == pytest.approx(
        mean_pinball_loss(prices, flat, alpha=level)
    )
    assert pinball(prices, flat, level) < min(pinball(prices, flat * f, level) for f in (0.7, 1.4))


def test_fair_prices_follow_the_features_and_cover_most():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 3))
    prices = np.exp(3 + features[:, 0] + rng.normal(0, 0.3, 600))
    model = FairPrice().fit(features[:400], prices[:400])
    low, middle, high = model.predict(features[400:]).T
    assert ((low <= middle) & (middle <= high)).all()
    error = np.abs(middle - prices[400:]).mean()
    assert error < 0.6 * np.abs(np.median(prices[:400]) - prices[400:]).mean()
    assert 0.55 < coverage(prices[400:], low, high) < 0.95
    with pytest.raises(TutorialError, match="1 of 400 prices are not above 0"):
        FairPrice().fit(features[:400], np.where(np.arange(400) == 3, 0, prices[:400]))
