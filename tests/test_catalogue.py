"""The catalogue: whatever a shop sends is read, or refused with a reason and a remedy."""

import errno
import io
import json
import multiprocessing

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmtutorial import TutorialError
from mmtutorial.catalogue import (
    COLUMNS,
    Catalogue,
    group_products,
    hash_photos,
    leaked,
    load_catalogue,
)
from mmtutorial.datasets import folder
from mmtutorial.datasets.demo import draw_shop


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def picture(number, size=(60, 80), mode="RGB", kind="PNG"):
    """The bytes of a photo in one colour, another one for every number."""
    colour = (number * 37 % 256, number * 91 % 256, number % 256)
    stream = io.BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(stream, kind)
    return stream.getvalue()


def products(n=6):
    return pd.DataFrame(
        {
            "id": [f"p{number}" for number in range(n)],
            "title": [f"Acme Shirt {number}" for number in range(n)],
            "colour": ["Red", "Blue"] * (n // 2) + ["Red"] * (n % 2),
            "image": [picture(number) for number in range(n)],
        }
    )


def shop(place, frame=None, **columns):
    """A folder with ``products.parquet``, columns of which may be replaced."""
    frame = products() if frame is None else frame
    place.mkdir(parents=True, exist_ok=True)
    frame.assign(**columns).to_parquet(place / "products.parquet")
    return place


# What is read ----------------------------------------------------------------------------------


def test_a_folder_becomes_a_catalogue(tmp_path):
    catalogue = load_catalogue(shop(tmp_path / "mine"))
    assert catalogue.name == "mine" and len(catalogue) == 6
    assert list(catalogue.table.columns) == [*COLUMNS, "photo_hash"]
    assert catalogue.photos.shape == (6, 80, 60, 3) and catalogue.photos.dtype == np.uint8
    assert isinstance(catalogue.photos, np.memmap)
    for number in (0, 5):
        expected = np.asarray(Image.open(io.BytesIO(picture(number))))
        assert (catalogue.photos[number] == expected).all()
    assert "6 products" in repr(catalogue) and "colour 100%" in repr(catalogue)


@pytest.mark.parametrize("form", ["bytes", "struct", "file by id", "file by path", "csv"])
def test_every_form_of_photo_and_file_gives_the_same_catalogue(tmp_path, form):
    frame, place = products(), tmp_path / "mine"
    expected = load_catalogue(shop(tmp_path / "plain"))
    photos = frame["image"]
    if form == "struct":
        frame["image"] = [{"bytes": photo, "path": None} for photo in photos]
    elif form != "bytes":
        (place / "photos").mkdir(parents=True)
        names = frame["id"] if form != "file by path" else [f"x-{name}" for name in frame["id"]]
        for name, photo in zip(names, photos, strict=True):
            (place / "photos" / f"{name}.png").write_bytes(photo)
        frame = frame.drop(columns="image")
        if form == "file by path":
            frame["photo"] = [f"photos/{name}.png" for name in names]
    if form == "csv":
        frame.to_csv(place / "products.csv", index=False)
    else:
        shop(place, frame)
    catalogue = load_catalogue(place)
    pd.testing.assert_frame_equal(catalogue.table, expected.table)
    assert (catalogue.photos == expected.photos).all()


def test_foreign_names_and_numbers(tmp_path):
    frame = products(3).rename(columns={"title": "productDisplayName"})
    frame = frame.assign(id=[11, 12, 13], Jahr=[2012.0, None, 2014.0], price=["9.5", "", "x"])
    place = shop(tmp_path / "mine", frame)
    columns = {"title": "productDisplayName", "year": "Jahr"}
    passed = load_catalogue(place, columns=columns)
    assert list(passed.table["id"]) == ["11", "12", "13"]
    assert list(passed.table["year"]) == ["2012", "", "2014"]
    assert passed.table["price"].tolist()[0] == 9.5 and passed.table["price"].isna().sum() == 2
    (place / "columns.json").write_text(json.dumps(columns))
    pd.testing.assert_frame_equal(load_catalogue(place).table, passed.table)


@pytest.mark.parametrize("missing", ["", "NA", None, float("nan"), "  "])
def test_what_says_nothing_is_the_empty_text(tmp_path, missing):
    colours = pd.Series(["Red", missing, "Blue"], dtype=object)
    catalogue = load_catalogue(shop(tmp_path / "mine", products(3), colour=colours))
    assert list(catalogue.table["colour"]) == ["Red", "", "Blue"]


@pytest.mark.parametrize(
    "size, mode", [((120, 160), "RGB"), ((300, 80), "RGB"), ((60, 80), "L"), ((48, 64), "RGBA")]
)
def test_photos_of_any_size_and_mode_fit(size, mode):
    photo = folder.decode(picture(3, size, mode))
    assert photo.shape == (80, 60, 3)
    colour = folder.decode(picture(3, mode=mode))[40, 30]
    assert np.abs(photo[40, 30].astype(int) - colour).max() <= 2
    # A wide photo keeps its aspect: white above and below.
    assert (photo[0] == 255).all() == (size[0] / size[1] > 0.76)


def test_transparent_photos_lie_on_white():
    stream = io.BytesIO()
    Image.new("RGBA", (60, 80), (0, 0, 0, 0)).save(stream, "PNG")
    assert (folder.decode(stream.getvalue()) == 255).all()


def test_queries_and_truth_follow_the_products(tmp_path):
    place = shop(tmp_path / "mine")
    (place / "queries.json").write_text(json.dumps({"a": {"p1": 2, "gone": 1}, "b": {"gone": 1}}))
    truth = products()[["id", "colour"]].iloc[::-1]
    truth.to_parquet(place / "truth.parquet")
    catalogue = load_catalogue(place)
    assert catalogue.queries == {"a": {"p1": 2}}
    assert list(catalogue.truth["id"]) == list(catalogue.table["id"])
    part = catalogue.subset(["p3", "p1"])
    assert list(part.truth["id"]) == ["p3", "p1"] and part.queries == {"a": {"p1": 2}}
    assert catalogue.subset([0]).queries == {}


def test_the_second_load_reads_the_cache_and_a_change_is_noticed(tmp_path, cache):
    place = shop(tmp_path / "mine")
    load_catalogue(place)
    (made,) = (cache / "catalogues").iterdir()
    before = (made / "photos.npy").stat().st_mtime_ns
    load_catalogue(place)
    assert (made / "photos.npy").stat().st_mtime_ns == before
    shop(place, products(4))
    assert len(load_catalogue(place)) == 4


@pytest.mark.parametrize(
    "damage",
    [lambda photos: photos[:-1], lambda photos: photos[..., :1], lambda photos: photos / 255],
)
def test_photos_in_the_cache_that_do_not_fit_the_table_are_refused(tmp_path, cache, damage):
    place = shop(tmp_path / "mine")
    load_catalogue(place)
    (made,) = (cache / "catalogues").iterdir()
    photos = np.load(made / "photos.npy")
    np.save(made / "photos.npy", damage(photos))
    with pytest.raises(TutorialError, match=rf"photos\.npy.*expected.*remove the folder {made}"):
        load_catalogue(place)
    (made / "photos.npy").write_bytes(b"")
    with pytest.raises(TutorialError, match=rf"photos\.npy.*remove the folder {made}"):
        load_catalogue(place)


def test_the_demo_shop_is_there_with_its_truth(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "mmtutorial.datasets.demo.draw_shop", lambda place: draw_shop(place, n_products=60)
    )
    catalogue = load_catalogue("demo")
    assert len(catalogue) + len(catalogue.set_aside) == 60
    assert list(catalogue.truth["id"]) == list(catalogue.table["id"])
    assert catalogue.queries and (catalogue.table["title_zh"] != "").all()


# What is set aside, what is refused ------------------------------------------------------------


@pytest.mark.parametrize(
    "image, reason",
    [
        (None, "no photo"),
        (b"", "no photo"),
        (picture(1, kind="JPEG")[:300], "cannot be decoded"),
        (b"not a photo at all", "cannot be decoded"),
        (picture(1, size=(1, 1)), "1 x 1 pixels"),
        (picture(1, size=(100, 7)), "100 x 7 pixels"),
    ],
)
def test_a_product_with_a_bad_photo_is_set_aside_with_its_reason(tmp_path, image, reason):
    frame = products(4)
    frame.at[2, "image"] = image
    catalogue = load_catalogue(shop(tmp_path / "mine", frame))
    assert list(catalogue.table["id"]) == ["p0", "p1", "p3"]
    assert list(catalogue.set_aside["id"]) == ["p2"]
    assert reason in catalogue.set_aside["reason"][0]
    expected = np.asarray(Image.open(io.BytesIO(picture(3))))
    assert (catalogue.photos[2] == expected).all(), "photos and rows must stay aligned"


def test_a_row_without_an_id_is_set_aside_and_a_missing_file_named(tmp_path):
    frame = products(3).drop(columns="image").assign(photo=["a.png", "b.png", "c.png"])
    frame["id"] = ["p0", None, "p2"]
    place = shop(tmp_path / "mine", frame)
    (place / "a.png").write_bytes(picture(1))
    reasons = dict(load_catalogue(place).set_aside.itertuples(index=False))
    assert reasons == {"": "no id (row 1)", "p2": "photo c.png: no such file"}


def refuses(which, *words, **options):
    with pytest.raises(TutorialError) as caught:
        load_catalogue(which, **options)
    for word in words:
        assert word in str(caught.value)
    return str(caught.value)


def test_a_missing_column_is_named_with_those_there_are_and_how_to_map(tmp_path):
    place = shop(tmp_path / "mine", products().rename(columns={"title": "name"}))
    refuses(place, "'title'", "['id', 'name', 'colour', 'image']", 'columns={"title"', ".json")


def test_a_wrong_mapping_names_the_wrong_side(tmp_path):
    place = shop(tmp_path / "mine")
    refuses(place, "'titel'", "did you mean 'title'?", columns={"titel": "title"})
    refuses(place, "no column 'name'", "for 'title'", columns={"title": "name"})
    refuses("demo", "columns=", columns={"title": "name"})


def test_an_empty_catalogue(tmp_path):
    refuses(shop(tmp_path / "mine", products(0)), "no product at all")
    (tmp_path / "none").mkdir()
    refuses(tmp_path / "none", "products.parquet", "products.csv")
    (tmp_path / "none" / "products.csv").write_text("")
    refuses(tmp_path / "none", "products.csv", "empty")


def test_duplicate_ids_are_named(tmp_path):
    place = shop(tmp_path / "mine", products(4), id=["a", "b", "a ", "b"])
    refuses(place, "2 ids", "'a'", "'b'")


@pytest.mark.parametrize("keep", [-100, 2000, 0])
def test_a_truncated_parquet_names_the_file_and_the_remedy(tmp_path, cache, keep):
    file = shop(tmp_path / "mine") / "products.parquet"
    file.write_bytes(file.read_bytes()[:keep])
    refuses(tmp_path / "mine", "products.parquet", "again")
    assert not list(cache.rglob("*.npy"))


def test_a_parquet_damaged_in_the_middle(tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, 20_000, dtype=np.uint8).tobytes() for _ in range(6)]
    file = shop(tmp_path / "mine", image=noise) / "products.parquet"
    content = bytearray(file.read_bytes())
    content[4:400] = bytes(396)  # the first pages
    file.write_bytes(content)
    refuses(tmp_path / "mine", "products.parquet", "damaged")


