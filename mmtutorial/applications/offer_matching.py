"""Matching: is this pair of offers the same product? (lesson 14)

``split_by_entity`` keeps all offers of a product in one part, a ``PairExam`` holds what is learnt
from and what is measured, ``Booster`` is the strong plain matcher (gradient boosting on the
features of a pair), and ``compare_f1`` says whether one matcher is better than another.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mmtutorial import TutorialError
from mmtutorial.applications.offer_blocking import contains
from mmtutorial.applications.offer_clusters import components
from mmtutorial.metrics.significance import Comparison

TRAIN, VALIDATION, TEST = 0, 1, 2
EVERYWHERE = -1  # an offer that is nobody's match: it stands in the gallery of every part


class Agreement(NamedTuple):
    """Found pairs against true ones; F1 is the harmonic mean of precision and recall."""

    precision: float
    recall: float
    f1: float


def agreement(found: ArrayLike, same: ArrayLike, n_true: int | None = None) -> Agreement:
    """How well ``found``, ``(n_pairs,)`` bool, agrees with ``same``, the truth of these pairs.

    ``n_true``: how many true pairs there are in all; those that blocking has lost count as missed.
    None: all are among these pairs. Defined in lesson 14.

    >>> agreement([True, True, False], [True, False, False], n_true=2)
    Agreement(precision=0.5, recall=0.5, f1=0.5)
    """
    found, same = np.asarray(found, dtype=bool), np.asarray(same, dtype=bool)
    hits, claimed = int((found & same).sum()), int(found.sum())
    wanted = int(same.sum()) if n_true is None else n_true
    return Agreement(
        hits / claimed if claimed else 0.0,
        hits / wanted if wanted else 0.0,
        2 * hits / (claimed + wanted) if claimed + wanted else 0.0,
    )


def best_threshold(scores: ArrayLike, same: ArrayLike, n_true: int | None = None) -> float:
    """The threshold with the highest F1: "the same" from this score on. For a validation part.

    Raises ``TutorialError`` where no pair is the same product: no threshold is better then.

    >>> best_threshold([0.9, 0.8, 0.4, 0.1], [True, True, False, False])
    0.6000000000000001
    """
    scores, same = np.asarray(scores, dtype=float), np.asarray(same, dtype=bool)
    if not same.any():
        raise TutorialError("no validation pair is the same product: give more gold pairs")
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(same[order])
    wanted = int(same.sum()) if n_true is None else n_true
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + wanted)
    f1[:-1][ranked[:-1] == ranked[1:]] = 0  # equal scores stand or fall together
    cut = int(f1.argmax())
    below = ranked[cut + 1] if cut + 1 < len(ranked) else ranked[cut]
    return float((ranked[cut] + below) / 2)


def split_by_entity(
    n_left: int, n_right: int, gold: ArrayLike, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A part for each offer of two tables, ``(n_left,)`` and ``(n_right,)`` int.

    Offers that gold pairs link are one product, and stand in one part: TRAIN (three fifths of the
    products), VALIDATION or TEST (a fifth each). A left offer without a gold pair is a product of
    its own. A right one without is EVERYWHERE. Defined in lesson 14.
    """
    gold = np.asarray(gold, dtype=int).reshape(-1, 2)
    part = parts_of(components(n_left + n_right, np.add(gold, [0, n_left])), seed)
    right = np.where(np.isin(np.arange(n_right), gold[:, 1]), part[n_left:], EVERYWHERE)
    return part[:n_left], right


def parts_of(products: ArrayLike, seed: int = 0) -> np.ndarray:
    """TRAIN, VALIDATION or TEST for each offer, ``(n,)`` int; one part for each product.

    ``products``: ``(n,)`` names or numbers. A product falls into a part by lot: 3 : 1 : 1.
    """
    numbers, names = pd.factorize(np.asarray(products))
    lot = np.random.default_rng(seed).random(len(names))
    return np.searchsorted([0.6, 0.8], lot, "right")[numbers]


class PairExam(NamedTuple):
    """Pairs whose truth is known, in three parts.

    ``same``: ``(n_pairs,)`` bool. ``rows``: which pairs to learn from, to choose the threshold
    with, and to be measured with. ``n_true``: how many true pairs there are of each part, those
    that blocking lost included. ``groups``: ``(n_pairs,)``, the pairs that are drawn together in
    ``compare_f1``; ``lost``: the groups of the true pairs of the test that blocking lost.
    """

    same: np.ndarray
    rows: tuple[np.ndarray, np.ndarray, np.ndarray]
    n_true: tuple[int, int, int]
    groups: np.ndarray
    lost: np.ndarray

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """ "The same" or not for each pair, ``(n_pairs,)`` bool, by the validation's threshold."""
        return scores >= self.threshold(scores)

    def threshold(self, scores: np.ndarray) -> float:
        """The ``best_threshold`` of the validation part."""
        chosen = self.rows[VALIDATION]
        return best_threshold(scores[chosen], self.same[chosen], self.n_true[VALIDATION])

    def measure(self, found: np.ndarray, part: int = TEST) -> Agreement:
        """Precision, recall and F1 of a part."""
        rows = self.rows[part]
        return agreement(found[rows], self.same[rows], self.n_true[part])

    def compare(self, one: np.ndarray, other: np.ndarray) -> Comparison:
        """``compare_f1`` of two decisions, on the test part."""
        tested = self.rows[TEST]
        same, groups = self.same[tested], self.groups[tested]
        return compare_f1(one[tested], other[tested], same, groups, self.lost)


