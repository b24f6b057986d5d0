"""Offers drawn for any catalogue: one product at several sellers, the truth kept (lesson 14).

Each seller has habits: a currency, a price level, an order of words, a watermark. An offer is a
product seen through them. Beside the honest offers stand those that make matching hard: products
that are nearly the same, attributes that are wrong, and lures, which look like the product and are
another thing. What follows from these rules is no finding about shops.
"""

import math
import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.reading import ATTRIBUTES, HEIGHT, WIDTH

DOLLARS = {"USD": 1.0, "EUR": 1.1, "GBP": 1.3, "INR": 0.012}  # of one unit; invented, and fixed


class Seller(NamedTuple):
    """A seller's habits. ``level``: of its prices; ``shortens``, ``adds``: shares of titles."""

    name: str
    currency: str
    level: float
    brand_last: bool
    shortens: float
    adds: float
    watermark: bool


SELLERS = (
    Seller("Maple & Co", "USD", 1.00, False, 0.0, 0.1, False),
    Seller("Dealtown", "USD", 0.85, True, 0.6, 0.7, True),
    Seller("Kaufhof Nord", "EUR", 1.05, False, 0.1, 0.2, False),
    Seller("Bonmarkt", "EUR", 0.92, True, 0.3, 0.5, True),
    Seller("Highstreet", "GBP", 1.10, False, 0.1, 0.1, False),
    Seller("Tradelane", "GBP", 0.95, True, 0.4, 0.4, True),
    Seller("Bazaar One", "INR", 0.80, False, 0.5, 0.6, True),
    Seller("Lotus Retail", "INR", 0.90, True, 0.2, 0.3, False),
)
ADDED = ("new", "original", "free shipping", "best price", "top quality", "in stock")

SISTERS = 0.15  # products with a pack of two beside them: same photo, other thing, other price
LURES = 0.03  # offers that show the product and are another thing, at a third of its price
WRONG = 0.08  # offers with one attribute that is not the product's
GIVEN = 0.7  # of attributes and of brands, that a seller fills in
MODEL_GIVEN, MODEL_IN_TITLE = 0.4, 0.3  # shares of offers with the maker's model number


class DrawnOffers(NamedTuple):
    """Offers, row for row, and what they are.

    ``table``: ``id``, ``seller``, ``title``, ``brand``, ``model``, ``attributes`` (dict), ``price``
    (in its currency), ``currency``. ``photos``: ``(n_offers, 80, 60, 3)`` uint8. ``truth``:
    ``product`` (what the offer is: the same text for the same thing), ``shown`` (the catalogue's
    id of what it shows), ``wrong`` (the attribute that is wrong, or ""), ``lure`` (bool).
    ``notes``: what the catalogue lacks.
    """

    table: pd.DataFrame
    photos: np.ndarray
    truth: pd.DataFrame
    notes: tuple[str, ...] = ()


def draw_offers(
    catalogue: Catalogue, n_products: int = 400, seed: int = 0, sellers: tuple[int, int] = (2, 6)
) -> DrawnOffers:
    """Two to six offers for each of ``n_products`` products, and for the packs of two beside them.

    Products come in small families (the same brand and kind), so that others nearly like them are
    offered too. What is drawn depends on the seed and the product's id. Defined in lesson 14.

    Raises ``TutorialError`` for a number of products that the catalogue does not hold, or of
    sellers that there are not.
    """
    check_whole(n_products=n_products, low=1, high=len(catalogue))
    fewest, most = sellers
    check_whole(sellers=fewest, low=1, high=most)
    check_whole(sellers=most, low=1, high=len(SELLERS))
    table = catalogue.table
    if not (table["title"].str.strip() != "").any():
        raise TutorialError(f"no product of {catalogue.name!r} has a title to offer it by")
    rng = np.random.default_rng([seed, n_products])
    names = [n for n in ATTRIBUTES if n in table and n != "brand" and (table[n] != "").any()]
    rows, photos, truth = [], [], []
    for place, row in enumerate(_families(table, n_products, rng)):
        product = table.iloc[row]
        own = np.random.default_rng([seed, place])
        model = _model_number(product, own)
        price = _price(product, own)
        things = [("", product["title"], model, price)]
        if own.random() < SISTERS:
            pack = f"{product['title']} pack of 2"
            things.append(("-pack", pack, _next_number(model), 1.8 * price))
        for suffix, title, number, thing_price in things:
            chosen = own.choice(len(SELLERS), own.integers(fewest, most + 1), replace=False)
            for each in sorted(chosen):
                seller = SELLERS[each]
                offer, fact = _offer(product, title, number, thing_price, names, table, seller, own)
                fact["shown"] = product["id"]
                fact["product"] = f"{product['id']}{suffix}"
                if fact["lure"]:
                    fact["product"] += f"-lure-{seller.name}"
                rows.append(offer)
                truth.append(fact)
                photos.append(_photograph(catalogue.photos[row], seller, own))
    order = rng.permutation(len(rows))  # neighbours in the table say nothing
    offers = pd.DataFrame(rows).iloc[order].reset_index(drop=True)
    offers.insert(0, "id", [f"offer-{n:05d}" for n in range(len(offers))])
    notes = []
    if not names:
        notes.append("the catalogue has no attributes: its offers have none, and none is wrong")
    if "price" not in table or table["price"].isna().all():
        notes.append("the catalogue has no prices: those of the offers are invented")
    columns = ["product", "shown", "wrong", "lure"]
    facts = pd.DataFrame(truth)[columns].iloc[order].reset_index(drop=True)
    facts.insert(0, "id", offers["id"])
    return DrawnOffers(offers, np.stack(photos)[order], facts, tuple(notes))


