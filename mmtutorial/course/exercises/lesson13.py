"""Exercises of lesson 13: F1 of labels, how many reviews are enough, and an honest verdict."""

import math
from math import isclose

from mmtutorial.course.exercises import exercise


def label_f1(true, found):
    right = sum(len(a & b) for a, b in zip(true, found, strict=True))
    return 2 * right / (sum(map(len, true)) + sum(map(len, found)))


@exercise(
    "13.f1",
    solution=label_f1,
    hint="Count over all sentences together: the labels that are in both sets, those that are "
    "true, those that were found. F1 = 2 × both / (true + found).",
)
def check_f1(answer):
    value = answer([{"fit +"}], [{"fit +"}])
    assert value is not None, "your function returns None: return a number."
    assert isclose(value, 1), "all labels found and none too many: F1 is 1."
    assert answer([{"fit +"}], [{"fit -"}]) == 0, "the right aspect with the wrong opinion is wrong"
    value = answer([{"fit +", "price -"}, set()], [{"fit +"}, set()])
    assert not isclose(value, 1), "one of two labels was missed."
    assert isclose(value, 2 / 3), "1 right, 2 true, 1 found: 2 × 1 / (2 + 1)."
    value = answer([{"a"}, {"b", "c", "d"}], [{"a"}, {"b"}])
    assert not isclose(value, 0.75), "do not average over sentences: count over all labels."
    assert isclose(value, 2 / 3), f"2 right, 4 true, 2 found: 4 / 6, not {value}."


def reviews_needed(reach, sigma2, tau2):
    return max(0, math.ceil(sigma2 * ((1.96 / reach) ** 2 - 1 / tau2)))


@exercise(
    "13.needed",
    solution=reviews_needed,
    hint="The interval reaches 1.96 / sqrt(n / sigma2 + 1 / tau2) to each side. Set that equal to "
    "reach, solve for n, and round up; n is never below 0.",
)
def check_needed(answer):
    value = answer(0.5, 1.0, 0.25)
    assert value is not None, "your function returns None: return a whole number."
    assert value == int(value), "reviews come one by one: round up."
    assert value != 16, "16 would do without 1 / tau2: what is known of all products counts, too."
    assert value == 12, f"1.96² / 0.5² = 15.4, less 1 / 0.25 = 4: 12 reviews, not {value}."
    assert answer(0.5, 2.0, 0.25) == 23, "if buyers disagree twice as much: 2 × 11.4, rounded up."
    assert answer(1.0, 1.0, 0.25) == 0, "the products differ so little that no review is needed."


def verdict(gains):
    if min(gains) > 0:
        return "better"
    return "worse" if max(gains) < 0 else "open"


@exercise(
    "13.verdict",
    solution=verdict,
    hint="Look at the smallest and at the largest gain: only if both are on the same side of zero "
    "do all the seeds agree.",
)
def check_verdict(answer):
    value = answer([0.02, 0.01, 0.03])
    assert value is not None, "your function returns None: return 'better', 'worse' or 'open'."
    assert value == "better", "with every seed the new model gains: better."
    assert answer([-0.02, -0.01]) == "worse", "with every seed it loses: worse."
    assert answer([0.09, -0.01, 0.04]) == "open", "the mean is above zero, but one seed says no."
    assert answer([0.0, 0.02]) == "open", "no gain at all with one seed: that is no win."
