"""From reviews to a product's quality: aspects, shrinkage, fakes, and a scorer (lesson 13).

``quality_of`` is what a shop page needs: stars with an interval for each product and aspect, and a
sentence to quote. ``QualityScorer`` brings that into ``ProductSearch``.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmtutorial import TutorialError
from mmtutorial.applications.review_analysis import Bag, PhraseBag, review_features, sentences
from mmtutorial.catalogue.reviews import usable
from mmtutorial.catalogue.rows import check_names

# aspect → what names it: English words, with their endings, and Chinese words
KEYWORDS = {
    "fit": "fit size sizing cut length tight loose snug 版型 尺码 剪裁 长度 大小 合身 偏大 偏小",
    "fabric": "fabric material cloth stitching seam quality soft scratchy thin "
    "面料 材质 做工 质量 布料 线头 开线",
    "colour": "colour color shade pattern picture photo look faded 颜色 色调 花色 色差 图片 照片",
    "price": "price cost value money cheap expensive bargain 价格 性价比 价钱 便宜 贵 划算",
}
ENDINGS = "(?:s|d|ed|ted|ing|ting|y|er|ner|ter)?"
OVERALL = "overall"


def aspects_of(sentence: str, keywords: Mapping[str, str] = KEYWORDS) -> list[str]:
    """The aspects that a sentence names by one of its keywords.

    >>> aspects_of("The fabric is soft, the size too small"), aspects_of("颜色很好")
    (['fabric', 'fit'], ['colour'])
    """
    return sorted(name for name, words in keywords.items() if _pattern(words).search(sentence))


def read_by_keywords(texts: Sequence[str], bag: Bag) -> list[set[str]]:
    """Labels such as "fit good" of each sentence: aspects by keywords, good or bad by the bag.

    Sentences need no labels for that: the bag has learnt from ratings. Defined in lesson 13.
    """
    ends = np.where(bag.scores(texts) > 0, " good", " bad")
    both = zip(texts, ends, strict=True)
    return [{name + end for name in aspects_of(text)} for text, end in both]


def _pattern(words: str) -> re.Pattern:
    parts = [rf"\b{word}{ENDINGS}\b" if word.isascii() else word for word in words.split()]
    return re.compile("|".join(parts), re.IGNORECASE)


def mentions_of(
    reviews: pd.DataFrame, text: str = "text", keywords: Mapping[str, str] = KEYWORDS
) -> pd.DataFrame:
    """The sentences that name an aspect, and how well each speaks: a row a sentence and aspect.

    ``reviews``: ``product``, ``rating`` and the column ``text``, as ``reviews.usable`` leaves them.
    Columns: ``row`` (of the reviews), ``product``, ``aspect``, ``sentence``, ``positive`` (0 to 1).

    Nobody has labelled the sentences. The ratings teach a bag which words and pairs are good:
    reviews of 4 and 5 stars against those of 1 and 2. It then judges each sentence alone. Where
    there are too few reviews to learn from, a sentence is as good as its review's rating. Defined
    in lesson 13.
    """
    checked(reviews, text)
    patterns = {name: _pattern(words) for name, words in keywords.items()}
    found = [
        (row, name, sentence)
        for row, each in enumerate(reviews[text])
        for sentence in sentences(each)
        for name, pattern in patterns.items()
        if pattern.search(sentence)
    ]
    table = pd.DataFrame(found, columns=["row", "aspect", "sentence"])
    of_row = reviews.reset_index(drop=True).loc[table["row"]].reset_index(drop=True)
    table.insert(1, "product", of_row["product"])
    rated = (of_row["rating"] - 1) / 4
    return table.assign(positive=_judged(reviews, text, table["sentence"], rated))


def _judged(reviews, text, found, rated):
    clear = reviews[reviews["rating"] != 3]
    good = clear["rating"] > 3
    if min(good.sum(), (~good).sum()) < 20 or found.empty:
        return rated
    return PhraseBag().fit(clear[text], good).shares(found)


def checked(reviews: pd.DataFrame, text: str = "text") -> pd.DataFrame:
    """The reviews themselves, if each can be used.

    Raises ``TutorialError`` where a column is missing, or a review is empty, too long, or rated
    outside 1 to 5; the message names the first.
    """
    check_names(reviews, ["product", "rating", text], "the table of reviews")
    given = reviews.assign(text=reviews[text], rating=pd.to_numeric(reviews["rating"], "coerce"))
    aside = usable(given, "the reviews").set_aside
    if len(aside):
        first = aside.iloc[0]
        raise TutorialError(
            f"{len(aside):,} of {len(reviews):,} reviews cannot be used, the first is row "
            f"{first['row']}: {first['reason']}; reviews.usable sets them aside"
        )
    return reviews


# Shrinkage --------------------------------------------------------------------------------------


def shrink(products: Sequence[str] | pd.Series, values: Sequence[float] | pd.Series):
    """Means of few values, drawn towards the mean of all: a table, a row a product.

    value = (n · mean / σ² + μ / τ²) / (n / σ² + 1 / τ²), where σ² is the variance within products,
    τ² that of their true means, μ the mean of these: empirical Bayes for normal values (Efron and
    Morris 1975, doi:10.2307/2285814). σ² and τ² are estimated from all products (analysis of
    variance); where no product has two values, each is half of the variance. Columns: ``n``,
    ``mean``, ``value``, ``low``, ``high`` (95 %). Defined in lesson 13.

    >>> shrink(["a", "a", "a", "a", "b", "c"], [5, 5, 4, 5, 5, 1]).round(2)["value"].tolist()
    [4.73, 4.91, 1.16]
    """
    grouped = pd.DataFrame({"product": list(products), "x": np.asarray(values, float)})
    if not len(grouped) or not np.isfinite(grouped["x"]).all():
        raise TutorialError("nothing to shrink: give a number for each product, and at least one")
    table = grouped.groupby("product")["x"].agg(n="size", mean="mean")
    n, total, groups = table["n"], len(grouped), len(table)
    mu = table["mean"].mean()
    if total > groups > 1:
        within = ((grouped["x"] - grouped["product"].map(table["mean"])) ** 2).sum()
        sigma2 = within / (total - groups)
        between = (n * (table["mean"] - grouped["x"].mean()) ** 2).sum()
        tau2 = (between - (groups - 1) * sigma2) / (total - (n**2).sum() / total)
    else:
        sigma2 = tau2 = grouped["x"].var(ddof=0) / 2
    sigma2, tau2 = max(sigma2, 1e-6), max(tau2, 1e-6)
    precision = n / sigma2 + 1 / tau2
    mu = np.average(table["mean"], weights=1 / (tau2 + sigma2 / n))
    value = (n * table["mean"] / sigma2 + mu / tau2) / precision
    reach = 1.96 / np.sqrt(precision)
    return table.assign(value=value, low=value - reach, high=value + reach)


def quality_of(
    reviews: pd.DataFrame, text: str = "text", keywords: Mapping[str, str] = KEYWORDS
) -> pd.DataFrame:
    """Stars with their interval for each product and aspect, and a sentence to quote.

    ``reviews``: ``product``, ``rating``, the column ``text``, and ``helpful`` where it is known.
    Returns a row for each product and aspect that a review speaks of, "overall" first: ``product``,
    ``aspect``, ``n`` (reviews or sentences), ``stars``, ``low``, ``high`` (1 to 5, shrunk, 95 %),
    ``quote`` (a sentence of a review, "" for "overall").

    Raises ``TutorialError`` as ``checked``. Defined in lesson 13.
    """
    mentions = mentions_of(reviews, text, keywords)
    parts = {OVERALL: (reviews["product"], reviews["rating"])}
    for name in keywords:
        of_it = mentions[mentions["aspect"] == name]
        if of_it.empty:
            continue
        parts[name] = (of_it["product"], 1 + 4 * of_it["positive"])
    tables = []
    for name, (products, stars) in parts.items():
        found = shrink(products, stars).reset_index()
        tables.append(found.assign(aspect=name))
    quality = pd.concat(tables, ignore_index=True).rename(columns={"value": "stars"})
    quality[["stars", "low", "high"]] = quality[["stars", "low", "high"]].clip(1, 5)
    quality = quality.merge(quotes(mentions, reviews), how="left", on=["product", "aspect"])
    quality["quote"] = quality["quote"].fillna("")
    quality = quality.sort_values("product", kind="stable", ignore_index=True)  # as parts within
    return quality[["product", "aspect", "n", "stars", "low", "high", "quote"]]


def quotes(mentions: pd.DataFrame, reviews: pd.DataFrame) -> pd.DataFrame:
    """One sentence for each product and aspect: ``product``, ``aspect``, ``quote``.

    The sentence speaks as most of them do (well, if their mean is above one half), is 15 to 160
    characters long if there is one, and comes from the most helpful review.
    """
    votes = reviews["helpful"].to_numpy() if "helpful" in reviews else np.zeros(len(reviews))
    table = mentions.assign(votes=votes[mentions["row"]])
    mean = table.groupby(["product", "aspect"])["positive"].transform("mean")
    table["agrees"] = (table["positive"] > 0.5) == (mean > 0.5)
    table["fits"] = table["sentence"].str.len().between(15, 160)
    table["clear"] = (table["positive"] - 0.5).abs()
    ordered = table.sort_values(
        ["agrees", "fits", "votes", "clear"], ascending=False, kind="stable"
    )
    best = ordered.drop_duplicates(["product", "aspect"])
    return best[["product", "aspect", "sentence"]].rename(columns={"sentence": "quote"})


# Fakes ------------------------------------------------------------------------------------------


class FakeSpotter:
    """How suspicious each review is: what it says, and how it came. Defined in lesson 13.

    Two logistic regressions: a ``Bag`` over the text, and one over its score and
    ``review_features`` (bursts, ratings far from the others, few words, votes). Labels of some
    reviews are needed: a shop has them from the accounts that it has closed.
    """

    def fit(self, reviews: pd.DataFrame, fake: np.ndarray) -> "FakeSpotter":
        """Learn from reviews and which of them are fake, ``(n,)`` bool. Returns itself."""
        fake, half = np.asarray(fake), np.arange(len(reviews)) % 2 == 0
        said = np.empty(len(reviews))  # of each half by a bag of the other: it has not seen them
        for part in (half, ~half):
            bag = Bag().fit(reviews["text"][~part], fake[~part])
            said[part] = bag.scores(reviews["text"][part])
        self.bag = Bag().fit(reviews["text"], fake)
        self.judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        self.judge.fit(self._counts(reviews).assign(said=said), fake)
        return self

    def scores(self, reviews: pd.DataFrame) -> np.ndarray:
        """Log-odds that each review is fake, ``(n,)`` float."""
        counts = self._counts(reviews).assign(said=self.bag.scores(reviews["text"]))
        return self.judge.decision_function(counts)

    @staticmethod
    def _counts(reviews):
        counts = review_features(reviews)
        counts["gap"] = counts["gap"].abs()
        counts["extreme"] = counts["rating"].isin([1, 5]).astype(float)
        counts["named"] = reviews["text"].map(lambda text: len(aspects_of(text)))
        logs = ["words", "sentences", "others", *(["burst"] if "burst" in counts else [])]
        counts[logs] = np.log1p(counts[logs])
        return counts.assign(votes=np.log1p(reviews["helpful"]) if "helpful" in reviews else 0.0)


# In the ranking ---------------------------------------------------------------------------------


class QualityScorer:
    """Products by the stars of one aspect, for ``ProductSearch(…, scorers=[…])``.

    ``quality``: what ``quality_of`` returns. A product without reviews gets the mean of all stars:
    of it nothing is known, good or bad. Whether the query fits, this scorer does not ask, so give
    it a small weight. Defined in lesson 13.
    """

    name = "quality"

    def __init__(self, quality: pd.DataFrame, ids: Sequence[str], aspect: str = OVERALL):
        stars = quality[quality["aspect"] == aspect].set_index("product")["stars"]
        if stars.empty:
            known = ", ".join(sorted(quality["aspect"].unique()))
            raise TutorialError(f"no review speaks of {aspect!r}; there are: {known}")
        self.stars = stars.reindex(list(ids)).fillna(stars.mean()).to_numpy()

    def scores(self, query) -> np.ndarray:
        """The stars, ``(n_products,)`` float, the same for every query."""
        return self.stars
