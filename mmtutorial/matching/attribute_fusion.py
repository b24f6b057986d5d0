"""Late fusion of cosine and attributes, its weights chosen on the validation part (lesson 24)."""

import numpy as np

from mmtutorial.catalogue.groups import title_queries
from mmtutorial.matching.attribute_labels import HEADS
from mmtutorial.metrics.measures import recall, reciprocal_rank
from mmtutorial.metrics.runs import relevance_in_order
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
    return _measured(retriever.embed_texts(queries) @ photos.T, queries, gallery)


def _measured(scores, queries, gallery):
    ids = gallery.table["id"].to_numpy()
    rows, _ = select_top(scores, 10, id_ranks(ids))
    grades = relevance_in_order(list(queries), ids[rows], queries)
    counts = np.array([len(answers) for answers in queries.values()])
    return {
        "R@1": float(recall(grades, counts, 1).mean()),
        "R@10": float(recall(grades, counts, 10).mean()),
        "MRR@10": float(reciprocal_rank(grades, 10).mean()),
    }


def choose_fusion(retriever, asking, gallery, weights=(0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)):
    """λ of each head: the one that serves the titles of ``asking`` best, one head after another.

    Returns what ``measure`` does, without (``plain R@1``, …) and with the chosen ``"fusion"``.
    """
    queries = title_queries(asking)
    products = retriever.predict_photos(gallery.photos, mirror=False)
    parts = retriever.score_parts(retriever.predict_texts(queries), products)

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
