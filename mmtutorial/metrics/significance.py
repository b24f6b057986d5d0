"""Is the difference more than luck? Intervals and tests for paired values (lesson 10)."""

import numpy as np
from scipy import stats

from mmtutorial import TutorialError

# Is the difference more than luck? Both compare two systems on the same queries.


def bootstrap_interval(a, b, confidence=0.95, resamples=10_000, seed=0):
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


def permutation_p_value(a, b, resamples=10_000, seed=0):
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
