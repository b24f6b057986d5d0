"""Exercises of lesson 14: the pinball loss, blocking by a shared word, a split that leaks."""

from math import isclose

from mmtutorial.course.exercises import exercise


def pinball(price, predicted, level):
    gap = price - predicted
    return level * gap if gap > 0 else (level - 1) * gap


@exercise(
    "14.pinball",
    solution=pinball,
    hint="Take the gap, price minus prediction. Above 0, each unit costs level; below 0, each "
    "unit costs 1 - level. The loss is never negative.",
)
def check_pinball(answer):
    value = answer(10, 8, 0.9)
    assert value is not None, "your function returns None: return a number."
    assert isclose(value, 1.8), f"the price is 2 above: 2 × 0.9 = 1.8, not {value}."
    value = answer(8, 10, 0.9)
    assert value >= 0, "a loss is never negative: mind the sign where the price is below."
    assert not isclose(value, 1.8), "below the prediction a unit costs 1 - level, not level."
    assert isclose(value, 0.2), f"the price is 2 below: 2 × 0.1 = 0.2, not {value}."
    assert isclose(answer(5, 5, 0.3), 0), "a right prediction costs nothing."
    assert isclose(answer(3, 7, 0.5), 2), "at the level 0.5 it is half the distance."


def block(left, right, most):
    rows_of = {}
    for row, title in enumerate(right):
        for word in set(title.split()):
            rows_of.setdefault(word, []).append(row)
    return {
        (row, other)
        for row, title in enumerate(left)
        for word in title.split()
        if len(rows_of.get(word, [])) <= most
        for other in rows_of.get(word, [])
    }


class _Title(str):
    """A title that counts how often it is cut into words."""

    def split(self, *arguments):
        self.cuts = getattr(self, "cuts", 0) + 1
        return str.split(self, *arguments)


@exercise(
    "14.block",
    solution=block,
    hint="First one pass over the right titles: a dictionary from each word to the list of rows "
    "that have it. Then one pass over the left titles: look their words up, skip the words with "
    "more than `most` rows, and put (left row, right row) into a set.",
)
def check_block(answer):
    left, right = ["red acme bag", "blue hat"], ["acme bag", "red hat", "red shoe", "red cap"]
    found = answer(left, right, 2)
    assert found is not None, "your function returns None: return a set of pairs."
    found = {(int(a), int(b)) for a, b in found}
    assert not {(0, 2), (0, 3)} & found, "'red' stands in three right titles: leave it out."
    assert (1, 1) in found, "'hat' stands in one right title: (1, 1) is a candidate."
    assert found == {(0, 0), (1, 1)}, f"(0, 0) and (1, 1) share a rare word; you have {found}."
    many = [_Title(f"item{n}") for n in range(300)]
    assert len(answer(many, many, 1)) == 300, "each title finds its equal, and nothing else."
    cuts = max(getattr(title, "cuts", 0) for title in many)
    assert cuts < 50, "that compares all pairs: cut each title into words once, not once a pair."


def leaks(train_pairs, test_pairs):
    seen = {offer for pair in train_pairs for offer in pair}
    return sum(any(offer in seen for offer in pair) for pair in test_pairs)


@exercise(
    "14.leaks",
    solution=leaks,
    hint="Collect all offers of the training pairs in a set. A test pair leaks if either of its "
    "two offers is in it, even if the pair itself is new.",
)
def check_leaks(answer):
    value = answer([("a", "b")], [("a", "c"), ("d", "e")])
    assert value is not None, "your function returns None: return a number."
    assert value != 0, "the pair (a, c) is new, but its offer a was seen in training."
    assert value == 1, f"only (a, c) has an offer that training saw: 1, not {value}."
    assert answer([("a", "b")], [("b", "a")]) == 1, "the same pair turned round leaks, once."
    assert answer([("a", "b")], [("c", "d")]) == 0, "nothing in common, no leak."
    assert answer([("a", "b"), ("c", "d")], [("x", "d"), ("d", "c")]) == 2, "either offer counts."
