"""A trained attribute encoder: vectors and attributes of photos and texts, and their late fusion.

Late fusion adds to the cosine of a query and a product how well their attributes agree; its
weights are chosen on the validation part. Used in lesson 24.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from keras import ops
from scipy.special import softmax

from mmtutorial.catalogue.cleaning import normalise_title
from mmtutorial.catalogue.groups import title_queries
from mmtutorial.encoders.tokenisers import from_config
from mmtutorial.files import (
    DamagedFile,
    are_texts,
    intact,
    is_a,
    read_array,
    read_arrays,
    read_json,
)
from mmtutorial.matching.attribute_encoder import TitleTokens, build, check_settings
from mmtutorial.matching.attribute_labels import HEADS, Labels
from mmtutorial.metrics.evaluation import evaluate_ranking
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.metrics.top_k import id_ranks, select_top

KIND = "attribute retriever"  # in config.json, for ``retriever.load``
AGAIN = "fetch the model again, or train it again and save it there"
FORMAT = 1  # of a saved model's folder: raise it when an older one cannot be read any more

CONFIG = {  # what config.json holds
    "version": int,
    "settings": dict,
    "products": int,
    "fusion": dict,
    "log": list,
    "classes": dict,
    "phrases": list,
    "vocabulary": dict,
}


class AttributeRetriever:
    """A trained model with its tokeniser and labels: photos and texts in, unit vectors out.

    It has the face of ``retriever.Retriever``; and ``attributes_of_photos``,
    ``attributes_of_texts`` and ``fused`` for the late fusion with the attributes.
    """

    def __init__(
        self, model, tokeniser, labels, settings, fusion=None, trained_on=None, n_products=0,
        log=None,
    ):  # fmt: skip
        self.model, self.tokeniser, self.labels = model, tokeniser, labels
        self.settings = settings
        self.fusion = fusion or {}  # head → λ
        self.trained_on = trained_on or set()  # ``fingerprints`` of its training products
        self.n_products = n_products  # how many those were
        self.log = log or []  # of its training: a dict an epoch, and a dict a measurement

    @classmethod
    def new(cls, train_part, settings):
        """Untrained; vocabulary and labels are fitted on the training part."""
        tokeniser = TitleTokens.fit(train_part.table["title"])
        tokeniser.ngrams = "n-grams" not in settings["without"]
        labels = Labels.fit(train_part.table)
        return cls(build(len(tokeniser), labels.classes, settings), tokeniser, labels, settings)

    def attributes_of_photos(self, photos, block=64, mirror=True, keys=("vector", *HEADS)):
        """``(n, 80, 60, 3)`` uint8 → ``{"vector": (n, dim), head: (n, classes)}``.

        Vectors of unit length, probabilities for the heads, or those of them in ``keys``; each
        photo is read twice, the second time mirrored, and the mean is taken.
        """
        found = []
        for start in range(0, len(photos), block):
            some = np.asarray(photos[start : start + block])
            read = self._read(self.model.image_encoder, some, keys)
            if mirror:
                other = self._read(self.model.image_encoder, some[:, :, ::-1], keys)
                read = {key: (value + other[key]) / 2 for key, value in read.items()}
            found.append(read)
        return _together(found)

    def attributes_of_texts(self, texts, block=256, keys=("vector", *HEADS)):
        """n texts → the same of them; there is nothing to mirror."""
        texts = list(texts)
        found = []
        for start in range(0, len(texts), block):
            tokens = self.tokeniser.encode(texts[start : start + block])
            found.append(self._read(self.model.text_encoder, tokens, keys))
        return _together(found)

    def _read(self, encoder, inputs, keys):
        outputs = encoder.predict_on_batch(inputs)
        return {
            key: unit_length(outputs[key]) if key == "vector" else softmax(outputs[key], axis=1)
            for key in keys
        }

    def embed_photos(self, photos):
        """``(n, 80, 60, 3)`` uint8 → ``(n, dim)`` float32 of unit length."""
        return self.attributes_of_photos(photos, keys=("vector",))["vector"]

    def embed_texts(self, texts):
        """n texts → ``(n, dim)`` float32 of unit length."""
        return self.attributes_of_texts(texts, keys=("vector",))["vector"]

    def score_parts(self, queries, products, heads=tuple(HEADS)):
        """What the scores of the late fusion are added up from, ``(n_queries, n_products)`` each.

        ``queries``: what ``attributes_of_texts`` returned, ``products``: ``attributes_of_photos``.
        ``"cosine"`` is divided by the temperature. That a query and a photo mean the same colour
        has the probability Σ p(c | query) · p(c | photo); ``"colour"`` is its logarithm,
        with a floor: one sure mistake must not rule a product out.
        """
        parts = {"cosine": float(self.model.scale) * (queries["vector"] @ products["vector"].T)}
        for head in heads:
            parts[head] = np.log(queries[head] @ products[head].T + 1e-4)
        return parts

    def fused(self, queries, products):
        """``(n_queries, n_products)`` float32: cosine / τ + Σ λ · log p(the attributes agree)."""
        return fuse_scores(self.score_parts(queries, products, self.fusion), self.fusion)

    def save(self, folder):
        """Write ``weights.npz``, ``config.json`` and ``trained_on.npy`` into ``folder``.

        What has two or more dimensions is stored as float16.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = [ops.convert_to_numpy(variable) for variable in _weights(self.model)]
        np.savez(
            folder / "weights.npz",
            **{
                f"w{n}": value.astype("float16") if value.ndim > 1 else value
                for n, value in enumerate(weights)
            },
        )
        config = {
            "kind": KIND,
            "version": FORMAT,
            "settings": self.settings,
            "products": self.n_products,
            "fusion": self.fusion,
            "log": self.log,
            "classes": self.labels.classes,
            "phrases": self.labels.phrases,
            "vocabulary": self.tokeniser.get_config(),
        }
        text = json.dumps(config, ensure_ascii=False)
        (folder / "config.json").write_text(text, encoding="utf-8")
        np.save(folder / "trained_on.npy", np.array(sorted(self.trained_on), dtype="uint64"))


