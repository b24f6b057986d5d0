import json
import os
import shutil
import struct
import zlib

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_catalogue import small_catalogue
from toy_shop import toy_search, toy_table

from mmtutorial import TutorialError
from mmtutorial.catalogue import reading
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.encoders.images import make_image_encoder
from mmtutorial.encoders.text import fit_text_encoder
from mmtutorial.encoders.tokenisers import Vocabulary
from mmtutorial.files import DamagedFile
from mmtutorial.matching.contrastive import DualEncoder
from mmtutorial.matching.fused_space import FusedSpace
from mmtutorial.matching.fusion import make_fusion
from mmtutorial.matching.rankers import ReRanker
from mmtutorial.matching.retriever import Retriever
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.metrics.top_k import top_k
from mmtutorial.search.indexes import InvertedFile
from mmtutorial.search.lexical import Bm25
from mmtutorial.search.product_search import FORMAT, ProductSearch, mix
from mmtutorial.search.score_fusion import reciprocal_ranks, weighted_scores, zero_to_one
from mmtutorial.search.scorers import ListReRanker
from mmtutorial.search.store import VectorStore


@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 10**6))
@settings(deadline=None)
def test_top_k_is_a_full_sort_with_ties_by_id(n, n_queries, seed):
    rng = np.random.default_rng(seed)
    gallery = rng.integers(-1, 2, (n, 3)).astype("float32")  # few values: many ties
    queries = rng.integers(-1, 2, (n_queries, 3)).astype("float32")
    ids = [f"p{number}" for number in rng.permutation(n)]
    k = int(rng.integers(1, n + 1))
    rows, scores = top_k(queries, gallery, k, ids, block=2)
    for query, found, values in zip(queries, rows, scores, strict=True):
        expected = sorted(range(n), key=lambda row: (-(gallery[row] @ query), ids[row]))[:k]
        assert list(found) == expected
        assert np.allclose(values, gallery[expected] @ query)


@pytest.mark.parametrize("k", [1.0, "2", None, True])
def test_k_that_is_no_whole_number_is_named(k):
    with pytest.raises(TutorialError, match="k has to be a whole number"):
        top_k(np.ones((1, 2)), np.ones((3, 2)), k, ["a", "b", "c"])


@pytest.mark.parametrize("k", [0, 4, -1])
def test_k_outside_the_gallery_is_named(k):
    with pytest.raises(TutorialError, match=f"k={k} .*gallery holds 3.*from 1 to 3"):
        top_k(np.ones((1, 2)), np.ones((3, 2)), k, ["a", "b", "c"])


@pytest.mark.parametrize(("queries", "which"), [(np.nan, "query"), (1.0, "gallery")])
def test_nan_embeddings_are_named(queries, which):
    gallery = np.ones((3, 2))
    gallery[1, 0] = np.nan if which == "gallery" else 1
    with pytest.raises(TutorialError, match=f"1 of . {which} embeddings are not finite.*diverged"):
        top_k(np.full((1, 2), queries), gallery, 1, ["a", "b", "c"])


def test_widths_that_differ_are_named():
    with pytest.raises(TutorialError, match="2 dimensions and the gallery 3"):
        top_k(np.ones((1, 2)), np.ones((3, 3)), 1, ["a", "b", "c"])


class ByColour:
    """A retriever whose space one can read: the share of red, green and blue."""

    tokeniser = Vocabulary(["red", "green", "blue"])

    def embed_photos(self, photos):
        return unit_length(np.asarray(photos, "float32").mean(axis=(1, 2)) + 1e-3)

    def embed_texts(self, texts):
        return unit_length([[word in text for word in self.tokeniser.words] for text in texts])


@pytest.fixture(scope="module")
def shop():
    photos = np.zeros((4, 80, 60, 3), dtype="uint8")
    for row, channel in enumerate([0, 1, 2, 0]):
        photos[row, ..., channel] = 255
    titles = ["red bag", "green bag", "blue bag", "red shoe"]
    table = pd.DataFrame({"id": ["d", "c", "b", "a"], "title": titles})
    table["kind"] = ["bag", "bag", "bag", "shoe"]
    table["price"] = [30.0, np.nan, 10.0, 20.0]
    table["colour"] = ["", None, "Navy  Blue", "Softwood,white"]
    return ProductSearch(ByColour(), Catalogue("four", table, photos))


