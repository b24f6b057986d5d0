"""What matched offers are for: the cheapest, the spread, a suspicious and a fair price (lesson 14).

Prices are in one currency here (``offer_tables.in_one_currency``), and offers of one product share
a cluster number.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mmtutorial import TutorialError
from mmtutorial.applications.offer_tables import in_one_currency
from mmtutorial.arguments import check_share

TOO_CHEAP = 0.5  # of the median of the others: an offer below it is probably another thing


def too_cheap(prices: ArrayLike, clusters: ArrayLike, share: float = TOO_CHEAP) -> np.ndarray:
    """Which offers are too cheap to be the same thing: ``(n,)`` bool. Defined in lesson 14.

    Below ``share`` of the median price of the other offers of its cluster. Of two offers alone
    the cheaper one may be flagged; an offer that stands alone never is.

    >>> too_cheap([100, 95, 30, 20], [0, 0, 0, 1]).tolist()
    [False, False, True, False]
    """
    check_share(share=share)
    prices, clusters = np.asarray(prices, dtype=float), np.asarray(clusters)
    found = np.zeros(len(prices), dtype=bool)
    for rows in pd.Series(clusters).groupby(clusters).indices.values():
        known = rows[np.isfinite(prices[rows])]
        for row in known if len(known) > 1 else []:
            found[row] = prices[row] < share * np.median(prices[known[known != row]])
    return found


def odd_attributes(attributes: list[dict[str, str]], clusters: ArrayLike) -> list[str]:
    """The attribute of each offer that most others of its cluster contradict, or "".

    An attribute is odd where two other offers or more agree on a value, and no other offer has
    this one. Case does not count. Defined in lesson 14.

    >>> colours = [{"colour": "Red"}, {"colour": "red"}, {"colour": "Blue"}, {}]
    >>> odd_attributes(colours, [0, 0, 0, 0])
    ['', '', 'colour', '']
    """
    found = [""] * len(attributes)
    plain = [{name: value.casefold() for name, value in each.items()} for each in attributes]
    for rows in pd.Series(np.asarray(clusters)).groupby(np.asarray(clusters)).indices.values():
        votes: dict[str, Counter] = {}  # attribute → value → how many offers say so
        for row in rows:
            for name, value in plain[row].items():
                votes.setdefault(name, Counter())[value] += 1
        for row in rows:
            odd = [
                name
                for name, value in plain[row].items()
                if votes[name][value] == 1 and votes[name].most_common(1)[0][1] > 1
            ]
            found[row] = odd[0] if odd else ""
    return found


def compare_offers(
    offers: pd.DataFrame, clusters: ArrayLike, rates: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """The offers with their product's number and what a shopper wants to know, a row an offer.

    Columns of ``offers``, and ``cluster``; ``amount``: the price in the currency of rate 1;
    ``too_cheap`` (bool); ``odd`` (the attribute that others contradict, or ""); ``cheapest`` (bool,
    the lowest amount of the cluster that is not too cheap). Sorted by cluster, then amount.
    Raises what ``in_one_currency`` raises. Defined in lesson 14.
    """
    clusters = np.asarray(clusters)
    if len(clusters) != len(offers):
        raise TutorialError(f"{len(clusters)} cluster numbers for {len(offers)} offers")
    found = offers.reset_index(drop=True).assign(cluster=clusters)
    found["amount"] = in_one_currency(found, rates)
    found["too_cheap"] = too_cheap(found["amount"], clusters)
    found["odd"] = odd_attributes(found["attributes"].tolist(), clusters)
    honest = found["amount"].where(~found["too_cheap"])
    found["cheapest"] = honest.notna() & (honest == honest.groupby(clusters).transform("min"))
    return found.sort_values(["cluster", "amount"], kind="stable").reset_index(drop=True)


def offers_of(compared: pd.DataFrame, cluster: int) -> pd.DataFrame:
    """The offers of one product, the cheapest first, those too cheap last; for the shop page.

    ``compared``: what ``compare_offers`` gives. Raises ``TutorialError`` for an unknown number.
    """
    mine = compared[compared["cluster"] == cluster]
    if not len(mine):
        raise TutorialError(f"no offer has the cluster {cluster!r}")
    return mine.sort_values(["too_cheap", "amount"], kind="stable").reset_index(drop=True)


def spreads(compared: pd.DataFrame) -> pd.DataFrame:
    """Of each product with two honest offers or more: how far apart they are.

    Columns: ``cluster``, ``offers``, ``lowest``, ``median``, ``highest``, and ``saving``, the share
    of the median price that the cheapest offer saves. Offers that are too cheap do not count.
    """
    honest = compared[~compared["too_cheap"] & compared["amount"].notna()]
    table = honest.groupby("cluster")["amount"].agg(["size", "min", "median", "max"])
    table.columns = ["offers", "lowest", "median", "highest"]
    table = table[table["offers"] > 1]
    return table.assign(saving=1 - table["lowest"] / table["median"]).reset_index()


# Is it a fair price? ----------------------------------------------------------------------------


def pinball(prices: ArrayLike, predicted: ArrayLike, level: float) -> float:
    """The mean pinball loss, in the unit of the prices: lowest at the quantile of that ``level``.

    A price above the prediction costs ``level`` for each unit, one below costs 1 - ``level``
    (R. Koenker, G. Bassett 1978, doi:10.2307/1913643). Defined in lesson 14.

    >>> pinball([10, 20], [12, 12], 0.9)
    3.7
    """
    check_share(level=level)
    gap = np.asarray(prices, dtype=float) - np.asarray(predicted, dtype=float)
    return float(np.maximum(level * gap, (level - 1) * gap).mean())


def coverage(prices: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """The share of prices from ``low`` to ``high``, both included.

    >>> coverage([10, 20, 30], [5, 5, 5], [10, 15, 40])
    0.6666666666666666
    """
    prices = np.asarray(prices, dtype=float)
    return float(((prices >= np.asarray(low)) & (prices <= np.asarray(high))).mean())


class FairPrice:
    """Quantiles of a product's price from its features: below, fair, above. Defined in lesson 14.

    Gradient boosting with the pinball loss on the logarithm of the price, a model for each level;
    a quantile of the logarithm is the logarithm of the quantile. ``features``:
    ``(n, dim)`` float; ``prices``: ``(n,)`` above 0.
    """

    def __init__(self, levels: tuple[float, ...] = (0.1, 0.5, 0.9), seed: int = 0):
        check_share(**{f"level {number}": level for number, level in enumerate(levels)})
        self.levels, self.seed = tuple(sorted(levels)), seed

    def fit(self, features: np.ndarray, prices: ArrayLike) -> "FairPrice":
        """Learn; raises ``TutorialError`` for a price that is not above 0."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        prices = np.asarray(prices, dtype=float)
        if not (prices > 0).all():
            raise TutorialError(
                f"{(~(prices > 0)).sum()} of {len(prices)} prices are not above 0: leave these "
                "products out"
            )
        self.models = [
            HistGradientBoostingRegressor(
                loss="quantile",
                quantile=level,
                learning_rate=0.06,
                max_iter=100,
                max_leaf_nodes=15,
                min_samples_leaf=10,
                l2_regularization=1.0,
                random_state=self.seed,
            ).fit(features, np.log(prices))
            for level in self.levels
        ]
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """``(n, n_levels)`` prices, rising with the level."""
        found = np.exp(np.column_stack([model.predict(features) for model in self.models]))
        return np.sort(found, axis=1)  # quantiles that cross are put in order
