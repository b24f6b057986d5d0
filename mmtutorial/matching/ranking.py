"""Learning to rank: losses that look at a list, hard negatives, a re-ranker (lesson 09).

Every loss has the same face: it takes the scores of some candidates for some queries,
``(queries, candidates)`` float, higher is better, and their grades, the same shape, 0 = not
relevant; it returns a scalar, lower is better. Pick one by name from ``RANKING_LOSSES``.

The two models stand on locked encoders: they take vectors of queries, of product photos and of
product titles, ``(…, dim)`` float32 of unit length. ``TwoTower`` scores the full gallery, by one
dot product each; ``ReRanker`` looks closer at the few that a first stage found.
"""

import numpy as np
from keras import ops

from mmtutorial import TutorialError

# ---------------------------------------------------------------------------------------------
# Losses: scores and grades, (queries, candidates) each → a scalar
# ---------------------------------------------------------------------------------------------


def pointwise_loss(scores, grades):
    """Each candidate by itself: relevant or not? Sigmoid cross-entropy, the mean over all.

    A classifier's loss: that candidates compete for a place plays no role in it. A grade above
    0 counts as relevant, and 0 is the score of an even bet. Defined in lesson 09.

    >>> round(float(pointwise_loss([[0.0, 0.0]], [[1, 0]])), 3)  # even bets: ln 2 each
    0.693
    """
    scores, grades = _floats(scores, grades)
    relevant = ops.cast(grades > 0, "float32")
    return ops.mean(ops.softplus(scores) - relevant * scores)  # -log sigmoid(±s), no overflow


def triplet_loss(scores, grades, margin=1.0):
    """Each pair of unequal grades: is the better one ahead by ``margin``? The mean over pairs.

    max(0, margin - (s_i - s_j)) for grade_i > grade_j (Schroff et al. 2015, arXiv:1503.03832,
    eq. 3, with scores in place of negated distances). A pair that keeps its distance pulls no
    more. Defined in lesson 09.

    >>> float(triplet_loss([[2.0, 0.0]], [[1, 0]])), float(triplet_loss([[0.0, 2.0]], [[1, 0]]))
    (0.0, 3.0)
    """
    scores, grades = _floats(scores, grades)
    return _mean_over_pairs(ops.relu(margin - _lead(scores)), grades)


def bpr_loss(scores, grades):
    """Each pair of unequal grades: -log sigmoid(s_i - s_j), the mean over pairs.

    Bayesian personalised ranking (Rendle et al. 2009, arXiv:1205.2618, section 4.1); RankNet's
    formula too. The triplet loss with its corner rounded off. Defined in lesson 09.

    >>> round(float(bpr_loss([[0.0, 0.0]], [[1, 0]])), 3)  # no lead yet: ln 2
    0.693
    """
    scores, grades = _floats(scores, grades)
    return _mean_over_pairs(ops.softplus(-_lead(scores)), grades)


def softmax_loss(scores, grades):
    """The whole list: cross-entropy between the softmax of the scores and the grades' shares.

    All relevant candidates are right answers and share the target by their grades, as equal
    titles do in lesson 06's loss: ListNet (Cao et al. 2007, doi:10.1145/1273496.1273513) with
    the grades where it takes their exponentials. The mean over the queries that have a relevant
    candidate, in nats. Defined in lesson 09.

    >>> round(float(softmax_loss([[0.0, 0.0, 0.0]], [[1, 0, 0]])), 3)  # one of three: ln 3
    1.099
    """
    scores, grades = _floats(scores, grades)
    total = ops.sum(grades, axis=1, keepdims=True)  # (queries, 1)
    target = grades / ops.maximum(total, 1e-9)  # rows sum to 1
    losses = -ops.sum(target * ops.log_softmax(scores, axis=1), axis=1)
    return _mean_where(losses, total[:, 0] > 0)


def approx_ndcg_loss(scores, grades, temperature=1.0):
    """The whole list: 1 - nDCG, with soft ranks in place of the ranks.

    ApproxNDCG (Qin, Liu and Li 2010, doi:10.1007/s10791-009-9124-x) with lesson 10's linear gain.
    The mean over the queries that have a relevant candidate; towards temperature 0 it becomes
    1 - nDCG of the candidates. Defined in lesson 09.

    >>> scores, grades = [[0.0, 9.0]], [[1, 0]]  # the relevant one comes second: 1 - 1 / log2(3)
    >>> round(float(approx_ndcg_loss(scores, grades, temperature=0.01)), 3)
    0.369
    """
    scores, grades = _floats(scores, grades)
    gained = ops.sum(grades / _log2(1 + soft_ranks(scores, temperature)), axis=1)  # (queries,)
    places = 1 + ops.arange(grades.shape[1], dtype="float32")
    ideal = ops.sum(-ops.sort(-grades, axis=1) / _log2(1 + places), axis=1)
    return _mean_where(1 - gained / ops.maximum(ideal, 1e-9), ideal > 0)


RANKING_LOSSES = {
    "pointwise": pointwise_loss,
    "triplet": triplet_loss,
    "BPR": bpr_loss,
    "softmax": softmax_loss,
    "ApproxNDCG": approx_ndcg_loss,
}


def soft_ranks(scores, temperature=1.0):
    """A rank that a gradient can move: 1 + the others above, each counted softly.

    rank_i = 1 + sum over j ≠ i of sigmoid((s_j - s_i) / temperature) (Qin, Liu and Li 2010,
    doi:10.1007/s10791-009-9124-x, section 4). Towards temperature 0 it becomes the rank, tied
    candidates in the middle of their places; a high one puts all in the middle of the list.

    ``(queries, candidates)`` float → the same shape, float32 in [1, candidates]. Defined in
    lesson 09. Raises ``TutorialError`` for a temperature that is not above 0.

    >>> ops.convert_to_numpy(soft_ranks([[0.9, 0.1, 0.5]], temperature=0.01)).round(2).tolist()
    [[1.0, 3.0, 2.0]]
    """
    if not temperature > 0:
        raise TutorialError(f"the temperature is {temperature}: it must be above 0, such as 1.0")
    behind = -_lead(ops.cast(scores, "float32"))  # [q, i, j]: how far i is behind j
    return 0.5 + ops.sum(ops.sigmoid(behind / temperature), axis=2)  # 1 - 0.5, i above itself


def _floats(scores, grades):
    """In float32 whatever the model computes in: float16 is too coarse to sum over a list."""
    return ops.cast(scores, "float32"), ops.relu(ops.cast(grades, "float32"))


def _lead(values):
    """``(queries, n)`` → ``(queries, n, n)``: at ``[q, i, j]`` how far i is ahead of j."""
    return values[:, :, None] - values[:, None, :]


def _mean_over_pairs(losses, grades):
    """The mean of ``losses[q, i, j]`` over the pairs in which i has the better grade."""
    return _mean_where(losses, _lead(grades) > 0)


def _mean_where(losses, counted):
    counted = ops.cast(counted, "float32")
    return ops.sum(losses * counted) / ops.maximum(ops.sum(counted), 1.0)


def _log2(x):
    return ops.log(x) / float(np.log(2))
