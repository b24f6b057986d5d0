"""The KAGL benchmark: a model's score by a protocol that others publish numbers for.

Text to image: each query is a title, the gallery is the photo of every product, and nothing but
the photo speaks for a product. Six more tasks ask with a bare attribute value ("Navy Blue") for
products whose vector is photo and title together. Queries, measures and the weights of photo and
title are those of Marqo-FashionCLIP (github.com/marqo-ai/marqo-FashionCLIP, ``configs/KAGL.json``).

``run`` does all of it and writes ``metrics.json`` and files that trec_eval reads.
"""

import contextlib
import json
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from mmtutorial import TutorialError
from mmtutorial.benchmark.model_card import write_card
from mmtutorial.catalogue import fashion
from mmtutorial.catalogue.catalogue import Catalogue, load_catalogue
from mmtutorial.catalogue.cleaning import normalise_title
from mmtutorial.catalogue.reading import read_queries
from mmtutorial.files import writing
from mmtutorial.matching.attribute_encoder import SETTINGS
from mmtutorial.matching.attribute_retriever import fingerprints, fuse_scores
from mmtutorial.matching.attribute_training import train_attributes
from mmtutorial.matching.retriever import load
from mmtutorial.metrics.evaluation import evaluate_ranking
from mmtutorial.metrics.measures import chance
from mmtutorial.metrics.runs import run_from_top_k, strictly_falling, write_qrels, write_run
from mmtutorial.metrics.top_k import id_ranks, select_top, top_k
from mmtutorial.search.product_search import mix

TASKS = {  # the protocol's name → our column
    "category": "category",
    "sub-category": "subcategory",
    "fine category": "article_type",
    "colour": "colour",
    "season": "season",
    "usage": "usage",
}
PHOTO_WEIGHT = 0.9  # of a product's vector in those tasks; the title has the rest
ELSEWHERE = "name another folder with --output"
DEPTH = 100  # hits a query in run.trec
FILES = {"cosine": "run-cosine.trec", "late fusion": "run.trec"}
MEASURES = {"recall@1": "R@1", "recall@10": "R@10", "mrr@10": "MRR@10"}
PUBLISHED_QUERIES, PUBLISHED_PHOTOS = 2000, 44434  # all of the benchmark, and zero-shot
PUBLISHED = {  # R@1, R@10, MRR@10 there, from the page of that repository
    "Marqo-FashionSigLIP": (0.179, 0.489, 0.293),
    "ViT-B-16-SigLIP": (0.169, 0.468, 0.272),
    "Marqo-FashionCLIP": (0.159, 0.446, 0.265),
    "ViT-B-16 LAION-2B": (0.155, 0.435, 0.259),
    "FashionCLIP 2.0": (0.122, 0.404, 0.217),
    "OpenFashionCLIP": (0.091, 0.325, 0.170),
}
QUICK = {
    "epochs": 3,
    "widths": (16, 32, 64, 128),
    "batch_size": 256,
    "ema": 0.98,
}  # minutes, not hours
KAGL_COLUMNS = {  # our name → that of the copy with large photos, Marqo/KAGL
    "id": "item_ID",
    "title": "text",
    "gender": "gender",
    "category": "category1",
    "subcategory": "category2",
    "article_type": "category3",
    "colour": "baseColour",
    "season": "season",
    "year": "year",
    "usage": "usage",
}


