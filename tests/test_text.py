import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.text import PADDING, UNKNOWN, Vocabulary, words

TITLES = [
    "Puma Men's Black T-shirt",
    "Puma Women Red Tee",
    "Nike Men Black Shoes",
    "Nike Women Tee",
]


def test_words_are_normalised():
    assert words("<b>Puma</b>  Men&#39;s T-Shirt, Größe 3") == [
        "puma", "men's", "t", "shirt", "grösse", "3",
    ]  # fmt: skip


def test_vocabulary_is_by_frequency_and_leaves_rare_words_out():
    vocabulary = Vocabulary.fit(TITLES)
    assert vocabulary.words == ["black", "nike", "puma", "tee", "women"]
    assert len(vocabulary) == 7
    assert list(vocabulary.encode(["Red nike TEE"])[0][:4]) == [UNKNOWN, 3, 5, PADDING]


@given(st.lists(st.text(max_size=80), min_size=1, max_size=5), st.integers(1, 6))
def test_encoding_is_padded_on_the_right_and_never_only_padding(texts, length):
    encoded = Vocabulary(["black", "tee"], length).encode(texts)
    assert encoded.shape == (len(texts), length) and encoded.dtype == np.int32
    for row in encoded:
        kept = np.count_nonzero(row != PADDING)
        assert kept >= 1 and (row[:kept] != PADDING).all() and (row[kept:] == PADDING).all()


def test_saved_and_loaded_is_the_same(tmp_path):
    vocabulary = Vocabulary(["größe", "红色"], length=5)
    vocabulary.save(tmp_path / "vocabulary.json")
    loaded = Vocabulary.load(tmp_path / "vocabulary.json")
    assert (loaded.words, loaded.length) == (vocabulary.words, vocabulary.length)


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(TutorialError, match="no word occurs 2 times"):
        Vocabulary.fit(["one", "two"])
