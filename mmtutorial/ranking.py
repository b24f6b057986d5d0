"""Learning to rank: losses that look at a list, hard negatives, a re-ranker (lesson 09).

Every loss has the same face: it takes the scores of some candidates for some queries,
``(queries, candidates)`` float, higher is better, and their grades, the same shape, 0 = not
relevant; it returns a scalar, lower is better. Pick one by name from ``RANKING_LOSSES``.

The two models stand on locked encoders: they take vectors of queries, of product photos and of
product titles, ``(…, dim)`` float32 of unit length. ``TwoTower`` scores the full gallery, by one
dot product each; ``ReRanker`` looks closer at the few that a first stage found.
"""

import keras
import numpy as np
from keras import layers, ops

from mmtutorial import TutorialError
from mmtutorial.devices import steps_per_call

# ---------------------------------------------------------------------------------------------
# Losses: scores and grades, (queries, candidates) each → a scalar
# ---------------------------------------------------------------------------------------------


def pointwise_loss(scores, grades):
    """Each candidate by itself: relevant or not? Sigmoid cross-entropy, the mean over all.

    A classifier's loss: that candidates compete for a place plays no role in it. A grade above
    0 counts as relevant, and 0 is the score of an even bet. Defined in lesson 09.
    """
    scores, grades = _floats(scores, grades)
    relevant = ops.cast(grades > 0, "float32")
    return ops.mean(ops.softplus(scores) - relevant * scores)  # -log sigmoid(±s), no overflow


def triplet_loss(scores, grades, margin=1.0):
    """Each pair of unequal grades: is the better one ahead by ``margin``? The mean over pairs.

    max(0, margin - (s_i - s_j)) for grade_i > grade_j (Schroff et al. 2015, arXiv:1503.03832,
    eq. 3, with scores in place of negated distances). A pair that keeps its distance pulls no
    more. Defined in lesson 09.
    """
    scores, grades = _floats(scores, grades)
    return _mean_over_pairs(ops.relu(margin - _lead(scores)), grades)


def bpr_loss(scores, grades):
    """Each pair of unequal grades: -log sigmoid(s_i - s_j), the mean over pairs.

    Bayesian personalised ranking (Rendle et al. 2009, arXiv:1205.2618, section 4.1); RankNet's
    formula too. The triplet loss with its corner rounded off. Defined in lesson 09.
    """
    scores, grades = _floats(scores, grades)
    return _mean_over_pairs(ops.softplus(-_lead(scores)), grades)


def softmax_loss(scores, grades):
    """The whole list: cross-entropy between the softmax of the scores and the grades' shares.

    All relevant candidates are right answers and share the target by their grades, as equal
    titles do in lesson 06's loss: ListNet (Cao et al. 2007, doi:10.1145/1273496.1273513) with
    the grades where it takes their exponentials. The mean over the queries that have a relevant
    candidate, in nats. Defined in lesson 09.
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


# ---------------------------------------------------------------------------------------------
# Candidates: which products a query is trained with
# ---------------------------------------------------------------------------------------------


def random_candidates(relevant, size, seed=0):
    """For each query all its relevant products, then others drawn at random, ``size`` in all.

    ``relevant``: ``(n_queries, n_products)`` bool. Returns rows ``(n_queries, size) int64``.
    Raises ``TutorialError`` where the relevants leave no place for others.
    """
    rng = np.random.default_rng(seed)
    most = relevant.sum(axis=1).max()
    if not most < size <= relevant.shape[1]:
        raise TutorialError(
            f"{size} candidates of {relevant.shape[1]} products, up to {most} of them relevant: "
            "choose a number between, so that there are others to compare with"
        )
    keys = (np.where(line, -1, rng.random(len(line))) for line in relevant)  # relevants first
    return np.stack([np.argsort(key, kind="stable")[:size] for key in keys])


def hard_negatives(scores, relevant, k, groups=None):
    """For each query the ``k`` best-ranked products that are not relevant, best first.

    With ``groups``, ``(n_products,) int``, what shares its group with a relevant product is
    passed over. With ``contrastive.title_groups`` these are the products with a relevant one's
    title: right answers that nobody marked, and hard mining finds just those (Qu et al. 2021,
    arXiv:2010.08191, section 3.2).

    ``scores``: ``(n_queries, n_products)`` float; ``relevant``: the same shape, bool. Returns
    rows ``(n_queries, k) int64``; among equal scores the smaller row comes first. Defined in
    lesson 09. Raises ``TutorialError`` where fewer than ``k`` products are left for a query.
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
        rows[n] = left[np.argsort(-line[left], kind="stable")[:k]]
    return rows


