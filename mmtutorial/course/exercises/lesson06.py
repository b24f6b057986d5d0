"""Lesson 06: the target of the contrastive loss."""

import numpy as np

from mmtutorial.course.exercises import exercise


def target_matrix(groups):
    same = groups[:, None] == groups[None, :]  # (batch, batch)
    return same / same.sum(axis=1, keepdims=True)


@exercise(
    "06.targets",
    solution=target_matrix,
    hint="Compare the groups with themselves: groups[:, None] == groups[None, :] is a table of "
    "who shares a title with whom. Then divide each row by its sum (keepdims=True).",
)
def check_targets(answer):
    found = np.asarray(answer(np.array([4, 5, 6])), dtype=float)
    assert found.shape == (3, 3), f"three products need a 3 × 3 target, not {found.shape}"
    assert np.allclose(found, np.eye(3)), "three titles, all different: each only fits itself"
    found = np.asarray(answer(np.array([4, 5, 4, 4])), dtype=float)
    assert np.allclose(found.sum(axis=1), 1), "every row is a distribution: it sums to 1"
    third = 1 / 3
    right = [[third, 0, third, third], [0, 1, 0, 0], [third, 0, third, third]]
    assert np.allclose(found[:3], right), "products 0, 2 and 3 share a title, evenly; 1 is alone"
