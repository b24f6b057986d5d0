"""One reader for titles and queries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtutorial.catalogue.attribute_reader import joined, read_values, stem


@given(
    st.lists(st.sampled_from("abc"), max_size=8), st.sets(st.text("abc", min_size=1), max_size=9)
)
def test_every_word_is_read_once_and_the_longest_name_wins(text, names):
    read = [*read_values(len(text), lambda a, b: "".join(text[a:b]) in names or None, max_words=3)]
    assert [place for start, stop, _ in read for place in range(start, stop)] == [*range(len(text))]
    for start, stop, value in read:
        assert value == ("".join(text[start:stop]) in names or None)
        ends = range(stop + 1, min(start + 3, len(text)) + 1)
        assert not any("".join(text[start:end]) in names for end in ends)


@pytest.mark.parametrize(
    ("plural", "word"),
    [("watches", "watch"), ("dresses", "dress"), ("boxes", "box"), ("T-shirts", "T-shirt"),
     ("men's", "men"), ("dress", "dress"), ("as", "as")],
)  # fmt: skip
def test_a_plural_is_its_singular(plural, word):
    assert stem(plural) == stem(word) == word


def test_words_that_are_written_together_or_apart_are_one_name():
    assert joined(["flip", "flops"]) == joined(["flipflop"])
