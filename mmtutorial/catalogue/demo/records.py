"""The records: attributes, titles and descriptions of the clean products.

Product ``i`` is drawn from ``(seed, i)`` only: a larger shop holds the same products, and more.
"""

import math

import numpy as np
import pandas as pd

from mmtutorial.catalogue.demo.silhouettes import ARTICLES
from mmtutorial.catalogue.demo.vocabulary import (
    BRANDS,
    COLOURS,
    DUPLICATE_TITLES,
    GENDERS,
    LINE_SAID,
    LINES,
    MATERIALS,
    PATTERNS,
    PURPOSE,
    SAID,
    SEASONS,
    TWIN_PHOTOS,
    USAGES,
    WEATHER,
    WHO,
    YEARS,
    count,
    pick,
)  # fmt: skip


def _attributes(seed, i):
    rng = np.random.default_rng([seed, i, 0])
    article = ARTICLES[pick(rng, {name: a.share for name, a in ARTICLES.items()})]
    brand = pick(rng, BRANDS)
    price = article.price * BRANDS[brand][1] * math.exp(rng.normal(0, 0.18))
    return {
        "brand": brand,
        "gender": pick(rng, WHO[article.who]),
        "category": article.category,
        "subcategory": article.subcategory,
        "article_type": article.name,
        "colour": pick(rng, COLOURS),
        "pattern": pick(rng, PATTERNS),
        "season": pick(rng, WEATHER[article.weather]),
        "year": pick(rng, YEARS),
        "usage": pick(rng, PURPOSE[article.purpose]),
        "price": max(2, round(price)) - 0.01,
    }


def _titles(product, said, line, word):
    """The English and the Chinese title that name ``said`` besides brand, gender and type."""
    order = [name for name in ("usage", "season", "colour", "pattern") if name in said]
    named = [product[name] for name in order]
    english = [product["brand"], product["gender"], *([line] if line else []), *named, word]
    chinese = {
        "usage": USAGES[product["usage"]][0],
        "season": SEASONS[product["season"]],
        "colour": COLOURS[product["colour"]][2],
        "pattern": PATTERNS[product["pattern"]][1],
    }
    tail = "".join(chinese[name] for name in order) + ARTICLES[product["article_type"]].chinese
    name = f"{product['brand']} {line}".strip()
    return " ".join(english), f"{name} {GENDERS[product['gender']]}{tail}"


def _words(product, seed, i):
    """``(said, line, word, description)`` of product ``i``, drawn from ``(seed, i)``."""
    rng = np.random.default_rng([seed, i, 2])
    article = ARTICLES[product["article_type"]]
    said = [name for name, share in SAID.items() if rng.random() < share]
    line = LINES[rng.integers(len(LINES))] if rng.random() < LINE_SAID else ""
    word = article.words[0 if rng.random() < 0.65 else 1]
    materials, cares = MATERIALS[article.material]
    opening = [
        f"{word} in {materials[rng.integers(len(materials))]} for",
        f"{article.words[0]} made of {materials[rng.integers(len(materials))]}, meant for",
    ][rng.integers(2)]
    season = product["season"].lower()
    ending = [f"best worn in {season}", f"from the {season} collection", f"made for {season}"][
        rng.integers(3)
    ]
    care = cares[rng.integers(len(cares))]
    return said, line, word, f"{opening} {USAGES[product['usage']][1]}, {ending}. {care}"


def _ids(n, seed):
    """Six digits a product, distinct, in no order: a walk through the residues of a prime."""
    prime = 899_981
    start, step = np.random.default_rng([seed, 3]).integers(1, prime, 2)
    return [str(100_000 + (int(start) + i * int(step)) % prime) for i in range(n)]


def sample_truth(n_products: int, seed: int = 0) -> pd.DataFrame:
    """The clean catalogue without its photos, one row a product in the order of its number.

    Columns: the schema's, plus ``said`` (what the title names besides brand, gender and type,
    comma between) and ``twin_of`` (id of the product that this one lists again, or "").

    >>> sample_truth(2).loc[0, ["title", "colour", "said"]].tolist()
    ['Brindlemoor Women Green Floral Handbag', 'Green', 'colour,pattern']
    """
    rng = np.random.default_rng([seed, n_products, 4])
    ids = _ids(n_products, seed)
    products = [_attributes(seed, i) for i in range(n_products)]
    copies, originals = np.split(
        rng.permutation(n_products)[: 2 * count(TWIN_PHOTOS, n_products)], 2
    )
    twin_of = dict(zip(copies.tolist(), originals.tolist(), strict=True))
    for copy, original in twin_of.items():
        products[copy] = dict(products[original])
    words = [_words(product, seed, i) for i, product in enumerate(products)]
    titles = [_titles(p, *w[:3]) for p, w in zip(products, words, strict=True)]
    _share_titles(products, words, titles, rng)
    rows = []
    for i, product in enumerate(products):
        said, _, _, description = words[i]
        title, title_zh = titles[i]
        row = {"id": ids[i], "title": title, "description": description, "title_zh": title_zh}
        twin = ids[twin_of[i]] if i in twin_of else ""
        rows.append({**row, **product, "said": ",".join(said), "twin_of": twin})
    return pd.DataFrame(rows)


def _share_titles(products, words, titles, rng):
    """Give pairs of siblings one title, until ``DUPLICATE_TITLES`` of all share theirs.

    Siblings agree in brand, gender and type; the shared title names only what holds for both.
    Some titles coincide by themselves; those count. Changes ``words`` and ``titles``.
    """
    cells, counts = {}, {}
    for i, product in enumerate(products):
        cells.setdefault((product["brand"], product["gender"], product["article_type"]), []).append(
            i
        )
        counts[titles[i][0]] = counts.get(titles[i][0], 0) + 1
    open_pairs = []
    for members in cells.values():
        # In the order of their attributes, so that neighbours share more than the cell.
        members = sorted(members, key=lambda i: [products[i][name] for name in SAID])
        lonely = [i for i in members if counts[titles[i][0]] == 1]
        open_pairs += list(zip(lonely[::2], lonely[1::2], strict=False))
    missing = round(DUPLICATE_TITLES * len(products)) - sum(c for c in counts.values() if c > 1)

    def alike(pair):
        """What both have in common, of what either title says."""
        first, second = pair
        said = [name for name in SAID if name in words[first][0] + words[second][0]]
        return [name for name in said if products[first][name] == products[second][name]]

    # Those most alike first, or shared titles would say less than others.
    rng.shuffle(open_pairs)
    open_pairs.sort(key=lambda pair: -len(alike(pair)))
    for first, second in open_pairs[: max(0, missing) // 2]:
        said = alike((first, second))
        _, line, word, _ = words[first]
        for i in (first, second):
            words[i] = (said, line, word, words[i][3])
            titles[i] = _titles(products[i], said, line, word)
