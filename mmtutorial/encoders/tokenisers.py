"""Tokens: a text becomes a row of numbers (lesson 04; used from 00 on).

Every tokeniser has the same face: ``fit(texts)`` learns from training texts, ``encode(texts)``
gives ``(n, length)`` int32, padded on the right with 0; ``len`` says how many numbers there are,
``known_words(text)`` which words of a text it knows, and ``get_config()`` what its constructor
needs to make the same again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.catalogue.cleaning import normalise_title
from mmtutorial.files import are_texts

if TYPE_CHECKING:  # in typing itself from Python 3.11 on
    from typing_extensions import Self

PADDING, UNKNOWN = 0, 1
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(text: str) -> list[str]:
    """The words of a text, normalised.

    >>> words("Men's T-shirt")
    ["men's", 't', 'shirt']
    """
    return _WORD.findall(normalise_title(text))


def characters(text: str) -> list[str]:
    """The letters and digits of a text, normalised, one by one: the plain way to cut Chinese.

    >>> characters("T恤 No. 5")
    ['t', '恤', 'n', 'o', '5']
    """
    return [letter for word in words(text) for letter in word]


def chinese_words(text: str) -> list[str]:
    """The words of a Chinese text, which writes no spaces: jieba's most probable cut.

    Latin words and numbers stay whole.

    >>> chinese_words("Nike 黑色运动鞋")
    ['nike', '黑色', '运动鞋']
    """
    return [word for token in _jieba().lcut(normalise_title(text)) for word in words(token)]


@lru_cache(maxsize=1)
def _jieba():
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)
    return jieba.Tokenizer()


class Vocabulary:
    """The words that the training titles use, each with a number; fitted on train only.

    Number 0 is padding and 1 stands for every word not in the list. Defined in lesson 04.

    >>> vocabulary = Vocabulary.fit(["red hat", "red shirt", "blue hat"], length=4)
    >>> vocabulary.words  # those that occur twice
    ['hat', 'red']
    >>> vocabulary.encode(["Red cap", "hat"]).tolist()
    [[3, 1, 0, 0], [2, 0, 0, 0]]
    """

    split = staticmethod(words)  # text → list of words

    def __init__(self, word_list: Iterable[str], length: int = 16):
        self.words = list(word_list)
        self.length = length
        self._number = {word: number for number, word in enumerate(self.words, start=2)}

    @classmethod
    def fit(cls, texts: Sequence[str], min_count: int = 2, length: int = 16) -> "Self":
        """The words that occur at least ``min_count`` times in ``texts``, most frequent first."""
        counts = Counter(word for text in texts for word in cls.split(text))
        kept = [word for word, count in counts.items() if count >= min_count]
        if not kept:
            raise TutorialError(
                f"no word occurs {min_count} times in these {len(texts)} texts: there is nothing "
                "to learn from; give more texts or a smaller min_count"
            )
        return cls(sorted(kept, key=lambda word: (-counts[word], word)), length)

    def __len__(self) -> int:
        """How many numbers there are: the words, padding and unknown."""
        return len(self.words) + 2

    def __contains__(self, word: str) -> bool:
        return word in self._number

    def encode(self, texts: Iterable[str]) -> np.ndarray:
        """Texts → ``(n, length)`` int32, padded on the right with 0, cut after ``length`` words.

        A text without any word becomes one unknown word: a row of nothing but padding is
        masked away whole, which recurrent layers on a GPU refuse.
        """
        return _padded([self._numbers(text) for text in texts], self.length)

    def _numbers(self, text):
        return [self._number.get(word, UNKNOWN) for word in self.split(text)]

    def known_words(self, text: str) -> list[str]:
        """The words of ``text`` that the vocabulary holds."""
        return [word for word in self.split(text) if word in self]

    def get_config(self) -> dict:
        """What the constructor needs to make the same again, as JSON can hold it."""
        return {"word_list": self.words, "length": self.length}


class ChineseWords(Vocabulary):
    """A vocabulary of Chinese words, cut by jieba. Defined in lesson 04."""

    split = staticmethod(chinese_words)


class Characters(Vocabulary):
    """A vocabulary of single characters: no cut to get wrong. Defined in lesson 04."""

    split = staticmethod(characters)


class WordsAndNgrams(Vocabulary):
    """Words, then the hashed character 3-, 4- and 5-grams of each word, as one row of numbers.

    A word not in the vocabulary still shares most of its n-grams with its neighbours, so that a
    typo or a new form is not a blank. Numbers: 0 padding, 1 unknown word, then the words, then
    ``buckets`` for n-grams: which one is decided by a hash, so that nothing has to be stored;
    n-grams of one bucket are one to the model (Bojanowski et al. 2017, arXiv:1607.04606,
    section 3.2). Order: the text's words, then all n-grams of its first word, and so on. Meant
    for encoders that take the mean of a bag. Defined in lesson 04.
    """

    def __init__(self, word_list: Iterable[str], length: int = 128, buckets: int = 2**14):
        super().__init__(word_list, length)
        self.buckets = buckets

    @classmethod
    def fit(cls, texts: Sequence[str], min_count: int = 2, length: int = 128) -> "Self":
        """As ``Vocabulary.fit``; the n-grams need none."""
        return super().fit(texts, min_count, length)

    def __len__(self) -> int:
        """How many numbers there are: the words, the buckets, padding and unknown."""
        return super().__len__() + self.buckets

    def _numbers(self, text):
        first = len(self.words) + 2  # the number of the first bucket
        grams = [first + bucket(gram, self.buckets) for gram in text_ngrams(text)]
        return super()._numbers(text) + grams

    def get_config(self) -> dict:
        """What the constructor needs to make the same again, as JSON can hold it."""
        return {**super().get_config(), "buckets": self.buckets}


@lru_cache(maxsize=2**17)
def ngrams(word: str, min_n: int = 3, max_n: int = 5) -> tuple[str, ...]:
    """The character n-grams of one word, its ends marked.

    A tuple, shortest first; the whole word with both marks is left out, as the word stands in
    the vocabulary itself. Defined in lesson 04.

    >>> ngrams("tee")
    ('<te', 'tee', 'ee>', '<tee', 'tee>')
    """
    marked = f"<{word}>"
    return tuple(
        marked[start : start + n]
        for n in range(min_n, min(max_n, len(marked) - 1) + 1)
        for start in range(len(marked) - n + 1)
    )


def text_ngrams(text: str) -> list[str]:
    """The character n-grams of all words of a text, word by word.

    >>> text_ngrams("A cap")  # "<a>" is the whole word
    ['<ca', 'cap', 'ap>', '<cap', 'cap>']
    """
    return [gram for word in words(text) for gram in ngrams(word)]


def bucket(gram: str, buckets: int = 2**14) -> int:
    """Which of ``buckets`` an n-gram falls into: the same on every machine, every day.

    Python's own ``hash`` of a string changes with each start of Python; CRC-32 does not.

    >>> bucket("<te")
    11459
    """
    return crc32(gram.encode()) % buckets


class WordPiece:
    """Words, or pieces of words where a word is rare: ``sneakerhead`` → ``sneaker ##head``.

    The pieces are learnt from training texts (Schuster and Nakajima 2012); a word is then cut by
    taking the longest piece that fits, again and again. 0 is padding, 1 a word that cannot be
    cut, as it has a character never seen. Defined in lesson 04; used for BERT in lesson 05.
    """

    RESERVED = ("[PAD]", "[UNK]")  # numbers PADDING and UNKNOWN

    def __init__(self, pieces: Iterable[str], length: int = 32):
        self.pieces = list(pieces)
        self.length = length
        self._tokeniser = None  # keras_hub's, made when first needed: importing it is slow

    @classmethod
    def fit(cls, texts: Iterable[str], size: int = 4000, length: int = 32) -> "Self":
        """Learn at most ``size`` pieces from ``texts`` with keras-hub (on TensorFlow Text).

        Fewer, where too few words are frequent enough to be a piece.
        """
        from keras_hub.tokenizers import compute_word_piece_vocabulary

        with TemporaryDirectory() as folder:
            file = Path(folder, "texts.txt")
            file.write_text("\n".join(map(normalise_title, texts)), encoding="utf-8")
            pieces = compute_word_piece_vocabulary(
                [str(file)], size, strip_accents=True, reserved_tokens=list(cls.RESERVED)
            )
        return cls(pieces, length)

    def __len__(self) -> int:
        """How many numbers there are."""
        return len(self.pieces)

    def _cut(self, texts):
        """The numbers of each text's pieces, not padded: a list of lists."""
        from keras_hub.tokenizers import WordPieceTokenizer

        if self._tokeniser is None:
            # Without strip_accents a "café" is [UNK] to pieces that were learnt without accents.
            self._tokeniser = WordPieceTokenizer(self.pieces, strip_accents=True)
        normalised = [normalise_title(text) for text in texts]
        distinct = list(dict.fromkeys(normalised))  # a catalogue repeats its titles
        cut = dict(zip(distinct, self._tokeniser(distinct), strict=True)) if distinct else {}
        return [[int(number) for number in cut[text]] for text in normalised]

    def tokens(self, texts: Iterable[str]) -> list[list[str]]:
        """The pieces of each text, as text: ``[["nike", "sneaker", "##head"], …]``."""
        return [[self.pieces[number] for number in cut] for cut in self._cut(texts)]

    def encode(self, texts: Iterable[str]) -> np.ndarray:
        """Texts → ``(n, length)`` int32, padded on the right with 0, cut after ``length`` pieces.

        A text without any piece becomes one unknown, as in ``Vocabulary``.
        """
        return _padded(self._cut(texts), self.length)

    def known_words(self, text: str) -> list[str]:
        """The words of ``text`` that can be cut into known pieces."""
        found = words(text)
        return [
            word for word, cut in zip(found, self._cut(found), strict=True) if UNKNOWN not in cut
        ]

    def get_config(self) -> dict:
        """What the constructor needs to make the same again, as JSON can hold it."""
        return {"pieces": self.pieces, "length": self.length}


