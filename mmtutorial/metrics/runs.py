"""Runs: what a search found for each query, as dictionaries and as files (lessons 10, 24)."""

import numpy as np

from mmtutorial import TutorialError


def run_from_top_k(query_ids, ranked_ids, scores):
    """Arrays of a search as a run: ``{query: {product id: score}}``.

    ``query_ids``: n queries; ``ranked_ids``: ``(n, k)`` product ids; ``scores``: ``(n, k)``.

    Raises TutorialError where the shapes do not fit, or a query or a product comes twice.

    >>> run_from_top_k(["red bag"], [["b1", "s7"]], [[0.9, 0.8]])
    {'red bag': {'b1': 0.9, 's7': 0.8}}
    """
    query_ids = list(query_ids)
    ranked_ids, scores = np.asarray(ranked_ids), np.asarray(scores)
    if (
        ranked_ids.ndim != 2
        or ranked_ids.shape != scores.shape
        or len(ranked_ids) != len(query_ids)
    ):
        raise TutorialError(
            f"{len(query_ids)} queries, ranked ids {ranked_ids.shape} and scores {scores.shape} "
            "do not fit: both arrays must have shape (n_queries, k)"
        )
    run = {
        query: dict(zip(ids, row, strict=True))
        for query, ids, row in zip(query_ids, ranked_ids.tolist(), scores.tolist(), strict=True)
    }
    if len(run) < len(query_ids):
        raise TutorialError("a query comes twice in query_ids: give each its own name")
    for query, ranking in run.items():
        if len(ranking) < ranked_ids.shape[1]:
            raise TutorialError(f"query {query!r}: a product is ranked twice")
    return run


def relevance_in_order(query_ids, ranked_ids, qrels):
    """The grade of the product at each rank, 0 where it is not in the qrels.

    ``query_ids``: n queries of ``qrels``; ``ranked_ids``: ``(n, k)`` product ids, best first.
    Returns ``(n, k) float``, which the array functions take as ``grades``.

    >>> relevance_in_order(["red bag"], [["s7", "b1"]], {"red bag": {"b1": 1, "b2": 1}}).tolist()
    [[0.0, 1.0]]
    """
    ranked_ids = np.asarray(ranked_ids)
    grades = np.zeros(ranked_ids.shape)
    for row, (query, ids) in enumerate(zip(query_ids, ranked_ids.tolist(), strict=True)):
        judged = qrels.get(query, {})
        grades[row] = [judged.get(product, 0) for product in ids]
    return grades


def strictly_falling(scores):
    """``(n, k)`` descending float32 → the same, each tie pulled apart by the least float32 step.

    trec_eval breaks ties by descending id, we by ascending: after this both rank alike.
    """
    scores = np.array(scores, dtype="float32")
    for rank in range(1, scores.shape[1]):
        below = np.nextafter(scores[:, rank - 1], np.float32(-np.inf))
        scores[:, rank] = np.minimum(scores[:, rank], below)
    return scores


def write_run(file, ranking, name):
    """A run in TREC's format: query, Q0, product, rank, score, system; one hit a line."""
    names, tag = query_names(ranking), name.replace(" ", "-")
    with open(file, "w", encoding="utf-8") as stream:
        for query, hits in ranking.items():
            for rank, (product, value) in enumerate(hits.items(), start=1):
                stream.write(f"{names[query]} Q0 {product} {rank} {value:.9g} {tag}\n")


def write_qrels(file, qrels):
    """Qrels in TREC's format: query, 0, product, grade."""
    names = query_names(qrels)
    with open(file, "w", encoding="utf-8") as stream:
        for query, answers in qrels.items():
            for product, grade in answers.items():
                stream.write(f"{names[query]} 0 {product} {grade}\n")


def query_names(queries):
    """A query's text with ``_`` for its spaces, as TREC's format has none; each its own."""
    names, taken = {}, set()
    for query in queries:
        name = base = "_".join(query.split()) or "empty"
        number = 1
        while name in taken:
            number += 1
            name = f"{base}#{number}"
        taken.add(name)
        names[query] = name
    return names
