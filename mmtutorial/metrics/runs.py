"""Runs: what a search found for each query, as dictionaries and as files (lessons 10, 24)."""

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mmtutorial import TutorialError


def run_from_top_k(
    query_ids: Iterable[str], ranked_ids: ArrayLike, scores: ArrayLike
) -> dict[str, dict]:
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


def relevance_in_order(
    query_ids: Iterable[str], ranked_ids: ArrayLike, qrels: Mapping[str, Mapping]
) -> np.ndarray:
    """The grade of the product at each rank, 0 where it is not in the qrels.

    ``query_ids``: n queries; ``ranked_ids``: ``(n, k)`` product ids, best first. Returns
    ``(n, k) float``, which the formulas of ``measures`` take as ``grades``.

    >>> relevance_in_order(["red bag"], [["s7", "b1"]], {"red bag": {"b1": 1, "b2": 1}}).tolist()
    [[0.0, 1.0]]
    """
    ranked_ids = np.asarray(ranked_ids)
    grades = [
        [qrels.get(query, {}).get(product, 0) for product in ids]
        for query, ids in zip(query_ids, ranked_ids.tolist(), strict=True)
    ]
    return np.array(grades, dtype=np.float64).reshape(ranked_ids.shape)


# Files in TREC's format -------------------------------------------------------------------------


def strictly_falling(scores: ArrayLike) -> np.ndarray:
    """Scores for a run file: ``(n, k)`` descending, each tie pulled apart by one float32 step.

    trec_eval breaks ties by descending id, we by ascending: after this both rank alike.

    >>> falling = strictly_falling([[0.9, 0.5, 0.5]])
    >>> bool(falling[0, 1] > falling[0, 2]), falling.round(4).tolist()[0][2]
    (True, 0.5)
    """
    scores = np.array(scores, dtype="float32")
    for rank in range(1, scores.shape[1]):
        below = np.nextafter(scores[:, rank - 1], np.float32(-np.inf))
        scores[:, rank] = np.minimum(scores[:, rank], below)
    return scores


def write_run(file: str | PathLike, run: Mapping[str, Mapping], system: str) -> None:
    """Write a run for trec_eval: query, Q0, product, rank, score, system; one product a line.

    ``run``: ``{query: {product id: score}}``, best product first; ``system``: its name.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "run.trec")
    >>> write_run(file, {"red bag": {"b1": 0.9, "s7": 0.8}}, "late fusion")
    >>> print(file.read_text(), end="")
    red_bag Q0 b1 1 0.9 late-fusion
    red_bag Q0 s7 2 0.8 late-fusion
    """
    names, tag = query_names(run), system.replace(" ", "-")
    lines = [
        f"{names[query]} Q0 {product} {rank} {score:.9g} {tag}\n"
        for query, ranking in run.items()
        for rank, (product, score) in enumerate(ranking.items(), start=1)
    ]
    Path(file).write_text("".join(lines), encoding="utf-8")


def write_qrels(file: str | PathLike, qrels: Mapping[str, Mapping]) -> None:
    """Write qrels for trec_eval: query, 0, product, grade; one product a line.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "qrels.trec")
    >>> write_qrels(file, {"red bag": {"b1": 1}})
    >>> print(file.read_text(), end="")
    red_bag 0 b1 1
    """
    names = query_names(qrels)
    lines = [
        f"{names[query]} 0 {product} {grade}\n"
        for query, judged in qrels.items()
        for product, grade in judged.items()
    ]
    Path(file).write_text("".join(lines), encoding="utf-8")


def query_names(queries: Iterable[str]) -> dict[str, str]:
    """A name for each query in TREC files, whose fields may hold no space: ``_`` stands for it.

    Two queries never share a name.

    >>> query_names(["red bag", "red  bag", ""])
    {'red bag': 'red_bag', 'red  bag': 'red_bag#2', '': 'empty'}
    """
    names: dict[str, str] = {}
    taken = set()
    for query in queries:
        name = base = "_".join(query.split()) or "empty"
        number = 1
        while name in taken:
            number += 1
            name = f"{base}#{number}"
        taken.add(name)
        names[query] = name
    return names