def test_search_by_words_by_photo_and_by_both(shop, tmp_path):
    assert list(shop.search(words="red", k=2)["id"]) == ["a", "d"]  # equal: by id
    green = shop.catalogue.photos[1]
    assert shop.search(photo=green, k=1)["title"][0] == "green bag"
    both = shop.search(words="blue", photo=green, k=4, photo_weight=0.4)
    assert list(both["id"][:2]) == ["b", "c"]
    Image.new("RGB", (300, 200), "blue").save(tmp_path / "mine.png")
    assert shop.search(photo=tmp_path / "mine.png", k=1)["id"][0] == "b"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "give words, a photo, or both"),
        ({"words": "   "}, "query is empty"),
        ({"words": "qwertz uiop"}, "no word of 'qwertz uiop' occurs.*spelling"),
        ({"photo": "nowhere.jpg"}, "nowhere.jpg"),
        ({"photo": np.zeros((5, 5))}, "array.*not .5, 5."),
        ({"words": ["red"]}, "words are one text"),
        ({"words": "red", "k": 1.5}, "k has to be a whole number, not 1.5"),
        ({"words": "red", "k": True}, "k has to be a whole number"),
        ({"words": "red", "page": "2"}, "page has to be a whole number, not '2'"),
        ({"words": "red", "photo_weight": np.nan}, "photo_weight is a share from 0 to 1, not nan"),
        ({"words": "red", "photo_weight": "half"}, "a share from 0 to 1, not 'half'"),
        ({"words": "red", "k": 0}, "k=0 products of page 1: both start from 1"),
        ({"words": "red", "page": 0}, "page 0"),
        ({"words": "red", "where": {"size": "XL"}}, "no column 'size'.*there are id, title"),
        ({"words": "red", "where": {"kind": ("bag", "shoe")}}, "no range of numbers.*give a list"),
        ({"words": "red", "where": {"price": (1, 2, 3)}}, "no range of numbers"),
        ({"words": "red", "where": {"price": [10, 20]}}, "no range of numbers; give a pair"),
        ({"words": "red", "where": {"kind": "shoes"}}, "no product has the kind 'shoes'.*'shoe'"),
        ({"words": "red", "where": {"kind": "hat"}}, "the kind 'hat': its values are 'bag', 'sho"),
        ({"words": "red", "where": {"colour": "white"}}, "nearest values are 'Softwood,white'"),
        ({"words": "red", "photo": np.zeros((80, 60, 3), "uint8"), "photo_weight": 2}, "0 to 1"),
    ],
)
def test_a_query_that_cannot_be_answered_says_why(shop, query, message):
    with pytest.raises(TutorialError, match=message):
        shop.search(**query)


def test_pages_go_on_where_the_last_one_ended_and_come_to_an_end(shop):
    all_four = list(shop.search(words="red", k=9)["id"])
    pages = [list(shop.search(words="red", k=3, page=page)["id"]) for page in (1, 2, 3)]
    assert len(all_four) == 4
    assert pages == [all_four[:3], all_four[3:], []]
    assert list(shop.search(words="red", page=5).columns[:3]) == ["row", "score", "id"]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"kind": "bag"}, ["d", "b", "c"]),
        ({"kind": ["shoe", "bag"]}, ["a", "d", "b", "c"]),
        ({"price": (10, 20)}, ["a", "b"]),
        ({"price": (10, 20), "kind": "bag"}, ["b"]),
        ({"kind": " BAG"}, ["d", "b", "c"]),
        ({"kind": ["Shoe", "bag"]}, ["a", "d", "b", "c"]),
        ({"price": (None, 20)}, ["a", "b"]),
        ({"price": (20, None)}, ["a", "d"]),
        ({"price": (0, np.inf)}, ["a", "d", "b"]),
        ({"price": 20}, ["a"]),
        ({"colour": "navy blue"}, ["b"]),
        ({"colour": ""}, ["d", "c"]),
        ({"kind": "shoe", "price": (25, 30)}, []),
    ],
)
def test_filters_leave_what_fits_in_the_same_order(shop, where, ids):
    """A product without a price (NaN) is in no range of prices; case and spaces do not count."""
    found = shop.search(words="red", where=where)
    assert list(found["id"]) == ids
    assert list(shop.catalogue.table["id"].iloc[found["row"]]) == ids


def test_a_row_that_is_not_there_is_named(shop):
    for row in (4, -1):
        with pytest.raises(TutorialError, match=f"row={row}: the rows go from 0 to 3"):
            shop.similar(row)
    with pytest.raises(TutorialError, match="row has to be a whole number, not 'a'"):
        shop.similar("a")


def test_similar_products_leave_out_the_product_itself(shop):
    assert list(shop.similar(0)["id"]) == ["a", "b", "c"]
    assert list(shop.similar(0, where={"kind": "bag"})["id"]) == ["b", "c"]
    assert list(shop.similar(0, k=2, page=2)["id"]) == ["c"]


