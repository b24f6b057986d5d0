"""Exercise of lesson 05: a mean that leaves the padding out."""

import numpy as np

from mmtutorial.course.exercises import exercise


def mean_of_words(vectors, tokens):
    real = (tokens != 0)[:, :, None]  # (batch, length, 1)
    return (vectors * real).sum(axis=1) / real.sum(axis=1)


@exercise(
    "05.mean",
    solution=mean_of_words,
    hint="tokens != 0 says which places hold a word. Give it a third axis ([:, :, None]), so that "
    "it multiplies the vectors; then divide the sum over the places (axis=1) by how many words "
    "there are, not by the length.",
)
def check_mean(answer):
    vectors = np.array(
        [[[1.0, 2.0], [3.0, 6.0], [50.0, 50.0]], [[4.0, 0.0], [2.0, 1.0], [0.0, 5.0]]]
    )
    found = answer(vectors, np.array([[7, 3, 0], [2, 2, 9]]))
    assert found is not None, "your function returns None: return one vector a text."
    found = np.asarray(found, dtype=float)
    assert found.shape == (2, 2), f"two texts of two numbers each are wanted, not {found.shape}."
    assert np.allclose(found[1], [2, 2]), f"no padding in the second text: [2, 2], not {found[1]}."
    assert not np.allclose(found[0], [18, 58 / 3]), "the third place is padding: leave it out."
    assert not np.allclose(found[0], [4 / 3, 8 / 3]), "divide by the 2 words, not by the length 3."
    assert np.allclose(found[0], [2, 4]), f"the first text has the mean [2, 4], not {found[0]}."
