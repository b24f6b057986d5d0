"""Exercise of lesson 04: cut a word into pieces, the longest first."""

from mmtutorial.course.exercises import exercise


def cut(word, pieces):
    found, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        fitting = [
            end for end in range(len(word), start, -1) if mark + word[start:end] in pieces
        ]  # the ends of all pieces that fit here, longest first
        if not fitting:
            return ["[UNK]"]
        found.append(mark + word[start : fitting[0]])
        start = fitting[0]
    return found


@exercise(
    "04.pieces",
    solution=cut,
    hint="Keep a start, 0 at first. Try word[start:end] for end = len(word), len(word) - 1, …, "
    "start + 1, with '##' before it unless start is 0. Take the first that is in pieces, append "
    "it, and go on at its end. If none fits, the whole word is ['[UNK]'].",
)
def check_cut(answer):
    pieces = {"shoe", "shoes", "s", "##s", "##hoe", "snea", "##k", "##ker", "##kers"}
    found = answer("shoes", pieces)
    assert found is not None, "your function returns None: return a list of pieces."
    assert list(found) != ["shoe", "##s"], "shoes is itself a piece: take the longest that fits."
    assert list(found) == ["shoes"], f"'shoes' is a piece, so ['shoes'] and not {found}."
    found = list(answer("sneakers", pieces))
    assert found != ["snea", "kers"], "a piece that does not start the word is written with ##."
    assert found != ["snea", "##ker", "##s"], "##kers fits too, and is longer than ##ker."
    assert found == ["snea", "##kers"], f"'sneakers' is snea, ##kers; not {found}."
    found = list(answer("shoek", pieces))
    assert found == ["shoe", "##k"], f"'shoek' is shoe, ##k; not {found}."
    found = list(answer("shoex", pieces))
    assert found == ["[UNK]"], f"x is no piece: the whole word is unknown, not {found}."
    assert list(answer("kers", pieces)) == ["[UNK]"], "##kers cannot start a word."
