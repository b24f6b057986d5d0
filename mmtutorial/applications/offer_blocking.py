"""Blocking: which pairs of offers are worth a closer look (lesson 14).

Two tables of 20,000 offers have 400 million pairs, and nearly all of them share nothing. A product
of two sparse matrices touches only the pairs that share a term, and keeps the ``k`` best of each
row. What blocking leaves out, no matcher can find: its ceiling is the pair completeness.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import sparse

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.encoders.tokenisers import words

COMMON = 0.1  # a term in more than this share of the gallery's titles leads nowhere
FEW = 100  # ... unless so few titles have it that looking at all of them costs nothing


def title_ngrams(text: str) -> list[str]:
    """The runs of three characters of each word, the word's ends marked.

    >>> title_ngrams("Red TV")
    ['<re', 'red', 'ed>', '<tv', 'tv>']
    """
    marked = [f"<{word}>" for word in words(text)]
    return [word[start : start + 3] for word in marked for start in range(len(word) - 2)]


def term_vectors(
    queries: Sequence[str], gallery: Sequence[str], split: Callable[[str], list[str]] = words
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Both lists of titles as sparse vectors whose dot product is BM25: ``(n, n_terms)`` each.

    A query's vector is 1 at its terms; a gallery title's is what BM25 gives for each of its terms
    (``search.lexical.Bm25`` with k1 = 1.5, b = 0.75). Terms in more than a tenth of the gallery's
    titles are left out, in large galleries: they would touch nearly all pairs.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=split, dtype=np.float32)
    try:
        counts = sparse.csr_array(vectorizer.fit_transform(gallery))
    except ValueError as fault:  # "empty vocabulary"
        raise TutorialError(
            f"no term in any of these {len(gallery)} titles: check the title column"
        ) from fault
    n = counts.shape[0]
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log(1 + (n - frequency + 0.5) / (frequency + 0.5))
    idf[frequency > max(COMMON * n, FEW)] = 0
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    norm = 1.5 * (0.25 + 0.75 * lengths / lengths.mean())
    rows = np.repeat(np.arange(n), np.diff(counts.indptr))
    counts.data *= idf[counts.indices] / (counts.data + norm[rows])
    counts.eliminate_zeros()
    asked = sparse.csr_array(vectorizer.transform(queries))
    asked.data[:] = 1
    return asked, counts.astype("float32")


def sparse_top_k(
    queries: sparse.csr_array, gallery: sparse.csr_array, k: int, block: int = 512
) -> np.ndarray:
    """Pairs of rows, ``(n_pairs, 2)`` int64: each query with its ``k`` best of the gallery.

    Only pairs with a dot product above 0 count, so a query may have fewer. Among equal products
    the smaller row comes first. Memory: ``block`` rows of products at a time.

    >>> asked, kept = term_vectors(["red bag", "hat"], ["red bag", "blue bag", "red shoe"])
    >>> sparse_top_k(asked, kept, 1).tolist()  # no title has a hat
    [[0, 0]]
    """
    check_whole(k=k, low=1)
    other, found = gallery.T.tocsr(), []
    for start in range(0, queries.shape[0], block):
        scores = sparse.csr_array(queries[start : start + block] @ other)
        scores.sort_indices()
        for row in range(scores.shape[0]):
            piece = slice(scores.indptr[row], scores.indptr[row + 1])
            columns, values = scores.indices[piece], scores.data[piece]
            if len(values) > k:  # those that tie with the k-th best stand for election
                stand = values >= np.partition(values, -k)[-k]
                columns, values = columns[stand], values[stand]
            best = columns[np.argsort(-values, kind="stable")[:k]]
            found.append(np.column_stack([np.full(len(best), start + row), best]))
    return np.concatenate([*found, np.empty((0, 2), int)]).astype("int64")


def vector_top_k(queries: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """Pairs as ``sparse_top_k`` has them, by the dot product of ``(n, dim)`` float vectors.

    A FAISS index: exact up to 5,000 vectors, a graph (HNSW, lesson 11) above.
    """
    from mmtutorial.search.indexes import FaissIndex

    index = FaissIndex("flat" if len(gallery) <= 5000 else "hnsw", gallery)
    rows, _ = index.search(queries, min(k, len(gallery)))
    pairs = np.column_stack([np.repeat(np.arange(len(rows)), rows.shape[1]), rows.ravel()])
    return pairs[pairs[:, 1] >= 0]


def candidate_pairs(
    left: Sequence[str],
    right: Sequence[str],
    k: int = 10,
    vectors: Sequence[tuple[np.ndarray, np.ndarray]] = (),
) -> np.ndarray:
    """Pairs of rows of two lists of titles, ``(n_pairs, 2)`` int64, sorted, each once.

    Of each left title the ``k`` best by BM25 over words, the ``k`` best by BM25 over
    ``title_ngrams``, and the ``k`` nearest by each of ``vectors``, ``(n_left, dim)`` and
    ``(n_right, dim)`` float. So there are at most k n_left pairs from each way: a multiple of the
    rows, never of all pairs. Defined in lesson 14.

    >>> candidate_pairs(["red bag", "blue hat"], ["hat in blue", "a red bag"], k=1).tolist()
    [[0, 1], [1, 0]]
    """
    left, right = list(left), list(right)
    found = [
        sparse_top_k(*term_vectors(left, right), k),
        sparse_top_k(*term_vectors(left, right, title_ngrams), k),
        *(vector_top_k(of_left, of_right, k) for of_left, of_right in vectors),
    ]
    return unique_pairs(np.concatenate(found))


def pairs_within(
    titles: Sequence[str], k: int = 10, vectors: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """``candidate_pairs`` inside one list of titles: ``(n_pairs, 2)``, the smaller row first.

    >>> pairs_within(["red bag", "blue hat", "bag red"], k=1).tolist()
    [[0, 2]]
    """
    pairs = candidate_pairs(titles, titles, k + 1, [(each, each) for each in vectors])
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]  # each title finds itself
    return unique_pairs(np.sort(pairs, axis=1))


def unique_pairs(pairs: np.ndarray) -> np.ndarray:
    """Each pair once, sorted.

    >>> unique_pairs(np.array([[1, 0], [0, 2], [1, 0]])).tolist()
    [[0, 2], [1, 0]]
    """
    return np.unique(np.asarray(pairs, dtype="int64").reshape(-1, 2), axis=0)


def contains(pairs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which of the ``wanted`` pairs are among ``pairs``: ``(n_wanted,)`` bool.

    >>> contains(np.array([[0, 1], [2, 3]]), np.array([[2, 3], [1, 0]])).tolist()
    [True, False]
    """
    pairs, wanted = (np.asarray(each, dtype="int64").reshape(-1, 2) for each in (pairs, wanted))
    wide = 1 + max(pairs.max(initial=0), wanted.max(initial=0))
    return np.isin(wanted @ [wide, 1], pairs @ [wide, 1])


def pair_completeness(pairs: np.ndarray, true_pairs: np.ndarray) -> float:
    """The share of the true pairs that blocking keeps: the ceiling of recall. Lesson 14.

    >>> pair_completeness(np.array([[0, 1]]), np.array([[0, 1], [5, 5]]))
    0.5
    """
    if len(true_pairs) == 0:
        raise TutorialError("no true pair is known: there is nothing to be complete about")
    return float(contains(pairs, true_pairs).mean())