def run(products, qrels, output, model=None, profile="quick", photo_weight=PHOTO_WEIGHT):
    """Train or load a model, score it, write ``output``; returns what ``metrics.json`` holds.

    Parameters
    ----------
    products : "fashion", "demo", or the path of a catalogue (a file or a folder)
    qrels : a JSON file, ``{query: {product id: grade}}``
    output : folder for ``metrics.json``, ``run.trec``, ``run-cosine.trec``, ``qrels.trec`` and,
        where the model was trained here, ``model/``
    model : a name or a folder, as ``retriever.load`` takes; None trains one without the queries'
        products, their title twins and their photo twins
    profile : "quick" trains a small model for minutes, "full" the strongest that we know, for hours
    photo_weight : share of the photo in a product's vector, for the attribute tasks

    Raises ``TutorialError`` where a query's product, or a twin of it, was trained on; and, before
    anything is trained, where an argument is wrong or ``output`` cannot be written.
    """
    began = time.time()
    output = Path(output)
    check_output(output)
    if not 0 <= photo_weight <= 1:  # so NaN is none either
        raise TutorialError(f"--photo-weight is {photo_weight}: choose a share from 0 to 1")
    queries = read_queries(Path(qrels))
    catalogue = open_catalogue(products, queries)
    parts = split_for(catalogue)
    if model is None:
        settings = QUICK if profile == "quick" else SETTINGS
        retriever = train_attributes(
            parts.train.cleaned(), parts.validation.cleaned(), settings, catalogue.name
        )
    else:
        retriever = load(model)
    refuse_leaks(retriever, parts.test)
    trained = time.time()
    with writing(output, ELSEWHERE):
        output.mkdir(parents=True, exist_ok=True)
        results = {
            "model": "trained here" if model is None else str(model),
            "profile": profile if model is None else None,
            **evaluate(retriever, catalogue, parts, output, photo_weight),
        }
        results["seconds"] = {
            "training": round(trained - began),
            "evaluation": round(time.time() - trained),
        }
        (output / "metrics.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
        if model is None:
            retriever.save(output / "model")
            write_card(output / "model", retriever, results, TASKS)
    return results


def check_output(output):
    """Raise ``TutorialError`` if nothing can be written to that folder; nothing is left there."""
    place = next(each for each in (output, *output.absolute().parents) if each.exists())
    with writing(output, ELSEWHERE):
        if not place.is_dir():
            raise TutorialError(f"{place} is a file, and no folder for results: {ELSEWHERE}")
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(bytes(1_000_000))  # a full disk takes an empty file


def open_catalogue(products, queries):
    """The catalogue, with ``queries`` as its qrels, those products that it does not have left out.

    The column names of the two public copies of the collection are known.
    """
    columns = None
    file = Path(products).expanduser()
    if file.is_dir():
        file = next(iter(sorted(file.glob("products*.parquet"))), file)
    if file.suffix == ".parquet" and file.is_file():
        import pyarrow.parquet as pq

        with contextlib.suppress(OSError, ValueError):  # load_catalogue says what is wrong
            names = set(pq.read_schema(file).names)
            copies = (fashion.COLUMNS, KAGL_COLUMNS)
            columns = next((each for each in copies if set(each.values()) <= names), None)
    catalogue = load_catalogue(products, columns=columns)
    ids = set(catalogue.table["id"])
    found = {
        query: {product: grade for product, grade in answers.items() if product in ids}
        for query, answers in queries.items()
    }
    found = {query: answers for query, answers in found.items() if max(answers.values(), default=0)}
    if not found:
        raise TutorialError(
            f"none of the {len(queries)} queries asks for a product of {catalogue.name!r}: are "
            "these the qrels of that catalogue, and is the id column the right one?"
        )
    catalogue.queries = found
    return catalogue


def split_for(catalogue, seed=0):
    """Train, validation and what is kept out, the queries' products with all their twins.

    Kept out are the groups (``group_products``) of every relevant product, and of every product
    whose title is a query in other case or spacing. Validation is a twentieth of the rest.
    """
    asked = {normalise_title(query) for query in catalogue.queries}
    same_title = catalogue.table["title"].map(normalise_title).isin(asked)
    protected = {
        **catalogue.queries,
        "title twins": dict.fromkeys(catalogue.table["id"][same_title], 1),
    }
    exam = Catalogue(
        catalogue.name, catalogue.table, catalogue.photos, catalogue.set_aside, protected
    )
    return exam.split(seed, shares=(0.95, 0.05, 0.0))


def refuse_leaks(retriever, kept_out):
    """Raise ``TutorialError`` if the model was trained on a product, title or photo of these."""
    if not fingerprints(kept_out.table) & retriever.trained_on:
        return
    known = [
        product
        for row, product in enumerate(kept_out.table["id"])
        if fingerprints(kept_out.table.iloc[[row]]) & retriever.trained_on
    ]
    raise TutorialError(
        f"the model was trained on {len(known)} products that a query asks for, or on twins of "
        f"their title or photo (the first is {known[0]!r}), so that its score would mean nothing: "
        "leave --model out to train one without the queries' products, or bring other qrels"
    )


def evaluate(retriever, catalogue, parts, output, photo_weight=PHOTO_WEIGHT):
    """All tasks; writes the runs into ``output`` and returns what was measured."""
    products = retriever.attributes_of_photos(catalogue.photos)
    ids = catalogue.table["id"].to_numpy()
    texts = list(catalogue.queries)
    siblings = with_sibling(texts, parts)
    systems = {"cosine": {}, "late fusion": retriever.fusion}
    results = {
        "protocol": "text query against the photos alone, full gallery, ties by ascending id",
        "in_domain": "trained from scratch on the other products of this catalogue",
        "queries": len(texts),
        "gallery": len(catalogue),
        "kept_out": len(parts.test),
        "queries_with_training_sibling": int(siblings.sum()),
    }
    counts = [sum(grade > 0 for grade in each.values()) for each in catalogue.queries.values()]
    for name, fusion in systems.items():
        rows, scores = best_hits(retriever, texts, products, ids, fusion)
        found = evaluate_ranking(catalogue.queries, ids, rows, metrics=MEASURES.values()).per_query
        measured = summary(found)
        measured["without_training_sibling"] = summary(found[~siblings])
        results[name.replace(" ", "_")] = measured
        run = run_from_top_k(texts, ids[rows], strictly_falling(scores))
        write_run(output / FILES[name], run, name)
    final = "late_fusion" if retriever.fusion else "cosine"
    results = {**results[final], "system": final, "fusion_weights": retriever.fusion, **results}
    results["chance"] = {
        key: float(chance(name, counts, len(catalogue)).mean()) for key, name in MEASURES.items()
    }
    write_qrels(output / "qrels.trec", catalogue.queries)
    titles = retriever.embed_texts(catalogue.table["title"])
    for name, weight in (("attributes", photo_weight), ("attributes_at_half", 0.5)):
        vectors = mix(products["vector"], titles, weight)
        found = attribute_tasks(retriever, vectors, catalogue)
        results[name] = {"photo_weight": weight} | found
    return results


def best_hits(retriever, texts, products, ids, fusion, depth=DEPTH, block=100):
    """The ``depth`` best products of each query: ``rows`` and ``scores``, ``(n, depth)`` each.

    In blocks of queries, so that the scores of all pairs never lie in memory at once.
    """
    places, found = id_ranks(ids), []
    for start in range(0, len(texts), block):
        queries = retriever.attributes_of_texts(texts[start : start + block])
        scores = fuse_scores(retriever.score_parts(queries, products, fusion), fusion)
        found.append(select_top(scores, min(depth, len(ids)), places))
    rows, scores = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(scores)


def summary(per_query):
    """Means over the queries and their 95 % bootstrap intervals (percentiles, 10,000 resamples)."""
    values = {key: per_query[name].to_numpy() for key, name in MEASURES.items()}
    return {
        "queries": len(per_query),
        **{key: float(each.mean()) if len(each) else None for key, each in values.items()},
        "interval_95": {key: _interval(each) for key, each in values.items()},
    }


def _interval(values):
    if len(values) < 2:
        return None
    found = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, batch=500, method="percentile", random_state=0
    ).confidence_interval
    return [float(found.low), float(found.high)]


