"""A matcher that needs no gold pairs: one weight for each feature, in a JSON file (lesson 14).

``plain_matcher.json`` is what ``mmtutorial match`` uses without ``--gold``; ``make_shipped`` has
made it, from offers drawn for the demo shop.
"""

import json
from importlib import resources

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mmtutorial import TutorialError
from mmtutorial.applications.offer_blocking import candidate_pairs
from mmtutorial.applications.offer_features import PairFeatures, photo_codes
from mmtutorial.applications.offer_tables import in_one_currency
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.drawn_offers import DOLLARS, draw_offers

MISSING = (  # what other tables may lack: hidden together, each from half of the pairs
    ["price ratio"],
    ["photo cosine"],
    ["attributes equal", "attributes differ"],
    ["model equal", "model cosine"],
    ["brand equal", "brand in title"],
)


class PlainMatcher:
    """Logistic regression over the features of a pair; what is not known counts as average.

    The chance is σ(Σ w (x - mean) / scale + offset), and a feature that is NaN adds nothing.
    ``content``: a dict of ``features`` (names), ``mean``, ``scale``, ``weights`` (as long),
    ``offset``, ``threshold`` and ``made``. Defined in lesson 14.
    """

    def __init__(self, content: dict):
        self.content = content
        self.names: list[str] = content["features"]
        self.threshold: float = content["threshold"]

    @classmethod
    def shipped(cls) -> "PlainMatcher":
        """The one in ``plain_matcher.json``."""
        file = resources.files("mmtutorial.applications").joinpath("plain_matcher.json")
        return cls(json.loads(file.read_text(encoding="utf-8")))

    @classmethod
    def fit(
        cls, features: pd.DataFrame, same: ArrayLike, precision: float = 0.95, made: str = ""
    ) -> "PlainMatcher":
        """Learn the weights, L2 with C = 1 (scikit-learn), and the threshold.

        The threshold is strict: so high that of the pairs above it the share ``precision`` is the
        same product. ``made``: what it is learnt on, for the file. Raises ``TutorialError`` where
        no threshold is strict enough.
        """
        from sklearn.linear_model import LogisticRegression

        values, same = features.to_numpy("float64"), np.asarray(same, dtype=bool)
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / count
        scale = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(axis=0) / count)
        scale[scale == 0] = 1
        model = LogisticRegression(max_iter=2000).fit(
            np.where(known, (values - mean) / scale, 0), same
        )
        content = {
            "made": made,
            "features": list(features),
            "mean": mean.round(6).tolist(),
            "scale": scale.round(6).tolist(),
            "weights": model.coef_[0].round(4).tolist(),
            "offset": round(float(model.intercept_[0]), 4),
            "threshold": 1.0,
        }
        scores = cls(content).scores(features)
        order = np.argsort(-scores, kind="stable")
        right = np.cumsum(same[order]) / np.arange(1, len(order) + 1)
        if not (right >= precision).any():
            raise TutorialError(f"no threshold has a precision of {precision}: ask for less")
        last = np.flatnonzero(right >= precision)[-1]
        return cls({**content, "threshold": round(float(scores[order[last]]), 4)})

    def scores(self, features: pd.DataFrame) -> np.ndarray:
        """Chances from 0 to 1, ``(n_pairs,)``; a feature that is not there counts as not known."""
        values = features.reindex(columns=self.names).to_numpy("float64")
        mean, scale, weights = (np.array(self.content[n]) for n in ("mean", "scale", "weights"))
        shares = np.where(np.isfinite(values), (values - mean) / scale * weights, 0)
        return 1 / (1 + np.exp(-(shares.sum(axis=1) + self.content["offset"])))


def make_shipped(catalogue: Catalogue, n_products: int = 1500, seed: int = 14) -> PlainMatcher:
    """A ``PlainMatcher`` learnt on offers that are drawn for a catalogue, four sellers a table.

    The candidates are learnt from as they are, and three times more with some of their evidence
    hidden (``MISSING``), so that no weight leans on what another table does not have.
    """
    drawn = draw_offers(catalogue, n_products, seed)
    sellers = sorted(drawn.table["seller"].unique())
    sides = [
        np.flatnonzero(drawn.table["seller"].isin(each)) for each in (sellers[::2], sellers[1::2])
    ]
    left, right = (drawn.table.iloc[rows].reset_index(drop=True) for rows in sides)
    pairs = candidate_pairs(left["title"], right["title"])
    product = drawn.truth["product"].to_numpy()
    same = product[sides[0]][pairs[:, 0]] == product[sides[1]][pairs[:, 1]]
    amounts = in_one_currency(drawn.table, DOLLARS).to_numpy()
    codes = photo_codes(drawn.photos)
    features = PairFeatures(
        left,
        right,
        prices=(amounts[sides[0]], amounts[sides[1]]),
        photos=(codes[sides[0]], codes[sides[1]]),
    ).of(pairs, rivals=True)
    rng, hidden = np.random.default_rng(seed), []
    for _ in range(3):
        hidden.append(features.copy())
        for names in MISSING:
            hidden[-1].loc[rng.random(len(features)) < 0.5, names] = np.nan
    made = (
        f"learnt on {len(pairs):,} candidate pairs of {len(drawn.table):,} offers that "
        f"draw_offers draws for {n_products:,} products of the catalogue {catalogue.name!r} (seed "
        f"{seed}), and on three copies with evidence hidden; 95 % of the pairs above the threshold "
        "are right there"
    )
    return PlainMatcher.fit(pd.concat([features, *hidden]), np.tile(same, 4), made=made)
