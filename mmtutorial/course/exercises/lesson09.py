"""Lesson 09: hard negatives that are no right answers in disguise."""

from mmtutorial.course.exercises import exercise


def negatives(ranked, relevant, title_of, k):
    right = {title_of[product] for product in relevant}
    return [product for product in ranked if title_of[product] not in right][:k]


@exercise(
    "09.negatives",
    solution=negatives,
    hint="Collect the titles of the relevant products in a set. Walk down the ranking and keep a "
    "product only if its title is not in that set; stop after k.",
)
def check_negatives(answer):
    ranked = ["d", "a", "c", "b", "e"]
    title_of = {"a": "Red Hat", "b": "Red Hat", "c": "Blue Hat", "d": "Red Cap", "e": "Blue Hat"}
    found = answer(ranked, {"a"}, title_of, 2)
    assert found is not None, "your function returns None: return a list of products."
    found = list(found)
    assert "a" not in found, "a is the relevant product: it is no negative."
    assert found != ["c", "e"] and found != ["e", "c"], "d is on top and wrong: keep it."
    assert found == ["d", "c"], f"the best-ranked wrong ones are d, then c, not {found}."
    found = list(answer(ranked, {"a"}, title_of, 3))
    assert "b" not in found, "b bears the same title as a: right, though nobody marked it."
    assert found == ["d", "c", "e"], "c and e share a title, but not with a: both are wrong."
    found = list(answer(ranked, {"c", "d"}, title_of, 5))
    assert found == ["a", "b"], "with c and d relevant, only a and b are wrong; k may be larger."
