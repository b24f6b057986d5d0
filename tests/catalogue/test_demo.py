"""The demo shop: what it promises about its photos, its words, its dirt and its queries."""

import html
import io
import json
import re
import unicodedata

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mmtutorial import TutorialError
from mmtutorial.catalogue.demo import silhouettes, vocabulary
from mmtutorial.catalogue.demo.drawing import draw_shop
from mmtutorial.catalogue.demo.queries import draw_queries
from mmtutorial.catalogue.demo.records import sample_truth
from mmtutorial.catalogue.demo.studio import draw_photo

N, SEED = 240, 3
SCHEMA = {
    "id", "title", "description", "title_zh", "brand", "gender", "category", "subcategory",
    "article_type", "colour", "pattern", "season", "year", "usage", "price", "image",
    "image_large",
}  # fmt: skip
PRODUCT = {
    "article_type": "Tshirts",
    "colour": "Blue",
    "pattern": "Striped",
    "brand": "Kestrowe",
    "gender": "Men",
    "usage": "Casual",
    "season": "Summer",
}


class Shop:
    def __init__(self, folder):
        self.folder = folder
        self.table = pd.read_parquet(folder / "products.parquet")
        self.truth = pd.read_parquet(folder / "truth.parquet")
        self.queries = json.loads((folder / "queries.json").read_text(encoding="utf-8"))

    def dirty(self, name):
        """Which rows carry the dirt ``name``, as a boolean array."""
        return np.array([name in text.split(",") for text in self.truth["dirt"]])


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "shop"
    draw_shop(folder, N, SEED)
    return Shop(folder)


@pytest.fixture(scope="module")
def large_truth():
    """The attributes of the default shop, without drawing it."""
    return sample_truth(3000, 0)


