"""Exercise of lesson 00: the search itself, for one query."""

import numpy as np

from mmtutorial.course.exercises import exercise


def nearest_rows(query, gallery, k):
    lengths = np.linalg.norm(gallery, axis=1) * np.linalg.norm(query)
    cosines = gallery @ query / lengths
    return np.argsort(-cosines, kind="stable")[:k]


@exercise(
    "00.search",
    solution=nearest_rows,
    hint="Divide gallery @ query by the lengths (np.linalg.norm), then sort from high to low. "
    "What does the kind of np.argsort say about equal values?",
)
def check_search(answer):
    gallery = np.array([[0.0, 2.0], [0.5, 0.0], [9.0, 9.0], [-1.0, 0.0], [0.0, 0.5]])
    found = answer(np.array([0.0, 3.0]), gallery, 3)
    assert found is not None, "your function returns None: return the rows."
    found = np.asarray(found).tolist()
    assert len(found) == 3, f"k = 3 rows were asked for, {len(found)} came back."
    assert found[0] != 2, "row 2 is long and points elsewhere: divide by the lengths first."
    assert found[0] != 3, "the best comes first: sort from the highest cosine to the lowest."
    assert found == [0, 4, 2], f"rows 0 and 4 have cosine 1, row 2 comes next; not {found}."
    many = np.tile([[1.0, 0.0], [0.0, 1.0]], (50, 1))  # every second one ties
    found = np.asarray(answer(np.array([1.0, 0.0]), many, 30)).tolist()
    assert found == list(range(0, 60, 2)), "among equal cosines the smaller row comes first."
