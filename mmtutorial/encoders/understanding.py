"""What a text says: the sentiment of a review, the roles of a title's words (lesson 05).

Reviews are written by a small grammar, so the truth is known, negation included. Roles are
brand, colour, type, gender and occasion; what a product's attributes say is the truth of its
title.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.metrics import precision_recall_fscore_support

from mmtutorial.catalogue.attribute_reader import read_values, stem
from mmtutorial.encoders.tokenisers import PADDING, UNKNOWN, Vocabulary, words

GOOD = (
    "good", "great", "lovely", "comfortable", "excellent",
    "sturdy", "soft", "beautiful", "perfect", "practical",
)  # fmt: skip
BAD = (
    "bad", "poor", "awful", "flimsy", "terrible",
    "ugly", "scratchy", "disappointing", "useless", "cheap",
)  # fmt: skip
ASPECTS = (
    "colour", "fit", "fabric", "zip", "sole", "strap", "stitching", "lining", "collar",
    "buckle", "heel", "print", "quality", "size", "pocket", "sleeve", "waist", "clasp",
)  # fmt: skip
OPENINGS = ("", "honestly", "after two weeks", "as a gift", "for the price", "in short", "to me")
CLOSINGS = ("", "so far", "if you ask me", "overall", "after the first wash")
# kind → sentences; {a} an aspect, {x} a word that is meant, {y} a word that is taken back
SENTENCES = {
    "plain": (
        "the {a} is {x}", "what a {x} {a}", "i find the {a} {x}", "the {a} turned out {x}",
        "really {x} {a}",
    ),
    "negated": (
        "the {a} is not {y}", "i would not call the {a} {y}", "the {a} was never {y}",
        "there is nothing {y} about the {a}", "no one could say that the {a} is {y}",
    ),
    "not, yet plain": (
        "not only is the {a} {x}", "no doubt the {a} is {x}", "i could not wait and the {a} is {x}",
        "there was no delay and the {a} is {x}", "never mind the rest the {a} is {x}",
    ),
    "contrast": (
        "i expected a {y} {a} but it is {x}", "others call the {a} {y} but i find it {x}",
        "the {a} looked {y} online yet it is {x}",
    ),
}  # fmt: skip


def draw_reviews(n: int, seed: int = 0) -> pd.DataFrame:
    """``n`` different review sentences: DataFrame with ``text``, ``positive`` (0 or 1), ``kind``.

    Kinds (``SENTENCES``) and sentiments are equally frequent. A word that is negated or taken
    back is of the other sentiment, so that the sum of the words misleads.

    >>> reviews = draw_reviews(100)
    >>> reviews["text"].nunique(), sorted(reviews["positive"].unique().tolist())
    (100, [0, 1])
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, dict] = {}
    while len(drawn) < n:
        positive, kind = int(rng.integers(2)), list(SENTENCES)[rng.integers(len(SENTENCES))]
        meant, other = (GOOD, BAD) if positive else (BAD, GOOD)
        sentence = str(rng.choice(SENTENCES[kind])).format(
            a=rng.choice(ASPECTS), x=rng.choice(meant), y=rng.choice(other)
        )
        text = f"{rng.choice(OPENINGS)} {sentence} {rng.choice(CLOSINGS)}".strip()
        drawn[text] = {"text": text, "positive": positive, "kind": kind}
    return pd.DataFrame(list(drawn.values()))


# --------------------------------------------------------------------------------------------
# Roles
# --------------------------------------------------------------------------------------------

ROLES = ("brand", "type", "colour", "gender", "occasion")  # in the order in which they claim words
COLUMN = {"type": "article_type", "occasion": "usage"}  # where the catalogue calls it otherwise


def roles_of(text: str, names: Mapping[str, Iterable[str]]) -> list[str]:
    """The role of each word of a text: a list of names of ``ROLES``, or "" for none.

    ``names``: role → the names that its value goes by, such as
    ``{"type": ["Tshirts", "tee"], "colour": ["Navy Blue"]}``. A name claims the first place where
    all of it stands ("T-shirt" is "Tshirts": only letters count, and a plural is its singular);
    else the name's last word does for a type, any of its words for a colour. What one role has
    claimed no later one gets. Defined in lesson 05.

    >>> roles_of("Puma Men's Navy T-shirt", {"type": ["Tshirts"], "colour": ["Navy Blue"]})
    ['', '', 'colour', 'type', 'type']
    """
    found = words(text)
    stems = [stem(word) for word in found]
    roles = [""] * len(found)
    for role in ROLES:
        parts = [[stem(word) for word in words(name)] for name in names.get(role, ())]
        wanted = ["".join(each) for each in parts]
        if role == "type":
            wanted += [each[-1] for each in parts if each]
        elif role == "colour":
            wanted += [part for each in parts for part in each]
        place = next(filter(None, (_find(each, stems, roles) for each in wanted)), None)
        if place:
            roles[place] = [role] * (place.stop - place.start)
    return roles


def _find(wanted, stems, roles):
    """Where consecutive words without a role make up ``wanted``: a slice, or None."""

    def named(start, stop):
        return ("".join(stems[start:stop]) == wanted and not any(roles[start:stop])) or None

    read = read_values(len(stems), named, max_words=len(stems))
    return next((slice(start, stop) for start, stop, value in read if value), None)