def _together(found):
    """What was read block by block, as one."""
    read = {key: np.concatenate([each[key] for each in found]) for key in found[0]}
    read["vector"] = unit_length(read["vector"])
    return read


# Late fusion ------------------------------------------------------------------------------------


def fuse_scores(parts, fusion):
    """The scores out of what ``score_parts`` returned; ``fusion`` is λ of each head.

    >>> parts = {"cosine": np.float32([[0.5, 0.25]]), "colour": np.float32([[0.0, 1.0]])}
    >>> fuse_scores(parts, {"colour": 0.5}).tolist()  # (queries, products)
    [[0.5, 0.75]]
    """
    scores = parts["cosine"].copy()
    for head, weight in fusion.items():
        if weight:
            scores += np.float32(weight) * parts[head]
    return scores


def measure(retriever, asking, gallery):
    """Each title of ``asking`` against the photos of ``gallery``: R@1, R@10 and MRR@10."""
    queries = title_queries(asking)
    photos = retriever.attributes_of_photos(gallery.photos, mirror=False, keys=("vector",))
    return _measured(retriever.embed_texts(queries) @ photos["vector"].T, queries, gallery)


def _measured(scores, queries, gallery):
    ids = gallery.table["id"]
    rows, _ = select_top(scores, 10, id_ranks(ids))
    return evaluate_ranking(queries, ids, rows, metrics=["R@1", "R@10", "MRR@10"]).mean.to_dict()