def format_results(results):
    """The main numbers as text, a line each."""
    lines = [
        f"{results['queries']:,} queries, {results['gallery']:,} photos; {results['in_domain']}"
    ]
    for name in ("cosine", "late_fusion"):
        for label, found in (
            (name.replace("_", " "), results[name]),
            ("  no training sibling", results[name]["without_training_sibling"]),
        ):
            if found["queries"]:
                values = "  ".join(f"{key} {found[key]:.3f}" for key in MEASURES)
                lines.append(f"{label:24}{values}  ({found['queries']:,} queries)")
    lines.append(
        "chance".ljust(24) + "  ".join(f"{k} {v:.5f}" for k, v in results["chance"].items())
    )
    for task, found in results["attributes"].items():
        if task != "photo_weight":
            values = "  ".join(f"{key} {found[key]:.3f}" for key in ("P@1", "P@10", "MRR@10"))
            lines.append(f"{task:24}{values}  (P@10 at most {found['P@10 ceiling']:.3f})")
    return "\n".join(lines)


# Siblings ---------------------------------------------------------------------------------------


def with_sibling(queries, parts):
    """``(n,) bool``: the queries that are the title of a training product but for its colour."""
    colours = pd.concat([part.table["colour"] for part in parts])
    strip = colour_stripper(colours)
    trained = pd.concat([parts.train.table["title"], parts.validation.table["title"]])
    known = {strip(title) for title in trained.unique()}
    return np.array([strip(query) in known for query in queries])


