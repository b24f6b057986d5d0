"""A shop whose space one can read: three colours, two kinds, a vector axis for each word."""

import numpy as np
import pandas as pd

from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.encoders.tokenisers import Vocabulary
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.search.product_search import ProductSearch

COLOURS = {"red": "红色", "green": "绿色", "navy blue": "藏青色"}
KINDS = {"tee": ("Tshirts", "T恤"), "bag": ("Handbags", "手提包")}
NAME = "<b>six</b>"  # of the catalogue


def toy_table(copies=4):
    """Each colour and kind ``copies`` times; titles say "tee", the catalogue says Tshirts."""
    rows = [
        {
            "title": f"Acme {colour.title()} {kind.title()}",
            "title_zh": f"Acme {chinese}{kind_zh}",
            "colour": colour.title(),
            "article_type": article_type,
            "brand": "Acme",
            "price": 10.0 * (n + 1),
        }
        for n in range(copies)
        for colour, chinese in COLOURS.items()
        for kind, (article_type, kind_zh) in KINDS.items()
    ]
    found = pd.DataFrame(rows)
    found.insert(0, "id", [f"{n:03d}" for n in range(len(found))])
    return found


class ByWords:
    """A retriever with one axis a word; a photo shows its colour. It counts its calls."""

    tokeniser = Vocabulary(["red", "green", "navy", "tee", "bag"])

    def __init__(self):
        self.calls = 0

    def embed_photos(self, photos):
        self.calls += 1
        shown = np.asarray(photos, "float32")[:, 0, 0] / 255  # (n, 3)
        return unit_length(np.pad(shown, ((0, 0), (0, 2))) + 1e-3)

    def embed_texts(self, texts):
        self.calls += 1
        words = self.tokeniser.words
        return unit_length([[word in text.lower() for word in words] for text in texts])


def toy_search(products, **ranking):
    """A ``ProductSearch`` over such products, each photo filled with its colour."""
    photos = np.zeros((len(products), 80, 60, 3), dtype="uint8")
    for row, colour in enumerate(products["colour"]):
        photos[row, ..., [name.title() for name in COLOURS].index(colour)] = 255
    return ProductSearch(ByWords(), Catalogue(NAME, products, photos), **ranking)
