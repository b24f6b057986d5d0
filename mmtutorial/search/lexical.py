"""Lexical search: a title is found by the terms it shares with the query (lesson 04).

Both indexes have one face: ``fit(titles)`` on the titles of the gallery, ``scores(queries)`` →
``(n_queries, n_products) float32``, higher is better, and ``top_k``. What a term is decides
``split``, a function from a text to a list of strings: ``tokenisers.words``, ``text_ngrams``,
``chinese_words``.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mmtutorial import TutorialError
from mmtutorial.encoders.tokenisers import words
from mmtutorial.metrics.top_k import check_k, id_ranks, select_top


class _Lexical(ABC):
    """What both indexes share: the ranking."""

    def __init__(self, split: Callable[[str], list[str]] = words):
        self.split = split

    @abstractmethod
    def scores(self, queries: Iterable[str]) -> np.ndarray:
        """``(n_queries, n_products) float32``, higher is better."""

    def top_k(
        self, queries: Iterable[str], k: int, ids: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` best products for each query, as ``top_k.top_k`` gives them.

        ``ids``: the product ids in the order of the titles; among equal scores, which are many
        where titles repeat, the smaller id comes first. Returns ``rows`` ``(n_queries, k) int64``
        and ``scores`` ``(n_queries, k) float32``. Raises ``TutorialError`` where k is not in
        1 … n_products.

        >>> index = Bm25().fit(["red bag", "blue bag", "red shoe"])
        >>> rows, scores = index.top_k(["red bag", "shoe"], 2, ids=["b", "c", "a"])
        >>> rows.tolist()  # two titles without "shoe" tie: "b" comes before "c"
        [[0, 2], [2, 0]]
        """
        check_k(k, len(ids))
        places, queries = id_ranks(ids), list(queries)
        rows = np.empty((len(queries), k), dtype="int64")
        scores = np.empty((len(queries), k), dtype="float32")
        for start in range(0, len(queries), 64):  # 64 × n_products scores at a time
            block = slice(start, start + 64)
            rows[block], scores[block] = select_top(self.scores(queries[block]), k, places)
        return rows, scores

    def _check(self, texts):
        if not any(self.split(text) for text in texts):
            raise TutorialError(
                f"no term in any of these {len(texts)} titles: there is nothing to find; check "
                "the title column, and that split suits the language"
            )


class TfIdf(_Lexical):
    """The cosine of two bags of terms in which rare terms weigh more. Defined in lesson 04.

    Weight of a term in a text: how often it occurs, times 1 + ln((1 + N) / (1 + df)), where df
    of N titles have it; rows of unit length (scikit-learn's ``TfidfVectorizer``). From
    K. Spärck Jones 1972, doi:10.1108/eb026526.

    >>> index = TfIdf().fit(["red bag", "blue bag", "red shoe"])
    >>> index.scores(["blue shoe"]).round(2)
    array([[0.  , 0.56, 0.56]], dtype=float32)
    """

    def fit(self, titles: Iterable[str]) -> "TfIdf":
        """Index the titles of the gallery; returns the index."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        titles = list(titles)
        self._check(titles)
        self.vectorizer = TfidfVectorizer(analyzer=self.split, dtype=np.float32)
        self.vectors = self.vectorizer.fit_transform(titles)  # (n_products, n_terms), sparse
        return self

    def scores(self, queries: Iterable[str]) -> np.ndarray:
        """Cosines from 0 to 1, ``(n_queries, n_products) float32``."""
        return (self.vectorizer.transform(list(queries)) @ self.vectors.T).toarray()


class Bm25(_Lexical):
    """Okapi BM25: TF-IDF in which a repeated term counts less and less. Defined in lesson 04.

    The score of a title d is the sum over the query's terms of ln(1 + (N - df + 0.5) / (df + 0.5))
    · tf / (tf + k1 · (1 - b + b · |d| / mean |d|)), as Lucene has it (S. Robertson, H. Zaragoza
    2009, doi:10.1561/1500000019; C. Kamphuis et al. 2020, doi:10.1007/978-3-030-45442-5_4),
    computed by bm25s. ``k1``: how soon repeating a term stops to count; ``b``: how much a long
    title is held against it, from 0 to 1.

    >>> index = Bm25().fit(["red bag", "blue bag", "red shoe"])
    >>> index.scores(["blue bag"]).round(2)
    array([[0.19, 0.58, 0.  ]], dtype=float32)
    """

    def __init__(self, split: Callable[[str], list[str]] = words, k1: float = 1.5, b: float = 0.75):
        if k1 < 0 or not 0 <= b <= 1:
            raise TutorialError(f"k1={k1}, b={b}: k1 is at least 0, b a share from 0 to 1")
        super().__init__(split)
        self.k1, self.b = k1, b

    def fit(self, titles: Iterable[str]) -> "Bm25":
        """Index the titles of the gallery; returns the index."""
        bm25s = _import_bm25s()
        titles = list(titles)
        self._check(titles)
        self.size = len(titles)
        self.index = bm25s.BM25(method="lucene", k1=self.k1, b=self.b)
        self.index.index([list(self.split(title)) for title in titles], show_progress=False)
        return self

    def highest(self, word: str | None = None) -> float:
        """The highest score that any title has for one term, or for the rarest of all terms.

        0 for a term that no title has. No title's score for a query is above the sum over its
        terms.

        >>> index = Bm25().fit(["red bag", "blue bag", "red shoe"])
        >>> round(index.highest("bag"), 2), round(index.highest(), 2), index.highest("hat")
        (0.19, 0.39, 0.0)
        """
        data, starts = self.index.scores["data"], self.index.scores["indptr"]
        if word is None:
            return float(data.max(initial=0))
        terms = self.index.get_tokens_ids(list(self.split(word)))
        return float(sum(data[starts[term] : starts[term + 1]].max(initial=0) for term in terms))

    def scores(self, queries: Iterable[str]) -> np.ndarray:
        """Scores from 0 up, ``(n_queries, n_products) float32``; 0 where no term is shared."""
        queries = list(queries)
        found = np.zeros((len(queries), self.size), dtype="float32")
        for row, query in enumerate(queries):
            terms = self.index.get_tokens_ids(list(self.split(query)))
            if terms:
                found[row] = self.index.get_scores_from_ids(terms)
        return found


def _import_bm25s():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its progress bars miss ipywidgets; none is shown here
        import bm25s
    return bm25s
