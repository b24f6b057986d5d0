"""Each index against brute force; the written-out one against FAISS with the same cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.search.indexes import (
    FAISS_INDEXES,
    FaissIndex,
    InvertedFile,
    nearest_centre,
    recall_against,
    rerank,
)

faiss = pytest.importorskip("faiss")
faiss.omp_set_num_threads(1)  # the data is tiny: threads would only wait for each other


def clusters(n=2000, dim=16, kinds=40, seed=0):
    """Products of a few dozen kinds, unit length: what an index lives on."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(kinds, dim))
    return unit_length(centres[rng.integers(kinds, size=n)] + 0.9 * rng.normal(size=(n, dim)))


def brute_force(queries, gallery, k):
    """Descending score, then ascending row."""
    scores = queries @ gallery.T
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(scores, rows, axis=1)


GALLERY = clusters()
QUERIES = unit_length(GALLERY[:50] + 0.1 * np.random.default_rng(1).normal(size=(50, 16)))
EXACT, SCORES = brute_force(QUERIES, GALLERY, 10)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")  # equal vectors are meant
@given(st.integers(1, 60), st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_an_inverted_file_that_looks_into_all_cells_is_exact(n, seed):
    rng = np.random.default_rng(seed)
    gallery = rng.integers(-1, 2, (n, 4)).astype("float32")  # few values: many ties
    queries = rng.integers(-1, 2, (3, 4)).astype("float32")
    cells, k = int(rng.integers(1, n + 1)), int(rng.integers(1, n + 1))
    rows, scores = InvertedFile(gallery, cells, probes=cells).search(queries, k)
    expected, best = brute_force(queries, gallery, k)
    assert (rows == expected).all()
    assert np.allclose(scores, best)


@pytest.mark.parametrize("probes", [1, 3, 7])
def test_an_inverted_file_finds_what_faiss_finds_in_the_same_cells(probes):
    ours = InvertedFile(GALLERY, cells=20, probes=probes)
    quantizer = faiss.IndexFlatIP(16)
    quantizer.add(ours.centres)
    theirs = faiss.IndexIVFFlat(quantizer, 16, 20, faiss.METRIC_INNER_PRODUCT)
    theirs.is_trained = True
    theirs.add(GALLERY)
    theirs.nprobe = probes
    scores, rows = theirs.search(QUERIES, 10)
    found, best = ours.search(QUERIES, 10)
    assert (found == rows).all()
    assert np.allclose(best, scores, atol=1e-5)


def test_each_product_lies_in_the_list_of_its_nearest_centre():
    index = InvertedFile(GALLERY, cells=20)
    assert sorted(index.rows) == list(range(len(GALLERY)))
    assert index.starts[0] == 0 and index.starts[-1] == len(GALLERY)
    nearest = (GALLERY @ index.centres.T).argmax(axis=1)
    for cell in range(20):
        rows = index.rows[index.starts[cell] : index.starts[cell + 1]]
        assert (nearest[rows] == cell).all()
    assert (nearest_centre(GALLERY, index.centres, block=7) == nearest).all()


def test_more_probes_find_no_less_and_one_probe_misses_something():
    index = InvertedFile(GALLERY, cells=40)
    recalls = []
    for probes in (1, 2, 5, 40):
        index.probes = probes
        recalls.append(recall_against(index.search(QUERIES, 10)[0], EXACT).mean())
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.95 and recalls[-1] == 1


def test_a_cell_with_too_few_products_leaves_gaps():
    gallery = unit_length([[1, 0], [1, 0.1], [-1, 0], [-1, 0.1], [-1, -0.1]])
    index = InvertedFile(gallery, cells=2, probes=1)
    rows, scores = index.search([[1.0, 0.0]], 3)
    assert rows.tolist() == [[0, 1, -1]]
    assert scores[0, 2] == -np.inf


@pytest.mark.parametrize("name", sorted(FAISS_INDEXES))
def test_a_faiss_index_ranks_by_the_inner_product(name):
    """Vectors of many lengths: by the L2 distance the order would be another one."""
    rng = np.random.default_rng(2)
    gallery = GALLERY * rng.uniform(0.2, 5, size=(len(GALLERY), 1)).astype("float32")
    index = FaissIndex(name, gallery)
    if index.knob:
        index.set_effort(2000)
    assert index.index.metric_type == faiss.METRIC_INNER_PRODUCT
    exact, _ = brute_force(QUERIES, gallery, 10)
    rows, scores = index.search(QUERIES, 10)
    by_distance = faiss.IndexFlatL2(16)
    by_distance.add(gallery)
    assert recall_against(by_distance.search(QUERIES, 10)[1], exact).mean() < 0.3
    assert recall_against(rows, exact).mean() > 0.6
    assert (np.diff(scores, axis=1) <= 1e-5).all()  # higher is better


@pytest.mark.parametrize(("name", "least"), [("flat", 1), ("ivf", 0.99), ("hnsw", 0.99)])
def test_what_keeps_the_vectors_as_they_are_comes_to_the_exact_answer(name, least):
    index = FaissIndex(name, GALLERY)
    if index.knob:
        index.set_effort(500)
    rows, scores = index.search(QUERIES, 10)
    assert recall_against(rows, EXACT).mean() >= least
    assert np.allclose(scores, np.take_along_axis(QUERIES @ GALLERY.T, rows, axis=1), atol=1e-5)


@pytest.mark.parametrize("name", ["ivf", "hnsw"])
def test_more_effort_finds_more(name):
    index = FaissIndex(name, GALLERY, effort=1)
    little = recall_against(index.search(QUERIES, 10)[0], EXACT).mean()
    much = recall_against(index.set_effort(200).search(QUERIES, 10)[0], EXACT).mean()
    assert little < much


def test_quantised_indexes_are_smaller_and_rougher():
    flat, int8, pq = (FaissIndex(name, GALLERY, bytes=4) for name in ("flat", "int8", "pq"))
    assert pq.bytes() < int8.bytes() < 0.3 * flat.bytes()
    rough = recall_against(pq.search(QUERIES, 10)[0], EXACT).mean()
    assert rough < recall_against(int8.search(QUERIES, 10)[0], EXACT).mean()
    rows, scores = rerank(QUERIES, GALLERY, pq.search(QUERIES, 500)[0], 10)
    assert recall_against(rows, EXACT).mean() > rough + 0.2
    assert np.allclose(scores, np.take_along_axis(QUERIES @ GALLERY.T, rows, axis=1), atol=1e-5)


@given(st.integers(2, 30), st.integers(0, 10**6))
@settings(deadline=None)
def test_rerank_of_all_rows_is_the_exact_search(n, seed):
    rng = np.random.default_rng(seed)
    gallery = rng.integers(-1, 2, (n, 3)).astype("float32")
    queries = rng.integers(-1, 2, (2, 3)).astype("float32")
    rows = np.stack([rng.permutation(n) for _ in queries])
    k = int(rng.integers(1, n + 1))
    found, scores = rerank(queries, gallery, rows, k)
    expected, best = brute_force(queries, gallery, k)
    assert (found == expected).all() and np.allclose(scores, best)


def test_rerank_puts_gaps_last():
    rows, scores = rerank(QUERIES[:1], GALLERY, np.array([[5, -1, 3]]), 3)
    assert rows[0, 2] == -1 and scores[0, 2] == -np.inf
    assert set(rows[0, :2]) == {3, 5}


def test_recall_against_counts_what_was_found_in_any_order():
    found = recall_against([[3, 1, -1], [9, 8, 7]], [[1, 2, 3], [7, 8, 9]])
    assert np.allclose(found, [2 / 3, 1])
    with pytest.raises(TutorialError, match="same k"):
        recall_against([[1, 2]], [[1, 2, 3]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FaissIndex("annoy", GALLERY), "no index named 'annoy'.*flat, hnsw, int8"),
        (lambda: FaissIndex("pq", GALLERY, bytes=5), "must divide the width"),
        (lambda: FaissIndex("pq", GALLERY[:100]), "256 vectors at least"),
        (lambda: FaissIndex("flat", GALLERY, effort=3), "effort=3.*ivf and hnsw only"),
        (lambda: FaissIndex("ivf", GALLERY, effort=0), "from 1 up"),
        (lambda: FaissIndex("flat", GALLERY).search(QUERIES, 0), "k=0 .*from 1 to 2000"),
        (lambda: FaissIndex("flat", np.full((3, 2), np.nan)), "gallery vector is not finite"),
        (lambda: InvertedFile(GALLERY, 0), "0 cells for 2000 products"),
        (lambda: InvertedFile(GALLERY, 5, probes=6).search(QUERIES, 3), "probes=6.*5 cells"),
        (lambda: InvertedFile(GALLERY, 5).search(QUERIES, 2001), "k=2001"),
        (lambda: InvertedFile(GALLERY, 5).search(QUERIES, 2.0), "k has to be a whole number"),
    ],
)
def test_what_cannot_be_built_or_asked_says_why(make, message):
    with pytest.raises(TutorialError, match=message):
        make()
