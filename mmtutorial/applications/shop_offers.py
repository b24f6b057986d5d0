"""What a shop shows beside a product: the offers of other sellers, by price (lesson 14).

``find_offers`` is done once for a catalogue, ``offers_of`` for each product that is shown.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.applications.offer_blocking import candidate_pairs
from mmtutorial.applications.offer_features import PairFeatures, photo_codes
from mmtutorial.applications.offer_tables import in_one_currency
from mmtutorial.applications.plain_matcher import PlainMatcher
from mmtutorial.applications.prices import compare_offers
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.reading import ATTRIBUTES


def find_offers(
    catalogue: Catalogue,
    offers: pd.DataFrame,
    photos: np.ndarray | None = None,
    rates: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """The offers that match a product of the catalogue, a row each, by the shipped matcher.

    ``offers``: as ``drawn_offers.DrawnOffers.table``; ``photos``: theirs, ``(n_offers, 80, 60, 3)``
    uint8; ``rates``: currency → what one unit is worth in the catalogue's currency. Each offer goes
    to the product that it matches best, if that is above the matcher's threshold.

    Returns the columns of ``offers`` and ``product`` (the catalogue's id), ``chance``, ``amount``
    (the price in the catalogue's currency), ``too_cheap``, ``odd`` (the attribute that the
    catalogue and other offers contradict, or ""), ``cheapest``. The catalogue's own price and
    attributes count as one more offer. Raises what ``in_one_currency`` raises. From lesson 14.
    """
    own = _as_offers(catalogue)
    amounts = in_one_currency(offers, rates).to_numpy()
    pairs = candidate_pairs(offers["title"].tolist(), own["title"].tolist())
    codes = None
    if photos is not None:
        codes = (photo_codes(photos), photo_codes(catalogue.photos))
    features = PairFeatures(offers, own, (amounts, own["price"].to_numpy()), codes)
    matcher = PlainMatcher.shipped()
    chance = matcher.scores(features.of(pairs, rivals=True))
    found = pd.DataFrame({"offer": pairs[:, 0], "row": pairs[:, 1], "chance": chance})
    found = found[found["chance"] >= matcher.threshold].sort_values(
        ["offer", "chance"], ascending=[True, False], kind="stable"
    )
    found = found.drop_duplicates("offer")
    matched = offers.iloc[found["offer"]].assign(
        price=amounts[found["offer"]],
        given=offers["price"].to_numpy()[found["offer"]],
        chance=found["chance"].to_numpy(),
        row=found["row"].to_numpy(),
    )
    shelf = own.iloc[sorted(set(found["row"]))]
    shelf = shelf.assign(row=shelf.index)  # the catalogue's own offers, to compare with
    both = pd.concat([matched.assign(theirs=True), shelf.assign(theirs=False)], ignore_index=True)
    compared = compare_offers(both.assign(currency=""), both["row"].to_numpy())
    compared = compared[compared["theirs"]]
    currency = dict(zip(offers["id"], offers["currency"], strict=True))
    return compared.assign(
        product=own["id"].to_numpy()[compared["row"]],
        price=compared["given"],
        currency=compared["id"].map(currency),
    ).drop(columns=["theirs", "given", "row", "cluster"])


def offers_of(found: pd.DataFrame, product: str) -> pd.DataFrame:
    """The offers of one product, the cheapest first, those too cheap last; empty if there are none.

    ``found``: what ``find_offers`` gives.
    """
    mine = found[found["product"] == product]
    return mine.sort_values(["too_cheap", "amount"], kind="stable").reset_index(drop=True)


def _as_offers(catalogue):
    """The catalogue's products as offers of its own."""
    table = catalogue.table
    if not (table["title"] != "").any():
        raise TutorialError(f"no product of {catalogue.name!r} has a title to match offers with")
    names = [name for name in ATTRIBUTES if name in table and name != "brand"]
    return pd.DataFrame(
        {
            "id": table["id"],
            "title": table["title"],
            "brand": table.get("brand", ""),
            "attributes": [
                {name: value for name, value in row.items() if value}
                for row in table[names].to_dict("records")
            ],
            "price": table["price"].astype(float) if "price" in table else np.nan,
        }
    )
