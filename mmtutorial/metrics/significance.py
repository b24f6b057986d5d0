"""Is the difference more than luck? Intervals and tests for paired values (lesson 10).

All compare two systems on the same queries. ``compare`` does both the interval and the test;
``compare_all`` does them for several pairs, and corrects for their number.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from mmtutorial import TutorialError
from mmtutorial.metrics.evaluation import Evaluation

# One Evaluation; several of one system, a seed each; or (n_queries,) values.
System = Evaluation | Sequence[Evaluation] | ArrayLike


class Comparison(NamedTuple):
    """How much a system ``a`` is better than ``b``; its text says it in one sentence.

    ``difference``: the mean of a - b over the queries; ``low``, ``high``: its interval; ``p``: how
    often chance alone would make such a difference; ``confidence``: of the interval;
    ``comparisons``: how many were made together. Interval and p are corrected for that number.
    """

    difference: float
    low: float
    high: float
    p: float
    confidence: float = 0.95
    comparisons: int = 1

    @property
    def verdict(self) -> str:
        """ "better" or "worse", where neither interval nor test puts it down to chance."""
        if self.low <= 0 <= self.high or self.p >= 0.05:
            return "no difference shown"
        return "better" if self.difference > 0 else "worse"

    def __str__(self):
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"
        several = f" (of {self.comparisons} comparisons)" if self.comparisons > 1 else ""
        return (
            f"{self.difference:+.3f}, {100 * self.confidence:.3g} % interval [{self.low:+.3f}, "
            f"{self.high:+.3f}], {p}{several}: {self.verdict}"
        )


def compare(a: System, b: System, metric: str | None = None) -> Comparison:
    """Is ``a`` better than ``b`` by this metric? The difference, its 95 % interval and p-value.

    Parameters
    ----------
    a, b : two ``Evaluation`` of the same queries; or lists of them, one for each seed, of which
        each query's mean is compared; or one value a query, ``(n_queries,) float``
    metric : a name such as "R@10"; None for values

    Raises TutorialError where a and b do not pair up, hold NaN, have fewer than 2 queries, or were
    not evaluated by the metric.

    >>> print(compare([0.6, 0.7, 0.8, 0.9], [0.5, 0.5, 0.7, 0.6]))
    +0.175, 95 % interval [+0.100, +0.250], p = 0.125: no difference shown
    """
    return compare_all({"a − b": (a, b)}, metric)["a − b"]


def compare_all(
    pairs: Mapping[Hashable, tuple[System, System]], metric: str | None = None
) -> dict[Hashable, Comparison]:
    """``compare`` for several pairs at once, corrected for their number.

    Of 20 differences that are luck, one has p < 0.05. So the p-values are Holm's (``holm``), and
    with m pairs each interval has the confidence 1 - 0.05 / m (Bonferroni): the chance that any of
    them misses its true difference is at most 5 %. ``pairs``: ``{name: (a, b)}``.

    >>> strong, weak = np.arange(40) % 4 > 0, np.arange(40) % 4 > 1  # hits of 40 queries
    >>> found = compare_all({"strong": (strong, weak), "weak": (weak, weak)})
    >>> print(found["strong"])
    +0.250, 97.5 % interval [+0.100, +0.400], p = 0.004 (of 2 comparisons): better
    """
    values = {name: _paired_values(a, b, metric) for name, (a, b) in pairs.items()}
    confidence = 1 - 0.05 / max(1, len(values))
    p_values = holm([permutation_p_value(a, b) for a, b in values.values()])
    return {
        name: Comparison(
            float(np.mean(a - b)),
            *bootstrap_interval(a, b, confidence),
            float(p),
            confidence,
            len(values),
        )
        for (name, (a, b)), p in zip(values.items(), p_values, strict=True)
    }


def comparison_table(comparisons: Mapping[Hashable, Comparison]) -> pd.DataFrame:
    """What ``compare_all`` found as a table: one row a pair, with the verdict.

    >>> found = compare_all({"a − b": ([0.6, 0.7, 0.8, 0.9], [0.5, 0.5, 0.7, 0.6])})
    >>> comparison_table(found).columns.tolist()
    ['difference', 'low', 'high', 'p', 'verdict']
    """
    rows = {name: [*each[:4], each.verdict] for name, each in comparisons.items()}
    table = pd.DataFrame(list(rows.values()), columns=[*Comparison._fields[:4], "verdict"])
    table.index = pd.Index(list(rows))  # names that are tuples make an index of several levels
    return table


def holm(p_values: ArrayLike) -> np.ndarray:
    """p-values corrected for their number, ``(m,) float`` in the order given.

    The smallest is multiplied by m, the next by m - 1, and so on; none falls below the one before,
    and none passes 1 (Holm 1979, "A simple sequentially rejective multiple test procedure"). The
    chance that any comparison is called different by luck then stays below the level of one.

    >>> holm([0.01, 0.04, 0.03, 0.005]).round(3).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)  # m, m - 1, …, 1
    corrected = np.empty_like(p_values)
    corrected[order] = np.maximum.accumulate(np.minimum(1.0, factors * p_values[order]))
    return corrected


