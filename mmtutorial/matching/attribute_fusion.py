"""Late fusion of cosine and attributes, its weights chosen on the validation part (lesson 24)."""

import numpy as np

from mmtutorial.catalogue.groups import title_queries
from mmtutorial.matching.attribute_labels import HEADS
from mmtutorial.metrics.evaluation import evaluate_ranking
from mmtutorial.metrics.top_k import id_ranks, select_top


def fuse_scores(parts, fusion):
    """The scores out of what ``score_parts`` returned; ``fusion`` is λ of each head."""
    scores = parts["cosine"].copy()
    for head, weight in fusion.items():
        if weight:
            scores += np.float32(weight) * parts[head]
    return scores


def measure(retriever, asking, gallery):
    """Each title of ``asking`` against the photos of ``gallery``: R@1, R@10 and MRR@10."""
    queries = title_queries(asking)
    photos = retriever.predict_photos(gallery.photos, mirror=False, keys=("vector",))["vector"]
    return _measured(retriever.embed_texts(queries) @ photos.T, queries, gallery.table["id"])


def _measured(scores, queries, ids):
    rows, _ = select_top(scores, 10, id_ranks(ids))
    return evaluate_ranking(queries, ids, rows, metrics=["R@1", "R@10", "MRR@10"]).mean.to_dict()


def choose_fusion(retriever, asking, gallery, weights=(0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)):
    """λ of each head: the one that serves the titles of ``asking`` best, one head after another.

    Returns what ``measure`` does, without (``plain R@1``, …) and with the chosen ``"fusion"``.
    """
    queries = title_queries(asking)
    products = retriever.predict_photos(gallery.photos, mirror=False)
    parts = retriever.score_parts(retriever.predict_texts(queries), products)

    def value(fusion):
        return _measured(fuse_scores(parts, fusion), queries, gallery.table["id"])

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