def test_files_that_cannot_be_read(tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "products.csv").write_bytes("id,title\n1,Café".encode("latin-1"))
    refuses(place, "products.csv", "UTF-8")
    (place / "notes.txt").write_text("hello")
    refuses(place / "notes.txt", "notes.txt", ".parquet")
    shop(place)
    (place / "queries.json").write_text('{"red": ["p1"]}')
    refuses(place, "queries.json", "'red'")


def test_without_one_good_photo_there_is_no_catalogue(tmp_path):
    place = shop(tmp_path / "mine", image=None)
    refuses(place, "none of its 6 products", "'p0': no photo", "photos/<id>.jpg")


def test_an_unknown_name_lists_the_known_ones():
    refuses("fashon", "'fashon'", "'demo'", "'fashion'", "no such folder")


def test_a_negative_sample(tmp_path):
    refuses(shop(tmp_path / "mine"), "max_products", "-1", max_products=-1)


# The cache: whole or not at all ------------------------------------------------------------------


def test_a_full_disk_names_the_folder_and_leaves_nothing(tmp_path, cache, monkeypatch):
    def full(photo):
        raise OSError(errno.ENOSPC, "No space left on device")

    place = shop(tmp_path / "mine")
    with monkeypatch.context() as patch:  # where each photo has been decoded and is written
        patch.setattr(folder, "hash_photo", full)
        refuses(place, "no space left", str(cache), "MMTUTORIAL_CACHE")
    assert list((cache / "catalogues").iterdir()) == []
    assert len(load_catalogue(place)) == 6


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "file" / "cache"))
    refuses(shop(tmp_path / "mine"), "cannot write", "file/cache", "MMTUTORIAL_CACHE")


