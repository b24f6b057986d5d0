"""Search in a catalogue by words, by a photo, or by both: what the course builds, in one object.

Lesson 00 ranks by vectors; ``index`` (lesson 11), ``scorers`` and ``fusion`` (lessons 08, 11, 24),
``rerank`` (lesson 09) and ``space`` (lesson 08) put in what the other lessons build.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.arguments import check_share, check_whole
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.reading import HEIGHT, WIDTH, decode, read_image_file
from mmtutorial.files import intact, read_array, read_json
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.metrics.top_k import (
    check_finite,
    check_shapes,
    id_ranks,
    select_top,
)
from mmtutorial.search.filters import read_filters, spelling, unknown_value
from mmtutorial.search.query_reader import QueryReader
from mmtutorial.search.relevance import Relevance
from mmtutorial.search.score_fusion import rank_shares, weighted_shares, zero_to_one
from mmtutorial.search.scorers import AttributeScorer, HistoryTaste, Query, WordScorer

FORMAT = 2  # of a saved search's folder: raise it when an older one cannot be read any more
SCORERS = ("vectors", "bm25", "attributes")
EFFORTS = {"hnsw": 128, "ivf": 16}  # name of an index → its effort: candidates, or cells, a query
TASTE = "taste"  # the name of what a shopper's history adds to a score
DEPTH = 100  # how many products an approximate index proposes, and a re-ranker looks at


def scaled_shares(lists: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Each list on its scale ``zero_to_one``, then ``weighted_shares``: the fusion "weighted".

    >>> scaled_shares(np.array([[8.0, 0.0, 2.0], [0.2, 0.1, 0.6]]), (1, 1)).round(3).tolist()
    [[0.5, 0.0, 0.125], [0.1, 0.0, 0.5]]
    """
    return weighted_shares(zero_to_one(lists), weights)


