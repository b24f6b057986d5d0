"""What shoppers did: sessions of clicks, and purchases, of others (lesson 12)."""

import numpy as np
import pandas as pd

from mmtutorial.catalogue import real_sets
from mmtutorial.catalogue.rows import Rows, check_names, sift

SESSIONS = {
    "train": "yoochoose-clicks-100k_train_full.txt",
    "test": "yoochoose-clicks-100k_test.txt",
}
INVOICES = {
    "InvoiceNo": "invoice",
    "StockCode": "item",
    "Description": "title",
    "Quantity": "quantity",
    "InvoiceDate": "time",
    "UnitPrice": "price",
    "CustomerID": "shopper",
    "Country": "country",
}


def read_sessions(part: str = "train") -> Rows:
    """Clicks of YOOCHOOSE (RecSys Challenge 2015): ``session``, ``item``, ``time``.

    ``part``: "train", or "test", the day after. Sorted by session and time; ids are texts, the
    time is in UTC. Raises ``TutorialError`` where the set is not there (``real_sets.find``).
    """
    file = real_sets.find("sessions") / SESSIONS[part]
    return clicks(pd.read_csv(file, sep="\t", dtype=str), str(file), "SessionId", "ItemId", "Time")


def clicks(table: pd.DataFrame, what: str, session: str, item: str, time: str) -> Rows:
    """Clicks in any table of texts: ``session``, ``item``, ``time``, sorted by session and time.

    ``session``, ``item``, ``time`` are the table's names of them; the time is a number, seconds
    since 1970 in UTC. A click without one of them is set aside, and so is one that stands twice.

    >>> table = pd.DataFrame({"s": ["1", "1", "2"], "i": ["b", "a", "a"], "t": ["9", "3", "x"]})
    >>> kept, aside = clicks(table, "clicks.csv", "s", "i", "t")
    >>> kept["item"].tolist(), aside["reason"].tolist()
    (['a', 'b'], ['no time'])
    """
    check_names(table, [session, item, time], what)
    seconds = pd.to_numeric(table[time], errors="coerce")
    found = pd.DataFrame(
        {
            "session": table[session].fillna("").astype(str).str.strip(),
            "item": table[item].fillna("").astype(str).str.strip(),
            "time": pd.to_datetime(seconds, unit="s", utc=True, errors="coerce"),
        }
    )
    faults = {
        "no session": (found["session"] == "").to_numpy(),
        "no item": (found["item"] == "").to_numpy(),
        "no time": found["time"].isna().to_numpy(),
        "twice": found.duplicated().to_numpy(),
    }
    kept, aside = sift(found, faults, what)
    order = np.lexsort((kept["time"], pd.factorize(kept["session"])[0]))
    return Rows(kept.iloc[order].reset_index(drop=True), aside)


def read_purchases() -> Rows:
    """Lines of invoices of a gift shop (UCI data set 352, D. Chen 2015), a row each.

    ``invoice``, ``item``, ``title``, ``quantity`` (below 0: sent back), ``time``, ``price`` (in
    pounds), ``shopper`` ("" where nobody is named), ``country``. Set aside: what is no product
    (postage, fees: codes without a digit), a quantity of 0, a price that is not above 0.
    """
    file = real_sets.find("retail") / "online_retail.parquet"
    table = pd.read_parquet(file)
    check_names(table, list(INVOICES), str(file))
    table = table.rename(columns=INVOICES)[list(INVOICES.values())]
    shopper = table["shopper"].astype("Int64").astype("string").fillna("").astype(str)
    table = table.assign(
        shopper=shopper,
        title=table["title"].fillna("").str.strip(),
        time=pd.to_datetime(table["time"], errors="coerce"),
    )
    faults = {
        "no time": table["time"].isna().to_numpy(),
        "no product": ~table["item"].astype(str).str.contains(r"\d").to_numpy(),
        "quantity of 0": (table["quantity"] == 0).to_numpy(),
        "price not above 0": ~(table["price"] > 0).to_numpy(),
    }
    return sift(table, faults, str(file))
