"""Lesson 11: the search of an inverted file."""

import numpy as np

from mmtutorial.course.exercises import exercise


def probe(query, centres, lists, gallery, probes, k):
    nearest = np.argsort(-(centres @ query))[:probes]
    rows = np.sort(np.concatenate([lists[cell] for cell in nearest]))
    scores = gallery[rows] @ query
    best = np.argsort(-scores, kind="stable")[:k]  # stable: equal scores stay in order of row
    return rows[best].tolist()


@exercise(
    "11.probe",
    solution=probe,
    hint="Three steps: the dot products of the centres with the query, and the numbers of the "
    "probes highest; np.concatenate of those cells' lists; then score only these rows, sort by "
    "descending score (np.lexsort((rows, -scores)) breaks ties by row) and cut at k.",
)
def check_probe(answer):
    centres = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    gallery = np.array([[0.9, 0.1], [0.1, 0.9], [-0.9, 0.1], [0.8, 0.5], [0.9, 0.1], [0.2, 0.8]])
    lists = [np.array([4, 0, 3]), np.array([1, 5]), np.array([2])]
    query = np.array([1.0, 0.2])
    found = answer(query, centres, lists, gallery, 1, 2)
    assert found is not None, "your function returns None: return a list of rows."
    found = [int(row) for row in found]
    assert found != [4, 0], "rows 0 and 4 have equal scores: the smaller row comes first"
    assert sorted(found) != [1, 5], "the nearest centre has the highest dot product"
    everything = [int(row) for row in answer(query, centres, lists, gallery, 3, 6)]
    order = sorted(range(6), key=lambda row: (-(gallery[row] @ query), row))
    assert everything == order, f"all cells: the exact search, {order}, not {everything}"
    assert found == [0, 4], f"one probe: the two best of rows 0, 3 and 4 are 0 and 4, not {found}"
    few = [int(row) for row in answer(query, centres, lists, gallery, 1, 6)]
    assert len(few) == 3, f"the nearest cell holds three products, so three, not {len(few)}"
    two = [int(row) for row in answer(query, centres, lists, gallery, 2, 6)]
    assert sorted(two) == [0, 1, 3, 4, 5], "two probes: the rows of the two nearest cells"
