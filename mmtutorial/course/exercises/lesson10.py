"""Exercises of lesson 10: recall, and a reciprocal rank that no tie can flatter."""

from math import isclose

from mmtutorial.course.exercises import exercise


def recall_at_k(ranked, relevant, k):
    found = set(ranked[:k]) & set(relevant)
    return len(found) / len(relevant)


@exercise(
    "10.recall",
    solution=recall_at_k,
    hint="Which of the first k products are relevant? A set intersection (&) tells. Then: what "
    "share of all the relevant products is that?",
)
def check_recall(answer):
    ranked = ["a", "b", "c", "d"]
    value = answer(ranked, {"b"}, 2)
    assert value is not None, "your function returns None: return a number."
    assert isclose(value, 1), "the only relevant product, b, is second: recall@2 is 1 (P@2 is ½)."
    assert isclose(answer(ranked, {"b"}, 1), 0), "b is second: at k = 1 nothing is found."
    value = answer(ranked, {"a", "c", "d", "x"}, 3)
    assert not isclose(value, 1), "a hit is not enough: two of four relevants are found, so ½."
    assert not isclose(value, 2 / 3), "divide by all four relevants: x counts, though not ranked."
    assert isclose(value, 2 / 4), f"a and c of a, c, d, x are in the first 3: ½, not {value}."
    assert isclose(answer(ranked, {"a", "x"}, 10), 0.5), "k may be longer than the list."


def expected_reciprocal_rank(above, tied):
    return sum(1 / (above + place) for place in range(1, tied + 1)) / tied


@exercise(
    "10.ties",
    solution=expected_reciprocal_rank,
    hint="The relevant product lands on each rank from above + 1 to above + tied equally often. "
    "Average 1 / rank over those ranks (not 1 over the average rank).",
)
def check_ties(answer):
    value = answer(0, 1)
    assert value is not None, "your function returns None: return a number."
    assert isclose(value, 1), "alone at the top, it has rank 1 and reciprocal rank 1."
    assert isclose(answer(4, 1), 1 / 5), "below four others and tied with none, it has rank 5."
    value = answer(0, 2)
    assert not isclose(value, 1 / 1.5), "1 / 1.5 is one over the mean rank: average 1/1 and 1/2."
    assert isclose(value, 0.75), f"rank 1 or 2, equally often: (1 + 1/2) / 2 = 0.75, not {value}."
    assert isclose(answer(2, 3), (1 / 3 + 1 / 4 + 1 / 5) / 3), "ranks 3, 4 and 5, equally often."