def product_names(
    table: pd.DataFrame, synonyms: Mapping[str, Iterable[str]] | None = None
) -> list[dict[str, list[str]]]:
    """What each product's attributes are called, for ``roles_of``: a list of role → names.

    ``table`` has the columns ``brand``, ``article_type``, ``colour``, ``gender`` and ``usage``;
    ``synonyms``: value → further names of it, such as ``{"Tshirts": ["tee"]}``.

    >>> table = pd.DataFrame([{"brand": "Acme", "article_type": "Tshirts", "colour": "Red"}])
    >>> table = table.assign(gender="", usage="")
    >>> product_names(table, {"Tshirts": ["tee"]})
    [{'brand': ['Acme'], 'type': ['Tshirts', 'tee'], 'colour': ['Red']}]
    """
    synonyms = synonyms or {}
    columns = {role: table[COLUMN.get(role, role)].fillna("").tolist() for role in ROLES}
    return [
        {
            role: [value, *synonyms.get(value, ())]
            for role, value in zip(ROLES, row, strict=True)
            if value
        }
        for row in zip(*(columns[role] for role in ROLES), strict=True)
    ]


class DictionaryTagger:
    """Each word has the role that it had most often in training; an unknown word has none."""

    def fit(self, texts, roles):
        """Learn from n texts and, for each, the list of its words' roles. Returns itself."""
        counts = defaultdict(Counter)
        for text, row in zip(texts, roles, strict=True):
            for word, role in zip(words(text), row, strict=True):
                counts[word][role] += 1
        self.role = {word: count.most_common(1)[0][0] for word, count in counts.items()}
        return self

    def tag(self, texts: Iterable[str]) -> list[list[str]]:
        """For each text, the list of its words' roles."""
        return [[self.role.get(word, "") for word in words(text)] for text in texts]


class BiLSTMTagger:
    """Embedding → bidirectional LSTM → a role for each word (Huang et al. 2015, arXiv:1508.01991,
    without its CRF): a word is judged by its neighbours too.

    In training one word in ten is hidden (made unknown), so that the place of an unknown word
    comes to mean something. ``fit`` and ``tag`` as in ``DictionaryTagger``.
    """

    def __init__(self, width=64, epochs=15, batch_size=128, learning_rate=3e-3, hidden=0.1, seed=0):
        self.width, self.epochs, self.batch_size = width, epochs, batch_size
        self.learning_rate, self.hidden, self.seed = learning_rate, hidden, seed

    def fit(self, texts, roles):
        """Learn from n texts and, for each, the list of its words' roles. Returns itself."""
        keras.utils.set_random_seed(self.seed)
        rng = np.random.default_rng(self.seed)
        self.vocabulary = Vocabulary.fit(texts)
        rows = self.vocabulary.encode(texts)  # (n, length)
        y = np.zeros(rows.shape, dtype="int32")  # 0: no role
        for place, row in enumerate(roles):
            numbers = [1 + ROLES.index(role) if role else 0 for role in row][: rows.shape[1]]
            y[place, : len(numbers)] = numbers
        real = rows != PADDING
        self.model = _tagger(len(self.vocabulary), self.width)
        # The embedding's mask comes out at the other end: the loss leaves padding out by itself.
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(keras.optimizers.Adam(self.learning_rate), loss=loss)
        for _ in range(self.epochs):
            hidden = real & (rng.random(rows.shape) < self.hidden)
            seen = np.where(hidden, UNKNOWN, rows).astype("int32")
            self.model.fit(seen, y, batch_size=self.batch_size, verbose=0)
        return self

    def tag(self, texts: Iterable[str]) -> list[list[str]]:
        """For each text, the list of its words' roles; words past the vocabulary's length: none."""
        texts = list(texts)
        best = self.model.predict(self.vocabulary.encode(texts), verbose=0).argmax(axis=-1)
        names = ("", *ROLES)
        tagged = []
        for text, row in zip(texts, best, strict=True):
            n = len(words(text))
            tagged.append(([names[number] for number in row[:n]] + [""] * n)[:n])
        return tagged


def _tagger(vocabulary_size, width):
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(vocabulary_size, width, mask_zero=True, name="embed")(tokens)
    x = layers.Bidirectional(layers.LSTM(width // 2, return_sequences=True), name="bilstm")(x)
    return keras.Model(tokens, layers.Dense(1 + len(ROLES), name="role")(x), name="tagger")


def role_scores(true: Sequence[list[str]], found: Sequence[list[str]]) -> pd.DataFrame:
    """Precision, recall and F1 of each role, counted over words: one row a role.

    ``true`` and ``found``: for each text, the list of its words' roles. A role that is neither
    there nor found has no F1 (NaN); ``words`` says how many there are.

    >>> role_scores([["brand", "type"]], [["brand", "brand"]]).loc["brand"].tolist()
    [0.5, 1.0, 0.6666666666666666, 1.0]
    """
    scores = precision_recall_fscore_support(
        [role for row in true for role in row],
        [role for row in found for role in row],
        labels=ROLES,
        zero_division=np.nan,
    )
    columns = ("precision", "recall", "F1", "words")
    return pd.DataFrame(dict(zip(columns, scores, strict=True)), index=list(ROLES))
