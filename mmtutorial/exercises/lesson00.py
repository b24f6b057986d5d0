"""Lesson 00: mixing two vectors."""

import numpy as np

from mmtutorial.exercises import exercise


def weighted(photo, words, weight):
    mixed = weight * photo + (1 - weight) * words
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)


@exercise(
    "00.mix",
    solution=weighted,
    hint="weight * photo + (1 - weight) * words, then divide each row by its length: "
    "np.linalg.norm(..., axis=1, keepdims=True).",
)
def check_mix(answer):
    photo, words = np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([[0.0, 1.0], [0.6, 0.8]])
    found = np.asarray(answer(photo, words, 0.5), dtype=float)
    assert found.shape == (2, 2), f"two queries of two numbers go in, {found.shape} came out"
    assert np.allclose(np.linalg.norm(found, axis=1), 1), "the rows do not have length 1"
    assert np.allclose(found[0], np.sqrt([0.5, 0.5])), "equal parts of both point between them"
    assert np.allclose(answer(photo, words, 1.0), photo), "with weight 1 only the photo counts"
    assert np.allclose(answer(photo, words, 0.0), words), "with weight 0 only the words count"
