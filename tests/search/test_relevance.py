import itertools
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_catalogue import small_catalogue

from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.queries import Exam
from mmtutorial.encoders.tokenisers import Vocabulary
from mmtutorial.files import DamagedFile
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.search import relevance as module
from mmtutorial.search.product_search import ProductSearch
from mmtutorial.search.relevance import EVIDENCE, FITS, KINDS, Relevance, evidence, exam_queries
from mmtutorial.search.scorers import Query

SAID = {
    "brand": ["Acme", "Bolt", "Cord"],
    "colour": ["Red", "Green", "Blue", "Navy Blue"],
    "article_type": ["Tee", "Bag", "Shoe", "Hat", "Scarf"],
}
WORDS = sorted(
    {word for values in SAID.values() for value in values for word in value.lower().split()}
)


class ByLetters:
    """A retriever whose vectors know the words of a text, and a photo's number for its row."""

    tokeniser = Vocabulary(WORDS)

    def embed_texts(self, texts):
        axes = np.random.default_rng(1).normal(size=(len(WORDS), 24))
        return unit_length(
            np.array([[w in t.lower().split() for w in WORDS] for t in texts]) @ axes
        )


@pytest.fixture(scope="module")
def search():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.choice(values, 600) for name, values in SAID.items()})
    table.insert(0, "title", table.agg(" ".join, axis=1) + rng.choice(["", " Galaxy"], 600))
    table.insert(0, "id", [f"p{n:03d}" for n in range(600)])
    catalogue = Catalogue("many", table, np.zeros((600, 80, 60, 3), dtype="uint8"))
    titles = ByLetters().embed_texts(table["title"])
    photos = unit_length(titles + 0.1 * rng.normal(size=titles.shape))
    scorers = ("vectors", "bm25", "attributes")
    return ProductSearch(ByLetters(), catalogue, vectors=(photos, titles), scorers=scorers)


def queries(search, columns):
    """Each combination of values as a query; right is what has all of them."""
    table, found = search.catalogue.table, {}
    for values in itertools.product(*(SAID[name] for name in columns)):
        has = np.all([table[n] == v for n, v in zip(columns, values, strict=True)], axis=0)
        if has.any():
            found[" ".join(values).lower()] = dict.fromkeys(table["id"][has], 1)
    return found


@pytest.fixture(scope="module")
def learnt(search):
    return Relevance.fit(search, queries(search, ("brand", "colour", "article_type")))


def chance(search, learnt, words):
    query = search.query(words)
    return learnt.chance(search, query, "words", search.score_lists(query))


def test_on_other_queries_what_fits_is_what_is_relevant(search, learnt):
    ids = search.catalogue.table["id"]
    for words, answers in queries(search, ("colour", "article_type")).items():
        fits = chance(search, learnt, words) >= FITS
        assert set(ids[fits]) == set(answers)


def test_each_kind_of_query_is_learnt_and_better_than_the_base_rate(search, learnt):
    assert set(learnt.weights) == set(KINDS)
    asked = queries(search, ("colour", "article_type"))
    for kind in KINDS:
        told, truth = [], []
        for known, relevant, counts in module.examples(
            search, asked, kind, np.random.default_rng(1)
        ):
            logits = known @ np.array(learnt.weights[kind], dtype="float32")
            told.append(1 / (1 + np.exp(-logits[counts])))
            truth.append(relevant[counts])
        told, truth = np.concatenate(told), np.concatenate(truth)
        assert np.mean((told - truth) ** 2) < truth.mean() * (1 - truth.mean())


def test_a_word_that_nothing_has_leaves_nothing_that_fits(search, learnt):
    assert (chance(search, learnt, "red tee") >= FITS).any()
    assert not (chance(search, learnt, "red xylophone tee") >= FITS).any()


def test_a_title_word_that_no_attribute_has_is_asked_for_too(search, learnt):
    fits = chance(search, learnt, "red galaxy tee") >= FITS
    titles = search.catalogue.table["title"][fits]
    assert len(titles) and titles.str.contains("Galaxy").all()


def test_the_evidence_of_a_product_depends_on_no_other_product(search):
    """Without the products that answer it, the others' evidence for a query stays as it is."""
    query = search.query("acme red tee")
    known = evidence(search, query, search.score_lists(query))
    assert known.shape == (600, len(EVIDENCE)) and known[:, 2].max() <= 1
    right = known[:, 4] == 1
    assert right.any() and known[right, 2].min() > 0.5
    misspelt = search.query("acme red tee xylophone")
    other = evidence(search, misspelt, search.score_lists(misspelt))
    assert other[:, 2].max() < known[:, 2].max() and other[:, 4].max() == 0.75