def ranked_shares(lists: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """``rank_shares`` of the lists: the fusion "ranks".

    A score of exactly 0 says that there is nothing in common, no word and no attribute: such a
    product is in no list.

    >>> (1 / ranked_shares(np.array([[8.0, 2.0], [0.1, 0.6]]), (1, 1))).round().tolist()
    [[61.0, 62.0], [62.0, 61.0]]
    """
    return rank_shares(np.where(lists == 0, np.nan, lists), weights)


FUSIONS = {"weighted": scaled_shares, "ranks": ranked_shares}


class Found(NamedTuple):
    """What a search answers.

    ``products``: a table ``row``, ``score`` and the catalogue's columns, best first. ``parts``: a
    table of the same length, what each score is the sum of.
    """

    products: pd.DataFrame
    parts: pd.DataFrame


# Products -----------------------------------------------------------------------------------


class ProductSearch:
    """Search a catalogue by words, by a photo, or by both, in one space. Defined in lesson 00.

    Each product stands in the gallery as the middle of its photo's and its title's vector; a
    query with a photo and words is the middle of theirs, moved by ``photo_weight``. By default
    products are ranked by these vectors alone, and a score is their cosine.

    Parameters
    ----------
    retriever : embeds photos and texts (``retriever.Retriever``, ``AttributeRetriever``)
    photo_weight : the photo's share in a product's vector; a query has its own
    vectors : ``(photo, title)``, ``(n_products, dim)`` float rows of unit length, where they are
        there already; otherwise every product is embedded
    index : how the nearest products are found. "exact" compares the query with each product.
        "hnsw" and "ivf" are the ``FaissIndex`` of that name. Or give an object with the face of
        ``search.indexes``, made from ``gallery``; or a ``VectorStore`` that holds the gallery
        (lesson 11). ``recall`` says what an approximate index loses. With ``where`` the search is
        exact among the products that pass, whatever the index: those nearest to a query may all
        fail the filter. A store filters by itself, by its ``attributes``.
    scorers : what products are ranked by: of "vectors", "bm25" (the title's words) and
        "attributes" (values that the query names), or your own (``search.scorers``: one method,
        ``scores(query)``). A scorer that can say nothing about the query, such as "bm25" about a
        photo, is left out. With an approximate index each proposes its best ``depth`` products.
    weights : a number for each scorer; equal ones by default
    fusion : how the scorers' lists become one: "weighted" (each stretched to 0 … 1 for the query,
        then their mean), "ranks" (reciprocal ranks), or your own: a function of ``(lists,
        weights)``, ``(scorers, n)`` float with NaN where a scorer does not know the product, that
        returns an array of the same shape, what each list gives. Their sum is the score. One list
        alone keeps its own scores.
    rerank : a second look at the first ``depth`` products: an object with one method, ``scores(
        query, rows)``, ``(n,)`` float, such as ``scorers.ListReRanker``. It changes the order; a
        product's score stays that of the first look, which ``parts`` explains.
    space : a ``FusedSpace`` (lesson 08), in which products and queries become one vector each, in
        place of the weighted middle
    depth : how deep an approximate index and a re-ranker look
    gallery : what the products' vectors became, where it is there already: as ``self.gallery``
    recommender : what tells a shopper's taste from the history that ``search`` is given: an object
        with one method, ``scores(histories)``, n arrays of rows → ``(n, n_products)`` float, such
        as those of lesson 12; by default ``scorers.HistoryTaste`` of the products' vectors

    Raises ``TutorialError`` for a name that is not there, weights that do not fit, or vectors of
    another shape or that are not finite.
    """

    def __init__(
        self,
        retriever,
        catalogue: Catalogue,
        photo_weight: float = 0.5,
        vectors: tuple[np.ndarray, np.ndarray] | None = None,
        index="exact",
        scorers: Sequence = ("vectors",),
        weights: Sequence[float] | None = None,
        fusion: str | Callable = "weighted",
        rerank=None,
        space=None,
        depth: int = DEPTH,
        gallery: np.ndarray | None = None,
        recommender=None,
    ):
        check_share(photo_weight=photo_weight)
        check_whole(depth=depth)
        if depth < 1:
            raise TutorialError(f"depth={depth}: look at one product at least")
        self.retriever, self.catalogue, self.photo_weight = retriever, catalogue, photo_weight
        self.space, self.rerank, self.depth = space, rerank, depth
        table = catalogue.table
        if vectors is None:
            vectors = (
                retriever.embed_photos(catalogue.photos),
                retriever.embed_texts(table["title"]),
            )
        self.photo_vectors, self.title_vectors = vectors
        for each in vectors:
            check_shapes(vectors[0][:1], each, 1, table["id"])
            check_finite(each[:0], each)
        self.gallery = self.join(*vectors, photo_weight) if gallery is None else gallery
        check_shapes(self.gallery[:1], self.gallery, 1, table["id"])
        check_finite(self.gallery[:1], self.gallery)
        self.recommender = HistoryTaste(self.gallery) if recommender is None else recommender
        self.by_id = np.argsort(id_ranks(table["id"]))  # rows in the order of ids: ties
        self._codes: dict[str, tuple[np.ndarray, list[str]]] = {}  # column → codes, spellings
        self.scorers = {}  # name → object; None are the vectors
        for each in scorers:
            name = each if isinstance(each, str) else getattr(each, "name", type(each).__name__)
            self.scorers[name] = self._make_scorer(each)
        self.weights = self._check_weights(weights, len(scorers))  # name → number
        if not callable(fusion) and fusion not in FUSIONS:
            raise TutorialError(f"no fusion {fusion!r}: choose one of {', '.join(FUSIONS)}")
        self.fusion = fusion if callable(fusion) else FUSIONS[fusion]
        self.relevance: Relevance | None = None  # how likely products are right, where it is known
        self.index = self._make_index(index)

    @cached_property
    def reader(self) -> QueryReader:
        """What reads attributes in queries; made when it is asked for first."""
        return QueryReader(self.catalogue.table)

    @cached_property
    def _row_of(self) -> pd.Index:
        return pd.Index(self.catalogue.table["id"])

    def scorer(self, name: str):
        """The scorer of that name, or None."""
        return self.scorers.get(name)

    def _make_scorer(self, scorer):
        if not isinstance(scorer, str):
            return scorer
        if scorer not in SCORERS:
            raise TutorialError(
                f"no scorer {scorer!r}: choose of {', '.join(SCORERS)}, or give an object with a "
                "method scores(query)"
            )
        table = self.catalogue.table
        return {
            "vectors": lambda: None,
            "bm25": lambda: WordScorer(table),
            "attributes": lambda: AttributeScorer(table, self.reader),
        }[scorer]()

    def _check_weights(self, weights, n):
        weights = np.ones(n) if weights is None else np.asarray(weights, dtype="float64")
        good = weights.shape == (n,) and np.isfinite(weights).all() and (weights >= 0).all()
        if len(self.scorers) < n or not good or not weights.any():
            raise TutorialError(
                f"the weights {weights.tolist()} of the scorers {', '.join(self.scorers) or 'none'}"
                ": give one scorer at least, each once, with a weight from 0 up, not all of them 0"
            )
        return dict(zip(self.scorers, weights.tolist(), strict=True))

    def _make_index(self, index):
        if not isinstance(index, str):
            return index
        if index == "exact":
            return None
        if index not in EFFORTS:
            raise TutorialError(
                f"no index {index!r}: choose exact or one of {', '.join(EFFORTS)}, or give an "
                "object with a method search(queries, k)"
            )
        from mmtutorial.search.indexes import FaissIndex

        return FaissIndex(index, self.gallery, effort=EFFORTS[index])

    # Kept on disk

    def save(self, folder: str | Path) -> None:
        """Write the model and the products' vectors into ``folder``; ``load`` reads them.

        How products are ranked (index, scorers, …) is not written: give it to ``load`` again.
        """
        folder = Path(folder)
        (folder / "model").mkdir(parents=True, exist_ok=True)
        self.retriever.save(folder / "model")
        for name, vectors in self._vectors().items():
            np.save(folder / f"{name}.npy", np.asarray(vectors, dtype="float32"))
        np.save(folder / "ids.npy", self.catalogue.table["id"].to_numpy(dtype=str))
        settings = {
            "version": FORMAT,
            "photo_weight": self.photo_weight,
            "fused": self.space is not None,
        }
        (folder / "search.json").write_text(json.dumps(settings), encoding="utf-8")

    def _vectors(self):
        return {
            "photo": self.photo_vectors,
            "title": self.title_vectors,
            "gallery": self.gallery,
        }

    @classmethod
    def load(cls, folder: str | Path, catalogue: Catalogue, **ranking) -> "ProductSearch":
        """What ``save`` wrote, for the same ``catalogue``; the vectors are memory-mapped.

        ``ranking`` is what the constructor takes: ``index``, ``scorers``, ``space``, …

        Raises ``TutorialError`` where a file is missing, damaged or of another version, the vectors
        are not finite or not of the model's width, the search is of other products, or its products
        were fused in a ``space`` that is not given.
        """
        from mmtutorial.matching import retriever as retrievers  # Keras: only where it is needed

        folder = Path(folder)
        remedy = "build it with ProductSearch(retriever, catalogue) and save it there"
        keys = {"version": int, "photo_weight": float, "fused": bool}
        with intact(folder / "search.json", remedy):
            version = read_json(folder / "search.json", remedy).get("version")
            if version != FORMAT:
                raise ValueError(f"it is of version {version}, and {FORMAT} is read here")
        settings = read_json(folder / "search.json", remedy, keys)
        ids = read_array(folder / "ids.npy", remedy, (None,), np.str_)
        with intact(folder / "search.json", remedy):
            check_share(photo_weight=settings["photo_weight"])
        with intact(folder / "model", remedy):
            retriever = retrievers.load(folder / "model")
        if not np.array_equal(ids, catalogue.table["id"].to_numpy(dtype=str)):
            raise TutorialError(
                f"the search in {folder} was built for {len(ids):,} products that are not those of "
                f"{catalogue!r}: load that catalogue, or build the search again"
            )
        if settings["fused"] != (ranking.get("space") is not None):
            how = "with" if settings["fused"] else "without"
            raise TutorialError(
                f"the products in {folder} were embedded {how} a fused space: load it {how} "
                "space=…, or build the search again"
            )
        width = retriever.embed_texts(catalogue.table["title"][:1]).shape[1]
        photo, title, gallery = (
            read_array(folder / f"{name}.npy", remedy, (len(ids), width), np.float32, mapped=True)
            for name in ("photo", "title", "gallery")
        )
        return cls(
            retriever,
            catalogue,
            settings["photo_weight"],
            vectors=(photo, title),
            gallery=gallery,
            **ranking,
        )

    # Queries

    def query(self, words: str | None = None, photo=None, photo_weight: float = 0.5) -> Query:
        """One query, for ``find``: its vector, as from ``embed_query``, and its words.

        Words that the model does not know, but another scorer does: its vector is the photo's, or
        None where there is no photo; then the other scorers rank.
        """
        if words is not None:
            self._check_words(words)
            if not self._embeds(words) and self.knows(words):
                vector = None if photo is None else self.embed_query(None, photo, photo_weight)
                return Query(vector, words)
        return Query(self.embed_query(words, photo, photo_weight), words)

    def knows(self, words: str) -> bool:
        """Whether the model, "bm25" or "attributes" has something to say about the words."""
        query = Query(None, words)
        others = (
            scorer.scores(query)
            for name, scorer in self.scorers.items()
            if isinstance(scorer, (WordScorer, AttributeScorer)) and self.weights[name] > 0
        )
        return self._embeds(words) or any(scores is not None for scores in others)

    def _embeds(self, words):
        return bool(self.retriever.tokeniser.known_words(words))

    def embed_query(
        self, words: str | None = None, photo=None, photo_weight: float = 0.5
    ) -> np.ndarray:
        """One query as a ``(dim,)`` float32 vector of unit length.

        ``photo`` is an image file's path, or an ``(80, 60, 3)`` uint8 array.
        Raises ``TutorialError`` if there is nothing to search by: no words and no photo, or
        only words that no training title used; or for a ``photo_weight`` outside 0 to 1.
        """
        check_share(photo_weight=photo_weight)
        if words is None and photo is None:
            raise TutorialError("nothing to search by: give words, a photo, or both")
        text = image = None
        if words is not None:
            self._check_words(words)
            if not self._embeds(words):
                raise TutorialError(
                    f"no word of {words!r} occurs in the training titles, so there is nothing to "
                    "search by: check the spelling, or try another word for it"
                )
            text = self.retriever.embed_texts([words])
        if photo is not None:
            image = self.retriever.embed_photos(read_photo(photo)[None])
        return self.join(image, text, photo_weight)[0]

    def join(self, photo, text, photo_weight=0.5):
        """``(n, dim)`` vectors of photos and of texts, one of them None where missing, as one."""
        if self.space is not None:  # at a weight of 1/2, as it was trained
            stretch = {"photo": (photo, 2 * photo_weight), "text": (text, 2 - 2 * photo_weight)}
            both = photo is not None and text is not None
            return self.space.embed(
                **{
                    name: part * weight if both else part
                    for name, (part, weight) in stretch.items()
                    if part is not None
                }
            )
        if photo is None or text is None:
            return text if photo is None else photo
        return mix(photo, text, photo_weight)

    # Answers

    def search(
        self,
        words: str | None = None,
        photo=None,
        k: int = 8,
        photo_weight: float = 0.5,
        where: dict | None = None,
        page: int = 1,
        shopper: Sequence[str] = (),
        taste_weight: float = 0.3,
    ) -> pd.DataFrame:
        """The ``k`` best products as a table: ``row``, ``score``, and the catalogue's columns.

        ``photo_weight`` (0 to 1) is how much of a mixed query is photo. ``shopper``: the ids of
        what the shopper chose before, the oldest first; their taste gets the share ``taste_weight``
        of the score, the query the rest (lesson 12). ``page`` 2 holds the
        next ``k``; where there are fewer products the table is shorter, or empty.

        ``where`` filters: ``{"gender": "women"}``; one of several values as a list,
        ``{"colour": ["red", "pink"]}``; numbers by a pair, ``{"price": (10, 50)}``, both ends
        included, None for an open end. Case and spaces do not count: "women" finds "Women". A
        product without a price (NaN) is in no range.

        Raises ``TutorialError`` for a column that is not there, a value that no product has (the
        message names the nearest), ``k`` or ``page`` that is no whole number from 1 up, what is
        no range of numbers, an id in ``shopper`` that no product has, and as ``embed_query`` does.
        """
        query = self.query(words, photo, photo_weight)
        if len(shopper):
            query = self.with_taste(query, shopper, taste_weight)
        return self.find(query, k, where, page).products

    def with_taste(self, query: Query, shopper: Sequence[str], taste_weight: float = 0.3) -> Query:
        """The query of a shopper who chose these products (ids) before, as ``search`` takes them.

        Raises ``TutorialError`` for an id that no product has, or a weight outside 0 to 1.
        """
        check_share(taste_weight=taste_weight)
        rows = self._row_of.get_indexer(pd.Index([str(each) for each in shopper]))
        if (rows < 0).any():
            unknown = [str(each) for each, row in zip(shopper, rows, strict=True) if row < 0]
            raise TutorialError(
                f"the shopper's history has products that are not in the catalogue "
                f"({', '.join(unknown[:5])}): leave out what is no longer sold"
            )
        return query._replace(history=tuple(rows.tolist()), taste_weight=taste_weight)

    def similar(
        self, row: int, k: int = 8, where: dict | None = None, page: int = 1
    ) -> pd.DataFrame:
        """The products most like the one at ``row``, without itself: a table as from ``search``.

        Its vector is the query: there are no words, so "bm25" and "attributes" are silent.
        """
        check_whole(row=row)
        if not 0 <= row < len(self.gallery):
            raise TutorialError(f"row={row}: the rows go from 0 to {len(self.gallery) - 1}")
        return self.nearest(self.gallery[row], k, where, page, without=row)

    def nearest(
        self,
        query: np.ndarray,
        k: int = 8,
        where: dict | None = None,
        page: int = 1,
        without: int | None = None,
    ) -> pd.DataFrame:
        """The products nearest to a ``(dim,)`` vector of unit length: a table as from ``search``.

        ``without`` is a row to leave out.
        """
        return self.find(Query(query), k, where, page, without).products

    def find(
        self,
        query: Query,
        k: int = 8,
        where: dict | None = None,
        page: int = 1,
        without: int | None = None,
    ) -> Found:
        """The answer to a ``Query``: the products, as from ``search``, and why they stand there.

        The columns of ``parts`` add up to the score: ``photo`` and ``title``, what a product's
        photo and title give to the vectors' score; and a column for each other scorer.
        """
        check_whole(k=k, page=page)
        if k < 1 or page < 1:
            raise TutorialError(f"k={k} products of page {page}: both start from 1")
        rows, shares = self._best(query, k * page, where, without)
        rows, shares = rows[k * (page - 1) :], {n: s[k * (page - 1) :] for n, s in shares.items()}
        score = np.sum([*shares.values()], axis=0, dtype="float32")
        found = self.catalogue.table.iloc[rows].reset_index(drop=True)
        products = pd.concat([pd.DataFrame({"row": rows, "score": score}), found], axis=1)
        return Found(products, self.parts(query, rows, shares))

    def recall(self, queries: Iterable[str], k: int = 10) -> float:
        """How much of the exact search's first ``k`` this index finds: the mean over queries.

        ``queries``: texts. 1.0 with ``index="exact"``.
        """
        shares = []
        for words in queries:
            query = self.query(words)
            exact, found = (self._best(query, k, exact=exact)[0] for exact in (True, False))
            shares.append(np.isin(exact, found).mean())
        if not shares:
            raise TutorialError("no queries to measure the recall with: give some texts")
        return float(np.mean(shares))

    def fits(self, where: dict | None = None) -> np.ndarray:
        """Rows of the products that pass all filters of ``where`` (see ``search``), ascending."""
        table = self.catalogue.table
        numeric = table.select_dtypes("number").columns
        ranges, values = read_filters(where, table.columns, numeric)
        fits = np.ones(len(table), dtype=bool)
        for column, (least, most) in ranges.items():
            if least is not None:
                fits &= (table[column] >= least).to_numpy()
            if most is not None:
                fits &= (table[column] <= most).to_numpy()
        for column, wanted in values.items():
            codes, spelt = self._coded(column)
            unknown = [given for each, given in wanted.items() if each not in spelt]
            if unknown:
                raise unknown_value(column, unknown[0], table[column].value_counts().index)
            fits &= np.isin(codes, [code for code, each in enumerate(spelt) if each in wanted])
        return np.flatnonzero(fits)

    def _coded(self, column):
        """``(n_products,)`` codes of a column's values, and how each is spelt, once and for all."""
        if column not in self._codes:
            codes, names = pd.factorize(self.catalogue.table[column], use_na_sentinel=False)
            self._codes[column] = codes, [spelling(name) for name in names]
        return self._codes[column]

    def _best(self, query, n, where=None, without=None, exact=False):
        """The first ``n`` rows, and what each scorer gives them: ``{name: (n,)}``."""
        passes = np.ones(len(self.gallery), dtype=bool)
        if where:
            passes[:] = False
            passes[self.fits(where)] = True
        if without is not None:
            passes[without] = False
        candidates = self.by_id[passes[self.by_id]]  # in the order of ids, which breaks ties
        depth = max(n, self.depth)
        lists = self._lists(query)
        if not exact and self.index is not None and (not where or self._is_store()):
            candidates = self._proposed(query, lists, candidates, depth, where)
        if not len(candidates):
            return candidates, dict.fromkeys(lists, np.empty(0, "float32"))
        for name, scores in lists.items():
            near = name == "vectors"
            lists[name] = self._cosines(query.vector, candidates) if near else scores[candidates]
        scores, shares = self.fuse(lists, query.taste_weight)
        looks_again = self.rerank is not None and query.vector is not None
        if not looks_again:
            depth = n
        places = np.arange(len(candidates))
        (best,), _ = select_top(scores[None], min(depth, len(candidates)), places)
        if looks_again:
            head = best[: self.depth]
            again = np.asarray(self.rerank.scores(query, candidates[head]))
            best[: self.depth] = head[np.lexsort((head, -again))]
        best = best[:n]
        return candidates[best], {name: share[best] for name, share in shares.items()}

    def fuse(
        self, lists: dict[str, np.ndarray], taste_weight: float = 0.0
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Scores of the same n products by several scorers, as one: ``(n,)``, higher is better.

        ``lists``: name → ``(n,)``, those of ``score_lists``, of all products or of some. The list
        "taste" gets the share ``taste_weight``, the scorers what is left, by their weights. Also
        returns what each of them gives, name → ``(n,)``; they add up to the score. A product that
        no scorer knows has the score -inf.
        """
        shares = np.stack([*lists.values()])
        if len(lists) > 1:
            shares = self.fusion(shares, self._weights_of(lists, taste_weight))
        scores = np.nan_to_num(shares.sum(axis=0), nan=-np.inf)
        return scores, dict(zip(lists, shares, strict=True))

    def _weights_of(self, lists, taste_weight):
        """A number for each of the lists."""
        if TASTE not in lists:
            return [self.weights[name] for name in lists]
        asked = {name: self.weights.get(name, 0.0) for name in lists if name != TASTE}
        total = sum(asked.values())
        if total == 0:  # the vectors stand in for scorers that are silent
            asked, total = dict.fromkeys(asked, 1.0), len(asked)
        share = (1 - taste_weight) / total
        return [taste_weight if name == TASTE else share * asked[name] for name in lists]

    def _lists(self, query):
        """Name → the scores of all products, for the scorers that have something to say.

        None stands for those of the vectors, which are computed for the candidates alone.
        """
        lists = {}
        for name, scorer in self.scorers.items():
            if scorer is None and query.vector is None:
                continue
            scores = None if scorer is None else scorer.scores(query)
            if self.weights[name] == 0 or (scorer is not None and scores is None):
                continue
            if scorer is not None:
                scores = np.asarray(scores, dtype="float32")
                if scores.shape != (len(self.gallery),) or np.isinf(scores).any():
                    raise TutorialError(
                        f"the scorer {name!r} returned {scores.shape}: one finite number for each "
                        f"of the {len(self.gallery)} products is wanted, or NaN"
                    )
            lists[name] = scores
        if not lists and query.vector is None:
            raise TutorialError("nothing to search by: no scorer can say anything about the query")
        lists = lists or {"vectors": None}  # words alone were to rank, and there are none
        if query.history and query.taste_weight > 0:
            lists[TASTE] = self.recommender.scores([np.asarray(query.history)])[0]
        return lists

    def score_lists(self, query: Query) -> dict[str, np.ndarray]:
        """What each scorer says of every product: name → ``(n_products,)``; none of the silent.

        For choosing weights; they are not on one scale yet. From lesson 24.
        """
        rows = np.arange(len(self.gallery))
        return {
            name: self._cosines(query.vector, rows) if scores is None else scores
            for name, scores in self._lists(query).items()
        }

    def _cosines(self, vector, rows):
        few = len(rows) < len(self.gallery) / 4
        gallery = self.gallery[rows] if few else self.gallery
        with np.errstate(invalid="ignore", over="ignore"):
            scores = (vector[None] @ gallery.T)[0]
        if not np.isfinite(scores).all():
            check_finite(vector[None], gallery)
        return scores if few else scores[rows]

    def _is_store(self):
        return hasattr(self.index, "attributes")

    def _proposed(self, query, lists, candidates, depth, where):
        """Those of the candidates that the index or another scorer has among its first."""
        n = min(depth + 1, len(self.gallery))  # one more: the row to leave out may be among them
        rows = []
        if "vectors" in lists:
            if self._is_store():
                (hits,) = self.index.search(query.vector[None], n, where=where)
                rows.append(np.flatnonzero(self.catalogue.table["id"].isin(list(hits))))
            else:
                rows.append(self.index.search(query.vector[None], n)[0][0])
        for name, scores in lists.items():
            if name != "vectors":
                known = candidates[scores[candidates] > 0]  # and not NaN
                order = np.argsort(-scores[known], kind="stable")[:depth]
                rows.append(known[order])
        return candidates[np.isin(candidates, np.concatenate(rows))]

    def parts(self, query: Query, rows: np.ndarray, shares: dict[str, np.ndarray]) -> pd.DataFrame:
        """``shares``, those of the vectors split into what the photo and what the title gave.

        The cosine is a sum of the two; its share of a fused score is split in the same proportion.
        """
        if "vectors" not in shares:
            return pd.DataFrame(shares)
        photo, title = self._photo_and_title(query.vector, rows)
        if len(shares) > 1:
            photo, title = np.maximum(photo, 1e-9), np.maximum(title, 1e-9)
            both = shares["vectors"] / (photo + title)
            photo, title = photo * both, title * both
        others = {name: share for name, share in shares.items() if name != "vectors"}
        return pd.DataFrame({"photo": photo, "title": title, **others})

    def _photo_and_title(self, query, rows):
        """Two ``(n,)`` arrays that add up to the cosines of the products at ``rows``."""
        photo, title = np.array(self.photo_vectors[rows]), np.array(self.title_vectors[rows])
        if self.space is None or not len(rows):
            photo, title = self.photo_weight * photo, (1 - self.photo_weight) * title
            length = np.maximum(np.linalg.norm(photo + title, axis=1), 1e-12)
            return photo @ query / length, title @ query / length
        # A network's score is no sum: a part counts the mean of what it adds alone, and to the
        # other one (Shapley's value of two players).
        both = self.gallery[rows] @ query
        ahead = self.space.embed(photo=photo) @ query - self.space.embed(text=title) @ query
        return (both + ahead) / 2, (both - ahead) / 2

    def _check_words(self, words):
        if not isinstance(words, str):
            raise TutorialError(f"words are one text, not {words!r}")
        if not words.strip():
            raise TutorialError("the query is empty: type at least one word, or give a photo")


def read_photo(photo) -> np.ndarray:
    """An image file of any size, or an array that has ours already → ``(80, 60, 3) uint8``.

    Raises ``TutorialError`` for what is no image file, or too large, or an array of another shape.
    """
    if isinstance(photo, (str, Path)):
        try:
            return decode(read_image_file(Path(photo)))
        except (OSError, ValueError) as fault:  # a TutorialError is a ValueError
            raise TutorialError(f"cannot search by the photo {str(photo)!r}: {fault}") from fault
    photo = np.asarray(photo)
    if photo.shape != (HEIGHT, WIDTH, 3) or photo.dtype != np.uint8:
        raise TutorialError(
            f"a photo is a file's path or an array {(HEIGHT, WIDTH, 3)} uint8, not {photo.shape} "
            f"{photo.dtype}; save it as an image file and give the path"
        )
    return photo


def mix(photo: np.ndarray, text: np.ndarray, photo_weight: float = 0.5) -> np.ndarray:
    """``w · photo + (1 - w) · text``, brought back to unit length: ``(n, dim)`` each.

    >>> mix(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), photo_weight=0.8).round(2)
    array([[0.97, 0.24]], dtype=float32)
    """
    check_share(photo_weight=photo_weight)
    return unit_length(photo_weight * photo + (1 - photo_weight) * text)
