"""Reviews drawn over any catalogue, with the truth behind them (lesson 13).

Each product has a hidden quality by aspect. A buyer makes an experience of each aspect, rates it,
and writes about some aspects, in English and in Chinese. Some buyers are sarcastic, some write
about the delivery alone, and some reviews are paid for.
"""

from functools import lru_cache
from random import Random
from statistics import NormalDist
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd
from scipy.stats import norm

from mmtutorial.arguments import check_whole
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.review_phrases import (
    CLOSING,
    DELIVERY,
    HYPE,
    NEUTRAL,
    PLAIN,
    SARCASM,
    SARCASTIC,
    TAKEN_BACK,
    UNNAMED,
    WORDS,
)

ASPECTS = ("fit", "fabric", "colour", "price")
WEIGHTS = np.array([0.35, 0.30, 0.20, 0.15])  # of the aspects in a rating
SCALE, TASTE, MOOD = 1.4, 0.8, 0.35  # of the quality; of one buyer's experience; of a rating
STEPS = 1.1 * norm.ppf([0.06, 0.14, 0.28, 0.58])  # above each of them a rating is a star higher
SATISFIED = -0.3  # the experience above which a buyer praises an aspect
SHARES = {"delivery": 0.08, "sarcastic": 0.30}  # sarcastic: of ratings of 1 and 2
CAMPAIGNS = 0.08  # of the products have paid reviews
LAST_DAY, DAYS = np.datetime64("2025-12-31"), 730
SALES, SALE = (120, 300, 485, 660), 14  # days on which a sale starts; how long one lasts


class DrawnReviews(NamedTuple):
    """What ``draw_reviews`` returns.

    ``reviews``: a row a review, what a shop sees: ``review`` and ``product`` (text), ``rating``
    (1 to 5), ``text``, ``text_zh``, ``date``, ``helpful`` (votes).
    ``truth``: the same rows: ``review``, ``kind`` ("plain", "sarcastic", "delivery", "fake").
    ``sentences``: a row a sentence, in the order of the text: ``review``, ``text``, ``text_zh``,
    ``aspect`` (one of ``ASPECTS``, "delivery" or ""), ``positive`` (1.0, 0.0, NaN: neither).
    ``quality``: a row a product of the catalogue, in its order: ``product``; for each aspect the
    share of buyers that it satisfies; ``stars``, the mean rating that honest reviews tend to;
    ``returned``, the chance that a buyer sends it back.
    ``purchases``: ``product``, ``returned`` (bool), a row a purchase, of buyers who wrote nothing.
    ``notes``: what the catalogue lacks, and what that means here.
    """

    reviews: pd.DataFrame
    truth: pd.DataFrame
    sentences: pd.DataFrame
    quality: pd.DataFrame
    purchases: pd.DataFrame
    notes: list[str]


def draw_reviews(
    catalogue: Catalogue, per_product: int = 6, sold: int = 10, seed: int = 0
) -> DrawnReviews:
    """Reviews and purchases of a catalogue's products.

    ``per_product``: how many honest reviews a product has in the mean (few have many); ``sold``:
    purchases of a product in the mean. Half of a product's quality is its own. The other part
    shows: of the fabric in the words of the description, of the colour on the photo (strong colours
    disappoint), of the fit in the brand, of the price in the price among products of its type.
    Where a column is empty, that part is missing, and ``notes`` says so.

    Raises ``TutorialError`` for counts below 1.
    """
    check_whole(per_product=per_product, sold=sold, low=1, high=1000)
    check_whole(seed=seed, low=0, high=2**32 - 1)
    rng = np.random.default_rng([seed, 13])
    shown, notes = _shown_quality(catalogue, seed)
    own = rng.normal(size=shown.shape)
    hidden = np.where(shown.any(axis=0), 0.7 * shown + 0.714 * own, own)  # (products, aspects)
    n = len(catalogue)
    counts = rng.poisson(per_product * rng.gamma(0.8, 1 / 0.8, n))  # many have few
    bought = rng.poisson(sold * rng.gamma(2, 1 / 2, n))
    returned = 1 / (1 + np.exp(1.5 + hidden @ [0.9, 0.6, 0.9, 0.1]))
    ids = catalogue.table["id"].astype(str).to_numpy()
    quality = pd.DataFrame(norm.cdf((hidden - SATISFIED) / TASTE), columns=list(ASPECTS))
    quality.insert(0, "product", ids)
    quality["stars"] = 1 + norm.sf((STEPS - (SCALE * hidden @ WEIGHTS)[:, None]) / _spread()).sum(1)
    quality["returned"] = returned
    places = np.repeat(np.arange(n), bought)
    purchases = pd.DataFrame(
        {"product": ids[places], "returned": rng.random(len(places)) < returned[places]}
    )
    plans = _honest(hidden, counts, rng) + _paid(n, rng)
    return _written(plans, ids, quality, purchases, notes, rng, seed)


