"""Exercise of lesson 01: a split that no copy of a product can straddle."""

import numpy as np

from mmtutorial.course.exercises import exercise


def in_test(groups, share, seed):
    names = np.unique(groups)  # sorted: the order of the products plays no role
    chosen = np.random.default_rng(seed).random(len(names)) < share
    return np.isin(groups, names[chosen])


@exercise(
    "01.split",
    solution=in_test,
    hint="Decide once for every group, not for every product: np.unique(groups) lists the groups "
    "in order, np.random.default_rng(seed).random(...) draws a number for each, and np.isin tells "
    "which products belong to the groups that were drawn below `share`.",
)
def check_split(answer):
    groups = np.random.default_rng(7).integers(0, 400, 1000)
    test = answer(groups, 0.2, 0)
    assert test is not None, "your function returns None: return one bool a product."
    test = np.asarray(test)
    assert test.shape == (1000,), f"1000 products need 1000 answers; the shape is {test.shape}."
    assert test.dtype == bool, f"return bools (a mask); these are {test.dtype}."
    in_both = np.intersect1d(groups[test], groups[~test])
    assert len(in_both) == 0, f"{len(in_both)} groups stand on both sides, such as {in_both[:1]}."
    chosen = len(np.unique(groups[test])) / len(np.unique(groups))
    assert 0.1 < chosen < 0.3, f"share is 0.2, and {chosen:.0%} of the groups are in test."
    assert (answer(groups, 0.2, 0) == test).all(), "the same seed must give the same split again."
    assert (answer(groups, 0.2, 1) != test).any(), "another seed should give another split."
    order = np.random.default_rng(8).permutation(1000)
    moved = np.asarray(answer(groups[order], 0.2, 0))
    assert (moved == test[order]).all(), "with the products in another order, groups change sides."
    assert np.mean(answer(groups, 0.8, 0)) > 0.6, "share is ignored: 0.8 puts few into test."