def _families(table, n, rng):
    """``n`` rows with a title: at random, each followed by up to two of its brand and kind.

    Of products that share their photo, pixel for pixel, one: they may be the same thing.
    """
    usable = table["title"].str.strip() != ""
    if "photo_hash" in table:
        usable &= ~table["photo_hash"].duplicated()
    titled = np.flatnonzero(usable)
    kinds = [name for name in ("brand", "article_type") if name in table]
    keys = table[kinds].astype(str).agg("\x1f".join, axis=1) if kinds else table["id"]
    siblings = pd.Series(titled).groupby(keys.to_numpy()[titled]).agg(list)
    taken: dict[int, None] = {}  # a set that keeps its order
    for row in rng.permutation(titled).tolist():
        family = siblings[keys.iat[row]]
        for each in [row, *rng.permutation(family)[:2].tolist()]:
            taken.setdefault(int(each))
        if len(taken) >= n:
            break
    return list(taken)[:n]


def _offer(product, title, number, price, names, table, seller, rng):
    """One seller's offer of a product, and the truth about it."""
    stated = {name: product[name] for name in names if product[name] and rng.random() < GIVEN}
    wrong = ""
    if stated and rng.random() < WRONG:
        wrong = str(rng.choice(list(stated)))
        others = table.loc[~table[wrong].isin(["", product[wrong]]), wrong].unique()
        if len(others):
            stated[wrong] = rng.choice(np.sort(others.astype(str)))
            title = re.sub(re.escape(product[wrong]), stated[wrong], title, flags=re.IGNORECASE)
        else:
            wrong = ""
    lure = bool(rng.random() < LURES)
    amount = price * seller.level * math.exp(rng.normal(0, 0.15))
    if lure:
        amount *= rng.uniform(0.2, 0.4)
    brand = product.get("brand", "")
    offer = {
        "seller": seller.name,
        "title": _retitle(title, brand, number, seller, rng),
        "brand": brand if rng.random() < GIVEN else "",
        "model": number if rng.random() < MODEL_GIVEN else "",
        "attributes": stated,
        "price": max(0.01, round(amount / DOLLARS[seller.currency], 2)),
        "currency": seller.currency,
    }
    return offer, {"wrong": wrong, "lure": lure}


def _retitle(title, brand, number, seller, rng):
    """The title as this seller writes it: words dropped, turned round, shortened, added."""
    pack = title.endswith(" pack of 2")
    rest = title.removesuffix(" pack of 2")
    at_front = 0 < len(brand) < len(rest) and rest.lower().startswith(brand.lower())
    words = rest[len(brand) :].split() if at_front else rest.split()
    if len(words) > 2 and rng.random() < 0.4:  # the last word, the kind, is dropped least of all
        del words[rng.integers(len(words) - 1)]
    if len(words) > 2 and rng.random() < 0.3:
        turn = rng.integers(len(words) - 1)
        words[turn], words[turn + 1] = words[turn + 1], words[turn]
    if rng.random() < seller.shortens:
        place = rng.integers(len(words))
        words[place] = _shortened(words[place])
    if at_front and rng.random() < 0.85:
        words = [*words, brand] if seller.brand_last else [brand, *words]
    if pack:
        words.append(str(rng.choice(["pack of 2", "2-pack", "set of 2"])))
    if rng.random() < MODEL_IN_TITLE:
        words.append(str(rng.choice([number, number.replace("-", ""), number.lower()])))
    if rng.random() < seller.adds:
        words.append(str(rng.choice(ADDED)))
    return " ".join(words)


def _shortened(word):
    """A long word without its inner vowels; a word of another script stays.

    "Women" → "Wmn", "Shirt" → "Shrt".
    """
    return word[0] + re.sub(r"[aeiou]", "", word[1:]) if word.isascii() and len(word) > 3 else word


def _model_number(product, rng):
    letters = re.sub(r"[^A-Z]", "", str(product.get("brand", "")).upper()) or "PX"
    return f"{letters[:2]}-{rng.integers(1000, 9999)}"


def _next_number(model):
    letters, _, number = model.partition("-")
    return f"{letters}-{int(number) + 1}"


def _price(product, rng):
    """In dollars; invented where the catalogue has none."""
    known = product.get("price", math.nan)
    invented = 40 * math.exp(rng.normal(0, 0.6))
    return float(known) if pd.notna(known) and known > 0 else invented


def _photograph(photo, seller, rng):
    """The seller's own photo: another crop, another light, and a watermark, ``(80, 60, 3)``."""
    zoom = rng.uniform(0.8, 1.0)
    width, height = zoom * WIDTH, zoom * HEIGHT
    left, top = rng.uniform(0, WIDTH - width), rng.uniform(0, HEIGHT - height)
    image = Image.fromarray(np.asarray(photo)).resize(
        (WIDTH, HEIGHT), Image.Resampling.BILINEAR, (left, top, left + width, top + height)
    )
    if seller.watermark:
        place = (2, int(rng.integers(2, HEIGHT - 14)))
        layer = image.copy()
        ImageDraw.Draw(layer).text(place, seller.name, fill=(150, 40, 60))
        image = Image.blend(image, layer, 0.5)
    light = rng.uniform(0.75, 1.15) * (1 + rng.uniform(-0.06, 0.06, 3))  # and its tint
    return np.clip(np.asarray(image) * light, 0, 255).astype("uint8")
