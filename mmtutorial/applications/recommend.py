"""What a shopper may want next: plain recommenders by counting (lesson 12).

Every recommender has the same face: ``fit(sessions)``, a list of arrays of item numbers in the
order of their clicks, and ``scores(histories)``, ``(n, n_items)`` float32, higher is better, for
what each of ``n`` shoppers has clicked so far, the last click last.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from mmtutorial.arguments import check_whole

Histories = Sequence[np.ndarray]


def click_matrix(sessions: Histories, n_items: int) -> sparse.csr_array:
    """Which session has which item, ``(n_sessions, n_items)`` float32 of 0 and 1.

    >>> click_matrix([np.array([0, 2, 0])], 3).toarray().tolist()
    [[1.0, 0.0, 1.0]]
    """
    rows = np.repeat(np.arange(len(sessions)), [len(each) for each in sessions])
    items = np.concatenate([*sessions, np.empty(0, dtype=int)]).astype(int)
    matrix = sparse.csr_array(
        (np.ones(len(items), "float32"), (rows, items)), (len(sessions), n_items)
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


class Popular:
    """The most clicked items, for everybody the same. Defined in lesson 12.

    >>> sessions = [np.array([0, 1]), np.array([1])]
    >>> Popular(3).fit(sessions).scores([np.array([0])]).tolist()
    [[1.0, 2.0, 0.0]]
    """

    def __init__(self, n_items: int):
        check_whole(n_items=n_items, low=1)
        self.n_items = n_items

    def fit(self, sessions: Histories) -> "Popular":
        """Count how many sessions have each item."""
        self.counts = np.asarray(click_matrix(sessions, self.n_items).sum(axis=0)).ravel()
        return self

    def scores(self, histories: Histories) -> np.ndarray:
        """The counts, a row for each history."""
        return np.tile(self.counts.astype("float32"), (len(histories), 1))


class Recent(Popular):
    """The most clicked items of the newest sessions. Defined in lesson 12.

    ``newest``: so many of the sessions, from the end.
    """

    def __init__(self, n_items: int, newest: int = 1000):
        super().__init__(n_items)
        check_whole(newest=newest, low=1)
        self.newest = newest

    def fit(self, sessions: Histories) -> "Recent":
        """Count in the newest sessions; ``sessions`` are in the order of their time."""
        super().fit(sessions[-self.newest :])
        return self


class Again(Popular):
    """What the shopper took before, most often first; then popular items. Lesson 12.

    The rival to beat where people buy the same things again.

    >>> again = Again(3).fit([np.array([2]), np.array([2, 1])])
    >>> again.scores([np.array([0, 1, 0])]).argsort().tolist()  # the last one first
    [[2, 1, 0]]
    """

    def scores(self, histories: Histories) -> np.ndarray:
        """How often each item stands in each history."""
        counts = [np.bincount(each, minlength=self.n_items) for each in histories]
        return np.array(counts, dtype="float32") + _tie_break(self.counts)


class OnShelf(Popular):
    """Items on the shelf of the last click, the most clicked first. Defined in lesson 12.

    The plainest use of the catalogue. ``shelf``: ``(n_items,)`` names. ``by_clicks=False``: the
    items of a shelf all score the same, so that a new item is as good as an old one.

    >>> model = OnShelf(np.array(["hat", "shoe", "shoe"])).fit([np.array([0, 2])])
    >>> model.scores([np.array([1])]).argsort().tolist()  # the last one first
    [[0, 1, 2]]
    """

    def __init__(self, shelf: np.ndarray, by_clicks: bool = True):
        super().__init__(len(shelf))
        self.shelf = np.unique(shelf, return_inverse=True)[1]
        self.by_clicks = by_clicks

    def scores(self, histories: Histories) -> np.ndarray:
        """1 for the shelf of each history's last click, and less than 1 for the clicks."""
        last = np.array([each[-1] for each in histories])
        same = (self.shelf[last][:, None] == self.shelf).astype("float32")
        return same + self.counts / (1 + self.counts.max()) if self.by_clicks else same


class Markov(Popular):
    """What was clicked right after the last click: a first-order Markov chain. Lesson 12.

    The score is the share of the transitions from the last item. Items without one are ordered by
    their counts, far below.

    >>> chain = Markov(3).fit([np.array([0, 1]), np.array([0, 2]), np.array([0, 1])])
    >>> chain.scores([np.array([2, 0])]).round(2)
    array([[0.  , 0.67, 0.33]], dtype=float32)
    """

    def fit(self, sessions: Histories) -> "Markov":
        """Count the steps from each item to the next; a step to itself does not count."""
        super().fit(sessions)
        steps = [np.stack([each[:-1], each[1:]]) for each in sessions if len(each) > 1]
        start, stop = np.concatenate([*steps, np.empty((2, 0), dtype=int)], axis=1).astype(int)
        other = start != stop
        self.table = _normalised(
            sparse.csr_array(
                (np.ones(other.sum(), "float32"), (start[other], stop[other])),
                (self.n_items, self.n_items),
            )
        )
        return self

    def scores(self, histories: Histories) -> np.ndarray:
        """Shares of the transitions from the last item of each history."""
        last = np.array([each[-1] for each in histories])
        return self.table[last].toarray() + _tie_break(self.counts)


