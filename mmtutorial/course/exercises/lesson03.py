"""Lesson 03: the other pooling, which averages."""

import numpy as np

from mmtutorial.course.exercises import exercise


def average_pool(x, size):
    height, width, channels = x.shape
    rows, columns = height // size, width // size  # what fills no whole block is dropped
    blocks = x[: rows * size, : columns * size].reshape(rows, size, columns, size, channels)
    return blocks.mean(axis=(1, 3))  # (rows, columns, channels)


@exercise(
    "03.average",
    solution=average_pool,
    hint="Cut off the rows and columns that fill no whole block. Then reshape to "
    "(rows, size, columns, size, channels): axes 1 and 3 run inside a block. Average over them.",
)
def check_average(answer):
    x = np.arange(16.0).reshape(4, 4, 1)
    found = np.asarray(answer(x, 2), dtype=float)
    assert found.shape == (2, 2, 1), f"4 × 4 in blocks of 2 × 2 gives (2, 2, 1), not {found.shape}"
    assert not np.allclose(found[..., 0], [[5, 7], [13, 15]]), "that is the largest value: average"
    assert np.allclose(found[..., 0], [[2.5, 4.5], [10.5, 12.5]]), (
        "the first block holds 0, 1, 4 and 5: its average is 2.5"
    )
    x = np.random.default_rng(0).normal(size=(5, 7, 3))
    found = np.asarray(answer(x, 3), dtype=float)
    assert found.shape == (1, 2, 3), (
        f"5 × 7 holds one row of two whole 3 × 3 blocks: (1, 2, 3), not {found.shape}"
    )
    assert np.allclose(found[0, 1], x[:3, 3:6].mean(axis=(0, 1))), (
        "each channel is averaged on its own; the second block has columns 3, 4 and 5"
    )
