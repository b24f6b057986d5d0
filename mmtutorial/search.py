"""Search: the products nearest to a query, exactly (lessons 00, 06 and 11).

Embeddings are rows of unit length, so the dot product is the cosine. Every list is ordered by
descending score, then ascending product id: the same query gives the same list anywhere.
"""

import difflib
import json
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.cleaning import normalise_title
from mmtutorial.datasets.folder import HEIGHT, WIDTH, decode, read_image_file
from mmtutorial.files import intact, read_array, read_json
from mmtutorial.similarity import unit_length

# The nearest rows ---------------------------------------------------------------------------


def top_k(queries, gallery, k, ids, block=256):
    """The ``k`` gallery rows with the highest dot product for each query, over the full gallery.

    Parameters
    ----------
    queries : ``(n_queries, dim)`` float
    gallery : ``(n_products, dim)`` float
    k : how many to return, at most ``n_products``
    ids : ``n_products`` product ids (strings); among equal scores the smaller id comes first
    block : how many queries are scored at a time: memory is ``block × n_products`` floats

    Returns
    -------
    rows : ``(n_queries, k)`` int64, rows of the gallery, best first
    scores : ``(n_queries, k)`` float32

    Raises
    ------
    TutorialError
        if ``k`` is no whole number from 1 to n_products, the widths differ, or an embedding is
        not finite.

    >>> rows, scores = top_k([[1.0, 0.0]], [[0.6, 0.8], [1.0, 0.0], [0.6, 0.8]], 2, ["c", "b", "a"])
    >>> rows.tolist()  # rows 0 and 2 score the same: row 2 has the smaller id
    [[1, 2]]
    """
    queries, gallery = np.atleast_2d(queries), np.asarray(gallery)
    _check_shapes(queries, gallery, k, ids)
    ids = np.asarray(ids)  # they break ties as they are: sorting them all would take longest here
    return _top_k(queries, gallery, k, ids if ids.dtype.kind in "UO" else ids.astype(str), block)


def places_of(ids):
    """Where each row stands in the order of ids: ``(n_products,) int64``.

    >>> places_of(["b", "c", "a"]).tolist()
    [1, 2, 0]
    """
    places = np.empty(len(ids), dtype="int64")
    places[np.argsort(np.asarray(ids, dtype=str), kind="stable")] = np.arange(len(ids))
    return places


def _top_k(queries, gallery, k, places, block=256):
    found = []
    for start in range(0, len(queries), block):
        with np.errstate(invalid="ignore", over="ignore"):
            scores = queries[start : start + block] @ gallery.T
        if not np.isfinite(scores).all():  # cheaper than to look through the gallery each time
            _check_finite(queries, gallery)
        found.append(best(scores, k, places))
    if not found:
        return np.empty((0, k), "int64"), np.empty((0, k), "float32")
    rows, scores = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(scores)


def best(scores, k, places):
    """The ``k`` best columns of each row of scores; equal scores in the order of ``places``.

    ``scores``: ``(n_queries, n_products)`` float; ``places``: as from ``places_of``, or the ids
    themselves as an array of strings, which is quicker for a few queries without many ties.
    Returns ``rows`` ``(n_queries, k) int64``, best first, and their scores, float32.

    >>> rows, scores = best(np.array([[0.2, 0.9, 0.9]]), 2, places_of(["a", "c", "b"]))
    >>> rows.tolist()
    [[2, 1]]
    """
    rows = np.empty((len(scores), k), dtype="int64")
    least = np.partition(scores, -k, axis=1)[:, -k]  # the k-th best score of each query
    for n, of_query in enumerate(scores):
        # All that tie with the k-th best stand for election, or the cut would pick at random.
        candidates = np.flatnonzero(of_query >= least[n])
        order = np.lexsort((places[candidates], -of_query[candidates]))[:k]
        rows[n] = candidates[order]
    return rows, np.take_along_axis(scores, rows, axis=1).astype("float32", copy=False)


def check_k(k, n_products):
    """Raise ``TutorialError`` where ``k`` is no whole number from 1 to ``n_products``."""
    check_whole(k=k)
    if not 1 <= k <= n_products:
        raise TutorialError(
            f"k={k} products were asked for and the gallery holds {n_products}: "
            f"choose k from 1 to {n_products}"
        )