def pair_exam(
    pairs: np.ndarray, gold: np.ndarray, left_part: np.ndarray, right_part: np.ndarray
) -> PairExam:
    """The exam of all candidates of a blocking, by the parts of their offers.

    To be measured with: each candidate that a test offer is in, whatever part the other is of. To
    learn from, and to choose with: only pairs whose two offers are of the part, or EVERYWHERE. So
    a test product is never seen before, and no candidate is taken out to make its test easier.
    """
    pairs, gold = np.asarray(pairs), np.asarray(gold)
    parts = np.column_stack([left_part[pairs[:, 0]], right_part[pairs[:, 1]]])
    inside = [np.isin(parts, [part, EVERYWHERE]).all(axis=1) for part in (TRAIN, VALIDATION)]
    rows = [*map(np.flatnonzero, inside), np.flatnonzero((parts == TEST).any(axis=1))]
    of_gold = left_part[gold[:, 0]]
    gone = gold[(of_gold == TEST) & ~contains(pairs, gold)]
    n_true = [int((of_gold == part).sum()) for part in range(3)]
    return PairExam(
        contains(gold, pairs),
        (rows[0], rows[1], rows[2]),
        (n_true[0], n_true[1], n_true[2]),
        pairs[:, 0],
        gone[:, 0],
    )


class Booster:
    """Gradient boosting over the features of a pair: the strong plain matcher. Lesson 14.

    scikit-learn's histogram trees, which read NaN as "not known". ``fit`` learns from features
    ``(n_pairs, n_features)`` and ``same`` ``(n_pairs,)``; ``scores`` gives the chance that a pair
    is the same product, ``(n_pairs,)`` float. The mean of ``models`` trainings, a seed each.
    """

    def __init__(self, seed: int = 0, models: int = 3):
        self.seed, self.models = seed, models

    def fit(self, features: pd.DataFrame, same: ArrayLike) -> "Booster":
        """Learn; raises ``TutorialError`` where all pairs are the same, or none is."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        same = np.asarray(same, dtype=bool)
        if same.all() or not same.any():
            raise TutorialError(
                f"{same.sum()} of {len(same)} training pairs are the same product: to learn, there "
                "must be some of both kinds; give more gold pairs"
            )
        self.names = [name for name in features if features[name].notna().any()]
        values = features[self.names].to_numpy("float32")
        self.trees = [
            HistGradientBoostingClassifier(
                learning_rate=0.06,
                max_iter=150,
                max_leaf_nodes=15,
                l2_regularization=1.0,
                max_features=0.5,
                random_state=self.seed + number,
            ).fit(values, same)
            for number in range(self.models)
        ]
        return self

    def scores(self, features: pd.DataFrame) -> np.ndarray:
        """Chances from 0 to 1, ``(n_pairs,)``."""
        values = features[self.names].to_numpy("float32")
        return np.mean([each.predict_proba(values)[:, 1] for each in self.trees], axis=0)


def compare_f1(
    a: ArrayLike,
    b: ArrayLike,
    same: ArrayLike,
    groups: ArrayLike,
    lost: ArrayLike | None = None,
    resamples: int = 5000,
    seed: int = 0,
) -> Comparison:
    """Is the F1 of ``a`` above that of ``b``? The difference, its 95 % interval and p-value.

    F1 is no mean over pairs, so whole ``groups`` of pairs (those of one product, ``(n_pairs,)``)
    are drawn anew for the interval (bootstrap), and the two answers of a group are swapped for the
    test (permutation), as in lesson 10. ``a``, ``b``: ``(n_pairs,)`` bool; ``lost``: the groups
    of the true pairs that are not among these. Defined in lesson 14.
    """
    groups = np.asarray(groups)
    lost = groups[:0] if lost is None else np.asarray(lost)
    numbers, names = pd.factorize(np.concatenate([groups, lost]))
    of_pair, of_lost = np.split(numbers, [len(groups)])
    same = np.asarray(same, dtype=bool)

    def counted(values, places):
        return np.bincount(places, values, minlength=len(names))

    wanted = counted(same, of_pair) + counted(np.ones(len(of_lost)), of_lost)
    counts = [  # of each group: hits, and claimed + wanted
        np.column_stack(
            [
                counted(np.asarray(found, dtype=bool) & same, of_pair),
                counted(np.asarray(found, dtype=bool), of_pair) + wanted,
            ]
        )
        for found in (a, b)
    ]

    def f1(sums):
        return 2 * sums[..., 0] / np.maximum(sums[..., 1], 1)

    rng = np.random.default_rng(seed)
    seen = f1(counts[0].sum(axis=0)) - f1(counts[1].sum(axis=0))
    drawn, swapped = [], []
    for _ in range(resamples):
        weights = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        drawn.append(f1(weights @ counts[0]) - f1(weights @ counts[1]))
        moved = (rng.random(len(names)) < 0.5) @ (counts[1] - counts[0])
        swapped.append(f1(counts[0].sum(axis=0) + moved) - f1(counts[1].sum(axis=0) - moved))
    low, high = np.quantile(drawn, [0.025, 0.975])
    p = (1 + np.sum(np.abs(swapped) >= abs(seen) - 1e-12)) / (resamples + 1)
    return Comparison(float(seen), float(low), float(high), float(p))
