"""What speaks for and against two offers being the same product: numbers of a pair (lesson 14).

All are counted with sparse matrices, a row an offer, so that only the pairs that were asked for are
looked at. A number that cannot be told (no price, no photo) is NaN.
"""

import re
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from scipy import sparse

from mmtutorial import TutorialError
from mmtutorial.applications.offer_blocking import title_ngrams
from mmtutorial.encoders.tokenisers import words

FEATURES = {
    "word cosine": "cosine of the TF-IDF vectors of the titles' words",
    "n-gram cosine": "the same of runs of three characters",
    "shared of shorter": "rarity of the shared words, over that of the title which has less of it",
    "shared of longer": "the same over that of the title which has more",
    "rarest shared": "rarity of the rarest word that both titles have",
    "rarest alone": "rarity of the rarest word that one title has alone",
    "numbers shared": "share of the numbers in the titles that both have",
    "numbers alone": "how many numbers one of the titles has alone",
    "code shared": "1 where both name the same model number, in its column or in the title",
    "model equal": "1 where both model columns say the same, 0 where they differ",
    "model cosine": "cosine of the models' runs of two characters",
    "brand equal": "1 where both brands are the same, 0 where they differ",
    "brand in title": "1 where a brand stands in the other offer's title, 0 where it does not",
    "attributes equal": "share of the attributes that both name and that agree, by their rarity",
    "attributes differ": "how many attributes both name and that differ",
    "price ratio": "how far apart the prices are: |log (price / price)|",
    "photo cosine": "cosine of the photos' vectors",
}
RIVALS = {  # of the pair among the candidates of its two offers
    "left margin": "n-gram cosine minus the best that the left offer has with another one",
    "right margin": "the same of the right offer",
    "left place": "how many candidates of the left offer are better",
    "right place": "the same of the right offer",
}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_CODE = re.compile(r"[a-z0-9][a-z0-9\-/.]*[a-z0-9]")


def codes(text: str) -> list[str]:
    """What looks like a model number: letters and digits in one word, four or more, without signs.

    >>> codes("Canon PIXMA MG-5220 inkjet, 17 inch, 3ft")
    ['mg5220']
    """
    found = (re.sub(r"[^a-z0-9]", "", each) for each in _CODE.findall(text.lower()))
    mixed = (each for each in found if re.search("[a-z]", each) and re.search("[0-9]", each))
    return [each for each in mixed if len(each) > 3]


def squeezed(text: str) -> str:
    """Letters and digits alone, in lower case.

    >>> squeezed("MG-5220 (B)")
    'mg5220b'
    """
    return re.sub(r"[\W_]", "", text.lower())


