"""Opening a shop: a catalogue, a model, and the search over both (lesson 00).

What is slow (training, embedding all products) is done once and kept in the cache. ``build`` does
it and returns a folder, ``load`` reads that folder; ``open_shop`` is one after the other.
"""

import contextlib
import copy
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.backends import backend, lean_keras
from mmtutorial.catalogue import attribute_reader, cleaning, groups
from mmtutorial.catalogue.catalogue import Catalogue, load_catalogue
from mmtutorial.catalogue.queries import split_queries
from mmtutorial.catalogue.reading import build_once
from mmtutorial.files import DamagedFile, checkpoint_key, intact
from mmtutorial.paths import ROOT, cache_home
from mmtutorial.shop import market

# The model of lesson 00 in the quick profile: whoever ran the lesson does not wait again.
MODEL = {
    "epochs": 10,
    "batch_size": 128,
    "learning_rate": 0.001,
    "dim": 128,
    "seed": 0,
    "image_encoder": "cnn",
    "text_encoder": "lstm",
}
MODEL_OF = {"fashion": {"epochs": 4, "batch_size": 256}}  # dataset → what differs from MODEL
# What products are ranked by. The weights are chosen as in lesson 24: with the model above on the
# drawn shop, and with fashion-base on the fashion catalogue, they come out the same. The queries
# they are chosen on are composed from attributes, which favours the third scorer.
SCORERS = ("vectors", "bm25", "attributes")
WEIGHTS = (0.2, 0.2, 0.6)
RANKING = {"scorers": SCORERS, "weights": WEIGHTS}  # of ProductSearch
TABLE = "table.parquet"  # in the search's folder: the cleaned table, seconds for 43,000 products


def open_shop(dataset="demo", model=None):
    """The ``ProductSearch`` over a catalogue; the first time its model is trained.

    ``dataset``: "demo", "fashion" or the path of your own; ``model``: the name or the folder of a
    model as ``retriever.load`` takes it, by default the one that lesson 00 trains on it.
    """
    return load(dataset, build(dataset, model))


def build(dataset, model=None) -> Path:
    """Make the search for a catalogue, or find it in the cache: its folder, for ``load``."""

    def make(folder):
        from mmtutorial.search.product_search import ProductSearch

        catalogue = load_catalogue(dataset).cleaned()
        market.gather(dataset, catalogue).save(folder)  # first: its files may need a hand
        search = ProductSearch(_retriever(catalogue, dataset, model), catalogue, **RANKING)
        search.save(folder)
        fit_relevance(search, model).save(folder)
        catalogue.table.to_parquet(folder / TABLE)

    return build_once(home(dataset, model), make)


def home(dataset, model=None) -> Path:
    """The folder that ``build`` makes. To look it up, nothing is cleaned, loaded or embedded.

    Its name is made of all that shapes a search: the catalogue as it was read, the code that
    cleans and embeds it, the reviews and offers beside it, and the model's files, or the settings
    and the code that it is trained with.
    """
    from mmtutorial.search import product_search, relevance, scorers

    catalogue = load_catalogue(dataset)
    rows = pd.util.hash_pandas_object(catalogue.table, index=False)
    data: list = [json.dumps(catalogue.queries), rows.to_numpy(), *market.made_of(dataset)]
    settings: list = [RANKING]
    code = [cleaning, attribute_reader, product_search, relevance, scorers]
    if model is None:
        from mmtutorial.encoders import images, text, tokenisers
        from mmtutorial.matching import contrastive, retriever, training

        settings += [MODEL | MODEL_OF.get(dataset, {}), backend()]
        code += [groups, images, text, tokenisers, contrastive, training, retriever]
    else:
        data += [file.read_bytes() for file in _files(model)]
    return cache_home() / "searches" / f"{catalogue.name}-{checkpoint_key(4, settings, data, code)}"


def _files(model):
    """The files of a model that ``retriever.load`` knows; none of another, which that refuses."""
    for folder in (ROOT / "models" / model, Path(model)):
        if (folder / "config.json").exists():
            return sorted(file for file in folder.iterdir() if file.is_file())
    return []


def fit_relevance(search, model=None):
    """The ``Relevance`` of a search, learnt on half of its catalogue's exam (lesson 24).

    ``model``: None where the model was trained here, as ``open_shop`` takes it. A catalogue whose
    products have no titles to ask for gives one that knows nothing.
    """
    from mmtutorial.benchmark import kagl
    from mmtutorial.search.relevance import Relevance, exam_queries

    catalogue = search.catalogue
    held_out = kagl.split_for if model is not None and catalogue.queries else Catalogue.split
    try:
        exam = catalogue.exam(held_out(catalogue, seed=MODEL["seed"]))
    except TutorialError:
        return Relevance({})
    tuning, _ = split_queries(exam_queries(catalogue, exam))
    return Relevance.fit(search, tuning)


def _retriever(catalogue, dataset, model):
    from mmtutorial.matching import retriever

    if model is not None:
        return retriever.load(model)
    settings = MODEL | MODEL_OF.get(dataset, {})
    parts = catalogue.split(seed=settings["seed"])
    return retriever.train_or_load(parts.train, parts.validation, **settings)


def load(dataset, home, words: Callable | None = None):
    """The ``ProductSearch`` that ``build`` left in ``home``; it ranks by ``RANKING``.

    ``words``: a function that returns what ``words_of(home)`` does, where it is at work already.
    """
    from mmtutorial.search.product_search import ProductSearch
    from mmtutorial.search.relevance import Relevance

    with _whole(home):
        catalogue, table = copy.copy(load_catalogue(dataset)), _table(home)
        if not table["id"].equals(catalogue.table["id"]):
            raise DamagedFile(f"{Path(home) / TABLE}: it holds other products than the catalogue")
        catalogue.table = table
        with lean_keras():
            import mmtutorial.matching.retriever  # noqa: F401  before the words are waited for

        reader, *scorers = words() if words else words_of(home)
        search = ProductSearch.load(home, catalogue, scorers=("vectors", *scorers), weights=WEIGHTS)
        search.reader = reader
        search.relevance = Relevance.load(home)
        return search


def market_of(home) -> market.Market:
    """The reviews and offers that ``build`` left in ``home``."""
    with _whole(home):
        return market.Market.load(home)


@contextlib.contextmanager
def _whole(home):
    """Say of a damaged file what to do."""
    try:
        yield
    except DamagedFile as fault:
        raise TutorialError(f"remove the folder {home} and start again: {fault}") from fault


def words_of(home):
    """``(QueryReader, WordScorer, AttributeScorer)`` of the table in ``home``: no Keras is needed.

    2 s for 43,000 products, in which another process can import Keras and load the model.
    """
    from mmtutorial.search.query_reader import QueryReader
    from mmtutorial.search.scorers import AttributeScorer, WordScorer

    table = _table(home)
    reader = QueryReader(table)
    return reader, WordScorer(table), AttributeScorer(table, reader)


def _table(home):
    with intact(Path(home) / TABLE, "build the search again"):
        return pd.read_parquet(Path(home) / TABLE)
