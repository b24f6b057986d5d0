"""Lesson 08: reciprocal rank fusion."""

import numpy as np

from mmtutorial.course.exercises import exercise


def join(scores, k=60):
    better = scores[:, None, :] > scores[:, :, None]  # (lists, products, products); NaN: False
    rank = 1 + better.sum(axis=2)  # how many of the list stand before each product
    return np.where(np.isnan(scores), 0, 1 / (k + rank)).sum(axis=0)


@exercise(
    "08.ranks",
    solution=join,
    hint="The rank of a product is 1 plus how many products of the same list score higher: compare "
    "scores[:, None, :] > scores[:, :, None] and sum over the last axis. A comparison with NaN is "
    "False. Then np.where(np.isnan(scores), 0, ...) and the sum over the lists.",
)
def check_ranks(answer):
    found = np.asarray(answer(np.array([[0.2, 0.9, 0.5]]), 60), dtype=float)
    assert found.shape == (3,), f"three products, so three numbers, not {found.shape}"
    assert np.allclose(found, [1 / 63, 1 / 61, 1 / 62]), "one list: 1 / (k + rank), best rank is 1"
    two = np.array([[0.2, 0.9, 0.5], [900.0, 30.0, 7.0]])
    assert np.allclose(answer(two, 60), [1 / 63 + 1 / 61, 1 / 61 + 1 / 62, 1 / 62 + 1 / 63]), (
        "two lists: the sum of what each one gives, whatever their scores mean"
    )
    assert np.allclose(answer(two, 1)[0], 1 / 4 + 1 / 2), "k is an argument"
    gap = np.array([[0.2, np.nan, 0.5], [900.0, 30.0, 7.0]])
    assert np.allclose(answer(gap, 60), [1 / 62 + 1 / 61, 1 / 62, 1 / 61 + 1 / 63]), (
        "a NaN adds nothing, and pushes no other product of its list down"
    )
