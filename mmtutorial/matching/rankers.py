"""Models that learn to rank: two towers and a re-ranker (lesson 09)."""

import keras
from keras import layers, ops

from mmtutorial import TutorialError
from mmtutorial.matching import training
from mmtutorial.matching.contrastive import LearntScale
from mmtutorial.matching.ranking import RANKING_LOSSES

SCALE = 15.0  # what a cosine is multiplied with to become a score, to begin with


@keras.saving.register_keras_serializable("mmtutorial")
class TwoTower(LearntScale, keras.Model):
    """A first stage to train with any ranking loss: score = scale · (q' · p') + offset.

    q' = unit(q + A q) and p' = unit((photo + title) / 2 + B [photo; title]). A and B start from
    zero, so that every loss starts from the same ranking, that of the two encoders.
    Defined in lesson 09.

    Call with ``{"query": (batch, dim), "photo": (batch, candidates, dim), "title": the same}``;
    returns ``(batch, candidates)``. For a search over the full gallery ``embed_queries`` and
    ``embed_products`` return the unit vectors: ``top_k.top_k`` ranks by their dot product.
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
        self.add_scale(SCALE)
        # Few candidates are relevant: only the pointwise loss needs to know, and starts there.
        start = keras.initializers.Constant(-10.0)
        self.offset = self.add_weight(shape=(), initializer=start, name="offset")

    def call(self, inputs):
        query = self._query(inputs["query"])[:, None]  # (batch, 1, dim)
        product = self._product(inputs["photo"], inputs["title"])  # (batch, candidates, dim)
        cosines = ops.sum(query * product, axis=-1)
        return self.scale * cosines + ops.cast(self.offset, "float32")

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
class ReRanker(LearntScale, keras.Model):
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
        self.add_scale(SCALE)
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
        more = self.linear(30 * near) + self.last(hidden)  # 30: small steps move these three faster
        first, more = (ops.cast(x, "float32") for x in (inputs["first"], more[..., 0]))
        return self.scale * first + more

    def get_config(self):
        return {"width": self.width, "dropout": self.dropout, "name": self.name}


def train(model, lists, loss="softmax", epochs=10, learning_rate=1e-3):
    """Train a model that scores candidates; returns the loss of each epoch, a list.

    ``loss``: a name of ``RANKING_LOSSES``, or a function with their face. ``lists``:
    ``CandidateLists``. AdamW, its learning rate constant. Raises ``TutorialError`` for an unknown
    name, or where the loss turns NaN. Used in lesson 09.
    """
    if not callable(loss) and loss not in RANKING_LOSSES:
        raise TutorialError(f"no ranking loss {loss!r}; choose one of {sorted(RANKING_LOSSES)}")
    of = loss if callable(loss) else RANKING_LOSSES[loss]

    def in_keras_order(grades, scores):
        return of(scores, grades)

    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=1e-4)
    model.compile(optimizer, loss=in_keras_order)
    log = training.train(model, lists, epochs, learning_rate, schedule=training.constant, bar=False)
    return log["loss"].tolist()
