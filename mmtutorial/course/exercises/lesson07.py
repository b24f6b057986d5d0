"""Lesson 07: α and β out of two scores."""

import numpy as np

from mmtutorial.course.exercises import exercise


def alignment_weights(scores, temperature):
    scores = scores / temperature  # (batch, 2)
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))  # the larger one becomes 1
    return exp / exp.sum(axis=1, keepdims=True)


@exercise(
    "07.weights",
    solution=alignment_weights,
    hint="Divide the scores by the temperature, take off each row's maximum, exponentiate, and "
    "divide by the row's sum: axis=1 with keepdims=True is the axis of the two modalities.",
)
def check_weights(answer):
    scores = np.array([[1.0, 1.0], [np.log(3.0), 0.0], [-5.0, 5.0]])
    found = np.asarray(answer(scores, 1.0), dtype=float)
    assert found.shape == (3, 2), f"three products need three pairs (3, 2), not {found.shape}"
    assert np.allclose(found.sum(axis=1), 1), "α + β = 1 for each product: sum over axis 1"
    assert np.allclose(found[0], 0.5), "equal scores share evenly"
    assert np.allclose(found[1], [0.75, 0.25]), "scores log 3 and 0 are odds of 3 to 1"
    alone = np.asarray(answer(scores[1:2], 1.0), dtype=float)
    assert np.allclose(alone, found[1:2]), "a product alone keeps its weights: mind the axis"
    warm = np.asarray(answer(scores, 2.0), dtype=float)
    assert np.allclose(warm[1, 0], 3**0.5 / (3**0.5 + 1)), (
        "at temperature 2 odds of 3 to 1 become √3 to 1: divide the scores by the temperature"
    )
    with np.errstate(all="ignore"):
        large = np.asarray(answer(np.array([[1e4, 0.0], [-1e4, 0.0]]), 1.0), dtype=float)
    assert np.allclose(large, [[1, 0], [0, 1]]), (
        "a score of 10,000 overflows exp: take off each row's maximum first"
    )