def test_an_interrupt_leaves_nothing(tmp_path, cache, monkeypatch):
    def stop(content):
        raise KeyboardInterrupt

    place = shop(tmp_path / "mine")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folder, "decode", stop)
        load_catalogue(place)
    assert list((cache / "catalogues").iterdir()) == []


def test_a_damaged_cache_says_so(tmp_path, cache):
    place = shop(tmp_path / "mine")
    load_catalogue(place)
    (made,) = (cache / "catalogues").iterdir()
    (made / "table.parquet").write_bytes(b"")
    refuses(place, str(made), "remove that folder")


def _load(place, results):
    results.put(len(load_catalogue(place)))


def test_processes_that_load_at_once_do_not_disturb_each_other(tmp_path, cache):
    place = shop(tmp_path / "mine", products(200))
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    both = [context.Process(target=_load, args=(place, results)) for _ in range(2)]
    for process in both:
        process.start()
    assert [results.get(timeout=60) for _ in both] == [200, 200]
    for process in both:
        process.join()
    assert len(list((cache / "catalogues").iterdir())) == 1


# Subsets, groups, the split --------------------------------------------------------------------


def made_up(titles, pictures, queries=None):
    """A catalogue without files: ``pictures`` are numbers, equal ones give equal photos."""
    photos = np.zeros((len(titles), 80, 60, 3), np.uint8)
    photos[:, 0, 0, 0] = pictures
    table = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(len(titles)))
    table = table.assign(
        id=[f"p{number:03}" for number in range(len(titles))],
        title=titles,
        photo_hash=hash_photos(photos),
    )
    return Catalogue("made up", table, photos, queries=queries)