def _spread():
    """The standard deviation of what honest buyers of one product feel."""
    return np.sqrt((SCALE * TASTE) ** 2 * (WEIGHTS**2).sum() + MOOD**2)


# Quality ----------------------------------------------------------------------------------------


def _shown_quality(catalogue, seed):
    """What photo, description, brand and price say of the quality, ``(products, aspects)``."""
    table, notes = catalogue.table, []

    def column(name):
        return table[name].fillna("") if name in table else pd.Series("", index=table.index)

    texts = column("description")
    if not (texts != "").any():
        notes.append("no descriptions: the words of the titles stand in for them")
        texts = table["title"]
    brands = column("brand")
    if not (brands != "").any():
        notes.append("no brands: the fit of a product shows nowhere but in its reviews")
    prices = pd.to_numeric(column("price"), errors="coerce")
    if not (prices > 0).any():
        notes.append("no prices: whether a price is fair shows nowhere but in the reviews")
    logs = np.log(prices.where(prices > 0))
    cheap = logs.groupby(column("article_type")).transform("median") - logs
    words = [[_luck(seed, word) for word in text.casefold().split()] for text in texts]
    parts = [
        [_luck(seed, "brand", brand.casefold()) if brand else 0.0 for brand in brands],
        [np.mean(each) if each else 0.0 for each in words],
        -_strength(catalogue.photos),
        cheap.fillna(0.0),
    ]
    return np.stack([_standard(np.asarray(part, dtype=float)) for part in parts], axis=1), notes


@lru_cache(maxsize=2**17)
def _luck(seed, *words):
    """A number that looks drawn from a normal distribution, and is the same for the same words."""
    return NormalDist().inv_cdf((crc32("\x1f".join((str(seed), *words)).encode()) + 0.5) / 2**32)


def _strength(photos):
    """How strong the colours of each photo are where it is not white, ``(n,)`` from 0 to 255."""
    found = np.empty(len(photos))
    for start in range(0, len(photos), 1024):
        small = np.asarray(
            photos[start : start + 1024, ::4, ::4], dtype="float32"
        )  # (n, 20, 15, 3)
        spread, dark = small.max(-1) - small.min(-1), small.min(-1) < 235
        found[start : start + 1024] = (spread * dark).sum((1, 2)) / np.maximum(dark.sum((1, 2)), 1)
    return found


def _standard(values):
    return (values - values.mean()) / values.std() if values.std() > 1e-9 else 0 * values


# Who writes -------------------------------------------------------------------------------------


class _Plan(NamedTuple):
    """A review before it has words."""

    product: int
    kind: str
    rating: int
    day: int
    felt: tuple  # of each aspect, the buyer's experience


def _honest(hidden, counts, rng):
    places = np.repeat(np.arange(len(hidden)), counts)
    felt = hidden[places] + rng.normal(0, TASTE, (len(places), len(ASPECTS)))
    liked = SCALE * felt @ WEIGHTS + rng.normal(0, MOOD, len(places))
    ratings = 1 + (liked[:, None] > STEPS).sum(axis=1)
    about_delivery = rng.random(len(places)) < SHARES["delivery"]
    moods = np.where(rng.random(len(places)) < 0.5, rng.integers(1, 3, len(places)), 5)
    ratings = np.where(about_delivery, moods, ratings)
    smiling = (ratings <= 2) & (rng.random(len(places)) < SHARES["sarcastic"])
    kinds = np.where(about_delivery, "delivery", np.where(smiling, "sarcastic", "plain"))
    days = _days(len(places), rng)
    rows = zip(places, kinds, ratings, days, felt, strict=True)
    return [_Plan(int(p), str(k), int(r), int(d), tuple(f)) for p, k, r, d, f in rows]


def _days(n, rng):
    """When people write: at any time, but half of them after a sale, so that honest reviews
    come in bursts, too."""
    after_sale = rng.choice(SALES, n) + rng.integers(0, SALE, n)
    return np.where(rng.random(n) < 0.5, after_sale, rng.integers(0, DAYS, n))


def _paid(n, rng):
    """Campaigns: some products get several reviews of 5 stars within weeks, a few of 1 star."""
    plans = []
    for product in np.flatnonzero(rng.random(n) < CAMPAIGNS):
        rating, length = (5 if rng.random() < 0.85 else 1), rng.integers(5, 60)
        start = min(int(_days(1, rng)[0]), DAYS - 60)
        for _ in range(rng.integers(3, 11)):
            day = start + int(rng.integers(0, length))
            felt = tuple(np.full(len(ASPECTS), 2.0 if rating == 5 else -2.0))
            plans.append(_Plan(int(product), "fake", rating, day, felt))
    return plans


# What they write --------------------------------------------------------------------------------