def bootstrap_interval(
    a: ArrayLike, b: ArrayLike, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Interval for the mean of ``a - b``: queries drawn anew with replacement, in pairs.

    ``a``, ``b``: ``(n_queries,) float``, one metric of two systems, same queries in the same
    order. Returns ``(low, high)``, the percentile interval (Efron 1979; for retrieval Sakai 2006,
    doi:10.1145/1148170.1148261). Defined in lesson 10.

    Raises TutorialError where a and b do not pair up, hold NaN, or have fewer than 2 queries.

    >>> low, high = bootstrap_interval([0.6, 0.7, 0.8, 0.9], [0.5, 0.5, 0.7, 0.6])
    >>> 0.1 <= low <= 0.175 <= high <= 0.3  # around the mean of the differences
    True
    """
    difference = _paired(a, b)
    result = stats.bootstrap(
        (difference,),
        np.mean,
        n_resamples=resamples,
        batch=500,
        confidence_level=confidence,
        method="percentile",
        random_state=seed,
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def permutation_p_value(
    a: ArrayLike, b: ArrayLike, resamples: int = 10_000, seed: int = 0
) -> float:
    """How often chance alone would make a difference of means at least this large.

    If the systems were alike, their values could be swapped within any query: swap at random,
    recompute the difference, count (two-sided; Smucker, Allan & Carterette 2007,
    doi:10.1145/1321440.1321528). With few queries every way of swapping is tried once. Shapes and
    errors as ``bootstrap_interval``; returns a p-value, never 0. Defined in lesson 10.

    >>> permutation_p_value([0.6, 0.7, 0.8, 0.9], [0.5, 0.5, 0.7, 0.6])  # 2 of the 16 swaps
    0.125
    """
    difference = _paired(a, b)
    return float(
        stats.permutation_test(
            (difference,),
            np.mean,
            permutation_type="samples",
            n_resamples=resamples,
            batch=500,
            random_state=seed,
        ).pvalue
    )


def _paired_values(a, b, metric):
    """One value a query of both systems, ``(n_queries,)`` each, of the same queries."""
    queries = [_queries(system) for system in (a, b)]
    if None not in queries and queries[0] != queries[1]:
        raise TutorialError(
            "the two systems were evaluated on different queries: evaluate both with the same qrels"
        )
    return _values(a, metric), _values(b, metric)


def _evaluations(system):
    """The Evaluations that make a system, one a seed; empty for plain values."""
    seeds = [system] if isinstance(system, Evaluation) else list(system)
    return seeds if any(isinstance(each, Evaluation) for each in seeds) else []


def _queries(system):
    seeds = _evaluations(system)
    return list(seeds[0].per_query.index) if seeds else None


def _values(system, metric):
    seeds = _evaluations(system)
    if not seeds:
        return np.asarray(system, dtype=np.float64)
    measured = list(seeds[0].per_query.columns)
    if metric not in measured:
        raise TutorialError(
            f"the systems were not evaluated by {metric!r}: choose among {', '.join(measured)}"
        )
    return np.mean([each.per_query[metric] for each in seeds], axis=0)


def _paired(a, b):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or len(a) < 2:
        raise TutorialError(
            f"a and b must be two lists of one value a query, same queries, at least 2: got shapes "
            f"{a.shape} and {b.shape}"
        )
    if np.isnan(a).any() or np.isnan(b).any():
        raise TutorialError("a or b holds NaN: a query without a value cannot be compared")
    return a - b