def test_what_is_silent_says_so(search):
    known = evidence(search, Query(search.gallery[3]), {"vectors": np.ones(600)})
    assert known[0].tolist() == [1, 1, 0, 1, 0, 1]


def test_a_value_that_was_taken_off_is_not_asked_for(search):
    query = search.query("acme red tee")._replace(off=(("colour", "Red"),))
    known = evidence(search, query, search.score_lists(query))
    table = search.catalogue.table
    assert (known[:, 4] == 1).tolist() == (
        (table["brand"] == "Acme") & (table["article_type"] == "Tee")
    ).tolist()


def test_a_kind_that_cannot_be_learnt_is_missing(search):
    one_each = {"acme red tee": {"p001": 1}}
    learnt = Relevance.fit(search, one_each)
    assert set(learnt.weights) == set(KINDS) - {"both"}  # the photo's own product is left out
    assert learnt.chance(search, Query(search.gallery[0]), "both", {}) is None
    assert Relevance.fit(search, {}).weights == {}


@pytest.mark.parametrize("kind", ["photo", "product"])
def test_right_for_a_photo_is_what_has_its_kind_and_colour(search, kind):
    table = search.catalogue.table
    asked = {"acme red tee": {"p001": 1}}
    ((_, relevant, counts),) = module.examples(search, asked, kind, np.random.default_rng(0))
    alike = (table["colour"] == table["colour"][1]) & (
        table["article_type"] == table["article_type"][1]
    )
    assert set(np.flatnonzero(relevant)) == set(np.flatnonzero(alike)) - {1}
    assert np.flatnonzero(~counts).tolist() == [1]


def test_titles_are_not_asked_for_whole(search):
    ids = list(search.catalogue.table["id"][:40])
    titles = {t: {i: 1} for t, i in zip(search.catalogue.table["title"], ids, strict=False)}
    asked = exam_queries(search.catalogue, Exam(titles, "titles", True))
    held = [set(title.lower().split()) for title in search.catalogue.table["title"]]
    assert len(asked) > 10
    for query, answers in asked.items():
        right = [has >= set(query.split()) for has in held]
        assert set(answers) == set(search.catalogue.table["id"][right])
    assert exam_queries(search.catalogue, Exam(titles, "own", False)) == titles


def test_what_is_saved_is_loaded(learnt, tmp_path):
    learnt.save(tmp_path)
    assert Relevance.load(tmp_path).weights == learnt.weights


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 0}, "of version 0"),
        ({"evidence": ["bias"]}, "of version 1, 1 is read|version"),
        ({"weights": {"words": [1.0]}}, "'words' is no list of 6 finite numbers"),
        ({"weights": {"words": [float("nan")] * 6}}, "finite"),
        ({"weights": {"smell": [1.0] * 6}}, "'smell'"),
        ({"weights": [1]}, "not dict"),
        ({"more": 1}, "knows no 'more'"),
    ],
)
def test_a_damaged_file_is_refused(learnt, tmp_path, change, reason):
    learnt.save(tmp_path)
    file = tmp_path / module.FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DamagedFile, match=f"relevance.json.*({reason}).*build the search again"):
        Relevance.load(tmp_path)


def test_a_file_that_is_missing_or_cut_is_refused(learnt, tmp_path):
    with pytest.raises(DamagedFile, match="there is no"):
        Relevance.load(tmp_path)
    learnt.save(tmp_path)
    file = tmp_path / module.FILE
    file.write_text(file.read_text()[:40])
    with pytest.raises(DamagedFile, match="build the search again"):
        Relevance.load(tmp_path)


def test_an_opened_shop_knows_how_many_fit(search, monkeypatch):
    from mmtutorial.shop import opening

    asked = queries(search, ("colour", "article_type"))
    exam = Exam(asked, "own", False)
    monkeypatch.setattr(Catalogue, "split", lambda self, seed: None)
    monkeypatch.setattr(Catalogue, "exam", lambda self, parts: exam)
    assert "words" in opening.fit_relevance(search).weights
    monkeypatch.undo()
    small = small_catalogue(12)
    nothing = Catalogue("none", small.table.assign(title=""), small.photos)
    assert opening.fit_relevance(SimpleNamespace(catalogue=nothing)).weights == {}
