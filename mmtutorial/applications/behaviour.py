"""What a session will lead to: will it buy? (lesson 12).

``session_counts`` says in a few numbers what a shopper has done so far, for a gradient boosting;
``SessionReader`` reads the session's views one after the other. Both see only what happened before
the moment of the forecast.
"""

from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.ensemble import HistGradientBoostingClassifier

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.catalogue.rows import check_names
from mmtutorial.matching.training import Batches, train

NEVER = 1000  # days since the last session of who has had none
COLUMNS = ["shopper", "session", "time", "event", "item"]


class Forecasts(NamedTuple):
    """Sessions at the moment of their n-th view, and whether they bought after it.

    ``sessions``: a row each, ``session``, ``shopper``, ``time``; ``views``: n arrays of items, the
    views so far; ``gaps``: n arrays, the seconds before each of them (0 for the first);
    ``counts``: a table of numbers, row for row; ``bought``: ``(n,)`` bool.
    """

    sessions: pd.DataFrame
    views: list[np.ndarray]
    gaps: list[np.ndarray]
    counts: pd.DataFrame
    bought: np.ndarray

    def subset(self, chosen) -> "Forecasts":
        """The sessions of a bool mask."""
        rows = np.flatnonzero(chosen)
        return Forecasts(
            self.sessions.iloc[rows].reset_index(drop=True),
            [self.views[row] for row in rows],
            [self.gaps[row] for row in rows],
            self.counts.iloc[rows].reset_index(drop=True),
            self.bought[rows],
        )


def session_counts(events: pd.DataFrame, price: pd.Series, after: int = 3) -> Forecasts:
    """Each session with at least ``after`` views, as it was known at that view.

    ``events``: ``shopper, session, time, event, item``, in the order of time; ``item`` are rows of
    ``price``. A session that put something into the basket before is left out: the question is
    answered already. The counts: items and price so far, seconds so far, hour, and of earlier
    sessions of the shopper how many there were, how many bought, and the days since the last
    (``NEVER`` for a first session).

    Raises ``TutorialError`` where a column is missing, or no session has so many views.
    """
    check_whole(after=after, low=1)
    check_names(events, COLUMNS, "the table of events")
    events = events[events["event"] != "return"].reset_index(drop=True)
    event, item = events["event"].to_numpy(str), events["item"].to_numpy()
    seconds = (events["time"] - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy()
    prices, hours = price.to_numpy(), events["time"].dt.hour.to_numpy()
    asked, counts, bought = [], [], []
    past: dict = {}  # shopper → sessions, purchases, the last moment so far
    for rows in events.groupby("session", sort=False).indices.values():
        shopper, buys = events["shopper"].iat[rows[0]], "purchase" in event[rows]
        seen, purchases, last = past.get(shopper, (0, 0, seconds[rows[0]] - NEVER * 86_400))
        past[shopper] = (seen + 1, purchases + buys, seconds[rows[-1]])
        first = rows[:after]
        if len(first) < after or (event[first] != "view").any():
            continue
        asked.append(first)
        bought.append(buys)
        paid, now = prices[item[first]], seconds[first[-1]]
        counts.append(
            {
                "items": len(np.unique(item[first])),
                "price": paid.mean(),
                "cheapest": paid.min(),
                "dearest": paid.max(),
                "seconds": now - seconds[first[0]],
                "hour": hours[first[-1]],
                "sessions": seen,
                "purchases": purchases,
                "share": (purchases + 0.5) / (seen + 1),
                "days since": (now - last) / 86_400,
            }
        )
    if not asked:
        raise TutorialError(
            f"no session has {after} views before its first basket: choose a smaller after"
        )
    moments = events.loc[[rows[-1] for rows in asked], ["session", "shopper", "time"]]
    return Forecasts(
        moments.reset_index(drop=True),
        [item[rows] for rows in asked],
        [np.diff(seconds[rows], prepend=seconds[rows[0]]) for rows in asked],
        pd.DataFrame(counts),
        np.array(bought),
    )


def boosting(seed: int = 0) -> HistGradientBoostingClassifier:
    """The rival: gradient boosting on the counts, small trees."""
    return HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=8, l2_regularization=1.0, random_state=seed
    )


class SessionReader:
    """A GRU that reads the views of a session: the chance that it buys. Defined in lesson 12.

    Each view is the item's ``features`` and the logarithm of the seconds before it; the counts of
    the shopper, standardised, come in at the end. ``fit`` and ``predict`` take ``Forecasts``.
    """

    def __init__(
        self, features: np.ndarray, dim: int = 32, epochs: int = 8, batch_size: int = 128,
        learning_rate: float = 0.003, seed: int = 0,
    ):  # fmt: skip
        check_whole(dim=dim, epochs=epochs, low=1)
        self.features, self.dim = np.asarray(features, dtype="float32"), dim
        self.epochs, self.batch_size = epochs, batch_size
        self.learning_rate, self.seed = learning_rate, seed

    def fit(self, forecasts: Forecasts) -> "SessionReader":
        """Train; ``log`` is the training's log."""
        keras.utils.set_random_seed(self.seed)
        counts = forecasts.counts
        self.mean, self.std = counts.mean(), counts.std().replace(0, 1)
        x = self._inputs(forecasts)
        views = keras.Input(x["views"].shape[1:], name="views")
        numbers = keras.Input(x["counts"].shape[1:], name="counts")
        read = layers.GRU(self.dim)(layers.Dropout(0.2)(views))
        both = layers.Dense(self.dim, "relu")(layers.Concatenate()([read, numbers]))
        chance = layers.Dense(1, "sigmoid")(both)
        self.model = keras.Model({"views": views, "counts": numbers}, chance)
        self.model.compile(keras.optimizers.AdamW(self.learning_rate), "binary_crossentropy")
        y = forecasts.bought.astype("float32")[:, None]
        batches = Batches(x, y, max(2, min(self.batch_size, len(y))), self.seed)
        self.log = train(self.model, batches, self.epochs, self.learning_rate, bar=False)
        return self

    def _inputs(self, forecasts):
        views = np.stack(
            [
                np.column_stack([self.features[items], np.log1p(gaps)])
                for items, gaps in zip(forecasts.views, forecasts.gaps, strict=True)
            ]
        )
        counts = ((forecasts.counts - self.mean) / self.std).fillna(0)
        return {"views": views.astype("float32"), "counts": counts.to_numpy("float32")}

    def predict(self, forecasts: Forecasts) -> np.ndarray:
        """``(n,)``: the chance that each session buys, from 0 to 1."""
        return self.model.predict(self._inputs(forecasts), batch_size=512, verbose=0)[:, 0]
