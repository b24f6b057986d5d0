import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.course.exercises.lesson04 import cut
from mmtutorial.encoders.text import load_tokeniser, save_tokeniser
from mmtutorial.encoders.tokenisers import (
    PADDING,
    UNKNOWN,
    Characters,
    ChineseWords,
    Vocabulary,
    WordPiece,
    WordsAndNgrams,
    bucket,
    characters,
    chinese_words,
    ngrams,
    words,
)
from mmtutorial.files import DamagedFile

TITLES = [
    "Puma Men's Black T-shirt",
    "Puma Women Red Tee",
    "Nike Men Black Shoes",
    "Nike Women Tee",
]
PIECES = ["[PAD]", "[UNK]", "black", "s", "##h", "##o", "##es", "##hoe", "cafe", "'", "t", "-"]
TOKENISERS = {
    "words": Vocabulary(["black", "tee"], length=5),
    "characters": Characters(["黑", "t", "e"], length=5),
    "Chinese words": ChineseWords(["黑色", "tee"], length=5),
    "words and n-grams": WordsAndNgrams(["black", "tee"], length=40, buckets=64),
    "WordPiece": WordPiece(PIECES, length=6),
}
each_tokeniser = pytest.mark.parametrize("tokeniser", TOKENISERS.values(), ids=list(TOKENISERS))


def test_words_are_normalised():
    assert words("<b>Puma</b>  Men&#39;s T-Shirt, Größe 3") == [
        "puma", "men's", "t", "shirt", "grösse", "3",
    ]  # fmt: skip


@each_tokeniser
@settings(deadline=None, max_examples=25)  # the first call imports a library
@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_encoding_is_padded_on_the_right_and_never_only_padding(tokeniser, texts):
    encoded = tokeniser.encode(texts)
    assert encoded.shape == (len(texts), tokeniser.length) and encoded.dtype == np.int32
    assert encoded.min() >= 0 and encoded.max() < len(tokeniser)
    for row in encoded:
        kept = np.count_nonzero(row != PADDING)
        assert kept >= 1 and (row[:kept] != PADDING).all() and (row[kept:] == PADDING).all()


@each_tokeniser
def test_a_tokeniser_survives_json(tokeniser):
    again = type(tokeniser)(**json.loads(json.dumps(tokeniser.get_config())))
    texts = ["Black shoes", "黑色 TEE", ""]
    assert len(again) == len(tokeniser)
    assert (again.encode(texts) == tokeniser.encode(texts)).all()


@each_tokeniser
def test_a_tokeniser_survives_its_file(tokeniser, tmp_path):
    save_tokeniser(tokeniser, tmp_path / "vocabulary.json")
    again = load_tokeniser(tmp_path / "vocabulary.json")
    assert type(again) is type(tokeniser)
    assert again.get_config() == tokeniser.get_config()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "no tokeniser None; there are BertPieces, Characters, ChineseWords"),
        ({"kind": "Popen", "word_list": ["rm"], "length": 4}, "no tokeniser 'Popen'"),
        ({"kind": ["Vocabulary"], "word_list": [], "length": 4}, "no tokeniser .'Vocabulary'"),
        ({"kind": "Vocabulary", "word_list": ["a"]}, "lacks 'length'"),
        ({"kind": "Vocabulary", "word_list": "abc", "length": 4}, "word_list is no list of texts"),
        ({"kind": "Vocabulary", "word_list": [1], "length": 4}, "word_list is no list of texts"),
        ({"kind": "Vocabulary", "word_list": ["a"], "length": 10**9}, "from 1 to 4,096"),
        ({"kind": "Vocabulary", "word_list": ["a"], "length": 4, "x": 1}, "argument 'x'"),
        ({"kind": "WordsAndNgrams", "word_list": ["a"], "length": 4, "buckets": 0}, "buckets is 0"),
        ({"kind": "BertPieces", "pieces": ["a"], "length": 4, "lowercase": 3}, "lowercase is 3"),
        ({"kind": "BertPieces", "pieces": ["a"], "length": 4, "lowercase": True}, r"lacks \[PAD\]"),
    ],
)
def test_a_tokeniser_s_file_of_another_form_is_refused(tmp_path, content, reason):
    (tmp_path / "vocabulary.json").write_text(json.dumps(content))
    with pytest.raises(
        DamagedFile, match=rf"vocabulary\.json cannot be read.*{reason}.*train again"
    ):
        load_tokeniser(tmp_path / "vocabulary.json", "train again")


