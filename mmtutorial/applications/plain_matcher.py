"""A matcher that needs no gold pairs: one weight for each feature, in a JSON file (lesson 14).

``plain_matcher.json`` is what ``mmtutorial match`` uses without ``--gold``. Its text "made" says
what it was learnt on; ``PlainMatcher.fit`` makes another.
"""

import json
from collections.abc import Sequence
from importlib import resources

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mmtutorial.applications.offer_matching import best_threshold


class PlainMatcher:
    """Logistic regression over the features of a pair; what is not known counts as average.

    The chance is σ(Σ w (x - mean) / scale + offset), and a feature that is NaN adds nothing.
    ``content``: a dict of ``features`` (names), ``mean``, ``scale``, ``weights`` (as long),
    ``offset``, ``threshold`` and ``made``. Defined in lesson 14.
    """

    def __init__(self, content: dict):
        self.content = content
        self.names: Sequence[str] = content["features"]
        self.threshold: float = content["threshold"]

    @classmethod
    def shipped(cls) -> "PlainMatcher":
        """The one in ``plain_matcher.json``."""
        file = resources.files("mmtutorial.applications").joinpath("plain_matcher.json")
        return cls(json.loads(file.read_text(encoding="utf-8")))

    @classmethod
    def fit(cls, features: pd.DataFrame, same: ArrayLike, made: str = "") -> "PlainMatcher":
        """Learn the weights; the threshold is the one with the highest F1 on the same pairs.

        Two classes, weighted as they are; L2 with C = 1 (scikit-learn). ``made``: what it is
        learnt on, for the file.
        """
        from sklearn.linear_model import LogisticRegression

        values = features.to_numpy("float64")
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        filled = np.where(known, values, 0)
        mean = filled.sum(axis=0) / count
        scale = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(axis=0) / count)
        scale[scale == 0] = 1
        model = LogisticRegression(max_iter=2000).fit(
            np.where(known, (values - mean) / scale, 0), np.asarray(same, dtype=bool)
        )
        content = {
            "made": made,
            "features": list(features),
            "mean": mean.round(6).tolist(),
            "scale": scale.round(6).tolist(),
            "weights": model.coef_[0].round(4).tolist(),
            "offset": round(float(model.intercept_[0]), 4),
            "threshold": 0.5,
        }
        content["threshold"] = round(best_threshold(cls(content).scores(features), same), 4)
        return cls(content)

    def scores(self, features: pd.DataFrame) -> np.ndarray:
        """Chances from 0 to 1, ``(n_pairs,)``."""
        values = features[list(self.names)].to_numpy("float64")
        mean, scale, weights = (np.array(self.content[n]) for n in ("mean", "scale", "weights"))
        shares = np.where(np.isfinite(values), (values - mean) / scale * weights, 0)
        return 1 / (1 + np.exp(-(shares.sum(axis=1) + self.content["offset"])))