def choose_fusion(retriever, asking, gallery, weights=(0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)):
    """λ of each head: the one that serves the titles of ``asking`` best, one head after another.

    Returns what ``measure`` does, without (``plain R@1``, …) and with the chosen ``"fusion"``.
    """
    queries = title_queries(asking)
    products = retriever.attributes_of_photos(gallery.photos, mirror=False)
    parts = retriever.score_parts(retriever.attributes_of_texts(queries), products)

    def value(fusion):
        return _measured(fuse_scores(parts, fusion), queries, gallery)

    fusion = dict.fromkeys(HEADS, 0.0)
    plain = value(fusion)
    for _ in range(2):  # heads overlap, so each is looked at again
        for head in HEADS:
            tried = {weight: value(fusion | {head: weight}) for weight in weights}
            fusion[head] = max(weights, key=lambda w: tried[w]["R@10"] + tried[w]["MRR@10"])
    return (
        {f"plain {name}": number for name, number in plain.items()}
        | value(fusion)
        | {"fusion": fusion}
    )


# Files ------------------------------------------------------------------------------------------


def read_retriever(folder):
    """The ``AttributeRetriever`` in a folder; ``retriever.load`` calls it."""
    # The model that comes with the course is older than "kind".
    described = "kind" in read_json(folder / "config.json", AGAIN)
    config = read_json(folder / "config.json", AGAIN, CONFIG | ({"kind": str} if described else {}))
    with intact(folder / "config.json", AGAIN):
        labels, settings, tokeniser = _described(config)
        model = build(len(tokeniser), labels.classes, settings)
    variables = {f"w{n}": variable for n, variable in enumerate(_weights(model))}
    weights = read_arrays(folder / "weights.npz", AGAIN, variables)
    for name, variable in variables.items():
        variable.assign(weights[name])
    trained_on = read_array(folder / "trained_on.npy", AGAIN, (None,), np.uint64)
    if len(trained_on) < config["products"] or (config["log"] and config["products"] < 1):
        raise DamagedFile(  # each product left its id there, at least
            f"{folder / 'trained_on.npy'} holds {len(trained_on):,} digests, and config.json says "
            f"that the model was trained on {config['products']:,} products: without the whole "
            f"list nobody can tell what the model has seen; {AGAIN}"
        )
    return AttributeRetriever(
        model, tokeniser, labels, settings, config["fusion"], set(trained_on.tolist()),
        config["products"], config["log"],
    )  # fmt: skip


def _described(config):
    """``labels, settings, tokeniser`` of a ``config.json``, each value looked at."""
    if config["version"] != FORMAT:
        raise ValueError(f"it is of version {config['version']}, and {FORMAT} is read here")
    if not all(head in HEADS and is_a(weight, float) for head, weight in config["fusion"].items()):
        raise ValueError(f"'fusion' gives a number to each of {', '.join(HEADS)}, and no more")
    if not all(isinstance(line, dict) for line in config["log"]):
        raise ValueError("'log' is no list of objects")
    classes = config["classes"]
    if classes.keys() != HEADS.keys() or not all(are_texts(names) for names in classes.values()):
        raise ValueError(f"'classes' has no list of texts for each of {', '.join(HEADS)}")
    if not all(are_texts(phrase) and len(phrase) == 2 for phrase in config["phrases"]):
        raise ValueError("'phrases' is no list of pairs of texts")
    tokeniser = from_config(TitleTokens, config["vocabulary"])
    # A setting that is newer than the file has its usual value.
    return Labels(classes, config["phrases"]), check_settings(config["settings"]), tokeniser


def _weights(model):
    """What has to be saved: all but the states of random numbers."""
    return [variable for variable in model.variables if "seed" not in variable.path]


def fingerprints(table):
    """What a training remembers of its products: 64-bit digests of ids, titles and photos.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"id": ["b1"], "title": ["Red Bag"], "photo_hash": ["a"]})
    >>> seen = fingerprints(table)
    >>> len(seen & fingerprints(table.assign(id="b2", title="red bag")))  # title and photo, not id
    2
    """
    titles = table["title"].map(normalise_title)
    marks = [
        *("id" + table["id"]),
        *("title" + titles[titles != ""]),
        *("photo" + table["photo_hash"]),
    ]
    return {
        int.from_bytes(hashlib.blake2b(mark.encode(), digest_size=8).digest(), "big")
        for mark in marks
    }