class PairFeatures:
    """The features of pairs of offers from two tables; one table with itself is allowed.

    Terms get their rarity from both tables, without any label. ``left``, ``right``: tables as
    ``offer_tables`` describes them; ``prices``: both tables' prices in one currency;
    ``photos``: both tables' photo vectors, ``(n, dim)`` float of unit length, a row of NaN where an
    offer has none. Defined in lesson 14.

    >>> left = pd.DataFrame({"title": ["red bag"]})
    >>> right = pd.DataFrame({"title": ["bag, red", "blue hat"]})
    >>> found = PairFeatures(left, right).of(np.array([[0, 0], [0, 1]]))
    >>> found["word cosine"].round(3).tolist(), found["photo cosine"].tolist()
    ([1.0, 0.0], [nan, nan])
    """

    def __init__(
        self,
        left: pd.DataFrame,
        right: pd.DataFrame,
        prices: tuple[np.ndarray, np.ndarray] | None = None,
        photos: tuple[np.ndarray, np.ndarray] | None = None,
        split: Callable[[str], list[str]] = words,
    ):
        titles = [table["title"].tolist() for table in (left, right)]
        models = [[squeezed(text) for text in _column(table, "model")] for table in (left, right)]
        attributes = [_column(table, "attributes", {}) for table in (left, right)]
        self.words = _bags([[split(text) for text in side] for side in titles], weighted=True)
        self.ngrams = _bags([[title_ngrams(text) for text in side] for side in titles], True)
        self.numbers = _bags([[_NUMBER.findall(text) for text in side] for side in titles])
        self.codes = _bags(
            [
                [[*codes(text), *filter(None, [model])] for text, model in zip(*side, strict=True)]
                for side in zip(titles, models, strict=True)
            ]
        )
        self.model_grams = _bags(
            [[[text[at : at + 2] for at in range(len(text) - 1)] for text in m] for m in models]
        )
        self.items = _bags(
            [
                [[(n, v.casefold()) for n, v in each.items()] for each in side]
                for side in attributes
            ],
            weighted=True,
        )
        self.names = _bags([[list(each) for each in side] for side in attributes])
        self.models = [np.array(each, dtype=object) for each in models]
        self.brands = [
            np.array([squeezed(text) for text in _column(table, "brand")], dtype=object)
            for table in (left, right)
        ]
        self.squeezed = [np.array([squeezed(t) for t in side], dtype=object) for side in titles]
        self.prices = prices and [np.asarray(each, dtype=float) for each in prices]
        self.photos = photos

    def of(self, pairs: np.ndarray, rivals: bool = False, block: int = 50_000) -> pd.DataFrame:
        """A row for each of ``pairs``, ``(n_pairs, 2)`` rows of the two tables; columns FEATURES.

        With ``rivals`` those of RIVALS too: then ``pairs`` are all candidates of their offers.
        """
        pairs = np.asarray(pairs, dtype="int64").reshape(-1, 2)
        found = [self._block(pairs[start : start + block]) for start in range(0, len(pairs), block)]
        if not found:
            raise TutorialError("no pair to look at: no two offers share a term")
        table = pd.concat(found, ignore_index=True)
        return (
            pd.concat([table, _rivals(pairs, table["n-gram cosine"])], axis=1) if rivals else table
        )

    def _block(self, pairs):
        a, b = pairs.T
        found = {
            "word cosine": _cosine(self.words, a, b),
            "n-gram cosine": _cosine(self.ngrams, a, b),
        }
        both, rarest, sides, alone = _shared(self.words, a, b)
        found["shared of shorter"] = both / np.maximum(np.minimum(*sides), 1e-9)
        found["shared of longer"] = both / np.maximum(np.maximum(*sides), 1e-9)
        found["rarest shared"], found["rarest alone"] = rarest, alone
        both, _, sides, _ = _shared(self.numbers, a, b)
        found["numbers shared"] = _ratio(both, sides[0] + sides[1] - both)
        found["numbers alone"] = sides[0] + sides[1] - 2 * both
        both, _, sides, _ = _shared(self.codes, a, b)
        inside = _inside(self.models, self.squeezed, a, b)
        found["code shared"] = np.where(
            np.minimum(*sides) > 0, np.maximum(both > 0, inside), np.where(inside, 1.0, np.nan)
        )
        found["model equal"] = _equal(self.models, a, b)
        known = (self.models[0][a] != "") & (self.models[1][b] != "")
        found["model cosine"] = np.where(known, _cosine(self.model_grams, a, b), np.nan)
        found["brand equal"] = _equal(self.brands, a, b)
        named = (self.brands[0][a] != "") | (self.brands[1][b] != "")
        inside = _inside(self.brands, self.squeezed, a, b)
        found["brand in title"] = np.where(named, inside, np.nan)
        agree, _, _, _ = _shared(self.items, a, b)
        n_agree, n_both = (
            _dot(tuple(side.sign() for side in each), a, b) for each in (self.items, self.names)
        )
        differ = n_both - n_agree
        found["attributes equal"] = np.where(
            n_both > 0, agree / np.maximum(agree + differ, 1e-9), np.nan
        )
        found["attributes differ"] = np.where(n_both > 0, differ, np.nan)
        found["price ratio"] = np.nan
        if self.prices:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.abs(np.log(self.prices[0][a] / self.prices[1][b]))
            found["price ratio"] = np.where(np.isfinite(ratio), ratio, np.nan)
        found["photo cosine"] = np.nan
        if self.photos is not None:
            found["photo cosine"] = np.einsum("nd,nd->n", self.photos[0][a], self.photos[1][b])
        return pd.DataFrame(found, columns=list(FEATURES)).astype("float32")


