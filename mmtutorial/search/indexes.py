"""Indexes: the nearest products without looking at every product (lesson 11).

The exact search is ``top_k.top_k``. An index here gives up a little of it for speed: it returns
nearly the same products, and ``recall_against`` says how nearly. All have one face: made from the
gallery, ``(n_products, dim)`` float rows of unit length, ``search(queries, k)`` returns ``rows``
``(n_queries, k) int64``, best first, and ``scores`` ``(n_queries, k) float32``, the dot products.
Where an index finds fewer than k, the row is -1 and the score -inf.
"""

from typing import NamedTuple

import numpy as np

from mmtutorial import TutorialError
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.metrics.top_k import check_k, select_top


class InvertedFile:
    """Sort the gallery into cells; look only into the cells nearest to the query.

    The cells are those of k-means; a cell's list holds the rows that lie nearer to its centre
    than to any other. A search reads the lists of the ``probes`` nearest centres (J. Sivic,
    A. Zisserman 2003, doi:10.1109/ICCV.2003.1238663; H. Jégou et al. 2011,
    doi:10.1109/TPAMI.2010.57, section IV). With ``probes`` = ``cells`` it is exact; among equal
    scores the smaller row comes first. Defined in lesson 11.

    >>> gallery = unit_length([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
    >>> rows, scores = InvertedFile(gallery, cells=2, probes=1).search([[1.0, 0.0]], k=3)
    >>> rows.tolist()  # the one list that was read has two products
    [[0, 1, -1]]
    """

    def __init__(self, gallery: np.ndarray, cells: int, probes: int = 1, seed: int = 0):
        from sklearn.cluster import KMeans

        gallery = _checked(gallery, "gallery")
        if not 1 <= cells <= len(gallery):
            raise TutorialError(
                f"{cells} cells for {len(gallery)} products: choose from 1 to {len(gallery)}; "
                "the square root of the number of products is a usual choice"
            )
        kmeans = KMeans(cells, init="random", n_init=1, max_iter=10, random_state=seed)
        sample = gallery[:: max(1, len(gallery) // max(64 * cells, 256))]  # enough to learn from
        self.centres = unit_length(kmeans.fit(sample).cluster_centers_)  # (cells, dim)
        cell = nearest_centre(gallery, self.centres)  # (n_products,)
        self.rows = np.argsort(cell, kind="stable")  # the lists, one after the other
        self.starts = np.searchsorted(cell[self.rows], np.arange(cells + 1))  # where each begins
        self.vectors = gallery[self.rows]  # so that a list is read in one piece
        self.probes = probes

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` nearest rows of the ``probes`` nearest cells, for ``(n_queries, dim)``."""
        queries = _checked(queries, "query")
        check_k(k, len(self.rows))
        if not 1 <= self.probes <= len(self.centres):
            raise TutorialError(
                f"probes={self.probes}: choose from 1 to the {len(self.centres)} cells"
            )
        rows = np.full((len(queries), k), -1, dtype="int64")
        scores = np.full((len(queries), k), -np.inf, dtype="float32")
        for n, near in enumerate(queries @ self.centres.T):  # (cells,): one product a centre
            cells = np.argsort(-near, kind="stable")[: self.probes]
            lists = [slice(self.starts[cell], self.starts[cell + 1]) for cell in cells]
            found = np.concatenate([self.rows[each] for each in lists])
            score = np.concatenate([self.vectors[each] @ queries[n] for each in lists])
            most = min(k, len(found))
            best, scores[n, :most] = select_top(score[None], most, found)
            rows[n, :most] = found[best]
        return rows, scores


def nearest_centre(vectors: np.ndarray, centres: np.ndarray, block: int = 8192) -> np.ndarray:
    """The number of the centre with the highest dot product, ``(n,)``; by blocks of rows.

    >>> nearest_centre(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[1, 0], [0, 1]])).tolist()
    [0, 1]
    """
    blocks = [vectors[start : start + block] for start in range(0, len(vectors), block)]
    return np.concatenate([(each @ centres.T).argmax(axis=1) for each in blocks])


class Recipe(NamedTuple):
    """How FAISS is asked for an index, and what its knob is called, if it has one."""

    factory: str
    knob: str | None


# {cells} and {bytes} are options of FaissIndex.
FAISS_INDEXES = {
    "flat": Recipe("Flat", None),  # exact: every vector, as it is
    "ivf": Recipe("IVF{cells},Flat", "nprobe"),  # cells, as InvertedFile
    "hnsw": Recipe("HNSW32", "efSearch"),  # a graph in which each product knows 32 others
    "int8": Recipe("SQ8", None),  # each number in one byte
    "pq": Recipe("PQ{bytes}np", None),  # each vector in so many bytes
}
TRAINED_ON = 50_000  # cells and codes are learnt from so many vectors, taken evenly


class FaissIndex:
    """One of FAISS's indexes by name, built for the inner product. Defined in lesson 11.

    The metric is always handed over: left out, it is the squared L2 distance, lower is better.
    HNSW: Y. Malkov, D. Yashunin 2020, arXiv:1603.09320; product quantisation: H. Jégou et al.
    2011, doi:10.1109/TPAMI.2010.57; the library: M. Douze et al. 2024, arXiv:2401.08281.
    FAISS keeps no order among equal scores.

    Parameters
    ----------
    name : one of ``FAISS_INDEXES``
    gallery : ``(n_products, dim)`` float; learnt from and kept
    effort : how much is looked at, the knob of "ivf" (cells a query, FAISS's ``nprobe``) and of
        "hnsw" (candidates, ``efSearch``): more is slower and nearer to exact. It can be changed.
    cells : of "ivf"; None is the square root of the number of products
    bytes : of "pq", how many bytes a vector is kept in; they divide its width

    >>> gallery = unit_length([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
    >>> rows, scores = FaissIndex("hnsw", gallery).search([[1.0, 0.0]], k=2)
    >>> rows.tolist()
    [[0, 1]]
    """

    def __init__(
        self,
        name: str,
        gallery: np.ndarray,
        effort: int | None = None,
        cells: int | None = None,
        bytes: int = 16,
    ):
        faiss = _import_faiss()
        if name not in FAISS_INDEXES:
            raise TutorialError(
                f"no index named {name!r}; choose one of {', '.join(sorted(FAISS_INDEXES))}"
            )
        gallery = _checked(gallery, "gallery")
        n, dim = gallery.shape
        cells = cells or round(n**0.5)
        if name == "pq" and (dim % bytes or n < 256):
            raise TutorialError(
                f"product quantisation of {n} vectors of {dim} numbers in {bytes} bytes: the bytes "
                "must divide the width, and it learns from 256 vectors at least"
            )
        recipe = FAISS_INDEXES[name]
        factory = recipe.factory.format(cells=cells, bytes=bytes)
        self.index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
        self.knob = recipe.knob
        for learns in (self.index, getattr(self.index, "pq", None)):
            if learns is not None and hasattr(learns, "cp"):
                learns.cp.min_points_per_centroid = 1  # small shops too, without a warning
        self.index.train(gallery[:: max(1, n // TRAINED_ON)].copy())
        self.index.add(gallery)
        if effort is not None:
            self.set_effort(effort)

    def set_effort(self, effort: int) -> "FaissIndex":
        """Turn the knob; returns the index. Raises ``TutorialError`` where it has none."""
        if self.knob is None or effort < 1:
            raise TutorialError(
                f"effort={effort}: a whole number from 1 up, for "
                f"{' and '.join(n for n, recipe in FAISS_INDEXES.items() if recipe.knob)} only"
            )
        _import_faiss().ParameterSpace().set_index_parameter(self.index, self.knob, effort)
        return self

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` nearest rows and their scores, for ``(n_queries, dim)`` float."""
        queries = _checked(queries, "query")
        check_k(k, self.index.ntotal)
        scores, rows = self.index.search(queries, k)  # FAISS returns them the other way round
        return rows, np.where(rows < 0, -np.inf, scores).astype("float32")

    def bytes(self) -> int:
        """How much the index takes, in bytes: its size on disk."""
        return len(_import_faiss().serialize_index(self.index))


def rerank(
    queries: np.ndarray, gallery: np.ndarray, rows: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` best of each query's candidates by their exact scores. Defined in lesson 11.

    ``rows``: ``(n_queries, m)`` int64, m ≥ k rows of the gallery (-1: none), from an index that
    knows its vectors only roughly. Returns ``rows`` and ``scores``, ``(n_queries, k)`` each;
    among equal scores the smaller row comes first.

    >>> gallery = unit_length([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
    >>> rows, scores = rerank([[1.0, 0.0]], gallery, np.array([[3, 1, 0]]), k=2)
    >>> rows.tolist()
    [[0, 1]]
    """
    queries, gallery = np.atleast_2d(queries), np.asarray(gallery)
    check_k(k, rows.shape[1])
    scores = np.einsum("qd,qmd->qm", queries, gallery[rows]).astype("float32")
    scores[rows < 0] = -np.inf
    best, scores = select_top(scores, k, rows)
    return np.take_along_axis(rows, best, axis=1), scores


def recall_against(rows: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """How much of the exact answer was found, one share a query: ``(n_queries,)``.

    ``rows``, ``exact``: ``(n_queries, k)`` rows of the gallery, of the index and of an exact
    search. It says nothing about relevance. Defined in lesson 11.

    >>> recall_against([[0, 1, 7, 9]], [[0, 1, 2, 3]]).tolist()
    [0.5]
    """
    rows, exact = np.asarray(rows), np.asarray(exact)
    if rows.shape != exact.shape:
        raise TutorialError(
            f"{rows.shape} rows found against {exact.shape} exact ones: ask both for the same k"
        )
    return (exact[:, :, None] == rows[:, None, :]).any(axis=2).mean(axis=1)


def _checked(vectors, what):
    """``(n, dim)`` float32 in one piece, as FAISS wants it; finite."""
    vectors = np.ascontiguousarray(np.atleast_2d(vectors), dtype="float32")
    if not np.isfinite(vectors).all():
        raise TutorialError(
            f"a {what} vector is not finite (NaN or infinite): the model diverged or was fed NaN"
        )
    return vectors


def _import_faiss():
    try:
        import faiss
    except ImportError as fault:
        raise TutorialError("FAISS is not installed; pip install faiss-cpu") from fault
    return faiss
