"""What a shopper may want next: a matrix of clicks as a product of two thin ones (lesson 12).

The click of session u on item i is taken as the dot product of two short vectors, u · i. ``Als``
fits them by least squares in turns, ``Bpr`` by pairs: what was clicked before what was not. The
face is that of ``recommend``: ``fit(sessions)``, ``scores(histories)``.
"""

import keras
import numpy as np
from keras import layers, ops
from scipy import sparse

from mmtutorial.applications.recommend import Histories, click_matrix
from mmtutorial.arguments import check_whole
from mmtutorial.matching.training import Batches, train


def least_squares(
    clicks: sparse.csr_array, factors: np.ndarray, weight: float, ridge: float
) -> np.ndarray:
    """The vectors of rows that fit the clicks best, where the columns' vectors are given.

    For each row u the minimum over x of Σ_i c_ui (p_ui - x · q_i)² + ridge |x|², with p = 1 and
    c = ``weight`` for a click, p = 0 and c = 1 for all others (Y. Hu, Y. Koren, C. Volinsky 2008,
    doi:10.1109/ICDM.2008.22, eq. 4). ``clicks``: ``(n, n_items)`` of 0 and 1; ``factors``:
    ``(n_items, dim)``; returns ``(n, dim)`` float32.
    """
    dim = factors.shape[1]
    gram = factors.T @ factors + ridge * np.eye(dim, dtype="float32")  # of all items
    found = np.zeros((clicks.shape[0], dim), "float32")
    for row, (start, stop) in enumerate(zip(clicks.indptr[:-1], clicks.indptr[1:], strict=True)):
        q = factors[clicks.indices[start:stop]]  # (clicked, dim)
        if len(q):
            found[row] = np.linalg.solve(gram + (weight - 1) * q.T @ q, weight * q.sum(axis=0))
    return found


class Als:
    """Alternating least squares for clicks. Defined in lesson 12.

    ``weight``: how much more a click counts than a missing one. A new history gets its vector from
    ``least_squares``, as those of the training had.
    """

    def __init__(
        self, n_items: int, dim: int = 32, rounds: int = 4, weight: float = 20.0,
        ridge: float = 5.0, seed: int = 0,
    ):  # fmt: skip
        check_whole(n_items=n_items, dim=dim, rounds=rounds, low=1)
        self.n_items, self.rounds, self.weight, self.ridge = n_items, rounds, weight, ridge
        rng = np.random.default_rng(seed)
        self.items = rng.normal(0, 0.1, (n_items, dim)).astype("float32")

    def fit(self, sessions: Histories) -> "Als":
        """Fit sessions and items in turns."""
        clicks = click_matrix(sessions, self.n_items)
        by_item = sparse.csr_array(clicks.T)
        for _ in range(self.rounds):
            self.sessions = least_squares(clicks, self.items, self.weight, self.ridge)
            self.items = least_squares(by_item, self.sessions, self.weight, self.ridge)
        return self

    def scores(self, histories: Histories) -> np.ndarray:
        """``(n, n_items)`` float32: the history's vector times each item's."""
        clicks = click_matrix(histories, self.n_items)
        return least_squares(clicks, self.items, self.weight, self.ridge) @ self.items.T


@keras.saving.register_keras_serializable("mmtutorial")
class PairRanker(keras.Model):
    """The vectors behind ``Bpr``, of sessions and of items.

    Call with ``{"session", "item"}``, each ``(batch,)`` int; returns ``(batch,)``.
    """

    def __init__(self, n_sessions, n_items, dim, **kwargs):
        super().__init__(**kwargs)
        small = keras.initializers.RandomNormal(stddev=0.1)
        self.sessions = layers.Embedding(n_sessions, dim, embeddings_initializer=small)
        self.items = layers.Embedding(n_items, dim, embeddings_initializer=small)

    def call(self, x):
        return self._score(x["session"], x["item"])

    def _score(self, session, item):
        return ops.sum(self.sessions(session) * self.items(item), axis=-1)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """-log σ(score of the clicked - score of the other), and a little of their lengths."""
        other = self._score(x["session"], x["other"])
        lengths = sum(
            ops.mean(ops.sum(table(row) ** 2, axis=-1))
            for table, row in (
                (self.sessions, x["session"]), (self.items, x["item"]), (self.items, x["other"])
            )
        )  # fmt: skip
        return ops.mean(ops.softplus(other - y_pred)) + 0.01 * lengths


class ClickedAndOther(Batches):
    """Clicks, each beside an item drawn anew in every epoch."""

    def __init__(self, clicks, batch_size, seed):
        self.n_items = clicks.shape[1]
        rows = clicks.tocoo()
        x = {
            name: each.astype("int32") for name, each in (("session", rows.row), ("item", rows.col))
        }
        super().__init__(x, np.zeros(clicks.nnz, "float32"), batch_size, seed)

    def set_epoch(self, epoch):
        super().set_epoch(epoch)
        rng = np.random.default_rng((self.seed, epoch, 1))
        self.x["other"] = rng.integers(0, self.n_items, self.n).astype("int32")


class Bpr:
    """Matrix factorisation by Bayesian personalised ranking. Defined in lesson 12.

    What a session has clicked should score higher than what it has not (S. Rendle et al. 2009,
    arXiv:1205.2618, eq. 4). A history that was not in training has no vector of its own: it gets
    the one that ``least_squares`` finds among the items' vectors.
    """

    def __init__(
        self, n_items: int, dim: int = 32, epochs: int = 10, batch_size: int = 512,
        learning_rate: float = 0.02, seed: int = 0,
    ):  # fmt: skip
        check_whole(n_items=n_items, dim=dim, epochs=epochs, low=1)
        self.n_items, self.dim, self.epochs, self.seed = n_items, dim, epochs, seed
        self.batch_size, self.learning_rate = batch_size, learning_rate

    def fit(self, sessions: Histories) -> "Bpr":
        """Train on each click beside a random other item; ``log`` is the training's log."""
        keras.utils.set_random_seed(self.seed)
        clicks = click_matrix(sessions, self.n_items)
        model = PairRanker(clicks.shape[0], self.n_items, self.dim)
        model.compile(keras.optimizers.Adam(self.learning_rate))
        batches = ClickedAndOther(clicks, min(self.batch_size, clicks.nnz), self.seed)
        self.log = train(model, batches, self.epochs, self.learning_rate, bar=False)
        self.sessions, self.items = (
            ops.convert_to_numpy(table.embeddings) for table in (model.sessions, model.items)
        )
        return self

    def scores(self, histories: Histories) -> np.ndarray:
        """``(n, n_items)`` float32: the history's vector times each item's."""
        clicks = click_matrix(histories, self.n_items)
        return least_squares(clicks, self.items, 20.0, 1.0) @ self.items.T