def _written(plans, ids, quality, purchases, notes, rng, seed):
    plans = [plans[place] for place in np.lexsort((range(len(plans)), [p.day for p in plans]))]
    dice = Random(seed)
    numbers = [f"r{number:06d}" for number in range(len(plans))]
    drafts = [_draft(plan, dice) for plan in plans]
    sentences = pd.DataFrame(
        [(name, *line) for name, draft in zip(numbers, drafts, strict=True) for line in draft],
        columns=["review", "text", "text_zh", "aspect", "positive"],
    )
    details = [sum(aspect in ASPECTS for *_, aspect, _ in draft) for draft in drafts]
    reviews = pd.DataFrame(
        {
            "review": numbers,
            "product": ids[[plan.product for plan in plans]] if plans else [],
            "rating": [plan.rating for plan in plans],
            "text": [". ".join(line[0] for line in draft) for draft in drafts],
            "text_zh": ["。".join(line[1] for line in draft) for draft in drafts],
            "date": LAST_DAY - DAYS + 1 + np.array([plan.day for plan in plans], dtype=int),
            "helpful": rng.poisson(_helpfulness(plans, details)),
        }
    )
    truth = pd.DataFrame({"review": numbers, "kind": [plan.kind for plan in plans]})
    return DrawnReviews(reviews, truth, sentences, quality, purchases, notes)


def _helpfulness(plans, details):
    """The votes to expect: more for what tells more, for low ratings and for what is older."""
    days = np.array([plan.day for plan in plans], dtype=float)
    low = np.array([plan.rating <= 2 for plan in plans], dtype=float)
    worthless = np.array([plan.kind in ("fake", "delivery") for plan in plans], dtype=bool)
    votes = 0.6 * np.array(details, dtype=float) ** 1.5 * (1 + 0.6 * low) * (1.2 - days / DAYS)
    return np.where(worthless, 0.15, votes)


def _draft(plan, dice):
    """The sentences of a review: ``[(English, Chinese, aspect, positive), …]``."""
    lines = [(*dice.choice(NEUTRAL), "", np.nan)] if dice.random() < 0.35 else []
    if plan.kind == "delivery":
        good = plan.rating > 3
        told = dice.sample(DELIVERY[0 if good else 1], dice.randint(1, 3))
        return lines + [(*each, "delivery", float(good)) for each in told]
    if plan.kind == "fake":
        return _fake(plan, dice)
    aspects = _told(plan, dice)
    if plan.kind == "sarcastic":
        mocked = [name for name in aspects if plan.felt[ASPECTS.index(name)] <= SATISFIED]
        lines += [(*dice.choice(SARCASM[name]), name, 0.0) for name in mocked[:2]]
        return [*lines, (*dice.choice(SARCASTIC), "", 0.0)]
    lines += [_clause(name, plan.felt[ASPECTS.index(name)] > SATISFIED, dice) for name in aspects]
    if dice.random() < 0.08:
        good = dice.random() < 0.6
        lines.append((*dice.choice(DELIVERY[0 if good else 1]), "delivery", float(good)))
    if plan.rating == 5 and dice.random() < 0.15:  # honest people say such things, too
        lines.append((*dice.choice(HYPE), "", 1.0))
    if dice.random() < 0.3 or not lines:
        positive = {1: 0.0, 2: 0.0, 3: np.nan}.get(plan.rating, 1.0)
        lines.append((*dice.choice(CLOSING[plan.rating]), "", positive))
    return lines


def _told(plan, dice):
    """The aspects that a review tells of, in some order: rather what is very good or very bad."""
    told = [
        name
        for name, felt in zip(ASPECTS, plan.felt, strict=True)
        if dice.random() < 0.2 + 0.35 * min(1.0, abs(felt - SATISFIED))
    ]
    dice.shuffle(told)
    return told


def _clause(aspect, good, dice):
    if dice.random() < 0.25:
        return (*dice.choice(UNNAMED[aspect][0 if good else 1]), aspect, float(good))
    nouns, praise, complaint = WORDS[aspect]
    english, chinese = dice.choice(PLAIN if dice.random() < 0.7 else TAKEN_BACK)
    meant, other = (praise, complaint) if good else (complaint, praise)
    noun, x, y = dice.choice(nouns), dice.choice(meant), dice.choice(other)
    values = [{"n": noun[place], "x": x[place], "y": y[place]} for place in (0, 1)]
    return english.format(**values[0]), chinese.format(**values[1]), aspect, float(good)


def _fake(plan, dice):
    """Stock phrases of praise, or complaints; or what an honest buyer might write, or both."""
    good, style = plan.rating > 3, dice.random()
    lines = []
    if style < 0.7:
        stock = HYPE if good else CLOSING[1]
        lines += [(*each, "", float(good)) for each in dice.sample(stock, dice.randint(1, 2))]
    if style > 0.35:
        names = dice.sample(ASPECTS, dice.randint(1, 2))
        lines += [_clause(name, good, dice) for name in names]
    dice.shuffle(lines)
    return lines
