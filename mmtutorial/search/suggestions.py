"""Suggestions while a query is typed: words, attribute values and whole titles (lesson 24)."""

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from mmtutorial.catalogue.cleaning import normalise_title
from mmtutorial.encoders.tokenisers import words
from mmtutorial.search.query_reader import CHINESE_LETTER, QUERY_ATTRIBUTES

MOST = 8
MOST_TITLES = 3  # where there is enough else
LONGEST_VALUE = 4  # words that a value may have been begun with
AFTER_ALL = "\U0010ffff"  # in the order of letters


@dataclass(frozen=True)
class Suggestion:
    """What to search for: ``text``, and how many products have it.

    ``kind``: "word", "value" (of ``column``) or "title".
    """

    text: str
    kind: str
    column: str | None
    count: int


class Suggestions:
    """What may be meant by what is typed so far. Used in lesson 24.

    The last word is completed by the words of titles and the values of attributes that begin so,
    the commonest first; then come titles that have all words typed. Chinese, which writes no
    spaces, finds titles that contain it.

    >>> titles = ["red sneakers", "red sneakers", "blue snood"]
    >>> table = pd.DataFrame({"title": titles, "colour": ["Red", "Red", "Navy Blue"]})
    >>> suggest = Suggestions(table).suggest
    >>> [(each.text, each.kind, each.count) for each in suggest("red sn")]
    [('red sneakers', 'word', 2), ('red snood', 'word', 1)]
    >>> [(each.text, each.column) for each in suggest("snood navy")]
    [('snood navy blue', 'colour')]
    """

    def __init__(self, table: pd.DataFrame):
        titles = Counter(title for title in table["title"] if title)
        # The commonest title first, the shortest of equally common ones.
        order = sorted(titles, key=lambda title: (-titles[title], len(title), title))
        self.titles, self.title_counts = order, [titles[title] for title in order]
        rows: dict[str, list[int]] = {}  # word → places in ``titles``
        for place, title in enumerate(order):
            for word in set(words(title)):
                rows.setdefault(word, []).append(place)
        self.words = sorted(rows)
        self.places = np.concatenate([rows[word] for word in self.words] or [[]]).astype(int)
        self.starts = np.cumsum([0, *(len(rows[word]) for word in self.words)])
        sums = np.cumsum([0, *np.array(self.title_counts, dtype=int)[self.places]])
        self.word_counts = sums[self.starts[1:]] - sums[self.starts[:-1]]  # products
        self.values = [  # spelling, column, count; the commonest first
            (" ".join(words(str(value))), column, int(count))
            for column in QUERY_ATTRIBUTES
            if column in table
            for value, count in table.loc[table[column] != "", column].value_counts().items()
        ]
        self.values.sort(key=lambda each: -each[2])
        chinese = Counter(table.get("title_zh", pd.Series(dtype=str)))
        self.chinese = [(normalise_title(title), title, n) for title, n in chinese.most_common()]

    def suggest(self, text: str, chinese: bool = False) -> list[Suggestion]:
        """At most ``MOST`` suggestions for what is typed so far.

        ``chinese``: look in Chinese titles, too; a text with a Chinese letter always does.
        """
        typed = normalise_title(text)
        if not typed:
            return []
        found, tokens = [], words(text)
        if self.chinese and (chinese or re.search(CHINESE_LETTER, typed)):
            found += self._chinese_titles(typed)
        if tokens:
            begun = not text[-1:].isspace()  # after a space another word begins
            completed = self._completed(tokens) if begun else []
            most = MOST - MOST_TITLES
            found += [*completed[:most], *self._with_all(tokens, begun), *completed[most:]]
        unique: dict[str, Suggestion] = {}
        for each in found:
            unique.setdefault(each.text.casefold(), each)
        unique.pop(typed, None)  # it is there already
        return list(unique.values())[:MOST]

    def _completed(self, tokens):
        """The typed words with the last of them completed, the commonest first."""
        found = []
        for n in range(min(LONGEST_VALUE, len(tokens)), 0, -1):
            tail = " ".join(tokens[-n:])
            for value, column, count in self.values:
                if value.startswith(tail):
                    text = " ".join([*tokens[:-n], value])
                    found.append(Suggestion(text, "value", column, count))
        first, last = self._beginning_with(tokens[-1])
        counts = self.word_counts[first:last]
        for place in first + np.argsort(-counts, kind="stable")[:MOST]:
            text = " ".join([*tokens[:-1], self.words[place]])
            found.append(Suggestion(text, "word", None, int(self.word_counts[place])))
        found.sort(key=lambda each: -each.count)  # of a word and a value, the value stays first
        return found[: 2 * MOST]

    def _with_all(self, tokens, begun):
        """Titles that have all typed words; the last one may be only begun."""
        if not self.words:
            return []
        fits = np.ones(len(self.titles), dtype=bool)
        for number, token in enumerate(tokens):
            if begun and number == len(tokens) - 1:
                first, last = self._beginning_with(token)
            else:
                first = bisect_left(self.words, token)
                last = first + (self.words[first : first + 1] == [token])
            has = np.zeros(len(self.titles), dtype=bool)
            has[self.places[self.starts[first] : self.starts[last]]] = True
            fits &= has
        return [
            Suggestion(self.titles[place], "title", None, self.title_counts[place])
            for place in np.flatnonzero(fits)[:MOST]
        ]

    def _beginning_with(self, start):
        """From where to where the words begin with ``start``."""
        return bisect_left(self.words, start), bisect_left(self.words, start + AFTER_ALL)

    def _chinese_titles(self, typed):
        """Titles that contain what is typed, the commonest first."""
        found = (each for each in self.chinese if typed in each[0])
        return [Suggestion(title, "title", None, n) for _, title, n in islice(found, MOST)]