@each_tokeniser
def test_spelling_of_case_and_width_does_not_count(tokeniser):
    plain, odd = tokeniser.encode(["black tee", " ＢＬＡＣＫ  &#116;EE "])
    assert (plain == odd).all()


@each_tokeniser
def test_no_text_is_no_row(tokeniser):
    assert tokeniser.encode([]).shape == (0, tokeniser.length)


def test_vocabulary_is_by_frequency_and_leaves_rare_words_out():
    vocabulary = Vocabulary.fit(TITLES)
    assert vocabulary.words == ["black", "nike", "puma", "tee", "women"]
    assert len(vocabulary) == 7
    assert list(vocabulary.encode(["Red nike TEE"])[0][:4]) == [UNKNOWN, 3, 5, PADDING]
    assert vocabulary.known_words("Red nike TEE") == ["nike", "tee"]


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(TutorialError, match="no word occurs 2 times"):
        Vocabulary.fit(["one", "two"])


def test_chinese_is_cut_into_words_or_characters():
    assert chinese_words("黑色运动鞋 NIKE 2024") == ["黑色", "运动鞋", "nike", "2024"]
    assert characters("黑色 鞋T") == ["黑", "色", "鞋", "t"]
    assert words("黑色运动鞋") == ["黑色运动鞋"]  # why Chinese needs a cut at all
    assert ChineseWords.fit(["黑色运动鞋", "白色运动鞋"]).words == ["运动鞋"]


def test_ngrams_mark_the_ends_and_leave_the_whole_word_out():
    assert ngrams("tee") == ("<te", "tee", "ee>", "<tee", "tee>")
    assert ngrams("a") == ()  # "<a>" is the word itself
    assert ngrams("shirt", 5, 5) == ("<shir", "shirt", "hirt>")


@given(st.text(st.characters(categories=["Ll"]), min_size=1, max_size=20))
def test_ngrams_are_all_substrings_of_three_to_five(word):
    marked = f"<{word}>"
    every = {
        marked[start:end]
        for start in range(len(marked))
        for end in range(start + 3, min(start + 5, len(marked)) + 1)
    }
    assert set(ngrams(word)) == every - {marked}


def test_a_typo_keeps_most_ngrams_and_loses_the_word():
    tokeniser = WordsAndNgrams(["sneakers"], length=64, buckets=2**20)
    right, typo = (set(row[row > 0]) for row in tokeniser.encode(["sneakers", "sneakres"]))
    assert UNKNOWN in typo and UNKNOWN not in right
    assert len(right & typo) >= 8


def test_the_hash_is_the_same_on_every_machine():
    assert bucket("<te", 1000) == 0xA4BBECC3 % 1000


def test_wordpiece_takes_the_longest_piece_first():
    tokeniser = WordPiece(PIECES)
    assert tokeniser.tokens(["Black shoe"]) == [["black", "s", "##hoe"]]
    assert tokeniser.tokens(["shoes"]) == [["[UNK]"]]  # greedy: "s ##h ##o ##es" is never tried
    assert tokeniser.known_words("black shoe jeans") == ["black", "shoe"]


def test_wordpiece_cuts_as_lesson_04_has_the_learner_cut():
    tokeniser, titles = WordPiece.fit(TITLES * 10, size=60), ["puma shirts", "nike blacks tea"]
    pieces = set(tokeniser.pieces)
    by_hand = [[piece for word in words(title) for piece in cut(word, pieces)] for title in titles]
    assert tokeniser.tokens(titles) == by_hand


def test_wordpiece_strips_accents():
    assert WordPiece(PIECES).tokens(["Café"]) == [["cafe"]]


def test_wordpiece_learns_pieces_of_the_texts():
    titles = [f"{brand} {thing}" for brand in ("Nike", "Puma", "Café") for thing in
              ("Sneakers", "Shoes", "T-shirt", "Sneaker Boots")] * 5  # fmt: skip
    tokeniser = WordPiece.fit(titles, size=60)
    assert tokeniser.pieces[:2] == ["[PAD]", "[UNK]"] and len(tokeniser) <= 60
    assert UNKNOWN not in tokeniser.encode(titles)
    assert "".join(tokeniser.tokens(["snikes"])[0]).replace("##", "") == "snikes"
