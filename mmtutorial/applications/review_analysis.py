"""What reviews say: good or bad, of which aspect, and how helpful it is (lesson 13).

Every sentiment model has one face: ``fit(texts, good)`` with one bool a text, then
``scores(texts)``, ``(n,)`` float, the higher the better the text speaks. English and Chinese texts
go through the same code: ``tokens`` cuts both.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer
from sklearn.svm import LinearSVC

from mmtutorial import TutorialError
from mmtutorial.arguments import check_choice, check_whole

BATCH, LEAST_STEPS = 32, 250  # of the networks
_TOKEN = re.compile(r"[^\W_㐀-鿿]+(?:['’][^\W_㐀-鿿]+)*|[㐀-鿿]")
_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？…])\s*|\n+")


def tokens(text: str) -> list[str]:
    """The words of a text in lower case; of Chinese, which writes no spaces, the characters.

    >>> tokens("It's a T恤, 很好")
    ["it's", 'a', 't', '恤', '很', '好']
    """
    return _TOKEN.findall(text.lower())


def sentences(text: str) -> list[str]:
    """The sentences of an English or Chinese text, without what ends them.

    >>> sentences("Soft. But too tight! 颜色很好。尺码偏小")
    ['Soft', 'But too tight', '颜色很好', '尺码偏小']
    """
    parts = (part.strip().rstrip(".!?。！？… ") for part in _END.split(text))
    return [part for part in parts if part]


# Sentiment --------------------------------------------------------------------------------------


class Bag:
    """TF-IDF of the words → logistic regression: the plain model to beat. Defined in lesson 13.

    >>> texts = ["good fit", "so good", "bad fit", "so bad"]
    >>> (Bag().fit(texts, [True, True, False, False]).scores(["good", "bad"]) > 0).tolist()
    [True, False]
    """

    strength = 1.0  # of the regression: the larger, the freer are the weights

    def __init__(self) -> None:
        self.pipeline = make_pipeline(
            self._features(), LogisticRegression(C=self.strength, solver="liblinear")
        )

    def _features(self) -> Any:
        return TfidfVectorizer(analyzer=tokens)

    def fit(self, texts: Iterable[str], good: Iterable[bool]) -> "Bag":
        """Learn from texts and, for each, whether it is good. Returns itself."""
        self.pipeline.fit(*_both_sides(texts, good))
        return self

    def scores(self, texts: Iterable[str]) -> np.ndarray:
        """Log-odds that each text is good, ``(n,)`` float."""
        return self.pipeline.decision_function(list(texts))

    def shares(self, texts: Iterable[str]) -> np.ndarray:
        """The same from 0 to 1."""
        return 1 / (1 + np.exp(-self.scores(texts)))


class PhraseBag(Bag):
    """A stronger bag: words and pairs of words, whose counts grow with their logarithm.

    A pair holds "not good" together. What occurs once is left out. Defined in lesson 13.
    """

    strength = 4.0

    def _features(self) -> Any:
        return TfidfVectorizer(
            tokenizer=tokens, token_pattern=None, ngram_range=(1, 2), min_df=2, sublinear_tf=True
        )


class Network:
    """A text encoder of lesson 05 with one number as its output, trained on the texts.

    ``encoder``: a name of ``encoders.text.TEXT_ENCODERS``, such as "lstm", "bilstm" or "bert"; all
    read the same ``tokens``, cut after ``length``. With few texts it sees each more often than
    ``epochs`` says, until it has made ``LEAST_STEPS`` steps. Defined in lesson 13.
    """

    def __init__(self, encoder="lstm", epochs=4, length=64, width=64, learning_rate=2e-3, seed=0):
        check_whole(epochs=epochs, length=length, width=width, low=1)
        self.encoder, self.epochs, self.length, self.width = encoder, epochs, length, width
        self.learning_rate, self.seed = learning_rate, seed

    def fit(self, texts: Iterable[str], good: Iterable[bool]) -> "Network":
        """Learn from texts and, for each, whether it is good. Returns itself."""
        import keras

        from mmtutorial.encoders.text import TEXT_ENCODERS
        from mmtutorial.encoders.tokenisers import Vocabulary
        from mmtutorial.matching.training import Batches, train

        check_choice("encoder", self.encoder, tuple(TEXT_ENCODERS))

        class ReviewTokens(Vocabulary):
            split = staticmethod(tokens)

        given, labels = _both_sides(texts, good)
        keras.utils.set_random_seed(self.seed)
        longest = max(len(tokens(text)) for text in given)  # no padding that no text needs
        self.vocabulary = ReviewTokens.fit(given, length=max(1, min(self.length, longest)))
        build = TEXT_ENCODERS[self.encoder][1]
        self.model = build(len(self.vocabulary), dim=1, width=self.width)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        self.model.compile(keras.optimizers.AdamW(self.learning_rate, weight_decay=1e-2), loss)
        x, y = self.vocabulary.encode(given), labels.astype("float32")
        batches = Batches(x, y, min(BATCH, len(y)), self.seed)
        epochs = max(self.epochs, -(-LEAST_STEPS // len(batches)))
        self.log = train(self.model, batches, epochs, self.learning_rate, bar=False)
        return self

    def scores(self, texts: Iterable[str]) -> np.ndarray:
        """Log-odds that each text is good, ``(n,)`` float."""
        rows = self.vocabulary.encode(list(texts))
        return self.model.predict(rows, batch_size=256, verbose=0)[:, 0]


def blend(scores: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of several models' scores, each brought to mean 0 and spread 1 first.

    >>> blend([np.array([0.0, 2.0]), np.array([-10.0, 10.0])]).tolist()
    [-1.0, 1.0]
    """
    return np.mean([(each - each.mean()) / max(each.std(), 1e-9) for each in scores], axis=0)


