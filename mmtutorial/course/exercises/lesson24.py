"""Lesson 24: which groups of queries a search serves worst."""

import numpy as np

from mmtutorial.course.exercises import exercise


def worst_groups(values, groups, min_count):
    values, groups = np.asarray(values, dtype=float), np.asarray(groups)
    found = []
    for group in np.unique(groups):
        own = values[groups == group]
        if len(own) >= min_count:
            found.append((str(group), own.mean(), len(own)))
    return sorted(found, key=lambda each: (each[1], each[0]))


@exercise(
    "24.groups",
    solution=worst_groups,
    hint="Collect the values of each group, drop the groups with fewer than `min_count` of them, "
    "take the mean, and sort by (mean, name): Python compares tuples from left to right.",
)
def check_worst_groups(answer):
    values = [1.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.0]
    groups = ["watch", "shoe", "watch", "shoe", "watch", "belt", "shoe"]
    found = answer(values, groups, 2)
    assert found is not None, "your function returns None: return a list of tuples."
    found = [(str(group), float(mean), int(count)) for group, mean, count in found]
    names = [group for group, _, _ in found]
    assert "belt" not in names, "belt has one query: with min_count = 2 it is left out"
    assert names == ["shoe", "watch"], f"worst first: shoe, then watch, not {names}"
    counts = [count for _, _, count in found]
    assert counts == [3, 3], f"shoe and watch have three queries each, not {counts}"
    means = [mean for _, mean, _ in found]
    assert np.allclose(means, [1 / 6, 2.5 / 3]), f"the means are 1/6 and 5/6, not {means}"
    everyone = [group for group, *_ in answer(values, groups, 1)]
    assert everyone == ["belt", "shoe", "watch"], "with min_count = 1 belt counts, and is the worst"
    tied = [group for group, *_ in answer([1, 1, 1], ["c", "a", "b"], 1)]
    assert tied == ["a", "b", "c"], "equal means: in the order of the names"
    assert answer([1.0], ["a"], 2) == [], "no group is large enough: an empty list"
