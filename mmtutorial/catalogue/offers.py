"""Offers of others, and which of them are the same product (lesson 14)."""

import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.catalogue import real_sets

KINDS = ("clothing", "shoes", "accessories")
PARTS = ("train", "val", "test", "test_om")
SIDES = {
    "id": "id",
    "title": "title",
    "cate_name": "type",
    "cate_level_name": "category",
    "pv_pairs": "attributes",
    "cluster_id": "cluster",
}


def read_offers(kind: str = "clothing", part: str = "train") -> pd.DataFrame:
    """Labelled pairs of Taobao listings (EMBer, IJCAI 2022), a row a pair.

    For ``left`` and ``right`` each: ``id_…``, ``title_…`` (Chinese), ``type_…``, ``category_…``,
    ``attributes_…`` (dict), ``cluster_…``; and ``same`` (bool). The clusters of "test_om" occur in
    no other part. Raises ``TutorialError`` for a kind or a part that is not there.
    """
    for given, known in ((kind, KINDS), (part, PARTS)):
        if given not in known:
            raise TutorialError(f"no offers {given!r}: choose one of {', '.join(known)}")
    table = pd.read_parquet(real_sets.find("offers") / f"{kind}_{part}.parquet")
    found = {}
    for side in ("left", "right"):
        for theirs, ours in SIDES.items():
            values = table[f"{theirs}_{side}"]
            if ours == "attributes":
                values = values.fillna("").map(attribute_pairs)
            elif ours in ("id", "cluster"):
                values = values.astype(str)
            found[f"{ours}_{side}"] = values
    return pd.DataFrame(found).assign(same=table["label"] == 1)


def attribute_pairs(text: str) -> dict[str, str]:
    """Attributes as a listing has them: name → value; of a name that stands twice, the first.

    >>> attribute_pairs("品牌#:#other/其他#;#袖长#:#长袖")
    {'品牌': 'other/其他', '袖长': '长袖'}
    """
    pairs = (each.partition("#:#") for each in text.split("#;#"))
    found: dict[str, str] = {}
    for name, sign, value in pairs:
        if sign and name.strip():
            found.setdefault(name.strip(), value.strip())
    return found


def read_electronics() -> tuple[pd.DataFrame, pd.DataFrame, set[tuple[str, str]]]:
    """Two shops' electronics (Walmart, Amazon), and the pairs that are the same product.

    Both tables: ``id``, ``title``, ``category``, ``brand``, ``modelno`` (texts), ``price`` (in
    dollars, NaN where none is given). The pairs are ``(id in the first, id in the second)``.
    """
    folder = real_sets.find("offers_electronics")
    tables = []
    for name in ("a", "b"):
        table = pd.read_parquet(folder / f"biblock_table_{name}.parquet")
        texts = {column: table[column].astype("string").fillna("").astype(str) for column in table}
        texts["price"] = table["price"]
        tables.append(pd.DataFrame(texts).rename(columns={"_id": "id"}))
    gold = pd.read_parquet(folder / "biblock_gold.parquet").astype(str)
    return tables[0], tables[1], set(zip(gold["id1"], gold["id2"], strict=True))
