"""Scorers: what a product search ranks by beside vectors (lessons 04, 11, 24).

A scorer is an object with one method, ``scores(query)``: it takes a ``Query`` and gives one number
for each product, ``(n_products,)`` float, higher is better, NaN for a product that it knows
nothing of; or None where it has nothing to say about the query. ``ProductSearch`` takes your own
beside these.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmtutorial.metrics.similarity import unit_length
from mmtutorial.search.lexical import Bm25
from mmtutorial.search.query_reader import QueryReader
from mmtutorial.search.score_fusion import attribute_agreement


class Query(NamedTuple):
    """What a shopper asks for.

    ``vector``: ``(dim,)`` of unit length, or None where the model knows no word of the query;
    ``words``; ``off``: attribute values that the words name and that do not count,
    ``((column, value), …)``; ``history``: rows of the products that the shopper chose before, the
    oldest first; ``taste_weight``: how much their taste counts, from 0 to 1 (lesson 12).
    """

    vector: np.ndarray | None
    words: str | None = None
    off: Sequence[tuple[str, str]] = ()
    history: Sequence[int] = ()
    taste_weight: float = 0.0


class HistoryTaste:
    """How much a product is like those that the shopper chose before. Defined in lesson 12.

    The cosine with the mean of the last ``length`` products' ``vectors``, ``(n_products, dim)``.
    It has the face of a recommender (``applications.recommend``): ``scores(histories)`` of n arrays
    of rows gives ``(n, n_products)`` float32. Nothing is trained.

    >>> taste = HistoryTaste(np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]]))
    >>> taste.scores([np.array([0])]).round(1)
    array([[1. , 0. , 0.8]], dtype=float32)
    """

    def __init__(self, vectors: np.ndarray, length: int = 20):
        self.vectors, self.length = vectors, length

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """A row for each history."""
        means = np.stack([self.vectors[rows[-self.length :]].mean(axis=0) for rows in histories])
        return unit_length(means) @ np.asarray(self.vectors, dtype="float32").T


class WordScorer:
    """BM25 of the query's words in the titles. Silent where no title has any of them.

    >>> table = pd.DataFrame({"title": ["red bag", "blue bag", "red shoe"]})
    >>> WordScorer(table).scores(Query(None, "blue bag")).round(2)
    array([0.19, 0.58, 0.  ], dtype=float32)
    """

    name = "bm25"

    def __init__(self, table: pd.DataFrame):
        self.index = Bm25().fit(table["title"])

    def scores(self, query: Query) -> np.ndarray | None:
        """BM25, ``(n_products,)`` float32 from 0 up."""
        if query.words is None:
            return None
        scores = self.index.scores([query.words])[0]
        return scores if scores.any() else None


class AttributeScorer:
    """How many of the attribute values that the query names the product has. From lesson 24.

    >>> table = pd.DataFrame({"title": ["a tee", "a bag"], "colour": ["Red", "Navy Blue"]})
    >>> AttributeScorer(table, QueryReader(table)).scores(Query(None, "something navy blue"))
    array([0., 1.], dtype=float32)
    """

    name = "attributes"

    def __init__(self, table: pd.DataFrame, reader: QueryReader):
        self.reader = reader
        self.codes: dict[str, np.ndarray] = {}  # column → (n_products,)
        self.code_of: dict[str, dict[str, int]] = {}  # column → value → its code
        for column, value in reader.values.values():
            if column not in self.codes:
                self.codes[column], values = pd.factorize(table[column])
                self.code_of[column] = {value: code for code, value in enumerate(values)}

    def asked(self, query: Query) -> list[tuple[str, str]]:
        """The values that the query names and that count: ``[(column, value), …]``."""
        named = self.reader.attributes(query.words) if query.words else []
        return [each for each in named if each not in query.off]

    def scores(self, query: Query) -> np.ndarray | None:
        """The share of the values named, ``(n_products,)`` float32 from 0 to 1."""
        asked = self.asked(query)
        if not asked:
            return None
        wanted = [self.code_of[column][value] for column, value in asked]
        has = np.stack([self.codes[column] for column, _ in asked], axis=1)
        return attribute_agreement(np.array(wanted), has)


class ListReRanker:
    """Lesson 09's ``ReRanker`` as the second look of a ``ProductSearch``.

    ``shop = ProductSearch(…)``, then ``shop.rerank = ListReRanker(model, shop)``. The model gets
    the first products' photo and title vectors, their cosine with the query as ``first``, and
    BM25 as ``lexical``, zeros for a query without words.
    """

    def __init__(self, model, shop):
        self.model, self.shop = model, shop
        self.words = shop.scorer("bm25") or WordScorer(shop.catalogue.table)

    def scores(self, query: Query, rows: np.ndarray) -> np.ndarray:
        """Scores of the products at ``rows``, ``(n,)`` float32, higher is better."""
        shop, lexical = self.shop, self.words.scores(query)
        inputs = {
            "query": query.vector,
            "photo": shop.photo_vectors[rows],
            "title": shop.title_vectors[rows],
            "first": shop.gallery[rows] @ query.vector,
            "lexical": np.zeros(len(rows), "float32") if lexical is None else lexical[rows],
        }
        return np.asarray(self.model.predict_on_batch({k: v[None] for k, v in inputs.items()}))[0]
