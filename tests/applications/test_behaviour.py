"""Forecasts of a purchase: nothing of the future gets in, and what matters is learnt."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from mmtutorial import TutorialError
from mmtutorial.applications.behaviour import SessionReader, boosting, session_counts

START = pd.Timestamp("2025-01-01", tz="UTC")


def session(name, shopper, hour, *events):
    """Events as ("view", item), ten seconds apart."""
    return pd.DataFrame(
        {
            "shopper": shopper,
            "session": name,
            "time": [START + pd.Timedelta(hours=hour, seconds=10 * n) for n in range(len(events))],
            "event": [event for event, _ in events],
            "item": [item for _, item in events],
        }
    )


PRICES = pd.Series([10.0, 20.0, 30.0])
VIEWS = [("view", 0), ("view", 1), ("view", 2)]


def test_counts_are_those_of_the_moment():
    events = pd.concat(
        [
            session("1", "ann", 0, *VIEWS[:2], ("basket", 1), ("purchase", 1)),
            session("2", "ann", 48, *VIEWS, ("basket", 2), ("purchase", 2)),
        ],
        ignore_index=True,
    )
    found = session_counts(events, PRICES, after=2)
    assert found.bought.tolist() == [True, True] and found.gaps[1].tolist() == [0, 10]
    second = found.counts.iloc[1]
    assert second[["items", "price", "sessions", "purchases"]].tolist() == [2, 15, 1, 1]
    assert second["days since"] == pytest.approx(2, abs=0.01)
    assert found.counts["days since"].iloc[0] == pytest.approx(1000, abs=0.01)
    shorter = events.drop(index=events.index[-3:])  # nothing after the second view
    pd.testing.assert_series_equal(session_counts(shorter, PRICES, 2).counts.iloc[1], second)


def test_a_session_that_has_its_basket_already_is_no_question():
    events = session("1", "ann", 0, VIEWS[0], ("basket", 0), *VIEWS[1:])
    with pytest.raises(TutorialError, match="no session has 3 views before its first basket"):
        session_counts(events, PRICES, after=3)


def test_a_table_without_events_is_named():
    events = session("1", "ann", 0, *VIEWS).drop(columns="event")
    with pytest.raises(TutorialError, match="no column 'event'"):
        session_counts(events, PRICES)


@pytest.mark.slow
def test_both_learn_that_some_items_are_bought():
    rng = np.random.default_rng(0)
    price, parts = pd.Series(rng.uniform(5, 50, 30)), []
    for number in range(400):
        items = rng.integers(0, 30, 3)
        views = [("view", item) for item in items]
        buys = rng.random() < (0.9 if price[items].mean() < 25 else 0.1)
        ending = [("basket", items[2]), ("purchase", items[2])] if buys else []
        parts.append(session(str(number), f"s{number}", number, *views, *ending))
    found = session_counts(pd.concat(parts, ignore_index=True), price)
    early = np.arange(400) < 300
    train, test = found.subset(early), found.subset(~early)
    trees = boosting().fit(train.counts, train.bought).predict_proba(test.counts)[:, 1]
    reader = SessionReader(((price - 25) / 10).to_numpy()[:, None], epochs=15, batch_size=32)
    for chances in (trees, reader.fit(train).predict(test)):
        assert ((chances >= 0) & (chances <= 1)).all()
        assert roc_auc_score(test.bought, chances) > 0.8