class CoOccurrence(Popular):
    """What stands in the same session as the last click, as often as it does. Lesson 12.

    >>> pairs = CoOccurrence(3).fit([np.array([1, 0]), np.array([0, 2]), np.array([0, 1])])
    >>> pairs.scores([np.array([2, 0])]).round(2)
    array([[0.  , 0.67, 0.33]], dtype=float32)
    """

    def fit(self, sessions: Histories) -> "CoOccurrence":
        """Count the sessions that two items share."""
        super().fit(sessions)
        clicks = click_matrix(sessions, self.n_items)
        self.table = _normalised(_without_diagonal(clicks.T @ clicks))
        return self

    def scores(self, histories: Histories) -> np.ndarray:
        """Shares of the items beside the last item of each history."""
        last = np.array([each[-1] for each in histories])
        return self.table[last].toarray() + _tie_break(self.counts)


class ItemKnn(Popular):
    """Items whose sessions are like those of the last click: item k nearest neighbours. Lesson 12.

    The likeness is the cosine of two items' columns of sessions, n(a, b) / (√(n(a) n(b)) +
    ``shrinkage``), which a rare pair cannot inflate (B. Hidasi et al. 2016, arXiv:1511.06939,
    its baseline).
    """

    def __init__(self, n_items: int, shrinkage: float = 20.0):
        super().__init__(n_items)
        self.shrinkage = shrinkage

    def fit(self, sessions: Histories) -> "ItemKnn":
        """Compute the likeness of each two items that share a session."""
        super().fit(sessions)
        clicks = click_matrix(sessions, self.n_items)
        both = _without_diagonal(clicks.T @ clicks).tocoo()
        lengths = np.sqrt(self.counts[both.row] * self.counts[both.col]) + self.shrinkage
        self.table = sparse.csr_array(((both.data / lengths), (both.row, both.col)), both.shape)
        return self

    def scores(self, histories: Histories) -> np.ndarray:
        """The likeness to the last item of each history."""
        last = np.array([each[-1] for each in histories])
        return self.table[last].toarray() + _tie_break(self.counts)


class SessionKnn(Popular):
    """What the sessions most like this one have: session k nearest neighbours. Lesson 12.

    The likeness of two sessions is the cosine of their sets of items; an item's score is the sum
    over the ``neighbours`` that have it (D. Jannach, M. Ludewig 2017, doi:10.1145/3109859.3109872).
    Of the last ``length`` clicks the newest count most: the weight falls from 1 to 1/length.
    """

    def __init__(self, n_items: int, neighbours: int = 100, length: int = 5):
        super().__init__(n_items)
        check_whole(neighbours=neighbours, length=length, low=1)
        self.neighbours, self.length = neighbours, length

    def fit(self, sessions: Histories) -> "SessionKnn":
        """Keep the sessions."""
        super().fit(sessions)
        self.clicks = click_matrix(sessions, self.n_items)
        self.lengths = np.sqrt(np.maximum(self.clicks.sum(axis=1), 1))
        return self

    def scores(self, histories: Histories) -> np.ndarray:
        """Sums over the nearest sessions of each history."""
        found = np.empty((len(histories), self.n_items), "float32")
        for row, history in enumerate(histories):
            weights, history = np.zeros(self.n_items, "float32"), history[-self.length :]
            weights[history] = np.arange(1, len(history) + 1) / len(history)  # the last stays
            likeness = (self.clicks @ weights) / self.lengths
            k = min(self.neighbours, len(likeness))
            near = np.argpartition(-likeness, k - 1)[:k]
            near = near[likeness[near] > 0]
            found[row] = self.clicks[near].T @ likeness[near]
        return found + _tie_break(self.counts)


def _without_diagonal(pairs):
    pairs = sparse.csr_array(pairs)
    return sparse.csr_array(pairs - sparse.diags_array(pairs.diagonal()))


def _normalised(counts):
    """Each row over its sum."""
    total = np.asarray(counts.sum(axis=1)).ravel()
    scale = sparse.diags_array((1 / np.maximum(total, 1)).astype("float32"))
    return sparse.csr_array(scale @ counts)


def _tie_break(counts):
    """So little that it orders only what has the same score: popular items first."""
    return (1e-6 * counts / max(counts.max(), 1)).astype("float32")
