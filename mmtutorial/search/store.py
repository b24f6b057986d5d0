"""A vector store: products come, change and go while others search (lesson 11).

An index is built once from an array. A store keeps vectors together with attributes and prices,
on disk, and is asked for "the nearest ten, but only red ones under 40". Where it lies is an
address: ``"shop.db"`` is Milvus Lite in a file (a folder, in truth), for one process;
``"http://host:19530"`` is a Milvus server or cluster, for many. The rest of the code is the same.
"""

import json
import logging
import math
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.search.filters import read_filters, spelling, unknown_value

BATCH = 1000  # rows in one message
MOST = 16384  # Milvus returns no more hits than this
ID_BYTES, VALUE_BYTES = 256, 2048  # what fits into an id and into an attribute
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # no filter can be written with these
# Words of Milvus's own filter language, and our own fields: no attribute can have such a name.
TAKEN = {"and", "or", "not", "in", "like", "is", "null", "exists", "iso", "interval",
         "true", "false", "id", "vector", "price"}  # fmt: skip
LARGEST = sys.float_info.max
_OPEN: Counter[str] = Counter()  # file → how many stores of this process use it
_WRITING = threading.Lock()  # between the look whether an id is there and its writing


class VectorStore:
    """Products with a vector, attributes and a price, behind one address. Defined in lesson 11.

    Parameters
    ----------
    address : a path that ends in ``.db``, or ``http://host:port`` (``https`` for a cluster)
    dim : width of the vectors; have them of unit length, the score is their dot product
    attributes : names of the text columns that can be filtered by: letters, digits and _. Their
        values are kept as filters compare them (``filters.spelling``): "Navy Blue" as "navy blue"
    name : of the collection; it is made if the store has none of that name
    token : ``"user:password"`` or an API key, where the server asks for one

    Raises
    ------
    TutorialError
        if nothing answers at the address, another process has the file, an attribute cannot have
        its name, or the collection is there with other attributes or another width.
    """

    def __init__(
        self,
        address: str | Path,
        dim: int,
        attributes: Sequence[str] = (),
        name: str = "products",
        token: str = "",
    ):
        check_whole(dim=dim)
        for each in (name, *attributes):
            if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,254}", str(each)):
                raise TutorialError(
                    f"{each!r} is no name for a collection or an attribute: letters a to z, digits "
                    "and _ only, a letter first; rename the column"
                )
        taken = [each for each in attributes if each.casefold() in TAKEN]
        if taken or len(set(attributes)) < len(attributes):
            raise TutorialError(
                f"attributes {', '.join(attributes)}: each needs a name of its own, and none of "
                f"{', '.join(sorted(TAKEN))}; rename the column"
            )
        self.address, self.dim, self.attributes = str(address), dim, tuple(attributes)
        self.name = name
        self._seen: set[tuple[str, str]] = set()  # (attribute, value) pairs that some product has
        self.file = None if "://" in self.address else str(Path(self.address).absolute())
        self.client = self._connect(token)
        _OPEN.update([self.file] if self.file else [])
        if self._ask("has_collection"):
            self._compare()
        else:
            self._create()
        self._ask("load_collection")

    def _connect(self, token):
        pymilvus = _import_pymilvus()
        if self.file and not self.file.endswith(".db"):
            raise TutorialError(
                f"{self.address!r} is no address of a store: give a path that ends in .db, or "
                "http://host:port"
            )
        try:
            return pymilvus.MilvusClient(self.file or self.address, token=token, timeout=10)
        except pymilvus.MilvusException as fault:
            remedy = (
                "its folder must exist, and only one process at a time can have it: close the "
                "other one, or start a server (`milvus-lite server`) and give its address"
                if self.file
                else "is the server running, and is this its address and port?"
            )
            raise TutorialError(
                f"cannot open the store {self.address!r}: {fault.message}; {remedy}"
            ) from fault

    def _create(self):
        from pymilvus import DataType

        schema = self.client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=ID_BYTES)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dim)
        schema.add_field("price", DataType.DOUBLE, nullable=True)
        for attribute in self.attributes:
            schema.add_field(attribute, DataType.VARCHAR, max_length=VALUE_BYTES)
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="IP")  # exact
        # Strong: who searches sees all that was written before.
        self._ask(
            "create_collection", schema=schema, index_params=index, consistency_level="Strong"
        )

    def _compare(self):
        fields = {field["name"]: field for field in self._ask("describe_collection")["fields"]}
        dim = fields["vector"]["params"]["dim"] if "vector" in fields else None
        there = set(fields) - {"id", "vector", "price"}
        if dim != self.dim or there != set(self.attributes):
            raise TutorialError(
                f"the store {self.address!r} has a collection {self.name!r} with {dim} dimensions "
                f"and the attributes {', '.join(sorted(there)) or 'none'}, not {self.dim} and "
                f"{', '.join(sorted(self.attributes)) or 'none'}: open it as it is, or take "
                "another name"
            )

    def add(
        self, ids: Iterable[str], vectors: np.ndarray, table: pd.DataFrame | None = None
    ) -> None:
        """Put new products in: n ids, ``(n, dim)`` vectors, and a table of n rows.

        The table has a column for each attribute and, if there is one, ``price`` (NaN where it is
        not known). All rows are checked before the first is written, and what was written is
        taken out again where the store refuses a later one: all are added, or none.

        Raises ``TutorialError`` for an id that is there already. That holds among the threads of
        one process; of two processes that add one id to a server at the same time, the last wins.
        """
        rows = self._rows(ids, vectors, table)
        ids = [row["id"] for row in rows]
        with _WRITING:
            there = self._there(ids)
            if there:
                raise TutorialError(
                    f"{len(there)} of {len(rows)} products are in the store already, the first is "
                    f"{min(there)!r}: update these"
                )
            try:
                self._write(rows)
            except TutorialError as fault:
                try:
                    self._take_out(ids)
                except TutorialError:
                    raise TutorialError(
                        f"{fault}; some of the {len(ids)} products may have been written: update "
                        "or delete them when the store answers again"
                    ) from fault
                raise

    def update(
        self, ids: Iterable[str], vectors: np.ndarray, table: pd.DataFrame | None = None
    ) -> None:
        """Replace products by what is given, as in ``add``; all of them must be there."""
        rows = self._rows(ids, vectors, table)
        with _WRITING:
            self._all_there([row["id"] for row in rows])
            self._seen.clear()  # a value may have gone with the product that had it
            self._write(rows)

    def delete(self, ids: Iterable[str]) -> None:
        """Take products out; all of them must be there."""
        ids = [str(each) for each in ids]
        with _WRITING:
            self._all_there(ids)
            self._take_out(ids)

    def search(
        self,
        queries: np.ndarray,
        k: int,
        where: Mapping | None = None,
        price: tuple | None = None,
    ) -> list[dict[str, float]]:
        """The ``k`` products nearest to each query among those that pass the filters.

        Parameters
        ----------
        queries : ``(n_queries, dim)`` float
        where : attribute → the value, or a list of values, that a product may have; as in
            ``ProductSearch.search``, case and spaces do not count
        price : ``(min, max)``, either may be None; a product without a price does not pass

        Returns a list, for each query ``{id: score}``, best first, at most k: a run, as
        ``evaluation.evaluate`` takes it. Equal scores are in the order of ids; which of them is cut
        off at k is the store's choice. Raises ``TutorialError`` as ``ProductSearch.search``
        does for filters; a value that another process has just taken away finds nothing instead.
        """
        queries = self._vectors(queries)
        check_whole(k=k)
        if not 1 <= k <= MOST:
            raise TutorialError(f"k={k}: a store returns from 1 to {MOST} products")
        filter_ = self._filter(where, price)
        found = self._ask("search", data=queries.tolist(), limit=k, filter=filter_)
        hits = [[(hit["id"], hit["distance"]) for hit in each] for each in found]
        return [dict(sorted(each, key=lambda hit: (-hit[1], hit[0]))) for each in hits]

    def __len__(self):
        count = self._ask("query", filter="", output_fields=["count(*)"])
        return int(count[0]["count(*)"])

    def close(self) -> None:
        """Let go of the address: another process may now open the file."""
        self.client.close()
        if self.file and self.file in _OPEN:
            _OPEN[self.file] -= 1
            if _OPEN[self.file] <= 0:  # a thread of this process serves it to all who opened it
                from milvus_lite.server_manager import server_manager_instance

                server_manager_instance.release_server(self.file)
                del _OPEN[self.file]

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        self.close()

    def _ask(self, what, **arguments):
        """Call the client's method of that name on the collection."""
        pymilvus = _import_pymilvus()
        try:
            return getattr(self.client, what)(self.name, **arguments)
        except pymilvus.MilvusException as fault:
            raise TutorialError(
                f"the store {self.address!r} refused to {what.replace('_', ' ')}: {fault.message}"
            ) from fault

    def _rows(self, ids, vectors, table):
        """What Milvus takes: one dictionary a product."""
        ids, vectors = [str(each) for each in ids], self._vectors(vectors)
        if len(ids) != len(vectors) or (table is not None and len(table) != len(ids)):
            rows = "no" if table is None else len(table)
            raise TutorialError(f"{len(ids)} ids, {len(vectors)} vectors, {rows} rows of a table")
        if len(set(ids)) < len(ids):
            raise TutorialError("an id comes twice: a product has one vector")
        missing = [each for each in self.attributes if table is None or each not in table]
        if missing:
            raise TutorialError(f"the table has no column {', '.join(missing)}")
        for each in ids:
            if CONTROL.search(each) or not 1 <= len(each.encode()) <= ID_BYTES:
                raise TutorialError(
                    f"{each[:40]!r} is no id for a store: 1 to {ID_BYTES} bytes, no control "
                    "characters"
                )
        columns = {each: [spelling(value) for value in table[each]] for each in self.attributes}
        for attribute, values in columns.items():
            for id_, value in zip(ids, values, strict=True):
                if len(value.encode()) > VALUE_BYTES:
                    raise TutorialError(
                        f"the {attribute} of product {id_!r} has {len(value.encode())} bytes, and "
                        f"the store takes {VALUE_BYTES}: shorten it"
                    )
        columns["price"] = self._prices(ids, table)
        return [
            {"id": ids[n], "vector": vectors[n].tolist(), **{c: columns[c][n] for c in columns}}
            for n in range(len(ids))
        ]

    def _prices(self, ids, table):
        """A number for each product, or None where its price is not known."""
        if table is None or "price" not in table:
            return [None] * len(ids)
        try:
            prices = np.asarray(table["price"], dtype=float)
        except (TypeError, ValueError) as fault:
            raise TutorialError(f"the prices are not all numbers or NaN: {fault}") from fault
        if np.isinf(prices).any():
            raise TutorialError(
                f"the price of product {ids[np.isinf(prices).argmax()]!r} is infinite: give NaN "
                "where it is not known"
            )
        return [None if math.isnan(price) else price for price in prices.tolist()]

    def _vectors(self, vectors):
        vectors = np.atleast_2d(np.asarray(vectors, dtype="float32"))
        if vectors.shape[1] != self.dim or not np.isfinite(vectors).all():
            raise TutorialError(
                f"vectors {vectors.shape} for a store of {self.dim} dimensions: embed with the "
                "model that filled it, and without NaN"
            )
        return vectors

    def _write(self, rows):
        for start in range(0, len(rows), BATCH):
            self._ask("upsert", data=rows[start : start + BATCH])

    def _take_out(self, ids):
        self._seen.clear()
        for start in range(0, len(ids), BATCH):
            self._ask("delete", ids=ids[start : start + BATCH])

    def _there(self, ids):
        """Those of the ids that the store has."""
        found = set()
        for start in range(0, len(ids), BATCH):
            filter_ = _one_of("id", ids[start : start + BATCH])
            found |= {row["id"] for row in self._ask("query", filter=filter_, output_fields=["id"])}
        return found

    def _all_there(self, ids):
        missing = set(ids) - self._there(ids)
        if missing:
            raise TutorialError(
                f"{len(missing)} of {len(ids)} products are not in the store, the first is "
                f"{min(missing)!r}: add these"
            )

    def _filter(self, where, price):
        """The filters in Milvus's own language."""
        columns = ("price", *self.attributes)
        ranges, values = read_filters(where, columns, ("price",))
        if price is not None:
            ranges |= read_filters({"price": price}, columns, ("price",))[0]
        for attribute, wanted in values.items():
            for value, given in wanted.items():
                self._check_known(attribute, value, given)
        parts = [_one_of(attribute, wanted) for attribute, wanted in values.items()]
        for ends in ranges.values():
            for sign, end in zip((">=", "<="), ends, strict=True):
                if end is not None:  # the language knows no infinity
                    parts.append(f"price {sign} {max(-LARGEST, min(end, LARGEST))!r}")
        return " and ".join(parts)

    def _check_known(self, attribute, value, given):
        """Raise where no product has the value; asked once, as this takes as long as a search."""
        if (attribute, value) in self._seen:
            return
        if not self._ask(
            "query", filter=_one_of(attribute, [value]), output_fields=["id"], limit=1
        ):
            rows = self._ask("query", filter="", output_fields=[attribute], limit=MOST)
            names = Counter(row[attribute] for row in rows).most_common()
            raise unknown_value(attribute, given, [name for name, _ in names])
        self._seen.add((attribute, value))


def _one_of(field, values):
    """``field in ["a", "b"]``: whatever stands in a value stays text, quotes included."""
    return f"{field} in {json.dumps([str(value) for value in values], ensure_ascii=False)}"


def _import_pymilvus():
    try:
        import milvus_lite  # noqa: F401 - what serves a file
        import pymilvus
    except ImportError as fault:
        raise TutorialError(
            "the vector store needs pymilvus and milvus-lite; pip install pymilvus milvus-lite"
        ) from fault
    for library in ("pymilvus", "milvus_lite"):  # every fault becomes a TutorialError anyway
        logging.getLogger(library).setLevel(logging.CRITICAL)
    return pymilvus