def from_config(kind: type, config: dict) -> Any:
    """The tokeniser of class ``kind`` whose ``get_config()`` that is, as read from a file.

    Raises ``TutorialError`` where a value is missing, unknown, or not of its kind.

    >>> from_config(Vocabulary, {"word_list": ["red", "hat"], "length": 3}).encode(["hat"]).tolist()
    [[3, 0, 0]]
    """
    for name, value in config.items():
        if name in _MOST:
            check_whole(low=1, high=_MOST[name], **{name: value})
        elif name in ("lowercase", "ngrams") and not isinstance(value, bool):
            raise TutorialError(f"{name} is {value!r}, neither true nor false")
        elif name in ("word_list", "pieces") and not are_texts(value):
            raise TutorialError(f"{name} is no list of texts")
    try:
        tokeniser = kind(**config)
    except TypeError as fault:
        raise TutorialError(f"no {kind.__name__} can be made of it: {fault}") from fault
    missing = tokeniser.get_config().keys() - config
    if missing:
        raise TutorialError(f"it lacks {sorted(missing)[0]!r}")
    return tokeniser


_MOST = {"length": 4096, "buckets": 2**20}  # so that a file cannot ask for all memory


def _padded(rows, length):
    """Lists of numbers → ``(n, length)`` int32; an empty list becomes one unknown."""
    encoded = np.full((len(rows), length), PADDING, dtype="int32")
    for row, numbers in enumerate(rows):
        numbers = (numbers or [UNKNOWN])[:length]
        encoded[row, : len(numbers)] = numbers
    return encoded
