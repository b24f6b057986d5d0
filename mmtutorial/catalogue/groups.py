"""Which products are copies of each other, and which titles name them (lesson 01).

Two listings of one product must not stand on two sides of a split, and a query that is a title
asks for every product that bears it. Both are groups of products that share a key.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mmtutorial.catalogue import reading
from mmtutorial.catalogue.cleaning import normalise_title

if TYPE_CHECKING:
    from mmtutorial.catalogue.catalogue import Catalogue


def group_products(table: pd.DataFrame, photos: np.ndarray | None = None) -> np.ndarray:
    """A group number for every product, ``(N,) int``: copies of one product share it.

    Two products are copies if they have the same normalised title or the same photo, pixel for
    pixel; and a copy of a copy is a copy. An empty title is no title to share. The photos'
    hashes are read from the table, or taken from ``photos`` where it has none.

    >>> titles = ["Red Bag", "red  bag", "Hat", "Cap"]
    >>> table = pd.DataFrame({"title": titles, "photo_hash": ["a", "b", "c", "c"]})
    >>> group_products(table).tolist()
    [0, 0, 1, 1]
    """
    hashes = table["photo_hash"] if photos is None else hash_photos(photos)
    titles = table["title"].map(normalise_title)
    rows, keys = [], []
    for kind, values in (("title ", titles), ("photo ", hashes)):
        column = np.asarray(values, dtype=object)
        known = np.flatnonzero(column != "")
        rows.append(known)
        keys.append(kind + column[known])
    return connected_groups(len(table), np.concatenate(rows), np.concatenate(keys))


def connected_groups(n: int, items: ArrayLike, keys: ArrayLike) -> np.ndarray:
    """A group number for each of ``n`` items, ``(n,) int``: those that share a key share it.

    ``items``, ``keys``: as many of both, item ``items[i]``, 0 to n - 1, has the key ``keys[i]``.
    What is linked through others is linked too. Numbered in the order of the items.

    >>> connected_groups(4, [0, 1, 1, 2], ["a", "a", "b", "b"]).tolist()  # item 3 has no key
    [0, 0, 0, 1]
    """
    codes, names = pd.factorize(np.asarray(keys, dtype=object))
    nodes = n + len(names)  # a node for each item and each key, an edge where an item has it
    ones = np.ones(len(codes), dtype=np.int8)
    graph = coo_array((ones, (np.asarray(items, dtype=int), n + codes)), (nodes, nodes))
    return pd.factorize(connected_components(graph, directed=False)[1][:n])[0]


def hash_photos(photos: Iterable[np.ndarray]) -> list[str]:
    """16 hex digits for each photo of ``(N, 80, 60, 3) uint8``: the same for the same pixels.

    >>> one, same, other = hash_photos(np.array([[0], [0], [1]], dtype="uint8"))
    >>> one == same, one == other
    (True, False)
    """
    return [reading.hash_photo(photo) for photo in photos]


def title_queries(catalogue: "Catalogue") -> dict[str, dict[str, int]]:
    """Qrels for a catalogue without any: each title asks for the products that bear it.

    Returns ``{title: {product id: 1}}``, one query for each distinct normalised title, in the
    spelling of its first product. A text search that sees titles finds them by copying: use
    these to ask for photos. Used from lesson 00 on.

    >>> from types import SimpleNamespace
    >>> table = pd.DataFrame({"id": ["b1", "b2", "h1"], "title": ["Red Bag", "red bag", "Hat"]})
    >>> title_queries(SimpleNamespace(table=table))
    {'Red Bag': {'b1': 1, 'b2': 1}, 'Hat': {'h1': 1}}
    """
    table = catalogue.table[catalogue.table["title"] != ""]
    groups = table.groupby(table["title"].map(normalise_title), sort=False)
    return {group["title"].iloc[0]: dict.fromkeys(group["id"], 1) for _, group in groups}


def title_groups(catalogue: "Catalogue") -> np.ndarray:
    """``(n,)`` int: the same number for products with the same normalised title.

    >>> from types import SimpleNamespace
    >>> table = pd.DataFrame({"title": ["Red Bag", "Hat", "red bag"]})
    >>> title_groups(SimpleNamespace(table=table)).tolist()
    [0, 1, 0]
    """
    return pd.factorize(catalogue.table["title"].map(normalise_title))[0]