def decode(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def plain(text):
    """What is left of a title when markup, case and spacing are taken off."""
    text = re.sub(r"<[^>]*>", "", html.unescape(text))
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


# The files


@pytest.mark.slow
def test_same_arguments_same_bytes_and_another_seed_another_shop(shop, tmp_path):
    draw_shop(tmp_path / "again", N, SEED)
    draw_shop(tmp_path / "other", 40, SEED + 1)
    names = ("products.parquet", "truth.parquet", "queries.json")
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (shop.folder / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == sorted(names)
    other = pd.read_parquet(tmp_path / "other" / "truth.parquet")
    assert not set(other["title"]) & set(shop.truth["title"].head(40))


def test_columns_and_rows(shop):
    assert set(shop.table) == SCHEMA
    assert set(shop.truth) == SCHEMA - {"image", "image_large"} | {"said", "twin_of", "dirt"}
    assert len(shop.table) == N
    assert shop.table["id"].is_unique
    assert shop.table["id"].equals(shop.truth["id"])
    assert not shop.table["id"].is_monotonic_increasing
    assert shop.truth.drop(columns=["said", "twin_of", "dirt"]).notna().all(axis=None)
    assert not (shop.truth.drop(columns=["said", "twin_of", "dirt"]) == "").any(axis=None)


def test_a_larger_shop_holds_the_same_products():
    small, large = sample_truth(60, SEED), sample_truth(90, SEED).head(60)
    listed_once = (small["twin_of"] == "") & (large["twin_of"] == "")
    assert listed_once.sum() > 50
    columns = ["id", "brand", "article_type", "colour", "pattern", "usage", "price", "description"]
    pd.testing.assert_frame_equal(small.loc[listed_once, columns], large.loc[listed_once, columns])


@pytest.mark.parametrize("n", [0, -5, 2.5, "many", True])
def test_a_bad_number_of_products_is_refused(tmp_path, n):
    with pytest.raises(TutorialError, match="n_products must be a whole number of at least 1"):
        draw_shop(tmp_path, n)


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(TutorialError, match="seed"):
        draw_shop(tmp_path, 1, seed=-1)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TutorialError, match=r"cannot write the demo shop into .*file.*shop"):
        draw_shop(tmp_path / "file" / "shop", 1)


def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch):
    def full(self, path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(TutorialError, match="No space left"):
        draw_shop(tmp_path, 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n", [1, 2, 19, 20])
def test_the_smallest_shops_are_whole(tmp_path, n):
    draw_shop(tmp_path, n)
    small = Shop(tmp_path)
    assert len(small.table) == n
    assert small.queries
    assert set().union(*small.queries.values()) <= set(small.table["id"])


# The vocabulary


def test_the_shop_is_as_rich_as_it_says(large_truth):
    assert len(silhouettes.ARTICLES) >= 24
    assert (len(vocabulary.COLOURS), len(vocabulary.PATTERNS), len(vocabulary.BRANDS)) == (
        12,
        5,
        20,
    )
    assert len({(shape, rgb) for _, _, shape, rgb in vocabulary.BRANDS.values()}) == 20
    assert set(large_truth["article_type"]) == set(silhouettes.ARTICLES)
    assert set(large_truth["gender"]) == set(vocabulary.GENDERS)
    counts = large_truth["article_type"].value_counts()
    assert counts.min() >= 20
    assert counts.max() > 5 * counts.min()


def test_no_name_gives_an_attribute_away(large_truth):
    """Type words, brands and lines hold no colour, pattern, usage or season."""
    names = [word for article in silhouettes.ARTICLES.values() for word in article.words]
    words = set(plain(" ".join([*names, *vocabulary.BRANDS, *vocabulary.LINES])).split())
    for values in (vocabulary.COLOURS, vocabulary.PATTERNS, vocabulary.USAGES, vocabulary.SEASONS):
        assert not words & {value.casefold() for value in values}


def test_type_does_not_decide_usage_or_season(large_truth):
    for column in ("usage", "season"):
        share = large_truth.groupby("article_type")[column].value_counts(normalize=True)
        assert share.groupby("article_type").max().max() < 0.65


# The photos


@pytest.mark.parametrize("column, value", [("usage", "Party"), ("season", "Winter")])
def test_usage_and_season_do_not_show(column, value):
    first = draw_photo(PRODUCT, 0, 5)
    second = draw_photo({**PRODUCT, column: value}, 0, 5)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "column, value, least",
    [("colour", "Red", 20), ("pattern", "Dotted", 5), ("brand", "Corvessa", 0.3),
     ("gender", "Boys", 10), ("article_type", "Boots", 20)],
)  # fmt: skip
def test_what_should_show_shows(column, value, least):
    first = draw_photo(PRODUCT, 0, 5).astype(float)
    second = draw_photo({**PRODUCT, column: value}, 0, 5).astype(float)
    assert np.abs(first - second).mean() > least


def test_every_mark_differs_from_every_other_by_eye():
    """At the size of a photo, two brands differ in at least ten pixels by more than the noise."""
    photos = [draw_photo({**PRODUCT, "brand": brand}, 0, 5) for brand in vocabulary.BRANDS]
    for k, first in enumerate(photos):
        for second in photos[:k]:
            apart = np.abs(first.astype(int) - second).max(axis=-1) > 40
            assert apart.sum() >= 10


@pytest.mark.parametrize("name", sorted(silhouettes.ARTICLES))
def test_a_silhouette_fills_the_photo_and_keeps_its_mark(name):
    photo = draw_photo({**PRODUCT, "article_type": name, "pattern": "Solid"}, 0, 1)
    assert photo.shape == (80, 60, 3)
    assert photo.dtype == np.uint8
    covered = photo.min(axis=-1) < 200
    assert 0.08 < covered.mean() < 0.75
    x, y = silhouettes.ARTICLES[name].mark
    near = photo[int(y) - 6 : int(y) + 7, max(0, int(x) - 6) : int(x) + 7].astype(int)
    red = (near[..., 0] - near[..., 1:].max(axis=-1)) > 80  # Kestrowe's red star
    assert red.sum() >= 8


@pytest.mark.parametrize("name", sorted(silhouettes.ARTICLES))
@pytest.mark.parametrize("i", [0, 7])
def test_a_large_photo_is_the_same_photo_with_more_to_see(name, i):
    pattern = "Floral" if i else "Striped"
    product = {**PRODUCT, "article_type": name, "pattern": pattern}
    small, large = draw_photo(product, 0, i), draw_photo(product, 0, i, scale=3)
    assert large.shape == (240, 180, 3) and large.dtype == np.uint8
    reduced = np.asarray(Image.fromarray(large).reduce(3)).astype(float)
    assert np.abs(reduced - small).mean() < 8  # of the same kind, others differ by more than 11
    # Its edges are sharper than those of the small photo made larger.
    enlarged = Image.fromarray(small).resize((180, 240), Image.Resampling.BICUBIC)
    steepest = [np.abs(np.diff(np.float32(each), axis=1)).max() for each in (large, enlarged)]
    assert steepest[0] > 1.2 * steepest[1]


def test_mean_colour_tells_the_colour(shop):
    """Nearest centroid on the mean colour of the covered pixels, on photos not seen."""
    good = ~(shop.dirty("corrupt_photo") | shop.dirty("grey_photo"))
    images = [decode(data).astype(float) for data in shop.table["image"][good]]
    colours = shop.truth["colour"][good].to_numpy()
    means = np.array([image[image.min(axis=-1) < 190].mean(axis=0) for image in images])
    half = len(means) // 2
    names = sorted(set(colours[:half]))
    centres = np.array([means[:half][colours[:half] == name].mean(axis=0) for name in names])
    nearest = np.linalg.norm(means[half:, None] - centres, axis=-1).argmin(axis=1)
    right = np.mean(np.array(names)[nearest] == colours[half:])
    assert right > 0.5
    assert right > 3 * pd.Series(colours[half:]).value_counts(normalize=True).max()


def test_photo_sizes_modes_and_the_corrupt_one(shop):
    for row, data in enumerate(shop.table["image"]):
        faults = shop.truth["dirt"][row].split(",")
        image = Image.open(io.BytesIO(data))
        if "corrupt_photo" in faults:
            with pytest.raises(OSError):
                image.load()
            continue
        image.load()
        assert image.format == "JPEG"
        assert (image.size != (60, 80)) == ("odd_size" in faults)
        assert image.mode == ("L" if "grey_photo" in faults else "RGB")


def test_photos_of_the_default_shop_are_those_that_lessons_were_measured_on():
    """Their mean colours: one more random number before or within a photo changes all of them."""
    records = sample_truth(8, 0).to_dict("records")
    means = [draw_photo(record, 0, i).mean(axis=(0, 1)) for i, record in enumerate(records)]
    expected = [
        [191.63, 209.37, 194.57],
        [223.28, 220.69, 223.18],
        [169.09, 170.33, 172.38],
        [221.02, 218.38, 218.73],
        [206.26, 219.81, 208.81],
        [195.36, 195.71, 194.16],
        [169.21, 189.08, 216.95],
        [207.5, 196.71, 188.57],
    ]
    np.testing.assert_allclose(means, expected, atol=0.05)


def test_large_photos_are_as_spoilt_as_the_small_ones(shop):
    small = dict(zip(shop.table["id"], shop.table["image"], strict=True))
    large = dict(zip(shop.table["id"], shop.table["image_large"], strict=True))
    for name, faults, twin in shop.truth[["id", "dirt", "twin_of"]].itertuples(index=False):
        if "corrupt_photo" in faults:
            assert large[name] is None
            continue
        shown, enlarged = (Image.open(io.BytesIO(each[name])) for each in (small, large))
        assert enlarged.mode == shown.mode
        assert enlarged.size == (180, round(180 * shown.height / shown.width))
        enlarged = enlarged.resize(shown.size, Image.Resampling.BOX)
        assert np.abs(np.float32(enlarged) - np.float32(shown)).mean() < 11
        if twin:
            assert large[name] == large[twin]


# The words


def test_titles_name_what_they_say_and_nothing_else(shop):
    for row in shop.truth.to_dict("records"):
        words = row["title"].split()
        assert row["title"].startswith(f"{row['brand']} {row['gender']} ")
        assert row["title"].endswith(tuple(silhouettes.ARTICLES[row["article_type"]].words))
        for column in vocabulary.SAID:
            assert (row[column] in words) == (column in row["said"].split(","))
        assert vocabulary.GENDERS[row["gender"]] in row["title_zh"]
        assert silhouettes.ARTICLES[row["article_type"]].chinese in row["title_zh"]


def test_descriptions_always_tell_usage_and_season(shop):
    for row in shop.truth.to_dict("records"):
        assert vocabulary.USAGES[row["usage"]][1] in row["description"]
        assert row["season"].lower() in row["description"]
        assert len(re.findall(r"\.( |$)", row["description"])) == 2
        words = plain(row["description"]).replace(".", " ").replace(",", " ").split()
        assert not {row["pattern"].casefold(), row["colour"].casefold()} & set(words)


def test_how_often_titles_say_what_they_need_not(large_truth):
    for column, share in vocabulary.SAID.items():
        said = large_truth["said"].str.contains(column).mean()
        assert abs(said - share) < 0.03


# The dirt


def test_each_dirt_has_its_rate(shop):
    rates = {f"missing:{column}": vocabulary.MISSING for column in vocabulary.MISSING_COLUMNS}
    rates |= {
        f"case:{column}": vocabulary.WRONG_CASE for column in (*vocabulary.CASE_COLUMNS, "title")
    }
    rates |= {
        "html:title": vocabulary.HTML,
        "html:description": vocabulary.HTML,
        "wrong:colour": vocabulary.WRONG_COLOUR,
        "twin_photo": vocabulary.TWIN_PHOTOS,
        "corrupt_photo": vocabulary.CORRUPT_PHOTOS,
        "grey_photo": vocabulary.GREY_PHOTOS,
        "odd_size": vocabulary.ODD_SIZES,
    }
    for name, rate in rates.items():
        assert shop.dirty(name).sum() == max(1, round(rate * N)), name
    names = {name for text in shop.truth["dirt"] for name in text.split(",") if name}
    assert names == {*rates, "duplicate_title"}


def test_duplicate_titles_come_near_their_rate(large_truth, shop):
    shared = large_truth["title"].duplicated(keep=False).mean()
    assert shared == pytest.approx(vocabulary.DUPLICATE_TITLES, abs=0.01)
    assert (shop.dirty("duplicate_title") == shop.truth["title"].duplicated(keep=False)).all()
    assert shop.dirty("duplicate_title").any()


def test_a_shared_title_is_true_of_both(large_truth):
    shared = large_truth[large_truth["title"].duplicated(keep=False)]
    assert len(shared) > 300
    for _, twins in shared.groupby("title"):
        said = [name for name in twins["said"].iloc[0].split(",") if name]
        assert (twins[["brand", "gender", "article_type", *said]].nunique() == 1).all()


def test_table_and_truth_differ_where_the_dirt_says_and_only_there(shop):
    for column in SCHEMA - {"id", "image", "image_large"}:
        table, truth = shop.table[column], shop.truth[column]
        differs = ~((table == truth) | (table.isna() & truth.isna()))
        said = np.zeros(N, bool)
        for kind in ("missing", "case", "html", "wrong"):
            said |= shop.dirty(f"{kind}:{column}")
        np.testing.assert_array_equal(differs, said, err_msg=column)


def test_each_dirt_is_what_it_is_called(shop):
    for column in vocabulary.MISSING_COLUMNS:
        values = shop.table[column][shop.dirty(f"missing:{column}")]
        assert (values.isna() if column == "price" else values.isin(["", "NA"])).all()
    for column in (*vocabulary.CASE_COLUMNS, "title"):
        rows = shop.dirty(f"case:{column}")
        assert [plain(text) for text in shop.table[column][rows]] == [
            plain(text) for text in shop.truth[column][rows]
        ]
    for column in ("title", "description"):
        rows = shop.dirty(f"html:{column}")
        assert shop.table[column][rows].str.contains(r"<\w|&\w+;").all()
        assert [plain(text) for text in shop.table[column][rows]] == [
            plain(text) for text in shop.truth[column][rows]
        ]
    assert set(shop.table["colour"][shop.dirty("wrong:colour")]) <= set(vocabulary.COLOURS)


def test_twins_share_product_and_photo_and_no_one_else_does(shop):
    images = dict(zip(shop.table["id"], shop.table["image"], strict=True))
    truth = shop.truth.set_index("id")
    copies = truth[truth["twin_of"] != ""]
    assert list(shop.dirty("twin_photo")) == list(truth["twin_of"] != "")
    for name, copy in copies.iterrows():
        assert images[name] == images[copy["twin_of"]]
        columns = ["brand", "gender", "article_type", "colour", "pattern", "usage", "season"]
        assert copy[columns].tolist() == truth.loc[copy["twin_of"], columns].tolist()
    assert len(set(images.values())) == N - len(copies)


# The queries


def asked_of(text):
    """What a query asks, read from its words alone: ``{column: value}``."""
    asked, rest = {}, f" {text} "
    for usage, (_, phrase) in vocabulary.USAGES.items():
        if rest.endswith(f" for {phrase} "):
            asked["usage"], rest = usage, rest.removesuffix(f"for {phrase} ")
    words = {w.lower(): name for name, a in silhouettes.ARTICLES.items() for w in a.words}
    word = max((w for w in words if rest.endswith(f" {w} ")), key=len)
    asked["article_type"], rest = words[word], rest.removesuffix(f"{word} ")
    columns = {
        "brand": vocabulary.BRANDS,
        "gender": vocabulary.GENDERS,
        "usage": vocabulary.USAGES,
        "season": vocabulary.SEASONS,
        "colour": vocabulary.COLOURS,
        "pattern": vocabulary.PATTERNS,
    }
    for column, values in columns.items():
        for value in values:
            if f" {value.lower()} " in rest:
                asked[column], rest = value, rest.replace(f" {value.lower()} ", " ", 1)
    assert not rest.strip(), f"{text!r}: {rest!r} is not in the vocabulary"
    return asked


def test_relevants_are_all_that_match_and_no_others(shop):
    good = shop.truth[~shop.dirty("corrupt_photo")]
    assert len(shop.queries) == round(vocabulary.QUERIES * N)
    for text, relevant in shop.queries.items():
        asked = asked_of(text)
        assert 3 <= len(asked) <= 5
        match = np.logical_and.reduce([good[column] == value for column, value in asked.items()])
        assert set(relevant) == set(good["id"][match])
        assert set(relevant.values()) == {1}
        assert 1 <= len(relevant) <= vocabulary.MAX_RELEVANT


def test_queries_of_the_default_shop(large_truth):
    queries = draw_queries(large_truth, seed=0)
    assert len(queries) == 300
    assert all(1 <= len(relevant) <= vocabulary.MAX_RELEVANT for relevant in queries.values())
    union = set().union(*queries.values())
    assert len(union) <= vocabulary.QUERY_PRODUCTS * len(large_truth)
    both = [
        bool({"colour", "pattern"} & set(asked)) and bool({"usage", "season"} & set(asked))
        for asked in map(asked_of, queries)
    ]
    assert np.mean(both) > 0.85
    said = large_truth.set_index("id")["said"]
    left_to_the_photo = [
        any(
            column in asked_of(text) and column not in said[name]
            for name in relevant
            for column in ("colour", "pattern")
        )
        for text, relevant in queries.items()
    ]
    assert np.mean(left_to_the_photo) > 0.75


def test_no_corrupt_photo_is_an_answer(large_truth):
    corrupt = large_truth["id"][::3]
    queries = draw_queries(large_truth, corrupt, seed=0)
    assert not set(corrupt) & set().union(*queries.values())
