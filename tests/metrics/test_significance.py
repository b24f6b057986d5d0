"""Is the difference more than luck? Known cases, the level of the tests, corrections."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.metrics import significance
from mmtutorial.metrics.evaluation import Evaluation
from mmtutorial.metrics.significance import (
    Comparison,
    compare,
    compare_all,
    comparison_table,
    holm,
)


def test_permutation_test_tries_every_swap_of_few_queries():
    # all four differences point one way: of 2^4 swaps two are as extreme
    assert significance.permutation_p_value([1, 1, 1, 1], [0, 0, 0, 0]) == pytest.approx(2 / 16)


def test_permutation_test_holds_its_level_when_nothing_differs():
    rng = np.random.default_rng(0)
    p = [significance.permutation_p_value(*rng.random((2, 40)), resamples=199) for _ in range(200)]
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.10


def test_interval_and_test_see_a_real_difference_and_no_other():
    rng = np.random.default_rng(0)
    hard = rng.random(400)  # queries differ far more than systems do
    better = hard + 0.02 + 0.1 * rng.normal(size=400)
    low, high = significance.bootstrap_interval(better, hard)
    assert 0 < low < 0.02 < high < 0.05
    assert significance.permutation_p_value(better, hard) < 0.01
    shuffled = rng.permutation(better)  # the same two lists, no longer paired: the gain drowns
    assert significance.permutation_p_value(shuffled, hard) > 0.05
    assert significance.bootstrap_interval(better, better) == (0, 0)
    assert significance.permutation_p_value(better, better) == 1


# Comparisons ---------------------------------------------------------------------------------


def evaluated(values, queries=None):
    """An Evaluation with these R@10."""
    index = pd.Index(queries or [f"query {n}" for n in range(len(values))], name="query")
    return Evaluation(pd.DataFrame({"R@10": np.asarray(values, float)}, index=index), [], [])


def test_a_comparison_is_the_interval_and_the_test():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 30))
    found = compare(evaluated(a), evaluated(b), "R@10")
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert (found.low, found.high) == significance.bootstrap_interval(a, b)
    assert found.p == significance.permutation_p_value(a, b)
    assert found == compare(a, b)


def test_seeds_of_one_system_are_averaged_query_by_query():
    rng = np.random.default_rng(0)
    seeds, b = rng.random((3, 30)), rng.random(30)
    found = compare([evaluated(each) for each in seeds], evaluated(b), "R@10")
    assert found == compare(seeds.mean(axis=0), b)


def test_several_comparisons_share_the_level():
    rng = np.random.default_rng(0)
    base = rng.random(60)
    rivals = {n: base + 0.1 * rng.normal(0.1 * n, size=60) for n in range(3)}
    together = compare_all({n: (rival, base) for n, rival in rivals.items()})
    alone = {n: compare(rival, base) for n, rival in rivals.items()}
    np.testing.assert_allclose(
        [each.p for each in together.values()], holm([each.p for each in alone.values()])
    )
    for n, each in together.items():
        assert each.comparisons == 3 and each.confidence == pytest.approx(1 - 0.05 / 3)
        assert each.low < alone[n].low and each.high > alone[n].high
        interval = significance.bootstrap_interval(rivals[n], base, confidence=1 - 0.05 / 3)
        assert (each.low, each.high) == interval
    assert compare_all({}) == {}


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.01, 0.2, 0.001, "better"),
        (-0.2, -0.01, 0.001, "worse"),
        (-0.01, 0.2, 0.001, "no difference shown"),
        (0.0, 0.2, 0.001, "no difference shown"),
        (0.01, 0.2, 0.05, "no difference shown"),
        (0.0, 0.0, 1.0, "no difference shown"),
    ],
)
def test_a_difference_is_shown_where_both_interval_and_test_say_so(low, high, p, verdict):
    found = Comparison((low + high) / 2, low, high, p)
    assert found.verdict == verdict
    interval = f"95 % interval [{low:+.3f}, {high:+.3f}]"
    assert str(found).startswith(f"{found.difference:+.3f}, {interval}, p ")
    assert str(found).endswith(f": {verdict}")
    assert "equal" not in str(found)


def test_the_table_has_a_row_a_comparison():
    pairs = {("words", "sum"): ([1, 1, 1, 0], [0, 0, 1, 1]), ("both", "sum"): ([1, 1], [0, 0])}
    found = compare_all(pairs)
    table = comparison_table(found)
    assert table.loc[("words", "sum"), "difference"] == 0.25
    assert table["verdict"].tolist() == ["no difference shown"] * 2
    assert comparison_table({}).empty


# R's p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") and two cases worked by hand
@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.04, 0.01, 0.03], [0.06, 0.03, 0.06]),  # 0.03 · 2 = 0.06; 0.04 · 1 is below that
        ([0.6, 0.5], [1.0, 1.0]),
        ([0.2], [0.2]),
        ([], []),
    ],
)
def test_holm_by_hand(p_values, corrected):
    np.testing.assert_allclose(holm(p_values), corrected)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values, level):
    """The procedure as Holm has it: from the smallest on, stop at the first that is too large."""
    rejected = set()
    for step, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] * (len(p_values) - step) > level:
            break
        rejected.add(place)
    assert set(np.flatnonzero(holm(p_values) <= level)) == rejected


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: significance.bootstrap_interval([1, 2], [1, 2, 3]), "shapes"),
        (lambda: significance.permutation_p_value([1, np.nan], [1, 2]), "NaN"),
        (lambda: compare([1, 2], [1, 2, 3]), "shapes"),
        (lambda: compare(evaluated([1, 2]), evaluated([1, 2]), "AP"), "by 'AP': choose among R@10"),
        (lambda: compare(evaluated([1, 2]), evaluated([1, 2])), "not evaluated by None"),
        (
            lambda: compare(evaluated([1, 0], ["a", "b"]), evaluated([1, 0], ["b", "a"]), "R@10"),
            "different queries",
        ),
    ],
)
def test_errors_name_what_is_wrong(act, words):
    with pytest.raises(TutorialError, match=words):
        act()