class CandidateLists(keras.utils.PyDataset):
    """Batches of queries with their candidates, in another order every epoch.

    ``queries``: ``(n, dim)``; ``photos`` and ``titles``: ``(n_products, dim)``; ``rows``:
    ``(n, candidates) int``, which products; ``grades``: ``(n, candidates)``; ``more``: further
    inputs of that shape, by name. A batch is ``{"query", "photo", "title", …}`` and the grades.
    Queries that fill no whole batch wait for the next epoch.
    """

    def __init__(self, queries, photos, titles, rows, grades, more=None, batch_size=64, seed=0):
        super().__init__()
        self.queries, self.photos, self.titles = queries, photos, titles
        self.rows, self.more = rows, more or {}
        self.grades = np.asarray(grades, dtype="float32")
        self.batch_size = min(batch_size, len(rows))
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.rows))

    def __len__(self):
        return len(self.order) // self.batch_size

    def __getitem__(self, number):
        some = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        rows = self.rows[some]  # (batch, candidates)
        x = {"query": self.queries[some], "photo": self.photos[rows], "title": self.titles[rows]}
        return x | {name: values[some] for name, values in self.more.items()}, self.grades[some]


# ---------------------------------------------------------------------------------------------
# Models
# ---------------------------------------------------------------------------------------------

SCALE = 15.0  # what a cosine is multiplied with to become a score, to begin with


def _number(model, name, start):
    """A weight that is one number, ``start`` at first."""
    return model.add_weight(shape=(), initializer=keras.initializers.Constant(start), name=name)


def _exp(number):
    return ops.exp(ops.cast(number, "float32"))


