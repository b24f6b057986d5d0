"""Exercises of lesson 12: a history without the future, session kNN, clicks and places."""

from math import isclose

import numpy as np

from mmtutorial.course.exercises import exercise


def history_at(clicks, moment, length):
    before = sorted((time, item) for time, item in clicks if time < moment)
    return [item for _, item in before][-length:]


@exercise(
    "12.history",
    solution=history_at,
    hint="Three steps: keep the clicks whose time is smaller than moment (not equal: the click at "
    "that moment is the answer), sort them by time, and take the last length of their items.",
)
def check_history(answer):
    clicks = [(30, "c"), (10, "a"), (20, "b"), (40, "d")]
    found = answer(clicks, 40, 10)
    assert found is not None, "your function returns None: return a list of items."
    assert "d" not in list(found), "the click at the moment itself is the answer: leave it out."
    assert list(found) == ["a", "b", "c"], "the oldest first: sort the clicks by their time."
    assert list(answer(clicks, 35, 2)) == ["b", "c"], "only the last length clicks, a list of 2."
    assert list(answer(clicks, 10, 5)) == [], "nobody has a history before the first click."


def session_knn(history, sessions, n_items, k):
    seen = set(history)
    shared = [len(seen & set(each)) for each in sessions]
    likeness = [
        both / (len(seen) * len(set(each))) ** 0.5
        for both, each in zip(shared, sessions, strict=True)
    ]
    nearest = sorted(range(len(sessions)), key=lambda row: -likeness[row])[:k]
    scores = np.zeros(n_items)
    for row in nearest:
        scores[list(set(sessions[row]))] += likeness[row]
    return scores


@exercise(
    "12.session_knn",
    solution=session_knn,
    hint="The likeness of two sets A and B is |A ∩ B| / √(|A| · |B|). Sort the sessions by it, "
    "keep k, and add each one's likeness to the score of every item that it has, once.",
)
def check_session_knn(answer):
    sessions = [[0, 1], [1, 2, 2], [3]]
    found = answer([1], sessions, 4, 3)
    assert found is not None, "your function returns None: return n_items scores."
    assert np.shape(found) == (4,), f"one score for each item, (4,), not {np.shape(found)}."
    half = 1 / 2**0.5
    assert np.isclose(found[3], 0), "a session without a common item has a likeness of 0."
    assert not np.isclose(found[2], 2 * half), "session 1 has item 2 twice, and counts it once."
    assert np.allclose(found, [half, 2 * half, half, 0]), (
        f"each session shares item 1 of 2 items: likeness 1/√2; expected "
        f"{np.round([half, 2 * half, half, 0], 2)}, not {np.round(found, 2)}."
    )
    nearest = answer([0, 1], sessions, 4, 1)
    assert np.allclose(nearest, [1, 1, 0, 0]), "with k = 1 only the session [0, 1] speaks: 1 each."


def liking(clicks, shown, chances):
    looks = sum(times * chance for times, chance in zip(shown, chances, strict=True))
    return sum(clicks) / looks


@exercise(
    "12.places",
    solution=liking,
    hint="Nobody clicks on what was not looked at. How many looks did the product get in all? At "
    "each place: how often it was shown there, times the chance of a look. Divide all its clicks "
    "by that.",
)
def check_places(answer):
    value = answer([5, 0], [10, 0], [1.0, 0.5])
    assert value is not None, "your function returns None: return a number."
    assert isclose(value, 0.5), "shown ten times at a place that all look at, 5 clicks: ½."
    value = answer([0, 5], [0, 20], [1.0, 0.5])
    assert not isclose(value, 0.25), "20 times shown, but only 10 looks: divide by the looks."
    assert isclose(value, 0.5), f"5 clicks on 10 looks: ½, as liked as the one above; not {value}."
    value = answer([4, 2], [10, 10], [1.0, 0.2])
    assert not isclose(value, 0.7), (
        "do not average the places' rates: 2 clicks on 2 looks would count as much as 10 looks do."
    )
    assert isclose(value, 6 / 12), f"6 clicks on 10 + 2 looks: ½, not {value}."
