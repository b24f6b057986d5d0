"""Words: normalising, a vocabulary, and text encoders (lessons 04 and 05; used from 00 on).

Texts become word numbers ``(batch, length)`` int32, padded on the right with 0; an encoder
turns those into ``(batch, dim)`` float features.
"""

import json
import re
from collections import Counter
from pathlib import Path

import keras
import numpy as np
from keras import layers

from mmtutorial import TutorialError
from mmtutorial.cleaning import normalise_title

PADDING, UNKNOWN = 0, 1
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(text):
    """The words of a text, normalised: ``"Men's T-shirt"`` → ``["men's", "t", "shirt"]``."""
    return _WORD.findall(normalise_title(text))


class Vocabulary:
    """The words that the training titles use, each with a number; fitted on train only.

    Number 0 is padding and 1 stands for every word not in the list. Defined in lesson 04.
    """

    def __init__(self, word_list, length=16):
        self.words = list(word_list)
        self.length = length
        self._number = {word: number for number, word in enumerate(self.words, start=2)}

    @classmethod
    def fit(cls, texts, min_count=2, length=16):
        """The words that occur at least ``min_count`` times in ``texts``, most frequent first."""
        counts = Counter(word for text in texts for word in words(text))
        kept = [word for word, count in counts.items() if count >= min_count]
        if not kept:
            raise TutorialError(
                f"no word occurs {min_count} times in these {len(texts)} texts: there is nothing "
                "to learn from; give more texts or a smaller min_count"
            )
        return cls(sorted(kept, key=lambda word: (-counts[word], word)), length)

    def __len__(self):
        """How many numbers there are: the words, padding and unknown."""
        return len(self.words) + 2

    def __contains__(self, word):
        return word in self._number

    def encode(self, texts):
        """Texts → ``(n, length)`` int32, padded on the right with 0, cut after ``length`` words.

        A text without any word becomes one unknown word: a row of nothing but padding is
        masked away whole, which recurrent layers on a GPU refuse.
        """
        encoded = np.full((len(texts), self.length), PADDING, dtype="int32")
        for row, text in enumerate(texts):
            numbers = [self._number.get(word, UNKNOWN) for word in words(text)] or [UNKNOWN]
            encoded[row, : len(numbers)] = numbers[: self.length]
        return encoded

    def known_words(self, text):
        """The words of ``text`` that the vocabulary holds."""
        return [word for word in words(text) if word in self]

    def save(self, path):
        """Write the vocabulary to a JSON file."""
        content = {"length": self.length, "words": self.words}
        Path(path).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path):
        """Read what ``save`` wrote."""
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(content["words"], content["length"])


def lstm_encoder(vocabulary_size, dim=128, width=128):
    """Embedding → LSTM → dense: the article's text branch, made to train.

    ``mask_zero`` lets the LSTM skip the padding; without it the last state has read mostly
    zeros and often stays at chance.

    Returns a ``keras.Model``: ``(batch, length)`` int32, 0 = padding → ``(batch, dim)`` float.
    Defined in lesson 05.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(vocabulary_size, width, mask_zero=True, name="embed")(tokens)
    x = layers.LSTM(width, name="lstm")(x)  # (batch, width): the state after the last word
    return keras.Model(tokens, layers.Dense(dim, name="project")(x), name="lstm_encoder")