def test_a_subset_takes_masks_rows_and_ids_in_order():
    catalogue = made_up(list("abcd"), [1, 2, 3, 4])
    assert list(catalogue.subset([3, 0]).table["title"]) == ["d", "a"]
    assert list(catalogue.subset(["p002", "p001"]).table["title"]) == ["c", "b"]
    mask = np.array([False, True, False, True])
    part = catalogue.subset(mask).subset([1])
    assert list(part.table["title"]) == ["d"]
    assert (part.photos == catalogue.photos[3:]).all()
    with pytest.raises(TutorialError, match="p9"):
        catalogue.subset(["p9"])
    with pytest.raises(TutorialError, match="4 products"):
        catalogue.subset(mask[:3])
    assert len(catalogue.subset([])) == 0


def test_copies_of_copies_are_one_group_and_empty_titles_are_not():
    titles = ["Red Shirt", "red  SHIRT", "<b>Blue</b> Shirt", "Hat", "", ""]
    catalogue = made_up(titles, [1, 2, 2, 3, 4, 5])
    assert list(group_products(catalogue.table)) == [0, 0, 0, 1, 2, 3]
    assert list(group_products(catalogue.table, catalogue.photos)) == [0, 0, 0, 1, 2, 3]


shops = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 25), min_size=n, max_size=n),
        st.lists(st.integers(0, 25), min_size=n, max_size=n),
        st.sets(st.integers(0, n - 1), max_size=3),
        st.randoms(use_true_random=False),
        st.integers(0, 5),
    )
)