@keras.saving.register_keras_serializable("mmtutorial")
class TwoTower(keras.Model):
    """A first stage to train with any ranking loss: score = scale · (q' · p') + offset.

    q' = unit(q + A q) and p' = unit((photo + title) / 2 + B [photo; title]). A and B start from
    zero, so that every loss starts from the same ranking, that of the two encoders.
    Defined in lesson 09.

    Call with ``{"query": (batch, dim), "photo": (batch, candidates, dim), "title": the same}``;
    returns ``(batch, candidates)``. For a search over the full gallery ``embed_queries`` and
    ``embed_products`` return the unit vectors: ``search.top_k`` ranks by their dot product.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.unit = layers.UnitNormalization(dtype="float32")

    def build(self, input_shape):
        dim = input_shape["query"][-1]
        plain = {"use_bias": False, "kernel_initializer": "zeros"}
        self.query_tower = layers.Dense(dim, name="query_tower", **plain)  # A
        self.product_tower = layers.Dense(dim, name="product_tower", **plain)  # B
        self.query_tower.build((None, dim))
        self.product_tower.build((None, 2 * dim))
        self.log_scale = _number(self, "log_scale", np.log(SCALE))
        # Few candidates are relevant: only the pointwise loss needs to know, and starts there.
        self.offset = _number(self, "offset", -10.0)

    def call(self, inputs):
        query = self._query(inputs["query"])[:, None]  # (batch, 1, dim)
        product = self._product(inputs["photo"], inputs["title"])  # (batch, candidates, dim)
        cosines = ops.sum(query * product, axis=-1)
        return _exp(self.log_scale) * cosines + ops.cast(self.offset, "float32")

    def _query(self, query):
        return self.unit(query + self.query_tower(query))

    def _product(self, photo, title):
        both = ops.concatenate([photo, title], axis=-1)
        return self.unit((photo + title) / 2 + self.product_tower(both))

    def embed_queries(self, queries):
        """``(n, dim)`` → ``(n, dim)`` float32 of unit length."""
        return ops.convert_to_numpy(self._query(ops.convert_to_tensor(queries)))

    def embed_products(self, photos, titles):
        """``(n, dim)`` each → ``(n, dim)`` float32 of unit length."""
        photos, titles = ops.convert_to_tensor(photos), ops.convert_to_tensor(titles)
        return ops.convert_to_numpy(self._product(photos, titles))


@keras.saving.register_keras_serializable("mmtutorial")
class ReRanker(keras.Model):
    """A closer look at few candidates, query and product at once. Defined in lesson 09.

    score = a · first + b · near + network(near, detail): ``first`` is the first stage's score;
    ``near`` holds the cosine of query and photo, that of query and title, and the words in
    common; ``detail`` the products of the same vectors, dimension by dimension. b and the
    network's last layer start from zero: it starts from the first stage's ranking.

    A two-tower model sees a product without the query, and its vectors can be kept; this one
    must run anew for each pair, as a cross-encoder does (R. Nogueira, K. Cho 2019,
    arXiv:1901.04085, on text). Photo and title are not compared with each other: they agree best
    in products that the encoders were trained on, and no query of an exam asks for those.

    Call with ``{"query": (batch, dim), "photo": (batch, candidates, dim), "title": the same,
    "first": (batch, candidates), "lexical": the same}``; returns scores ``(batch, candidates)``.
    ``lexical``, such as BM25, is taken relative to the best of the list.
    """

    def __init__(self, width=64, dropout=0.5, **options):
        super().__init__(**options)
        self.width, self.dropout = width, dropout
        self.log_scale = _number(self, "log_scale", np.log(SCALE))
        self.linear = layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="linear")
        self.drop = layers.Dropout(dropout, name="drop")  # few queries, many dimensions
        self.hidden = layers.Dense(width, activation="relu", name="hidden")
        self.last = layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="last")

    def call(self, inputs, training=False):
        query = inputs["query"][:, None]  # (batch, 1, dim)
        products = [query * inputs["photo"], query * inputs["title"]]  # (batch, candidates, dim)
        best = ops.max(inputs["lexical"], axis=1, keepdims=True)
        words = inputs["lexical"] / ops.maximum(best, 1e-3)  # 0 to 1
        near = ops.stack([*(ops.sum(each, axis=-1) for each in products), words], axis=-1)
        # A product of entries of unit vectors is about 1 / dim: brought to the size of the rest.
        features = ops.concatenate([near, *(each * query.shape[-1] for each in products)], axis=-1)
        hidden = self.hidden(self.drop(features, training=training))
        more = self.linear(30 * near) + self.last(hidden)  # 30: a weight moves slowly
        first, more = (ops.cast(x, "float32") for x in (inputs["first"], more[..., 0]))
        return _exp(self.log_scale) * first + more

    def get_config(self):
        return {"width": self.width, "dropout": self.dropout, "name": self.name}


def train(model, lists, loss="softmax", epochs=10, learning_rate=1e-3):
    """Train a model that scores candidates; returns the loss of each epoch, a list.

    ``loss``: a name of ``RANKING_LOSSES``, or a function with their face. ``lists``:
    ``CandidateLists``. AdamW. Raises ``TutorialError`` for an unknown name, or where the loss
    turns NaN. Used in lesson 09.
    """
    if not callable(loss) and loss not in RANKING_LOSSES:
        raise TutorialError(f"no ranking loss {loss!r}; choose one of {sorted(RANKING_LOSSES)}")
    of = loss if callable(loss) else RANKING_LOSSES[loss]

    def in_keras_order(grades, scores):
        return of(scores, grades)

    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=1e-4)
    calls = steps_per_call(len(lists))  # a round in one call saves half the time
    model.compile(optimizer, loss=in_keras_order, steps_per_execution=calls)
    found = model.fit(lists, epochs=epochs, verbose=0).history["loss"]
    if not np.isfinite(found).all():
        raise TutorialError("the loss turned NaN: train again with a lower learning rate")
    return found
