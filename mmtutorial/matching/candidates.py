"""Candidates to learn a ranking from: random ones and hard negatives (lesson 09)."""

import numpy as np

from mmtutorial import TutorialError
from mmtutorial.matching.training import Batches
from mmtutorial.metrics.top_k import select_top


def random_candidates(relevant, size, seed=0):
    """For each query all its relevant products, then others drawn at random, ``size`` in all.

    ``relevant``: ``(n_queries, n_products)`` bool. Returns rows ``(n_queries, size) int64``.
    Raises ``TutorialError`` where the relevants leave no place for others.

    >>> relevant = np.array([[False, False, True, False]])
    >>> rows = random_candidates(relevant, size=3)
    >>> rows.shape, 2 in rows[0]
    ((1, 3), True)
    """
    rng = np.random.default_rng(seed)
    max_relevant = relevant.sum(axis=1).max()
    if not max_relevant < size <= relevant.shape[1]:
        raise TutorialError(
            f"{size} candidates of {relevant.shape[1]} products, up to {max_relevant} of them "
            "relevant: choose a number between, so that there are others to compare with"
        )
    keys = (np.where(line, -1, rng.random(len(line))) for line in relevant)  # relevants first
    return np.stack([np.argsort(key, kind="stable")[:size] for key in keys])


def hard_negatives(scores, relevant, k, groups=None):
    """For each query the ``k`` best-ranked products that are not relevant, best first.

    With ``groups``, ``(n_products,) int``, what shares its group with a relevant product is
    passed over. With ``groups.title_groups`` these are the products with a relevant one's
    title: right answers that nobody marked, and hard mining finds just those (Qu et al. 2021,
    arXiv:2010.08191, section 3.2).

    ``scores``: ``(n_queries, n_products)`` float; ``relevant``: the same shape, bool. Returns
    rows ``(n_queries, k) int64``; among equal scores the smaller row comes first. Defined in
    lesson 09. Raises ``TutorialError`` where fewer than ``k`` products are left for a query.

    >>> scores, relevant = np.array([[0.9, 0.8, 0.7, 0.1]]), np.array([[True, False, False, False]])
    >>> hard_negatives(scores, relevant, 2).tolist()
    [[1, 2]]
    >>> hard_negatives(scores, relevant, 2, groups=np.array([0, 0, 1, 2])).tolist()  # 1 is like 0
    [[2, 3]]
    """
    rows = np.empty((len(scores), k), dtype="int64")
    for n, (line, barred) in enumerate(zip(scores, relevant, strict=True)):
        if groups is not None:
            barred = np.isin(groups, groups[barred])
        left = np.flatnonzero(~barred)
        if len(left) < k:
            raise TutorialError(
                f"query row {n} has {len(left)} products that may be negatives, and {k} were "
                "asked for: lower k"
            )
        best, _ = select_top(line[None, left], k, left)  # among equal scores the smaller row first
        rows[n] = left[best[0]]
    return rows


class CandidateLists(Batches):
    """Batches of queries with their candidates, in another order every epoch.

    ``queries``: ``(n, dim)``; ``photos`` and ``titles``: ``(n_products, dim)``; ``rows``:
    ``(n, candidates) int``, which products; ``grades``: ``(n, candidates)``; ``extra_inputs``:
    further inputs of that shape, by name. A batch is ``{"query", "photo", "title", …}`` and the
    grades. Queries that fill no whole batch wait for the next epoch.
    """

    def __init__(
        self, queries, photos, titles, rows, grades, extra_inputs=None, batch_size=64, seed=0
    ):
        self.photos, self.titles, self.candidates = photos, titles, rows
        self.extra_inputs, self.grades = extra_inputs or {}, np.asarray(grades, dtype="float32")
        x = {"query": queries, **self.extra_inputs}
        super().__init__(x, self.grades, min(batch_size, len(rows)), seed)

    def __getitem__(self, number):
        x, grades = super().__getitem__(number)
        rows = self.candidates[self.rows(number)]  # (batch, candidates)
        return x | {"photo": self.photos[rows], "title": self.titles[rows]}, grades