def colour_stripper(colours):
    """A function: a title normalised, the first known colour word or phrase in it left out.

    >>> strip = colour_stripper(["Navy Blue", "Blue"])
    >>> strip("Acme Navy Blue Tee")
    'acme tee'
    """
    names = sorted({normalise_title(each) for each in colours} - {""}, key=len, reverse=True)
    if not names:
        return normalise_title
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")  # longest first

    def strip(title):
        return " ".join(pattern.sub(" ", normalise_title(title), count=1).split())

    return strip


# The attribute tasks ----------------------------------------------------------------------------


def attribute_tasks(retriever, vectors, catalogue):
    """P@1, P@10 and MRR@10 of the six tasks; every value that a product has is a query.

    ``vectors``: ``(n_products, dim)`` of unit length, what each product stands in the gallery with.
    A value that fewer than ten products bear cannot reach P@10 = 1: ``P@10 ceiling`` is what a
    perfect ranking would get, ``P@10 of frequent values`` leaves those values out.
    """
    ids = catalogue.table["id"]
    results = {}
    for task, column in TASKS.items():
        qrels = attribute_qrels(catalogue.table, column)
        if not qrels:
            continue
        rows, _ = top_k(retriever.embed_texts(qrels), vectors, min(10, len(ids)), ids)
        found = evaluate_ranking(qrels, ids, rows, metrics=["P@1", "P@10", "MRR@10"]).per_query
        sizes = np.array([len(answers) for answers in qrels.values()])
        frequent = found["P@10"][sizes >= 10]
        results[task] = {
            "queries": len(qrels),
            **{name: float(found[name].mean()) for name in found},
            "P@10 ceiling": float(np.minimum(sizes, 10).mean() / 10),
            "P@10 of frequent values": float(frequent.mean()) if len(frequent) else None,
            "frequent values": len(frequent),
        }
    return results


def attribute_qrels(table, column):
    """``{value: {product id: 1}}`` for every value of a column; what is missing asks nothing.

    >>> table = pd.DataFrame({"id": ["b1", "s7", "x9"], "colour": ["Red", "Red", ""]})
    >>> attribute_qrels(table, "colour")
    {'Red': {'b1': 1, 's7': 1}}
    """
    known = table[table[column] != ""]
    return {
        str(value): dict.fromkeys(group["id"], 1)
        for value, group in known.groupby(column, sort=True)
    }
