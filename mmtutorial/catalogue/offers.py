"""Offers of others, and which of them are the same product (lesson 14)."""

import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.catalogue import real_sets
from mmtutorial.catalogue.rows import check_names
from mmtutorial.paths import data_home

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


def read_prices() -> pd.DataFrame:
    """Prices of 1,000 products of the fashion catalogue: ``id``, ``title``, ``brand``, ``price``.

    In rupees; the ids are the catalogue's (lesson 14). No download makes this set: it was read from
    1,000 small files into the one table ``prices/products_1000.parquet`` in ``MMTUTORIAL_DATA``.
    Raises ``TutorialError`` where that is not there.
    """
    file = data_home() / "prices" / "products_1000.parquet"
    if not file.is_file():
        raise TutorialError(
            f"there is no {file}, and no download makes it: read the 1,000 files "
            "cdn/fashion-dataset/products/01/*/product-data.json.gz of the GitHub repository "
            "redis-developer/redis-microservices-ecommerce-solutions at 816599b into one parquet "
            "table, a row a product"
        )
    table = pd.read_parquet(file)
    names = {"productId": "id", "productDisplayName": "title", "brandName": "brand"}
    check_names(table, [*names, "price"], str(file))
    found = table.rename(columns=names)[[*names.values(), "price"]]
    return found.assign(
        id=found["id"].astype(str),
        brand=found["brand"].fillna("").str.strip(),
        price=pd.to_numeric(found["price"], errors="coerce").astype(float),
    )
