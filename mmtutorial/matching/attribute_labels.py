"""What the attribute encoder learns from: attribute values, numbered, and batches (lesson 24)."""

import numpy as np
import pandas as pd

from mmtutorial.catalogue.groups import title_groups
from mmtutorial.matching.training import Batches

HEADS = {"brand": 0.7, "article_type": 0.3, "colour": 0.3, "gender": 0.3}  # → weight in the loss
PHRASES = (*HEADS, "category", "subcategory", "season", "usage")  # attributes to be asked for
MIN_PRODUCTS = 5  # products that an attribute value needs to become a class


class Labels:
    """The attribute values that training products bear often enough, numbered; and their texts.

    ``classes``: head → its values, the first of them ``""`` for all that is rare or unknown;
    ``phrases``: ``(attribute, value)``, what can be asked for, its place being its number.
    """

    def __init__(self, classes, phrases):
        self.classes = classes
        self.phrases = [tuple(phrase) for phrase in phrases]

    @classmethod
    def fit(cls, table):
        """The values that ``MIN_PRODUCTS`` products of ``table`` have."""

        def often(column):
            counts = table[column][table[column] != ""].value_counts()
            return sorted(counts.index[counts >= MIN_PRODUCTS])

        return cls(
            {head: ["", *often(head)] for head in HEADS},
            [(column, value) for column in PHRASES for value in often(column)],
        )

    def class_numbers(self, table):
        """``(n, heads)`` int32: the class of each product for each head."""
        columns = [pd.Index(self.classes[head]).get_indexer(table[head]) for head in HEADS]
        return np.maximum(np.stack(columns, axis=1), 0).astype("int32")

    def value_numbers(self, table):
        """``(n, attributes)`` int32: the phrases that are true of each product, -1 for none."""
        number = {phrase: n for n, phrase in enumerate(self.phrases)}
        columns = [
            [number.get((column, value), -1) for value in table[column]] for column in PHRASES
        ]
        return np.array(columns, dtype="int32").T


class LabelledBatches(Batches):
    """Batches for ``AttributeDualEncoder``: augmented photos, titles, labels, phrases.

    What a batch holds depends on the seed, the epoch and its number alone. An epoch is ``steps``
    batches. Before the epoch ``all_from_epoch`` it draws from the first ``n_first`` products alone,
    then from all.
    """

    def __init__(
        self, catalogue, tokeniser, labels, batch_size, steps, seed=0, n_phrases=64, without=(),
        n_first=0, all_from_epoch=0,
    ):  # fmt: skip
        self.steps, self.n_phrases = steps, n_phrases
        self.n_first, self.all_from_epoch = n_first, all_from_epoch
        self.augment = augment if "augmentation" not in without else lambda photos, rng: photos
        twins = "title twins" not in without
        groups = title_groups(catalogue) if twins else np.arange(len(catalogue))
        self.values = labels.value_numbers(catalogue.table)
        values = [value for _, value in labels.phrases]
        self.phrases = tokeniser.encode([*values, ""])  # number -1, nothing known, is the last
        x = {"photo": catalogue.photos, "tokens": tokeniser.encode(catalogue.table["title"])}
        y = {
            "group": groups.astype("int32"),
            "classes": labels.class_numbers(catalogue.table),
            "values": self.values,
        }
        super().__init__(x, y, batch_size, seed)

    def set_epoch(self, epoch):
        """Take that epoch's products, in its order."""
        self.epoch = epoch
        n = self.n if epoch >= self.all_from_epoch else self.n_first
        self.order = np.random.default_rng((self.seed, epoch)).permutation(n)

    def __len__(self):
        return self.steps

    def rows(self, number):
        """Which products that batch of the epoch holds, ascending: photos lie on the disk so."""
        return np.sort(super().rows(number))

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        rng = np.random.default_rng((self.seed, self.epoch, number))
        rows = self.rows(number)
        spoken = rng.choice(rows, min(self.n_phrases, len(rows)), replace=False)
        known = self.values[spoken] >= 0
        columns = (known * rng.random(known.shape)).argmax(axis=1)  # one known value, by chance
        asked = self.values[spoken, columns]
        x = {"photo": self.augment(x["photo"], rng), "tokens": x["tokens"]}
        return x | {"phrases": self.phrases[asked]}, y | {"phrase": asked}


def augment(photos, rng, max_shift=4):
    """Each photo mirrored or not, moved by up to ``max_shift`` pixels, half of them with a hole.

    The colour stays what it is: queries ask for it. ``(n, height, width, 3) uint8`` → the same.

    ``photos.augmenter`` makes Keras layers of the same changes, one at a time, to compare them
    (lesson 02). This is all of them at once in NumPy, on uint8: it needs no seed in a layer, so
    that ``rng`` alone decides and a resumed training sees the same photos.

    >>> augment(np.zeros((4, 80, 60, 3), "uint8"), np.random.default_rng(0)).shape
    (4, 80, 60, 3)
    """
    n, height, width, _ = photos.shape
    mirrored = rng.random(n) < 0.5
    border = (max_shift, max_shift)
    wide = np.pad(photos, ((0, 0), border, border, (0, 0)), mode="edge")
    shifts = rng.integers(0, 2 * max_shift + 1, (n, 2))
    out = np.empty_like(photos)
    for i, (down, across) in enumerate(shifts):
        out[i] = wide[i, down : down + height, across : across + width]
    out[mirrored] = out[mirrored, :, ::-1]
    for i in np.flatnonzero(rng.random(n) < 0.5):  # random erasing (arXiv:1708.04896), in white
        h, w = rng.integers(8, 25), rng.integers(6, 19)
        top, left = rng.integers(0, height - h), rng.integers(0, width - w)
        out[i, top : top + h, left : left + w] = 255
    return out
