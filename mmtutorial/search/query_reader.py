"""What a query says: attribute values, unknown words, Chinese (lessons 04, 24)."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
import pandas as pd

from mmtutorial.catalogue.attribute_reader import joined, read_values
from mmtutorial.encoders.tokenisers import chinese_words, words

QUERY_ATTRIBUTES = ("article_type", "colour", "gender", "pattern", "usage", "season", "brand")
CHINESE_LETTER = "[\u4e00-\u9fff]"

FUNCTION_WORDS = frozenset(  # they say nothing about a product, whatever is spelt like them
    re.findall(r"\w+", "a an and any at by for from i in is it me my of on or some the to with")
)


def associated_terms(
    left: Sequence[Sequence[str]],
    right: Sequence[Sequence[str]],
    min_confidence: float,
    min_count: int = 3,
) -> dict[str, str]:
    """For each term of ``left`` the term of ``right`` that goes with it: a dict.

    ``left``, ``right``: for each product, its terms. The partner is the one with the highest
    n(l, r) / √(n(l) · n(r)) (Ochiai 1957: the cosine of their columns), n counting products; kept
    if it is above 0.3, at least the share ``min_confidence`` of the products with l have it, and at
    least ``min_count`` products.

    >>> chinese, english = [["红色"]] * 3 + [["蓝色"]] * 3, [["red"]] * 3 + [["blue"]] * 3
    >>> found = associated_terms(chinese, english, min_confidence=0.8)
    >>> found["红色"], found["蓝色"]
    ('red', 'blue')
    """
    return _partners(_counted(left), _counted(right), min_confidence, min_count)


def _counted(terms):
    """Which products have which term, ``(n_products, n_terms)`` sparse, and the terms, sorted."""
    from scipy.sparse import csr_array

    rows = np.repeat(np.arange(len(terms)), [len(each) for each in terms])
    codes, names = pd.factorize(np.array([*chain(*terms)], dtype=object), sort=True)
    has = csr_array((np.ones(len(rows), dtype="int64"), (rows, codes)), (len(terms), len(names)))
    has.sum_duplicates()
    has.data[:] = 1
    return has, names


def _partners(left, right, min_confidence, min_count=3):
    """``associated_terms`` of what was ``_counted``."""
    (a, names), (b, others) = left, right
    both = (a.T @ b).tocoo()  # (n_left, n_right): how many products have both
    n_a, n_b = np.asarray(a.sum(axis=0)).ravel(), np.asarray(b.sum(axis=0)).ravel()
    likeness = both.data / np.sqrt(n_a[both.row] * n_b[both.col])
    good = (
        (likeness > 0.3) & (both.data >= min_confidence * n_a[both.row]) & (both.data >= min_count)
    )
    best = np.flatnonzero(good)[np.argsort(likeness[good], kind="stable")]  # the last one wins
    return {names[both.row[place]]: others[both.col[place]] for place in best}


class QueryReader:
    """Reads a query by what the catalogue itself says: attribute values, and Chinese words.

    A value is read where it stands ("track pants"), or where a word stands that titles use for
    it ("tee" for Tshirts). Chinese is turned into the words of the English titles: a product's
    two titles are each other's translation, and that is all the dictionary there is.
    """

    def __init__(self, table: pd.DataFrame):
        columns = [column for column in QUERY_ATTRIBUTES if column in table]
        titles = [title.casefold().split() for title in table["title"]]
        self.known = Counter(word for title in table["title"] for word in words(title))
        self._common = sorted(self.known, key=lambda word: (-self.known[word], word))
        self._letters = _letter_counts(self._common)
        self._spellings: dict[str, list[str]] = {}  # what spellings have in common → title words
        for word in self._common:
            self._spellings.setdefault(joined([word]), []).append(word)
        self.values: dict[str, tuple[str, str]] = {}  # spelling → (column, value)
        for column in columns:
            for value in table[column][table[column] != ""].value_counts().index:
                self.values.setdefault(joined(words(value)), (column, value))
        counted = _counted(titles)
        for column in columns:
            values = [[value] if value else [] for value in table[column].tolist()]
            for word, value in _partners(counted, _counted(values), min_confidence=0.8).items():
                self.values.setdefault(joined(words(word)), (column, value))
        self.english = {}
        if "title_zh" in table and (table["title_zh"] != "").any():
            chinese = [chinese_words(title) for title in table["title_zh"]]
            self.english = _partners(_counted(chinese), counted, min_confidence=0.3)

    def attributes(self, query: str) -> list[tuple[str, str]]:
        """The attribute values that a query names: ``[(column, value), …]`` in their order."""
        return list(dict.fromkeys(named for _, named in self._read(query) if named))

    def other_words(self, query: str) -> list[str]:
        """The words of a query that name no value, without the function words."""
        alone = (tokens[0] for tokens, named in self._read(query) if not named)
        return [word for word in dict.fromkeys(alone) if word not in FUNCTION_WORDS]

    def spelt_like(self, word: str) -> list[str]:
        """The words of titles that differ from ``word`` by an ending alone, the commonest first."""
        return self._spellings.get(joined([word]), [])

    def _read(self, query):
        """A query's words, in groups that name a value, and alone: ``(words, value or None)``."""
        tokens = words(query)
        read = read_values(len(tokens), lambda start, stop: self._named(tokens[start:stop]))
        for start, stop, named in read:
            yield tokens[start:stop], named

    def _named(self, tokens):
        """The value that these words name together, or None.

        A function word names no value but one that is spelt exactly so: with a shop's "Fors Work
        lamp" in three colours, "pan for pasta" would ask for a work lamp, as "for" is the singular
        of "fors".
        """
        named = self.values.get(joined(tokens))
        if named and FUNCTION_WORDS.issuperset(tokens) and words(named[1]) != tokens:
            return None
        return named

    def translated(self, query: str) -> str:
        """A query with Chinese in it, in the words of the English titles; any other as it is."""
        if not self.english or not re.search(CHINESE_LETTER, query):
            return query
        english = [self.english.get(word, word) for word in chinese_words(query)]
        return " ".join(dict.fromkeys(english))  # T恤 is cut in two, both a t-shirt

    def unknown(self, query: str) -> dict[str, str]:
        """The words of a query that no title and no attribute's value has: word → the one meant.

        The one meant is the title word with the fewest edits, the commonest of several; "" where
        none is near enough: one edit for a word of 4 letters, two from 8 on. Markup has none.
        """
        markup = re.search("<[^>]*>", query)
        return {word: "" if markup else self._nearest(word) for word in self.unknown_words(query)}

    def unknown_words(self, query: str) -> list[str]:
        """The words of a query that no title and no attribute's value has."""
        return [
            word
            for word in self.other_words(query)
            if not self.spelt_like(word)
            and (self.english or not re.search(CHINESE_LETTER, word))  # no words without spaces
        ]

    def _nearest(self, word):
        max_edits = 0 if len(word) < 4 else 1 if len(word) < 8 else 2
        if not max_edits:
            return ""
        # An edit adds one letter, takes one away, or both: most words differ in more letters.
        more = self._letters - _letter_counts([word])  # (n_words, 64)
        fewest = np.maximum(np.maximum(more, 0).sum(axis=1), np.maximum(-more, 0).sum(axis=1))
        near = []
        for place in np.flatnonzero(fewest <= max_edits):  # the commonest first
            other = self._common[place]
            if len(other) > 2 and (distance := _edits(word, other)) <= max_edits:
                near.append((distance, place))
        return self._common[min(near)[1]] if near else ""


def _letter_counts(texts):
    """How often each text has each letter, ``(n, 64)``; letters far apart may share a column."""
    counts = np.zeros((len(texts), 64), dtype="int16")
    rows = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    np.add.at(counts, (rows, [ord(letter) % 64 for text in texts for letter in text]), 1)
    return counts


def _edits(a, b):
    """How many letters to insert, leave out, change, or swap with the next, from ``a`` to ``b``.

    The optimal string alignment distance: Damerau 1964, each letter edited at max_edits once.
    """
    before, row = [], [*range(len(b) + 1)]
    for i, x in enumerate(a, 1):
        before, above, row = row, before, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and (x, y) == (b[j - 2], a[i - 2]):
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]