@pytest.mark.parametrize("photo_weight", [0.0, 0.3, 1.0])
def test_the_parts_of_a_score_add_up_to_it(shop, photo_weight):
    weighted = ProductSearch(shop.retriever, shop.catalogue, photo_weight)
    query = weighted.query("red blue", shop.catalogue.photos[1], 0.4)
    found, parts = weighted.find(query, k=4)
    assert np.allclose(parts["photo"] + parts["title"], found["score"], atol=1e-6)
    assert (parts["photo"] == 0).all() == (photo_weight == 0)
    assert (parts["title"] == 0).all() == (photo_weight == 1)
    assert weighted.find(query, k=4, page=2).parts.empty


@pytest.mark.slow
def test_a_saved_search_is_the_same_search_and_knows_its_products(tmp_path):
    keras.utils.set_random_seed(0)
    catalogue = small_catalogue(12)
    vocabulary, text_encoder = fit_text_encoder("words", catalogue.table["title"], 8)
    model = DualEncoder(make_image_encoder("cnn", 8), text_encoder)
    log = pd.DataFrame({"epoch": [0], "loss": [1.0]})
    built = ProductSearch(Retriever(model, vocabulary, log), catalogue, photo_weight=0.4)
    built.save(tmp_path / "search")
    loaded = ProductSearch.load(tmp_path / "search", catalogue)
    assert isinstance(loaded.gallery, np.memmap)
    assert loaded.photo_weight == 0.4
    query = {"words": catalogue.table["title"][3], "photo": catalogue.photos[5]}
    pd.testing.assert_frame_equal(loaded.search(**query), built.search(**query))
    with pytest.raises(TutorialError, match="built for 12 products that are not those of"):
        ProductSearch.load(tmp_path / "search", small_catalogue(11))
    with pytest.raises(TutorialError, match="build it with"):
        ProductSearch.load(tmp_path, catalogue)


