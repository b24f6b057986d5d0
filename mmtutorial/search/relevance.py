"""Relevance: how likely it is that a product answers a query (lesson 24).

A score orders products, and says nothing about how many of them answer the query: the best of a
list has a high score, whatever it is. Here a logistic regression turns what the scorers say into
the chance that a product is relevant. A product *fits* where its chance is at least ``FITS``.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmtutorial import TutorialError
from mmtutorial.catalogue.queries import KINDS as CATEGORIES
from mmtutorial.catalogue.queries import title_halves
from mmtutorial.encoders.tokenisers import words
from mmtutorial.files import intact, is_a, read_json
from mmtutorial.search.scorers import Query

FITS = 0.5  # more likely right than not
KINDS = ("words", "unseen words", "photo", "both", "product")  # what is searched by
EVIDENCE = ("bias", "cosine", "bm25", "bm25 is silent", "asked", "asked is silent")
HARD, OTHERS = 300, 300  # products a query: the best by score, and some of the rest
FILE = "relevance.json"
FORMAT = 1


class Relevance:
    """The chance that a product is relevant, for each kind of query. Used in lesson 24.

    ``weights``: kind → a number for each of ``EVIDENCE``, of a logistic regression. Kinds:
    "words", "unseen words" (the model knows none of them, so there is no cosine), "photo", "both"
    and "product" (similar ones are wanted). A kind that could not be learnt is missing.

    Where the truth comes from: the queries of ``catalogue.exam``. On most catalogues these are
    composed from attributes, and right is what has all of them. That favours the attributes: the
    chance says above all whether a product has what is asked for; it is no shopper's judgement.
    A photo shows neither brand nor gender nor season. With the queries' answers no product would
    ever fit a photo alone; so for "photo" and "product" right is what has the same kind and colour.
    """

    def __init__(self, weights: Mapping[str, list[float]]):
        self.weights = dict(weights)

    @classmethod
    def fit(cls, search, qrels: Mapping[str, Mapping[str, int]], seed: int = 0) -> "Relevance":
        """Learn it on queries with known answers, ``{query: {product id: grade}}``.

        ``search``: a ``ProductSearch``. A query counts with its relevant products, the ``HARD``
        best others, and ``OTHERS`` of the rest, which stand for all of these. Where a photo is the
        query, it is the photo of one relevant product, and that product is left out.
        """
        from sklearn.linear_model import LogisticRegression

        rng, weights = np.random.default_rng(seed), {}
        for kind in KINDS:
            samples = [
                _sample(known, relevant, counts, rng)
                for known, relevant, counts in examples(search, qrels, kind, rng)
            ]
            if not samples:
                continue
            known, relevant, count = (np.concatenate(part) for part in zip(*samples, strict=True))
            if not relevant.any() or relevant.all():
                continue
            # Relevant ones are few in a million: a rough solver stops at the flat beginning, and a
            # strong penalty keeps every chance below one half.
            model = LogisticRegression(
                C=100, fit_intercept=False, solver="newton-cholesky", tol=1e-10, max_iter=1000
            )
            model.fit(known.astype("float64"), relevant, sample_weight=count)
            weights[kind] = model.coef_[0].tolist()
        return cls(weights)

    def chance(
        self, search, query: Query, kind: str, lists: Mapping[str, np.ndarray]
    ) -> np.ndarray | None:
        """How likely each product is to be relevant: ``(n_products,)`` float32 from 0 to 1.

        ``lists``: ``search.score_lists(query)``. None where this kind of query was not learnt.
        """
        if kind not in self.weights:
            return None
        logits = evidence(search, query, lists) @ np.array(self.weights[kind], dtype="float32")
        return 1 / (1 + np.exp(-np.clip(logits, -50, 50)))

    def save(self, folder: str | Path) -> None:
        """Write the numbers into ``folder``; ``load`` reads them."""
        content = {"version": FORMAT, "evidence": list(EVIDENCE), "weights": self.weights}
        (Path(folder) / FILE).write_text(json.dumps(content, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "Relevance":
        """What ``save`` wrote. Raises ``DamagedFile`` where it is missing, damaged or older."""
        file, remedy = Path(folder) / FILE, "build the search again"
        content = read_json(file, remedy, {"version": int, "evidence": list, "weights": dict})
        with intact(file, remedy):
            if content["version"] != FORMAT or content["evidence"] != list(EVIDENCE):
                raise ValueError(f"it is of version {content['version']}, {FORMAT} is read here")
            for kind, weights in content["weights"].items():
                numbers = is_a(weights, list) and all(is_a(each, float) for each in weights)
                if kind not in KINDS or not numbers or len(weights) != len(EVIDENCE):
                    raise ValueError(f"{kind!r:.50} is no list of {len(EVIDENCE)} finite numbers")
        return cls(content["weights"])


def evidence(search, query: Query, lists: Mapping[str, np.ndarray]) -> np.ndarray:
    """What is known of each product for a query: ``(n_products, len(EVIDENCE))`` float32.

    - cosine: of the vectors;
    - bm25: over the sum of the highest BM25 that any title has for each of the words. A word that
      no title and no value has counts as the rarest word: no product can have it;
    - asked: the share of what the query names that the product has: an attribute's value, or any
      other word in its title.

    None of them depends on what the best product of the query has. What is silent is 0.
    """
    found = np.zeros((len(search.gallery), len(EVIDENCE)), dtype="float32")
    found[:, 0] = 1
    found[:, 1] = lists.get("vectors", 0)
    scorer, highest = search.scorer("bm25"), 0.0
    if query.words and scorer is not None:
        unknown = search.reader.unknown_words(query.words)
        highest = sum(scorer.index.highest(word) for word in words(query.words))
        highest += len(unknown) * scorer.index.highest()
    if "bm25" in lists and highest:
        found[:, 2] = lists["bm25"] / highest
    found[:, 3] = "bm25" not in lists
    has = _share_of_what_is_asked(search, query)
    found[:, 4] = 0 if has is None else has
    found[:, 5] = has is None
    return found


def _share_of_what_is_asked(search, query):
    """``(n_products,)`` from 0 to 1; None where nothing is asked for by name."""
    if not query.words:
        return None
    attributes, titles = search.scorer("attributes"), search.scorer("bm25")
    values = attributes.asked(query) if attributes is not None else []
    others = search.reader.other_words(query.words) if titles is not None else []
    if not values and not others:
        return None
    has = np.zeros(len(search.gallery), dtype="float32")
    if values:
        has += len(values) * attributes.scores(query)
    for word in others:
        spelt = Query(None, " ".join(search.reader.spelt_like(word)))
        scores = titles.scores(spelt)  # a title with any of its forms has it
        has += 0 if scores is None else scores > 0
    return has / (len(values) + len(others))


# What it is learnt from ---------------------------------------------------------------------


def exam_queries(catalogue, exam, seed: int = 0) -> dict[str, dict[str, int]]:
    """The queries of an ``Exam`` to learn from; no copies of titles, as far as that is possible.

    A title asks for itself alone, and nobody types whole titles. So where an exam has nothing
    else, half of a title's words are asked for, and every title that has all of them is right.
    """
    if not exam.copied:
        return exam.qrels
    ids = catalogue.table["id"].to_numpy()
    held = [frozenset(words(title)) for title in catalogue.table["title"]]
    asked = catalogue.table["id"].isin({id_ for each in exam.qrels.values() for id_ in each})
    part = catalogue.table[asked.to_numpy()].reset_index(drop=True)
    halves = {
        query: frozenset(words(query)) for query in title_halves(part, len(exam.qrels), seed).texts
    }
    found = {
        query: {ids[row]: 1 for row, has in enumerate(held) if half <= has}
        for query, half in halves.items()
        if half
    }
    return found or exam.qrels


def examples(search, qrels, kind, rng):
    """For each query its evidence, which products are relevant, and which of them count.

    Yields ``(n_products, len(EVIDENCE))`` float32 and two ``(n_products,)`` masks.
    """
    row_of = {id_: row for row, id_ in enumerate(search.catalogue.table["id"])}
    texts = list(qrels)
    vectors = search.retriever.embed_texts(texts) if kind in ("words", "both") and texts else None
    for number, (text, answers) in enumerate(qrels.items()):
        rows = [row_of[id_] for id_, grade in answers.items() if grade > 0 and id_ in row_of]
        counts = np.ones(len(row_of), dtype=bool)
        relevant = np.zeros(len(row_of), dtype=bool)
        relevant[rows] = True
        shown = None
        if kind in ("photo", "both", "product") and rows:
            shown = int(rng.choice(rows))
            if kind != "both":
                alike = _looks_like(search.catalogue.table, shown)
                relevant = alike if alike.any() else relevant
            counts[shown] = relevant[shown] = False
        if not relevant.any():
            continue
        vector = None if vectors is None else vectors[number]
        query = example_query(search, kind, text, vector, shown)
        try:
            lists = search.score_lists(query)
        except TutorialError:  # nothing in the catalogue knows a word of it
            continue
        yield evidence(search, query, lists), relevant, counts


def _looks_like(table, row):
    """The products of its kind and its colour; none where these are unknown."""
    kinds = [name for name in CATEGORIES if name in table and table[name][row]]
    if not kinds or "colour" not in table or not table["colour"][row]:
        return np.zeros(len(table), dtype=bool)
    same = [table[name] == table[name][row] for name in (kinds[0], "colour")]
    return np.logical_and(*same).to_numpy(copy=True)


def example_query(search, kind, text, vector, shown) -> Query:
    """A query of that kind by a text, its ``(dim,)`` vector, and the product at row ``shown``."""
    if kind == "unseen words":
        return Query(None, text)
    if kind == "product":
        return Query(search.gallery[shown])
    photo = None if kind == "words" else search.photo_vectors[shown][None]
    if kind == "photo":
        return Query(search.join(photo, None)[0])
    return Query(search.join(photo, vector[None])[0], text)


def _sample(known, relevant, counts, rng):
    """The rows of one query that are learnt from, and how many products each stands for."""
    wrong = np.flatnonzero(counts & ~relevant)
    others = wrong[np.argsort(-known[wrong][:, [1, 2, 4]].sum(axis=1), kind="stable")]
    first, rest = others[:HARD], others[HARD:]
    some = rng.choice(rest, size=min(OTHERS, len(rest)), replace=False)
    rows = np.concatenate([np.flatnonzero(relevant), first, some])
    count = np.ones(len(rows))
    count[len(rows) - len(some) :] = len(rest) / max(1, len(some))
    # A query that is read wrongly counts once, however many products have what was read in it.
    count /= max(1, (known[counts, 4] == 1).sum())
    return known[rows], relevant[rows], count