@given(shops)
@settings(max_examples=60, deadline=None)
def test_the_split_keeps_its_promises(drawn):
    numbers, pictures, asked, random, seed = drawn
    queries = {"q": {f"p{number:03}": 1 for number in asked}} if asked else {}
    catalogue = made_up([f"Title {number}" for number in numbers], pictures, queries)
    split = catalogue.split(seed)
    parts = [set(part.table["id"]) for part in split]
    assert sum(map(len, parts)) == len(catalogue), "every product in exactly one part"
    assert set().union(*parts) == set(catalogue.table["id"])
    for one in split:
        for other in split:
            assert one is other or not leaked(one, other).any(), "no copy on two sides"
    assert {f"p{number:03}" for number in asked} <= parts[2], "the exam stays in test"
    order = list(range(len(catalogue)))
    random.shuffle(order)
    again = catalogue.subset(order).split(seed)
    assert [set(part.table["id"]) for part in again] == parts, "the order of rows plays no role"


def test_the_split_has_about_the_shares_and_another_seed_gives_another():
    catalogue = made_up([f"Title {number}" for number in range(2000)], [1] * 2000)
    catalogue.table["photo_hash"] = [str(number) for number in range(2000)]
    sizes = [len(part) for part in catalogue.split(shares=(0.5, 0.3, 0.2))]
    assert np.allclose(np.array(sizes) / 2000, (0.5, 0.3, 0.2), atol=0.04)
    first, second = (set(catalogue.split(seed).test.table["id"]) for seed in (0, 1))
    assert len(first & second) < len(first) / 2
    with pytest.raises(TutorialError, match="shares"):
        catalogue.split(shares=(0.8, 0.3, 0.1))


def test_leaked_finds_what_a_split_by_rows_lets_through():
    catalogue = made_up(["a", "A", "b", "c"], [1, 2, 3, 3])
    train, test = catalogue.subset([0, 2]), catalogue.subset([1, 3])
    assert list(leaked(train, test)) == [True, True]
    assert list(leaked(train, catalogue.subset([0]))) == [True]
    assert not leaked(catalogue.subset([0, 1]), catalogue.subset([2, 3])).any()


def test_a_sample_is_the_same_whatever_the_order_of_the_rows(tmp_path):
    frame = products(40)
    one = load_catalogue(shop(tmp_path / "one", frame), max_products=10)
    other = load_catalogue(shop(tmp_path / "two", frame.iloc[::-1]), max_products=10)
    assert one.name == "one[10]" and set(one.table["id"]) == set(other.table["id"])
    assert len(one) == 10
    assert len(load_catalogue(tmp_path / "one", max_products=40)) == 40


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_a_csv_comes_back_as_it_was_written(tmp_path_factory, rows):
    place = tmp_path_factory.mktemp("mine")
    frame = pd.DataFrame(rows, columns=["title", "colour"])
    frame["id"] = [f"p{number}" for number in range(len(rows))]
    frame["photo"] = "photo.png"
    frame.to_csv(place / "products.csv", index=False)
    (place / "photo.png").write_bytes(picture(1))
    table = load_catalogue(place).table
    for column in ("title", "colour"):
        assert list(table[column]) == folder.as_text(frame[column])