def placements(scores: np.ndarray, good: np.ndarray) -> np.ndarray:
    """For each bad text the share of the good ones that score higher, ``(n_bad,)``; ties count ½.

    Their mean is the AUC. Two models' placements can be compared in pairs (``significance``).

    >>> placements(np.array([0.9, 0.2, 0.5]), np.array([True, True, False])).tolist()
    [0.5]
    """
    above, below = np.sort(scores[good]), scores[~good]
    higher = len(above) - np.searchsorted(above, below, "right")
    equal = len(above) - np.searchsorted(above, below, "left") - higher
    return (higher + equal / 2) / max(1, len(above))


def by_product(products: Iterable[str], test: float = 0.25, seed: int = 0) -> np.ndarray:
    """Which rows are for the test, ``(n,)`` bool: all the reviews of a product, or none.

    Raises ``TutorialError`` where there are fewer than two products.
    """
    codes, names = pd.factorize(pd.Series(list(products)))
    if len(names) < 2:
        raise TutorialError(
            f"the reviews are of {len(names)} product: a split by product needs two or more"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    return np.isin(codes, order[: min(len(names) - 1, max(1, round(test * len(names))))])


def ladder(
    models: Mapping[str, Callable[[], Any]],
    train: tuple[Sequence[str], Sequence[bool]],
    test: tuple[Sequence[str], Sequence[bool]],
    counts: Sequence[int],
    seed: int = 0,
) -> tuple[pd.DataFrame, dict]:
    """The AUC of each model at each number of labels, and the scores it gave.

    ``models``: name → function that makes an untrained one; ``train`` and ``test``: texts, and
    whether each is good. All models learn from the same ``count`` texts, drawn at random. Returns a
    table, a row a model and a column a count, and ``{(model, count): (n_test,) scores}``.
    """
    texts, good = np.array(train[0], dtype=object), np.array(train[1], dtype=bool)
    order = np.random.default_rng(seed).permutation(len(texts))
    scores = {}
    for count in sorted({min(count, len(texts)) for count in counts}):
        rows = order[:count]
        for name, make in models.items():
            scores[name, count] = make().fit(texts[rows], good[rows]).scores(test[0])
    table = pd.Series({key: roc_auc_score(test[1], found) for key, found in scores.items()})
    return table.unstack().loc[list(models)], scores


def _both_sides(texts: Iterable[str], good: Iterable[bool]) -> tuple[list[str], np.ndarray]:
    """Texts and labels as arrays; raises ``TutorialError`` where there is one kind of label."""
    texts, good = list(texts), np.asarray(list(good), dtype=bool)
    if len(texts) != len(good) or good.all() or not good.any():
        raise TutorialError(
            f"{len(texts):,} texts and {len(good):,} labels, {good.sum():,} of them good: give a "
            "label for each text, and texts of both kinds"
        )
    return texts, good


# Aspect and opinion -----------------------------------------------------------------------------


class AspectReader:
    """Which of many labels a sentence has: one linear classifier a label over TF-IDF.

    A label may be any text, such as "fit positive". Sentences may have several labels or none.
    Defined in lesson 13.

    >>> reader = AspectReader().fit(["soft cloth", "too tight"] * 3, [{"cloth"}, {"fit"}] * 3)
    >>> reader.read(["so tight"])
    [{'fit'}]
    """

    def __init__(self, threshold: float = -0.4):
        self.threshold = threshold  # of the margin: below 0, as a missed label costs F1, too
        self.pipeline = make_pipeline(
            TfidfVectorizer(tokenizer=tokens, token_pattern=None, ngram_range=(1, 2),
                            sublinear_tf=True),
            OneVsRestClassifier(LinearSVC(C=1.0)),
        )  # fmt: skip

    def fit(self, texts: Sequence[str], labels: Sequence[set[str]]) -> "AspectReader":
        """Learn from sentences and the set of labels of each. Returns itself."""
        self.names = MultiLabelBinarizer()
        self.pipeline.fit(list(texts), self.names.fit_transform(labels))
        return self

    def read(self, texts: Sequence[str]) -> list[set[str]]:
        """The labels of each sentence."""
        margins = self.pipeline.decision_function(list(texts)).reshape(len(texts), -1)
        return [set(self.names.classes_[row > self.threshold]) for row in margins]


def set_f1(true: Sequence[set], found: Sequence[set]) -> float:
    """F1 over all labels of all sentences: 2 × right ones / (true ones + found ones).

    >>> set_f1([{"fit good"}, {"price bad"}], [{"fit good", "price bad"}, set()])
    0.5
    """
    right = sum(len(a & b) for a, b in zip(true, found, strict=True))
    return 2 * right / max(1, sum(map(len, true)) + sum(map(len, found)))


# Helpfulness ------------------------------------------------------------------------------------


def review_features(reviews: pd.DataFrame) -> pd.DataFrame:
    """What one can count of each review: a row a review.

    ``words``, ``sentences``, ``rating``, ``gap`` (how far its rating is from the mean of the
    product's other reviews), ``others`` (how many there are) and, where there is a ``date``,
    ``age`` (days before the newest) and ``burst`` (others of the same product and rating within a
    week). Takes ``product``, ``rating``, ``text``. Defined in lesson 13.
    """
    of_product = reviews.groupby("product")["rating"]
    others = of_product.transform("size") - 1
    total = of_product.transform("sum") - reviews["rating"]
    mean = (total / others.where(others > 0)).fillna(reviews["rating"].mean())
    table = pd.DataFrame(
        {
            "words": reviews["text"].map(lambda text: len(tokens(text))),
            "sentences": reviews["text"].map(lambda text: len(sentences(text))),
            "rating": reviews["rating"],
            "gap": reviews["rating"] - mean,
            "others": others,
        }
    )
    if "date" in reviews:
        table["age"] = (reviews["date"].max() - reviews["date"]).dt.days
        table["burst"] = _bursts(reviews)
    return table


def _bursts(reviews):
    """For each review, how many others of its product and rating lie within 7 days."""
    days = reviews["date"].to_numpy("datetime64[D]").astype(int)
    found = np.zeros(len(reviews), dtype=int)
    for rows in reviews.groupby(["product", "rating"]).indices.values():
        ordered = np.sort(days[rows])
        first = np.searchsorted(ordered, days[rows] - 7, "left")
        last = np.searchsorted(ordered, days[rows] + 7, "right")
        found[rows] = last - first - 1
    return found


def helpfulness(
    features: pd.DataFrame, votes: pd.Series, test: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Helpful votes to expect of the test reviews, ``(n_test,)``: boosted trees over features.

    ``features``: of ``review_features``; ``test``: ``(n,)`` bool. Trees learn the logarithm of
    1 + votes, as a few reviews have most of them.
    """
    trees = HistGradientBoostingRegressor(max_iter=80, learning_rate=0.08, random_state=seed)
    trees.fit(features[~test], np.log1p(votes[~test]))
    return np.expm1(trees.predict(features[test]))
