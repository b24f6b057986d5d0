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
    left: Sequence[Sequence[str]], right: Sequence[Sequence[str]], sure: float, least: int = 3
) -> dict[str, str]:
    """For each term of ``left`` the term of ``right`` that goes with it: a dict.

    ``left``, ``right``: for each product, its terms. The partner is the one with the highest
    n(l, r) / √(n(l) · n(r)) (Ochiai 1957: the cosine of their columns), n counting products; kept
    if it is above 0.3, at least ``sure`` of the products with l have it, and ``least`` do.
    """
    return _partners(_counted(left), _counted(right), sure, least)


def _counted(terms):
    """Which products have which term, ``(n_products, n_terms)`` sparse, and the terms, sorted."""
    from scipy.sparse import csr_array

    rows = np.repeat(np.arange(len(terms)), [len(each) for each in terms])
    codes, names = pd.factorize(np.array([*chain(*terms)], dtype=object), sort=True)
    has = csr_array((np.ones(len(rows), dtype="int64"), (rows, codes)), (len(terms), len(names)))
    has.sum_duplicates()
    has.data[:] = 1
    return has, names


def _partners(left, right, sure, least=3):
    """``associated_terms`` of what was ``_counted``."""
    (a, names), (b, others) = left, right
    both = (a.T @ b).tocoo()  # (n_left, n_right): how many products have both
    n_a, n_b = np.asarray(a.sum(axis=0)).ravel(), np.asarray(b.sum(axis=0)).ravel()
    likeness = both.data / np.sqrt(n_a[both.row] * n_b[both.col])
    good = (likeness > 0.3) & (both.data >= sure * n_a[both.row]) & (both.data >= least)
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
        self._spellings = {joined([word]) for word in self.known}
        self.values: dict[str, tuple[str, str]] = {}  # spelling → (column, value)
        for column in columns:
            for value in table[column][table[column] != ""].value_counts().index:
                self.values.setdefault(joined(words(value)), (column, value))
        counted = _counted(titles)
        for column in columns:
            values = [[value] if value else [] for value in table[column].tolist()]
            for word, value in _partners(counted, _counted(values), sure=0.8).items():
                self.values.setdefault(joined(words(word)), (column, value))
        self.english = {}
        if "title_zh" in table and (table["title_zh"] != "").any():
            chinese = [chinese_words(title) for title in table["title_zh"]]
            self.english = _partners(_counted(chinese), counted, sure=0.3)

    def attributes(self, query: str) -> list[tuple[str, str]]:
        """The attribute values that a query names: ``[(column, value), …]`` in their order."""
        return list(dict.fromkeys(named for _, named in self._read(query) if named))

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
        unknown = [
            word
            for (word, *_), named in self._read(query)
            if not named
            and word not in FUNCTION_WORDS
            and joined([word]) not in self._spellings
            and (self.english or not re.search(CHINESE_LETTER, word))  # no words without spaces
        ]
        markup = re.search("<[^>]*>", query)
        return {word: "" if markup else self._nearest(word) for word in unknown}

    def _nearest(self, word):
        most = 0 if len(word) < 4 else 1 if len(word) < 8 else 2
        near = []
        for other, count in self.known.items():
            if len(other) > 2 and abs(len(other) - len(word)) <= most:
                distance = _edits(word, other)
                if distance <= most:
                    near.append((distance, -count, other))
        return min(near)[2] if near else ""


def _edits(a, b):
    """How many letters to insert, leave out, change, or swap with the next, from ``a`` to ``b``.

    The optimal string alignment distance: Damerau 1964, each letter edited at most once.
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