def test_a_broken_photo_is_named(shop, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    with pytest.raises(TutorialError, match=r"broken\.jpg.*cannot be decoded"):
        shop.search(photo=tmp_path / "broken.jpg")


def png_of(width, height):
    """A PNG whose header promises so many pixels."""
    size = struct.pack(">II5B", width, height, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", size), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_a_photo_that_never_ends_or_is_too_large_is_refused(shop, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.setattr(reading, "MAX_BYTES", 100_000)
    (tmp_path / "long.jpg").write_bytes(bytes(100_001))
    (tmp_path / "vast.png").write_bytes(png_of(9_000, 9_000))
    (tmp_path / "bomb.png").write_bytes(png_of(20_000, 20_000))
    for photo, message in [
        ("/dev/zero", "no regular file"),
        (tmp_path / "pipe.jpg", "no regular file"),
        (tmp_path, "no regular file"),
        (tmp_path / "none.jpg", "no such file"),
        (tmp_path / "long.jpg", "file of 0 MB, more than 0"),
        (tmp_path / "vast.png", "more than 60 million pixels"),
        (tmp_path / "bomb.png", "more than 60 million pixels"),
        ("a\0b.jpg", "cannot search by the photo"),
    ]:
        with pytest.raises(TutorialError, match=message):
            shop.search(photo=photo)


def test_mix_goes_from_text_to_photo():
    photo, text = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert np.allclose(mix(photo, text, 1), photo) and np.allclose(mix(photo, text, 0), text)
    assert np.allclose(mix(photo, text, 0.9), unit_length([[0.9, 0.1]]))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a saved search, and its catalogue."""
    keras.utils.set_random_seed(0)
    catalogue = small_catalogue(12)
    vocabulary, text_encoder = fit_text_encoder("words", catalogue.table["title"], 8)
    model = DualEncoder(make_image_encoder("cnn", 8), text_encoder)
    folder = tmp_path_factory.mktemp("saved") / "search"
    ProductSearch(Retriever(model, vocabulary), catalogue, photo_weight=0.4).save(folder)
    return folder, catalogue


def other_gallery(change):
    return lambda file: np.save(file, change(np.load(file)))


def settings_with(**changed):
    settings = {"version": FORMAT, "photo_weight": 0.4, "fused": False} | changed
    return lambda file: file.write_text(json.dumps(settings))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("search.json", lambda file: file.write_text("[1]"), "no JSON object"),
        ("search.json", settings_with(photo_weight=7), "0 to 1, not 7"),
        ("search.json", settings_with(photo_weight="x"), "'x', not float"),
        ("search.json", settings_with(photo_weight=np.nan), "nan, not float"),
        ("search.json", settings_with(k=3), "no 'k'"),
        ("search.json", settings_with(fused=1), "1, not bool"),
        ("search.json", settings_with(version=1), "of version 1, and 2 is read here"),
        ("search.json", lambda file: file.write_text('{"photo_weight": 1}'), "of version None"),
        ("ids.npy", lambda file: file.write_bytes(b""), "EOFError"),
        ("ids.npy", lambda file: np.save(file, np.arange(12)), "holds int64"),
        ("gallery.npy", lambda file: file.write_bytes(b""), "EOFError"),
        ("gallery.npy", lambda file: file.unlink(), "there is no"),
        ("gallery.npy", other_gallery(lambda g: g[:, :5]), "12 × 5, expected 12 × 8"),
        ("gallery.npy", other_gallery(lambda g: g[:11]), "11 × 8, expected 12 × 8"),
        ("gallery.npy", other_gallery(lambda g: g * np.nan), "not finite"),
        ("gallery.npy", other_gallery(lambda g: g.astype(object)), "no pickle|[Oo]bject|[Pp]ython"),
        ("photo.npy", lambda file: file.write_bytes(b""), "EOFError"),
        ("photo.npy", lambda file: file.unlink(), "there is no"),
        ("photo.npy", other_gallery(lambda g: g[:, :5]), "12 × 5, expected 12 × 8"),
        ("photo.npy", other_gallery(lambda g: g.astype("float64")), "float64, expected float32"),
        ("title.npy", other_gallery(lambda g: g * np.inf), "not finite"),
        ("title.npy", other_gallery(lambda g: g[:11]), "11 × 8, expected 12 × 8"),
        ("title.npy", other_gallery(lambda g: g.astype(object)), "no pickle|[Oo]bject|[Pp]ython"),
        ("model/model.keras", lambda file: file.write_bytes(b"PK"), "File is not a zip file"),
        ("model/vocabulary.json", lambda file: file.write_text("{}"), "no tokeniser None"),
    ],
)
def test_a_damaged_search_is_refused_by_its_file(saved, tmp_path, name, damage, reason):
    folder, catalogue = tmp_path / "search", saved[1]
    shutil.copytree(saved[0], folder)
    damage(folder / name)
    with pytest.raises(DamagedFile, match=rf"(?=.*{folder}/{name}).*({reason}).*save it there"):
        ProductSearch.load(folder, catalogue)


def test_the_app_says_which_folder_to_remove_where_its_search_is_damaged(
    saved, tmp_path, monkeypatch
):
    from mmtutorial.shop import opening

    folder, catalogue = tmp_path / "search", saved[1]
    shutil.copytree(saved[0], folder)
    (folder / "search.json").write_text(json.dumps({}))
    catalogue.table.to_parquet(folder / opening.TABLE)
    monkeypatch.setattr(opening, "load_catalogue", lambda which: catalogue)
    with pytest.raises(TutorialError, match=f"remove the folder {folder} and start again: .*json"):
        opening.load("demo", folder)


# Index, scorers, fusion, re-ranker --------------------------------------------------------------


WORDS = ["red", "green", "blue", "acme", "bolt", "tee", "bag", "shoe", "hat"]


class ByLetters:
    """A retriever for many products: a random vector a word, and a random one a photo."""

    tokeniser = Vocabulary([*["red", "green", "blue", "acme", "bolt", "tee", "bag", "shoe", "hat"]])

    def embed_texts(self, texts):
        axes = np.random.default_rng(1).normal(size=(len(self.tokeniser.words), 16))
        said = [[word in text.lower() for word in self.tokeniser.words] for text in texts]
        return unit_length(np.array(said) @ axes)

    def embed_photos(self, photos):
        return unit_length(np.random.default_rng(2).normal(size=(len(photos), 16)))


@pytest.fixture(scope="module")
def many():
    """400 products with titles that repeat, so that many scores are equal."""
    rng = np.random.default_rng(0)
    columns = {
        "brand": rng.choice(["Acme", "Bolt"], 400),
        "colour": rng.choice(["Red", "Green", "Blue", ""], 400),
        "article_type": rng.choice(["Tee", "Bag", "Shoe", "Hat"], 400),
    }
    table = pd.DataFrame(columns)
    table.insert(0, "title", table.agg(" ".join, axis=1))
    table.insert(0, "id", [f"p{n:03d}" for n in rng.permutation(400)])
    table["price"] = rng.uniform(5, 50, 400)
    return Catalogue("many", table, np.zeros((400, 80, 60, 3), dtype="uint8"))


def searching(many, **ranking):
    return ProductSearch(ByLetters(), many, **ranking)


def plainly(shop, words, scorers, weights, fusion):
    """The scores of all products, by the plain formulas of lessons 04, 08, 11 and 24."""
    table, asked = shop.catalogue.table, dict(shop.reader.attributes(words))
    agree = np.array([[row[column] == value for column, value in asked.items()]
                      for _, row in table.iterrows()])  # fmt: skip
    lists = {
        "vectors": shop.gallery @ ByLetters().embed_texts([words])[0],
        "bm25": Bm25().fit(table["title"]).scores([words])[0],
        "attributes": agree.mean(axis=1),
    }
    chosen = np.stack([lists[name] for name in scorers])
    if len(chosen) == 1:
        return chosen[0]
    if fusion == "weighted":
        return weighted_scores(zero_to_one(chosen[:, None]), weights)[0]
    by_id = np.argsort(table["id"].to_numpy())
    scores = np.empty(len(table))
    lists = np.where(chosen[:, None, by_id] == 0, np.nan, chosen[:, None, by_id])
    scores[by_id] = reciprocal_ranks(lists)[0]
    return scores


@pytest.mark.parametrize("fusion", ["weighted", "ranks"])
@pytest.mark.parametrize(
    ("scorers", "weights"),
    [(("vectors",), None), (("bm25",), None), (("attributes",), None),
     (("bm25", "vectors"), (1, 1)), (("vectors", "bm25", "attributes"), None),
     (("vectors", "bm25", "attributes"), (0.5, 0.2, 0.3))],
)  # fmt: skip
def test_the_exact_search_gives_the_plain_list(many, scorers, weights, fusion):
    if fusion == "ranks" and weights and len(set(weights)) > 1:
        pytest.skip("the plain reciprocal ranks have no weights")
    shop = searching(many, scorers=scorers, weights=weights, fusion=fusion)
    ids = many.table["id"].to_numpy()
    for words in ("acme red tee", "blue bag bolt", "hat"):
        scores = plainly(shop, words, scorers, weights or [1] * len(scorers), fusion)
        expected = np.lexsort((ids, -scores.round(6)))
        found, parts = shop.find(shop.query(words), k=60)
        assert np.allclose(found["score"], scores[expected[:60]], atol=1e-5)
        sure = np.flatnonzero(np.diff(scores[expected[:61]]) < -1e-5) + 1  # rounding decides none
        for cut in sure:
            assert set(found["row"][:cut]) == set(expected[:cut])
        assert np.allclose(parts.sum(axis=1), found["score"], atol=1e-5)
        page = shop.search(words, k=20, page=3)
        assert page["id"].tolist() == found["id"][40:].tolist()


def test_equal_scores_are_in_the_order_of_ids(many):
    shop = searching(many, scorers=("attributes",))
    found = shop.search("acme red", k=30)
    assert found["id"].tolist() == sorted(found["id"]) and found["score"].nunique() == 1


def test_a_scorer_that_has_nothing_to_say_is_left_out(many):
    vectors = searching(many)
    shop = searching(many, scorers=("bm25", "vectors", "attributes"), weights=(3, 1, 2))
    row = vectors.similar(5, k=9)
    pd.testing.assert_frame_equal(shop.similar(5, k=9), row)  # no words
    photo = many.photos[0]
    pd.testing.assert_frame_equal(shop.search(photo=photo), vectors.search(photo=photo))
    words_only = searching(many, scorers=("bm25",))
    pd.testing.assert_frame_equal(words_only.similar(5, k=9), row)


@pytest.mark.parametrize("scorers", [("vectors",), ("vectors", "bm25", "attributes")])
@pytest.mark.parametrize("index", ["hnsw", "ivf", "own", "store"])
def test_the_recall_of_an_index_is_reported(many, index, scorers, tmp_path):
    exact = searching(many, scorers=scorers)
    queries = ["acme red tee", "blue bag bolt", "hat", "green shoe"]
    assert exact.recall(queries) == 1.0
    if index == "own":
        index = InvertedFile(exact.gallery, cells=20, probes=2)
    elif index == "store":
        index = VectorStore(tmp_path / "shop.db", 16, ("brand", "colour"))
        index.add(many.table["id"], exact.gallery, many.table)
    shop = searching(many, scorers=scorers, index=index, depth=40)
    by_hand = [
        np.isin(exact.search(words, k=10)["row"], shop.search(words, k=10)["row"]).mean()
        for words in queries
    ]
    assert shop.recall(queries, k=10) == pytest.approx(np.mean(by_hand))
    assert np.mean(by_hand) > 0.5
    where = {"colour": ["red", "blue"], "brand": "acme"}
    filtered = shop.search("acme red tee", k=20, where=where)
    assert set(filtered["colour"]) <= {"Red", "Blue"} and set(filtered["brand"]) == {"Acme"}
    assert len(filtered) == 20
    if not isinstance(index, VectorStore):  # exact among those that pass
        pd.testing.assert_frame_equal(filtered, exact.search("acme red tee", k=20, where=where))
    assert 7 not in shop.similar(7, k=30)["row"].tolist()
    if isinstance(index, VectorStore):
        with pytest.raises(TutorialError, match="article_type"):
            shop.search("acme", where={"article_type": "tee"})
        index.close()


def test_a_product_that_left_the_store_is_found_no_more(many, tmp_path):
    gallery = searching(many).gallery
    with VectorStore(tmp_path / "shop.db", 16) as store:
        store.add(many.table["id"], gallery)
        shop = searching(many, index=store)
        first = shop.search("red hat", k=1)["id"][0]
        store.delete([first])
        assert first not in shop.search("red hat", k=50)["id"].tolist()


class Cheap:
    """An own scorer: the cheaper, the better; it knows no product above 40."""

    def __init__(self, prices):
        self.prices = np.asarray(prices)

    def scores(self, query):
        return np.where(self.prices > 40, np.nan, -self.prices)


def test_an_own_scorer_and_an_own_fusion(many):
    cheap = Cheap(many.table["price"])

    def lowest(lists, weights):  # a product is as good as what it is worst at
        return np.where(np.arange(len(lists))[:, None] == lists.argmin(axis=0), lists, 0)

    shop = searching(many, scorers=("vectors", cheap))
    found, parts = shop.find(shop.query("red hat"), k=5)
    assert {"photo", "title", "Cheap"} == set(parts)
    cosine = shop.gallery @ shop.query("red hat").vector
    scores = np.stack([cosine, cheap.scores(None)])[:, None]
    assert found["score"].max() == pytest.approx(weighted_scores(zero_to_one(scores)).max())
    shop = searching(many, scorers=("vectors", "bm25"), fusion=lowest)
    found = shop.search("red hat", k=400)
    plain = np.minimum(cosine, Bm25().fit(many.table["title"]).scores(["red hat"])[0])
    assert np.allclose(found["score"], np.sort(plain)[::-1], atol=1e-6)
    alone = searching(many, scorers=(cheap,)).search("red hat", k=400)
    assert alone["price"].is_monotonic_increasing or alone["score"].isna().any()
    assert alone["row"][0] == many.table["price"].argmin()


@pytest.mark.parametrize(
    ("ranking", "message"),
    [
        ({"scorers": ("vector",)}, "no scorer 'vector': choose of vectors, bm25, attributes"),
        ({"scorers": ()}, "give one scorer at least"),
        ({"scorers": ("bm25", "bm25")}, "each once"),
        ({"scorers": ("bm25", "vectors"), "weights": (1,)}, "with a weight"),
        ({"scorers": ("bm25", "vectors"), "weights": (1, np.nan)}, "with a weight"),
        ({"scorers": ("bm25", "vectors"), "weights": (0, 0)}, "not all of them 0"),
        ({"fusion": "sum"}, "no fusion 'sum': choose one of weighted, ranks"),
        ({"index": "flat"}, "no index 'flat': choose exact or one of hnsw, ivf"),
        ({"depth": 1.5}, "depth has to be a whole number"),
        ({"depth": 0}, "depth=0"),
        ({"vectors": (np.ones((400, 4)), np.ones((400, 3)))}, "4 dimensions and the gallery 3"),
        ({"vectors": (np.ones((400, 4)), np.full((400, 4), np.nan))}, "not finite"),
    ],
)
def test_a_ranking_that_cannot_be_is_named(many, ranking, message):
    with pytest.raises(TutorialError, match=message):
        searching(many, **ranking)


@pytest.mark.parametrize("scores", [np.ones(3), np.full(400, np.inf)])
def test_an_own_scorer_that_is_wrong_is_named(many, scores):
    class Wrong:
        def scores(self, query):
            return scores

    with pytest.raises(TutorialError, match=r"scorer 'Wrong' returned .*each of the 400 products"):
        searching(many, scorers=("vectors", Wrong())).search("red")


def test_a_second_look_changes_the_order_of_the_first_and_no_score(many):
    class Backwards:
        def scores(self, query, rows):
            assert query.words == "red hat"
            return np.arange(len(rows))

    plain = searching(many).search("red hat", k=30)
    looked = searching(many, rerank=Backwards(), depth=20).search("red hat", k=30)
    expected = [*range(19, -1, -1), *range(20, 30)]
    assert looked["row"].tolist() == plain["row"].iloc[expected].tolist()
    assert looked["score"].tolist() == plain["score"].iloc[expected].tolist()
    small = searching(many, rerank=Backwards(), depth=20).search("red hat", k=3, page=2)
    assert small["row"].tolist() == plain["row"].iloc[[16, 15, 14]].tolist()


def test_the_re_ranker_of_lesson_09_takes_the_second_look(many):
    keras.utils.set_random_seed(0)
    shop = searching(many, scorers=("vectors", "bm25"), depth=50)
    before = shop.search("red hat", k=50)
    model = ReRanker()
    shop.rerank = ListReRanker(model, shop)
    rows = before["row"].to_numpy()
    query = shop.query("red hat")
    scores = shop.rerank.scores(query, rows)
    cosine = shop.gallery[rows] @ query.vector
    assert np.allclose(scores, 15 * cosine, atol=1e-3)  # untrained: the first stage's order
    after = shop.search("red hat", k=50)
    assert set(after["row"]) == set(rows)
    assert np.all(np.diff(shop.gallery[after["row"]] @ query.vector) <= 1e-6)
    assert len(shop.similar(3, k=4)) == 4  # no words: no lexical scores


@pytest.fixture(scope="module")
def space():
    keras.utils.set_random_seed(0)
    return FusedSpace(make_fusion("gated"), 16)


def test_a_fused_space_takes_the_place_of_the_mix(many, space, tmp_path):
    shop = searching(many, space=space)
    assert np.allclose(shop.gallery, space.embed(shop.photo_vectors, shop.title_vectors), atol=1e-6)
    text, photo = ByLetters().embed_texts(["red hat"]), ByLetters().embed_photos(many.photos[:1])
    assert np.allclose(shop.embed_query("red hat"), space.embed(text=text)[0], atol=1e-6)
    both = shop.embed_query("red hat", many.photos[0])
    assert np.allclose(both, space.embed(photo, text)[0], atol=1e-6)
    words = shop.embed_query("red hat", many.photos[0], photo_weight=0)
    assert not np.allclose(words, both, atol=1e-3)
    found, parts = shop.find(shop.query("red hat"), k=400)
    assert np.allclose(parts["photo"] + parts["title"], found["score"], atol=1e-5)
    exact = shop.gallery @ shop.embed_query("red hat")
    assert np.allclose(found["score"], np.sort(exact)[::-1], atol=1e-6)


def test_a_search_in_a_fused_space_is_loaded_with_it(many, space, tmp_path, monkeypatch):
    from mmtutorial.matching import retriever

    monkeypatch.setattr(retriever, "load", lambda folder: ByLetters())
    shop = searching(many, space=space)
    shop.retriever.save = lambda folder: None
    shop.save(tmp_path)
    again = ProductSearch.load(tmp_path, many, space=space, scorers=("vectors", "bm25"))
    assert np.array_equal(again.gallery, shop.gallery)
    assert list(again.scorers) == ["vectors", "bm25"]
    with pytest.raises(TutorialError, match="embedded with a fused space: load it with space"):
        ProductSearch.load(tmp_path, many)


def test_why_runs_no_network(many):
    retriever = ByLetters()
    shop = ProductSearch(retriever, many, scorers=("vectors", "bm25", "attributes"))
    query = shop.query("acme red hat")
    retriever.embed_photos = retriever.embed_texts = None
    assert list(shop.find(query).parts) == ["photo", "title", "bm25", "attributes"]


# Words that the model does not know -------------------------------------------------------------


@pytest.fixture(scope="module")
def with_lamps(many):
    """The shop with titles that say "lamp" and a brand Dune: no word of the model's vocabulary."""
    table = many.table.assign(brand=["Dune", *many.table["brand"][1:]])
    table["title"] = [f"{title} lamp" if n < 5 else title for n, title in enumerate(table["title"])]
    return Catalogue("lamps", table, many.photos)


def test_a_word_of_titles_that_the_model_lacks_is_answered_by_who_knows_it(with_lamps):
    shop = searching(with_lamps, scorers=("vectors", "bm25", "attributes"))
    found, parts = shop.find(shop.query("lamp"), k=10)
    assert set(found["row"][:5]) == set(range(5)) and list(parts) == ["bm25"]
    found, parts = shop.find(shop.query("dune"), k=10)
    assert found["row"][0] == 0 and list(parts) == ["attributes"]
    assert shop.search("lamp", where={"price": (None, None)}, k=3)["row"].isin(range(5)).all()


def test_a_photo_beside_words_that_the_model_lacks_still_counts(with_lamps):
    shop = searching(with_lamps, scorers=("vectors", "bm25"))
    photo = with_lamps.photos[0]
    query = shop.query("lamp", photo)
    assert np.array_equal(query.vector, shop.embed_query(photo=photo)) and query.words == "lamp"
    assert list(shop.find(query).parts) == ["photo", "title", "bm25"]


def test_words_that_nobody_knows_are_refused(with_lamps):
    shop = searching(with_lamps, scorers=("vectors", "bm25", "attributes"))
    for ask in (shop.query, lambda words: shop.query(words, with_lamps.photos[0])):
        with pytest.raises(TutorialError, match="no word of 'qwertz' occurs"):
            ask("qwertz")
    with pytest.raises(TutorialError, match="no word of 'lamp' occurs"):
        searching(with_lamps).query("lamp")  # ranked by vectors alone
    silent = searching(with_lamps, scorers=("vectors", "bm25"), weights=(1, 0))
    with pytest.raises(TutorialError, match="no word of 'lamp' occurs"):
        silent.query("lamp")
    with pytest.raises(TutorialError, match="no scorer can say anything"):
        searching(with_lamps).find(shop.query("lamp"))


def test_a_second_look_is_left_out_where_there_is_no_vector(with_lamps):
    keras.utils.set_random_seed(0)
    shop = searching(with_lamps, scorers=("vectors", "bm25"))
    plain = shop.search("lamp")
    shop.rerank = ListReRanker(ReRanker(), shop)
    pd.testing.assert_frame_equal(shop.search("lamp"), plain)


def test_a_value_taken_off_does_not_count(many):
    shop = searching(many, scorers=("attributes",))
    query = shop.query("acme red")
    without = shop.find(query._replace(off=(("colour", "Red"),)), k=400).products
    assert (without["score"] == (without["brand"] == "Acme")).all()
    both = query._replace(off=(("colour", "Red"), ("brand", "Acme")))
    assert shop.scorer("attributes").scores(both) is None


def test_scores_of_all_products_are_fused_as_in_a_search(many):
    shop = searching(many, scorers=("vectors", "bm25", "attributes"), weights=(1, 2, 3))
    query = shop.query("acme red tee")
    scores, shares = shop.fuse(shop.score_lists(query))
    found = shop.find(query, k=400).products
    assert np.allclose(scores[found["row"]], found["score"], atol=1e-6)
    assert np.allclose(sum(shares.values()), scores, atol=1e-6)


# A shopper's taste ------------------------------------------------------------------------------


def test_a_taste_moves_what_the_shopper_likes_up_and_keeps_the_query():
    shop = toy_search(toy_table(), scorers=("vectors", "bm25"))
    red_bags = shop.catalogue.table.query("colour == 'Red' and article_type == 'Handbags'")["id"]
    plain = shop.search("tee", k=12)
    mine = shop.search("tee", k=12, shopper=list(red_bags), taste_weight=0.3)
    assert set(plain["article_type"]) == set(mine["article_type"]) == {"Tshirts"}
    assert set(mine["colour"][:4]) == {"Red"} and set(plain["colour"][:4]) != {"Red"}


def test_a_taste_of_weight_0_changes_nothing_and_of_weight_1_is_all():
    shop = toy_search(toy_table())
    history = ["003"]
    pd.testing.assert_frame_equal(
        shop.search("tee", shopper=history, taste_weight=0), shop.search("tee")
    )
    taste = shop.recommender.scores([np.array([3])])[0]
    rows = shop.search("tee", k=24, shopper=history, taste_weight=1)["row"]
    assert (np.diff(taste[rows]) <= 1e-6).all()


def test_a_recommender_of_ones_own_gives_the_taste():
    class LikesTheLast:
        def scores(self, histories):
            return np.arange(24, dtype="float32")[None].repeat(len(histories), axis=0)

    shop = toy_search(toy_table(), recommender=LikesTheLast())
    assert shop.search("tee", k=1, shopper=["000"], taste_weight=1)["row"][0] == 23
    query = shop.with_taste(shop.query("tee"), ["000"], 0.5)
    found = shop.find(query, 5)
    assert np.allclose(found.parts.sum(axis=1), found.products["score"], atol=1e-5)
    assert "taste" in found.parts


def test_a_history_of_products_that_are_not_there_is_named():
    shop = toy_search(toy_table())
    with pytest.raises(TutorialError, match=r"not in the catalogue \(old-7\)"):
        shop.search("tee", shopper=["000", "old-7"])
    with pytest.raises(TutorialError, match="taste_weight is a share from 0 to 1"):
        shop.search("tee", shopper=["000"], taste_weight=2)


def test_silent_scorers_leave_the_vectors_beside_the_taste():
    shop = toy_search(toy_table(), scorers=("bm25",))
    photo = np.zeros((80, 60, 3), "uint8")
    photo[..., 0] = 255
    found = shop.search(photo=photo, k=4, shopper=["000"], taste_weight=0.2)
    assert set(found["colour"]) == {"Red"}