def check_whole(**numbers):
    """Raise ``TutorialError`` for the first argument that is no whole number, by its name."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TutorialError(f"{name} has to be a whole number, not {value!r}")


def check_share(**numbers):
    """Raise ``TutorialError`` for the first argument that is not from 0 to 1, by its name."""
    for name, value in numbers.items():
        if not isinstance(value, Real) or not 0 <= value <= 1:  # NaN is not
            raise TutorialError(f"{name} is a share from 0 to 1, not {value!r}")


def _check_shapes(queries, gallery, k, ids):
    check_k(k, len(gallery))
    if queries.shape[1] != gallery.shape[1]:
        raise TutorialError(
            f"queries have {queries.shape[1]} dimensions and the gallery {gallery.shape[1]}: "
            "embed both with the same model"
        )
    if len(ids) != len(gallery):
        raise TutorialError(f"{len(ids)} ids for a gallery of {len(gallery)} rows")


def _check_finite(queries, gallery):
    for name, values in (("query", queries), ("gallery", gallery)):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise TutorialError(
                f"{len(bad)} of {len(values)} {name} embeddings are not finite (NaN or infinite; "
                f"the first is row {bad[0]}): the model diverged or was fed NaN; train again with "
                "a lower learning rate, or embed those rows again"
            )


# Filters ------------------------------------------------------------------------------------


def spelling(value):
    """The form in which filters compare a value: case, spaces and letter forms do not count.

    >>> spelling("  Navy  BLUE ")
    'navy blue'
    """
    if pd.isna(value) is True:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return normalise_title("".join(c if c.isprintable() else " " for c in str(value)))


def read_filters(where, columns, numeric):
    """The filters of ``where`` (see ``ProductSearch.search``), checked: ``ranges`` and ``values``.

    ``columns`` are the names that can be filtered by, ``numeric`` those of them that hold numbers.
    ``ranges`` is ``{column: (least, most)}``, None where an end is open; ``values`` is
    ``{column: {spelling: value as given}}``.

    >>> read_filters({"colour": "Red", "price": (None, 50)}, ["colour", "price"], ["price"])
    ({'price': (None, 50.0)}, {'colour': {'red': 'Red'}})
    """
    if not isinstance(where or {}, Mapping):
        raise TutorialError(f"where={where!r}: give a dictionary, as {{'gender': 'women'}}")
    ranges, values = {}, {}
    for column, wanted in (where or {}).items():
        if column not in columns:
            raise TutorialError(
                f"no column {column!r} to filter by; there are {', '.join(columns)}"
            )
        if column in numeric:
            ranges[column] = _range(column, wanted)
        else:
            values[column] = _values(column, wanted)
    return ranges, values


def _range(column, wanted):
    ends = (wanted, wanted) if isinstance(wanted, Real) else wanted
    if (
        isinstance(ends, tuple)
        and len(ends) == 2
        and all(end is None or isinstance(end, Real) for end in ends)
        and (None in ends or ends[0] <= ends[1])
        and not any(end != end for end in ends)
    ):
        return tuple(None if end is None else float(end) for end in ends)
    raise TutorialError(
        f"{column!r}: {wanted!r} is no range of numbers; give a pair, the smaller number first, "
        "as (10, 50), or None for an open end"
    )


def _values(column, wanted):
    if isinstance(wanted, tuple):
        raise TutorialError(
            f"{column!r}: {wanted!r} is no range of numbers, and the column holds text; for one of "
            "several values give a list"
        )
    several = isinstance(wanted, Iterable) and not isinstance(wanted, str)
    each_wanted = list(wanted) if several else [wanted]
    if not each_wanted or any(pd.isna(one) is True for one in each_wanted):
        raise TutorialError(
            f"{column!r}: {wanted!r} is no value to filter by; give one, or a list of one or more, "
            "or leave the filter out"
        )
    return {spelling(one): one for one in each_wanted}


def unknown_value(column, value, names):
    """The ``TutorialError`` for a value that no product has: it names the nearest there are.

    ``names``: the values of the column, the commonest first.
    """
    spelt = {spelling(name): str(name) for name in names if spelling(name)}
    close = difflib.get_close_matches(spelling(value), spelt, 3, 0.5)
    if close:
        there = f"the nearest values are {', '.join(repr(spelt[each]) for each in close)}"
    else:
        some = [repr(name) for name in spelt.values()]
        there = f"its values are {', '.join(some[:8])}{', …' if len(some) > 8 else ''}"
    if not spelt:
        there = "the column is empty"
    return TutorialError(f"no product has the {column} {value!r}: {there}")


# Products -----------------------------------------------------------------------------------


class ProductSearch:
    """Search a catalogue by words, by a photo, or by both, in one space. Defined in lesson 00.

    Each product stands in the gallery as the middle of its photo's and its title's vector; a
    query with a photo and words is the middle of theirs, moved by ``photo_weight``.
    """

    def __init__(self, retriever, catalogue, photo_weight=0.5, gallery=None):
        """Embed every product of ``catalogue`` with ``retriever`` (``contrastive.Retriever``).

        With a ``gallery``, ``(n_products, dim)`` rows of unit length, those are taken instead.
        """
        check_share(photo_weight=photo_weight)
        self.retriever = retriever
        self.catalogue = catalogue
        self.photo_weight = photo_weight  # of the products; a query has its own
        if gallery is None:
            gallery = mix(
                retriever.embed_photos(catalogue.photos),
                retriever.embed_texts(catalogue.table["title"]),
                photo_weight,
            )
        _check_shapes(gallery[:1], gallery, 1, catalogue.table["id"])
        _check_finite(gallery[:1], gallery)
        self.gallery = gallery
        self._places = places_of(catalogue.table["id"])

    def save(self, folder):
        """Write the model and the products' vectors into ``folder``; ``load`` reads them."""
        folder = Path(folder)
        (folder / "model").mkdir(parents=True, exist_ok=True)
        self.retriever.save(folder / "model")
        np.save(folder / "gallery.npy", self.gallery)
        np.save(folder / "ids.npy", self.catalogue.table["id"].to_numpy(dtype=str))
        settings = json.dumps({"photo_weight": self.photo_weight})
        (folder / "search.json").write_text(settings, encoding="utf-8")

    @classmethod
    def load(cls, folder, catalogue, load_retriever=None):
        """What ``save`` wrote, for the same ``catalogue``; the vectors are memory-mapped.

        ``load_retriever`` reads the folder that the retriever's own ``save`` wrote; by default
        ``contrastive.Retriever.load``. Raises ``TutorialError`` where a file is missing or
        damaged, the vectors are not finite or not of the model's width, or the search is of other
        products.
        """
        if load_retriever is None:
            from mmtutorial.contrastive import Retriever

            load_retriever = Retriever.load

        folder = Path(folder)
        remedy = "build it with ProductSearch(retriever, catalogue) and save it there"
        settings = read_json(folder / "search.json", remedy, {"photo_weight": float})
        ids = read_array(folder / "ids.npy", remedy, (None,), np.str_)
        with intact(folder / "search.json", remedy):
            check_share(photo_weight=settings["photo_weight"])
        with intact(folder / "model", remedy):
            retriever = load_retriever(folder / "model")
        if not np.array_equal(ids, catalogue.table["id"].to_numpy(dtype=str)):
            raise TutorialError(
                f"the search in {folder} was built for {len(ids):,} products that are not those of "
                f"{catalogue!r}: load that catalogue, or build the search again"
            )
        width = retriever.embed_texts(catalogue.table["title"][:1]).shape[1]
        gallery = read_array(
            folder / "gallery.npy", remedy, (len(ids), width), np.floating, mapped=True
        )
        return cls(retriever, catalogue, **settings, gallery=gallery)

    def embed_query(self, words=None, photo=None, photo_weight=0.5):
        """One query as a ``(dim,)`` float32 vector of unit length.

        ``photo`` is an image file's path, or an ``(80, 60, 3)`` uint8 array.
        Raises ``TutorialError`` if there is nothing to search by: no words and no photo, or
        only words that no training title used; or for a ``photo_weight`` outside 0 to 1.
        """
        check_share(photo_weight=photo_weight)
        if words is None and photo is None:
            raise TutorialError("nothing to search by: give words, a photo, or both")
        vectors = {}
        if words is not None:
            self._check_words(words)
            vectors["words"] = self.retriever.embed_texts([words])
        if photo is not None:
            vectors["photo"] = self.retriever.embed_photos(read_photo(photo)[None])
        if len(vectors) == 2:
            return mix(vectors["photo"], vectors["words"], photo_weight)[0]
        return next(iter(vectors.values()))[0]

    def search(self, words=None, photo=None, k=8, photo_weight=0.5, where=None, page=1):
        """The ``k`` best products as a table: ``row``, ``score``, and the catalogue's columns.

        ``photo_weight`` (0 to 1) is how much of a mixed query is photo. ``page`` 2 holds the
        next ``k``; where there are fewer products the table is shorter, or empty.

        ``where`` filters: ``{"gender": "women"}``; one of several values as a list,
        ``{"colour": ["red", "pink"]}``; numbers by a pair, ``{"price": (10, 50)}``, both ends
        included, None for an open end. Case and spaces do not count: "women" finds "Women". A
        product without a price (NaN) is in no range.

        Raises ``TutorialError`` for a column that is not there, a value that no product has (the
        message names the nearest), ``k`` or ``page`` that is no whole number from 1 up, what is
        no range of numbers, and as ``embed_query`` does.
        """
        return self.nearest(self.embed_query(words, photo, photo_weight), k, where, page)

    def similar(self, row, k=8, where=None, page=1):
        """The products most like the one at ``row``, without itself: a table as from ``search``."""
        check_whole(row=row)
        if not 0 <= row < len(self.gallery):
            raise TutorialError(f"row={row}: the rows go from 0 to {len(self.gallery) - 1}")
        return self.nearest(self.gallery[row], k, where, page, without=row)

    def nearest(self, query, k=8, where=None, page=1, without=None):
        """The products nearest to a ``(dim,)`` vector of unit length: a table as from ``search``.

        ``without`` is a row to leave out.
        """
        check_whole(k=k, page=page)
        if k < 1 or page < 1:
            raise TutorialError(f"k={k} products of page {page}: both start from 1")
        fits = self.fits(where)
        if without is not None:
            fits = fits[fits != without]
        gallery, places = self.gallery, self._places
        if len(fits) < len(gallery):
            gallery, places = gallery[fits], places[fits]
        rows, scores = np.empty(0, "int64"), np.empty(0, "float32")
        if len(fits):
            (rows,), (scores,) = _top_k(query[None], gallery, min(k * page, len(fits)), places)
        rows, scores = fits[rows[k * (page - 1) :]], scores[k * (page - 1) :]
        found = self.catalogue.table.iloc[rows].reset_index(drop=True)
        return pd.concat([pd.DataFrame({"row": rows, "score": scores}), found], axis=1)

    def parts(self, query, rows):
        """What the scores of the products at ``rows`` are the sum of: a table ``photo``, ``title``.

        A product's vector is ``(w · photo + (1 - w) · title) / length``, so its dot product with
        the ``(dim,)`` query falls into two: what its photo gives, and what its title does.
        """
        rows = np.asarray(rows, dtype="int64")
        if not len(rows):
            return pd.DataFrame({"photo": [], "title": []})
        photo = self.photo_weight * self.retriever.embed_photos(self.catalogue.photos[rows])
        titles = self.catalogue.table["title"].iloc[rows]
        title = (1 - self.photo_weight) * self.retriever.embed_texts(titles)
        length = np.linalg.norm(photo + title, axis=1)
        return pd.DataFrame({"photo": photo @ query / length, "title": title @ query / length})

    def fits(self, where=None):
        """Rows of the products that pass all filters of ``where`` (see ``search``), ascending."""
        table = self.catalogue.table
        numeric = table.select_dtypes("number").columns
        ranges, values = read_filters(where, table.columns, numeric)
        fits = np.ones(len(table), dtype=bool)
        for column, (least, most) in ranges.items():
            if least is not None:
                fits &= (table[column] >= least).to_numpy()
            if most is not None:
                fits &= (table[column] <= most).to_numpy()
        for column, wanted in values.items():
            # Each value is spelt once, not each row.
            codes, names = pd.factorize(table[column], use_na_sentinel=False)
            spelt = [spelling(name) for name in names]
            unknown = [given for each, given in wanted.items() if each not in spelt]
            if unknown:
                raise unknown_value(column, unknown[0], table[column].value_counts().index)
            fits &= np.isin(codes, [code for code, each in enumerate(spelt) if each in wanted])
        return np.flatnonzero(fits)

    def _check_words(self, words):
        if not isinstance(words, str):
            raise TutorialError(f"words are one text, not {words!r}")
        if not words.strip():
            raise TutorialError("the query is empty: type at least one word, or give a photo")
        if not self.retriever.vocabulary.known_words(words):
            raise TutorialError(
                f"no word of {words!r} occurs in the training titles, so there is nothing to "
                "search by: check the spelling, or try another word for it"
            )


def read_photo(photo):
    """An image file of any size, or an array that has ours already → ``(80, 60, 3) uint8``.

    Raises ``TutorialError`` for what is no image file, or too large, or an array of another shape.
    """
    if isinstance(photo, (str, Path)):
        try:
            return decode(read_image_file(Path(photo)))
        except (OSError, ValueError) as fault:  # a TutorialError is a ValueError
            raise TutorialError(f"cannot search by the photo {str(photo)!r}: {fault}") from fault
    photo = np.asarray(photo)
    if photo.shape != (HEIGHT, WIDTH, 3) or photo.dtype != np.uint8:
        raise TutorialError(
            f"a photo is a file's path or an array {(HEIGHT, WIDTH, 3)} uint8, not {photo.shape} "
            f"{photo.dtype}; save it as an image file and give the path"
        )
    return photo


def mix(photo, text, photo_weight=0.5):
    """``w · photo + (1 - w) · text``, brought back to unit length: ``(n, dim)`` each.

    >>> mix(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), photo_weight=0.8).round(2)
    array([[0.97, 0.24]], dtype=float32)
    """
    check_share(photo_weight=photo_weight)
    return unit_length(photo_weight * photo + (1 - photo_weight) * text)
