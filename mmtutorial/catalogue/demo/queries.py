"""The queries: what shoppers type, with the products that answer it, drawn from the truth."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from mmtutorial.catalogue.demo.silhouettes import ARTICLES
from mmtutorial.catalogue.demo.vocabulary import (
    MAX_RELEVANT,
    QUERIES,
    QUERY_PRODUCTS,
    USAGES,
    pick,
)  # fmt: skip

ON_PHOTO, IN_TEXT, ON_BOTH = ("colour", "pattern"), ("usage", "season"), ("brand", "gender")
_ASKED = ON_PHOTO + IN_TEXT + ON_BOTH


def _phrase(asked, word, rng):
    """What a shopper types: the title's words in lower case, in one of two orders."""
    asked = {name: value.lower() for name, value in asked.items()}
    if "usage" in asked and rng.random() < 0.3:  # "navy dotted dress for party nights"
        usage = USAGES[asked.pop("usage").title()][1]
        return f"{_phrase(asked, word, rng)} for {usage}"
    order = ("brand", "gender", "usage", "season", "colour", "pattern")
    return " ".join([*(asked[name] for name in order if name in asked), word.lower()])


def draw_queries(
    truth: pd.DataFrame, corrupt: Iterable[str] = (), seed: int = 0
) -> dict[str, dict[str, int]]:
    """Queries with their relevant products: ``{text: {product id: 1}}``.

    Each asks for the type and two to four attributes of some product; nine in ten ask for a
    colour or pattern (one that its title leaves to the photo, where there is one) and for a
    usage or season (which only stand in text). Relevant are all products whose truth matches
    and whose photo is not ``corrupt`` (ids). A query has 1 to ``MAX_RELEVANT`` of them.
    """
    rng = np.random.default_rng([seed, len(truth), 6])
    good = truth[~truth["id"].isin(set(corrupt))].sort_values("id").reset_index(drop=True)
    columns = {name: good[name].to_numpy() for name in ("article_type", *_ASKED)}
    ids, said = good["id"].to_numpy(), good["said"].tolist()
    budget = max(1, int(QUERY_PRODUCTS * len(truth)))
    wanted = max(1, round(QUERIES * len(truth)))
    queries: dict[str, dict[str, int]] = {}
    used: set[str] = set()
    seen: set[tuple] = set()
    for _ in range(60 * wanted):
        if len(queries) == wanted or not len(good):
            break
        target = rng.integers(len(good))
        names = _ask(said[target], rng)
        asked = {name: columns[name][target] for name in names}
        kind = columns["article_type"][target]
        key = (kind, *sorted(asked.items()))
        match = columns["article_type"] == kind
        for name, value in asked.items():
            match &= columns[name] == value
        relevant = ids[match].tolist()
        text = _phrase(asked, ARTICLES[kind].words[rng.integers(2)], rng)
        too_many = len(relevant) > MAX_RELEVANT or len(used | set(relevant)) > budget
        if key in seen or text in queries or too_many:
            continue
        seen.add(key)
        used.update(relevant)
        queries[text] = dict.fromkeys(relevant, 1)
    return queries


def _ask(said, rng):
    """Two to four attribute names to ask of a product whose title names ``said``.

    Nine times in ten they hold one that its title leaves to the photo (where there is one),
    and one that no photo shows.
    """
    size = int(pick(rng, {2: 35, 3: 45, 4: 20}))
    names = [_ASKED[k] for k in rng.permutation(len(_ASKED))]
    if rng.random() < 0.9:
        unsaid = [name for name in ON_PHOTO if name not in said] or list(ON_PHOTO)
        first = [unsaid[rng.integers(len(unsaid))], IN_TEXT[rng.integers(len(IN_TEXT))]]
        names = first + [name for name in names if name not in first]
    return names[:size]
