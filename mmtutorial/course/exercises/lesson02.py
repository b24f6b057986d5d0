"""Lesson 02: a photo in a frame of another shape."""

from mmtutorial.course.exercises import exercise


def letterbox(old, new):
    scale = min(new[0] / old[0], new[1] / old[1])  # the tighter side decides
    height, width = max(1, round(scale * old[0])), max(1, round(scale * old[1]))
    return height, width, (new[0] - height) // 2, (new[1] - width) // 2


@exercise(
    "02.letterbox",
    solution=letterbox,
    hint="Two scales are possible, new height / old height and new width / old width. Only one of "
    "them keeps the photo inside the frame. What is left over on a side is halved with // 2.",
)
def check_letterbox(answer):
    cases = {
        ((80, 60), (80, 60)): ((80, 60, 0, 0), "a photo of the frame's size stays as it is"),
        ((80, 120), (80, 60)): ((40, 60, 20, 0), "80 × 120 is too wide: the width decides"),
        ((160, 60), (80, 60)): ((80, 30, 0, 15), "160 × 60 is too high: the height decides"),
        ((20, 15), (80, 60)): ((80, 60, 0, 0), "a small photo grows until it fills the frame"),
        ((2, 500), (80, 60)): ((1, 60, 39, 0), "a side never falls below 1 pixel"),
    }
    for (old, new), (right, words) in cases.items():
        found = answer(old, new)
        assert found is not None, "nothing was returned: give (height, width, top, left)"
        assert tuple(found) == right, f"{words}: {old} in {new} gives {right}, not {tuple(found)}"