def photo_codes(photos: Iterable[np.ndarray]) -> np.ndarray:
    """``(n, 80, 60, 3)`` uint8 → ``(n, 900)`` float32 of unit length: a plain code of a photo.

    20 × 15 patches, the mean of each colour taken away, so that light and tint count little. No
    model is needed; two photos of one thing from two sides it does not know.
    """
    photos = np.asarray(photos)
    small = (
        photos.reshape(len(photos), 20, 4, 15, 4, 3).mean(axis=(2, 4)).reshape(len(photos), -1, 3)
    )
    small = (small - small.mean(axis=1, keepdims=True)).reshape(len(photos), -1)
    return (small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-9)).astype(
        "float32"
    )


def _column(table, name, empty=""):
    return table[name].tolist() if name in table else [empty] * len(table)


def _bags(sides, weighted=False):
    """Terms → two sparse matrices ``(n, n_terms)``: 1 where an offer has a term, or its rarity."""
    numbers: dict[object, int] = {}
    found = []
    for rows in sides:
        columns = [[numbers.setdefault(term, len(numbers)) for term in row] for row in rows]
        starts = np.cumsum([0, *map(len, columns)])
        flat = np.array([each for row in columns for each in row], dtype="int32")
        found.append((flat, starts, len(rows)))
    matrices = []
    for flat, starts, n in found:
        shape = (n, max(1, len(numbers)))
        matrix = sparse.csr_array((np.ones(len(flat), "float32"), flat, starts), shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1
        matrices.append(matrix)
    if weighted:
        frequency = sum(np.asarray(each.sum(axis=0)).ravel() for each in matrices)
        n = sum(each.shape[0] for each in matrices)
        rarity = np.log((1 + n) / (1 + frequency)).astype("float32") + 1
        for each in matrices:
            each.data *= rarity[each.indices]
    return tuple(matrices)


def _dot(bags, a, b):
    return np.asarray(bags[0][a].multiply(bags[1][b]).sum(axis=1)).ravel()


def _cosine(bags, a, b):
    lengths = [np.sqrt(np.asarray(each.multiply(each).sum(axis=1)).ravel()) for each in bags]
    return _dot(bags, a, b) / np.maximum(lengths[0][a] * lengths[1][b], 1e-9)


def _shared(bags, a, b):
    """Sums of weights: of shared terms, the rarest of them, of each side, the rarest not shared."""
    one, other = bags[0][a], bags[1][b]
    both = one.minimum(other)
    alone = abs(one - other)
    sums = [np.asarray(each.sum(axis=1)).ravel() for each in (both, one, other)]
    rarest, lonely = (each.max(axis=1).toarray().ravel() for each in (both, alone))
    return sums[0], rarest, (sums[1], sums[2]), lonely


def _ratio(part, whole):
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _equal(values, a, b):
    one, other = values[0][a], values[1][b]
    return np.where((one == "") | (other == ""), np.nan, (one == other).astype(float))


def _inside(values, texts, a, b):
    """Whether the left value, of three letters or more, stands in the right text, or vice versa."""
    one, other = values[0][a], values[1][b]
    return np.array(
        [
            (len(x) > 2 and x in in_right) or (len(y) > 2 and y in in_left)
            for x, y, in_left, in_right in zip(one, other, texts[0][a], texts[1][b], strict=True)
        ],
        dtype=float,
    )


def _rivals(pairs, score):
    """How the pair stands among the candidates of its left, and of its right offer."""
    found = {}
    for side, name in enumerate(("left", "right")):
        groups = score.groupby(pairs[:, side])
        best = groups.transform("max")
        place = groups.rank(ascending=False, method="min")
        second = score.where(place > 1).groupby(pairs[:, side]).transform("max").fillna(0)
        found[f"{name} margin"] = np.where(place > 1, score - best, score - second)
        found[f"{name} place"] = place - 1
    return pd.DataFrame(found, columns=list(RIVALS)).astype("float32")
