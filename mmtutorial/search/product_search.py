"""Search in a catalogue by words, by a photo, or by both (lesson 00)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.catalogue.reading import HEIGHT, WIDTH, decode, read_image_file
from mmtutorial.files import intact, read_array, read_json
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.metrics.top_k import (
    check_finite,
    check_shapes,
    check_share,
    check_whole,
    id_ranks,
    nearest_rows,
)
from mmtutorial.search.filters import read_filters, spelling, unknown_value

# Products -----------------------------------------------------------------------------------


class ProductSearch:
    """Search a catalogue by words, by a photo, or by both, in one space. Defined in lesson 00.

    Each product stands in the gallery as the middle of its photo's and its title's vector; a
    query with a photo and words is the middle of theirs, moved by ``photo_weight``.
    """

    def __init__(self, retriever, catalogue, photo_weight=0.5, gallery=None):
        """Embed every product of ``catalogue`` with ``retriever`` (``retriever.Retriever``).

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
        check_shapes(gallery[:1], gallery, 1, catalogue.table["id"])
        check_finite(gallery[:1], gallery)
        self.gallery = gallery
        self._places = id_ranks(catalogue.table["id"])

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
    def load(cls, folder, catalogue):
        """What ``save`` wrote, for the same ``catalogue``; the vectors are memory-mapped.

        Raises ``TutorialError`` where a file is missing or damaged, the vectors are not finite or
        not of the model's width, or the search is of other products.
        """
        from mmtutorial.matching import retriever as retrievers  # Keras: only where it is needed

        folder = Path(folder)
        remedy = "build it with ProductSearch(retriever, catalogue) and save it there"
        settings = read_json(folder / "search.json", remedy, {"photo_weight": float})
        ids = read_array(folder / "ids.npy", remedy, (None,), np.str_)
        with intact(folder / "search.json", remedy):
            check_share(photo_weight=settings["photo_weight"])
        with intact(folder / "model", remedy):
            retriever = retrievers.load(folder / "model")
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
            (rows,), (scores,) = nearest_rows(
                query[None], gallery, min(k * page, len(fits)), places
            )
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
        if not self.retriever.tokeniser.known_words(words):
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
