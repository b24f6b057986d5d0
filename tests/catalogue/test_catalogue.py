"""The catalogue: whatever a shop sends is read, or refused with a reason and a remedy."""

import errno
import io
import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmtutorial import TutorialError
from mmtutorial.catalogue import reading
from mmtutorial.catalogue.catalogue import Catalogue, _demo_shop, leaked, load_catalogue
from mmtutorial.catalogue.demo import drawing
from mmtutorial.catalogue.demo.drawing import draw_shop
from mmtutorial.catalogue.groups import group_products, hash_photos
from mmtutorial.catalogue.reading import COLUMNS
from mmtutorial.catalogue.spreadsheet import as_prices


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
    photo = reading.decode(picture(3, size, mode))
    assert photo.shape == (80, 60, 3)
    colour = reading.decode(picture(3, mode=mode))[40, 30]
    assert np.abs(photo[40, 30].astype(int) - colour).max() <= 2
    # A wide photo keeps its aspect: white above and below.
    assert (photo[0] == 255).all() == (size[0] / size[1] > 0.76)


def test_transparent_photos_lie_on_white():
    stream = io.BytesIO()
    Image.new("RGBA", (60, 80), (0, 0, 0, 0)).save(stream, "PNG")
    assert (reading.decode(stream.getvalue()) == 255).all()


def stored(values, kind):
    """The bytes of a grey photo that holds ``values`` as they are."""
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    "kind, dtype, white",
    [
        ("PNG", "uint16", 65535),  # Pillow's modes: I;16
        ("TIFF", "uint16", 65535),
        ("TIFF", "int32", 65535),  # I
        ("TIFF", "int32", 255),
        ("TIFF", "float32", 1),  # F
        ("TIFF", "float32", 255),
    ],
)
def test_photos_of_16_and_32_bits_keep_their_grey_levels(kind, dtype, white):
    levels = np.linspace(0, 1, 60)
    photo = reading.decode(stored((np.ones((80, 1)) * levels * white).astype(dtype), kind))
    assert np.abs(photo[40, :, 1] - levels * 255).max() <= 1
    # A dark one stays dark where the scale is known.
    if dtype == "uint16":
        assert (reading.decode(stored(np.full((80, 60), 257, dtype), kind)) == 1).all()


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


def test_a_photo_that_a_column_names_anywhere_is_noticed_when_it_comes_or_changes(tmp_path):
    frame = products(2).drop(columns="image").assign(photo=["photos/a.png", "pics/b.png"])
    place = shop(tmp_path / "mine", frame)
    for name in ("photos", "pics"):
        (place / name).mkdir()
    (place / "photos" / "a.png").write_bytes(picture(1))
    assert list(load_catalogue(place).set_aside["id"]) == ["p1"]
    (place / "pics" / "b.png").write_bytes(picture(2))
    assert len(load_catalogue(place)) == 2
    (place / "pics" / "b.png").write_bytes(picture(3, size=(90, 120)))
    expected = reading.decode(picture(3, size=(90, 120)))
    assert (load_catalogue(place).photos[1] == expected).all()


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
        "mmtutorial.catalogue.demo.drawing.draw_shop", lambda place: draw_shop(place, n_products=60)
    )
    catalogue = load_catalogue("demo")
    assert len(catalogue) + len(catalogue.set_aside) == 60
    assert list(catalogue.truth["id"]) == list(catalogue.table["id"])
    assert catalogue.queries and (catalogue.table["title_zh"] != "").all()
    assert not catalogue.notes
    sizes = [catalogue.thumbnail_size(row) for row in range(len(catalogue))]
    assert set(sizes) <= {(180, 240), (180, 216)} and (180, 240) in sizes


def test_the_demo_shop_is_drawn_anew_when_code_beside_it_changes(tmp_path, monkeypatch):
    shutil.copytree(Path(drawing.__file__).parent, tmp_path / "code")
    monkeypatch.setattr(drawing, "__file__", str(tmp_path / "code" / "demo.py"))
    monkeypatch.setattr(drawing, "draw_shop", lambda place: None)
    first = _demo_shop()
    assert _demo_shop() == first
    (tmp_path / "code" / "folder.py").write_text("HEIGHT = 81")
    assert _demo_shop() != first


def test_a_catalogue_of_ids_titles_and_photos_prints_what_it_has(tmp_path):
    place = shop(tmp_path / "mine", products()[["id", "title", "image"]])
    assert "filled: id and title only" in repr(load_catalogue(place))
    assert "price 50%" in repr(load_catalogue(shop(place, price=[1.0, None] * 3)))


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


@pytest.fixture
def no_waiting():
    """A test that waits on a pipe fails after some seconds instead of hanging."""

    def stop(*_):
        raise AssertionError("still reading")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def linked_shop(tmp_path, photo):
    """Two products: p0 with a photo, p1 with what the column ``photo`` says."""
    frame = products(2).drop(columns="image").assign(photo=["photos/p0.png", photo])
    place = shop(tmp_path / "mine", frame)
    (place / "photos").mkdir()
    (place / "photos" / "p0.png").write_bytes(picture(1))
    (tmp_path / "secret.png").write_bytes(picture(2))
    return place


@pytest.mark.parametrize(
    "photo, reason",
    [
        ("", "photo p1.jpg: no regular file"),
        ("photos/p1.jpg", "photo photos/p1.jpg: no regular file"),
        ("photos", "photo photos: no regular file"),
        ("/dev/zero", "photo /dev/zero: outside the catalogue's folder"),
        ("../secret.png", "photo ../secret.png: outside the catalogue's folder"),
        ("photos/out.png", "photo photos/out.png: outside the catalogue's folder"),
        ("photos/broken.png", "photo photos/broken.png: a link that leads nowhere"),
        ("photos/loop.png", "photo photos/loop.png: Too many levels of symbolic links"),
        ("a\0b.png", "no possible file name"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_only_regular_files_inside_the_folder_are_read(tmp_path, no_waiting, photo, reason):
    place = linked_shop(tmp_path, photo)
    os.mkfifo(place / "photos" / "p1.jpg")
    (place / "photos" / "out.png").symlink_to(tmp_path / "secret.png")
    (place / "photos" / "broken.png").symlink_to("nowhere.png")
    (place / "photos" / "loop.png").symlink_to("loop.png")
    catalogue = load_catalogue(place)
    assert list(catalogue.table["id"]) == ["p0"]
    assert list(catalogue.set_aside["id"]) == ["p1"]
    assert reason in catalogue.set_aside["reason"][0]
    assert len(catalogue.set_aside["reason"][0]) < 200


def test_an_absolute_path_and_a_link_inside_the_folder_are_read(tmp_path):
    place = linked_shop(tmp_path, str(tmp_path / "mine" / "photos" / "same.png"))
    (place / "photos" / "same.png").symlink_to("p0.png")
    assert len(load_catalogue(place)) == 2
    (tmp_path / "door").symlink_to(place)  # the way to the folder may be a link, too
    assert len(load_catalogue(tmp_path / "door")) == 2


def test_a_photo_with_too_many_pixels_or_bytes_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(reading, "MAX_PIXELS", 10_000)
    monkeypatch.setattr(reading, "_upright", lambda image: pytest.fail("it was unpacked"))
    with pytest.raises(TutorialError, match="more than 0 million pixels"):
        reading.decode(picture(1, size=(101, 100)))
    stream = io.BytesIO()
    Image.new("1", (14_000, 14_000)).save(stream, "PNG")  # Pillow itself refuses it
    with pytest.raises(TutorialError, match="million pixels"):
        reading.decode(stream.getvalue())
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    with pytest.raises(TutorialError, match="MB"):
        reading.decode(picture(1))


def test_reading_an_image_file_never_waits(tmp_path, no_waiting, monkeypatch):
    (tmp_path / "a.png").write_bytes(picture(1))
    assert reading.read_image_file(str(tmp_path / "a.png")) == picture(1)
    os.mkfifo(tmp_path / "pipe.png")
    for name in (tmp_path / "pipe.png", "/dev/zero", tmp_path, "a\0b", tmp_path / "no.png"):
        with pytest.raises(TutorialError):
            reading.read_image_file(name)
    monkeypatch.setattr(reading, "MAX_BYTES", 10)
    with pytest.raises(TutorialError, match="MB"):
        reading.read_image_file(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["products.csv", "queries.json", "columns.json", "truth.parquet"])
def test_a_pipe_in_the_place_of_a_file_is_named(tmp_path, no_waiting, name):
    place = tmp_path / "mine"
    if name == "products.csv":
        place.mkdir()
    else:
        shop(place)
    os.mkfifo(place / name)
    refuses(place, name, "not a file")


def test_a_drawing_in_postscript_is_not_run(monkeypatch):
    stream = io.BytesIO()
    Image.new("RGB", (60, 80)).save(stream, "EPS")
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("it was run"))
    with pytest.raises(TutorialError, match="no image format"):
        reading.decode(stream.getvalue())


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


@pytest.mark.parametrize("content", ['{"a":' * 100_000, '{"a": ' + "[" * 900 + "]" * 900 + "}"])
def test_queries_nested_without_end(tmp_path, content):
    place = shop(tmp_path / "mine")
    (place / "queries.json").write_text(content)
    assert len(refuses(place, "queries.json", "repair")) < 1000


@pytest.mark.parametrize("answers", [["p1"], {"p1": {"p2": 1}}, {"p1": "1"}, {"p1": True}, 1])
def test_qrels_of_another_form_name_the_query(tmp_path, answers):
    place = shop(tmp_path / "mine")
    (place / "queries.json").write_text(json.dumps({"red shirt": answers}))
    refuses(place, "queries.json", "'red shirt'", "whole numbers")


def test_a_truth_without_ids_or_with_one_twice_or_damaged(tmp_path):
    place = shop(tmp_path / "mine")
    products()[["colour"]].to_parquet(place / "truth.parquet")
    refuses(place, "truth.parquet", "'id'", "['colour']")
    pd.DataFrame({"id": ["p1", "p1 "], "colour": "Red"}).to_parquet(place / "truth.parquet")
    refuses(place, "truth.parquet", "'p1'")
    (place / "truth.parquet").write_bytes(b"PAR1")
    refuses(place, "truth.parquet", "damaged")
    pd.DataFrame({"id": [1.0, 2.0], "colour": "Red"}).to_parquet(place / "truth.parquet")
    assert load_catalogue(place).truth["colour"].isna().all(), "it knows none of our products"


@pytest.mark.parametrize("which", ["", "a\0b", "x" * 5000, "~nobody-of-that-name/shop"])
def test_a_name_that_is_no_path(which):
    refuses(which, "catalogue", "'fashion'")


# Spreadsheets ------------------------------------------------------------------------------------


def csv_shop(place, content, encoding="utf-8"):
    (place / "photos").mkdir(parents=True, exist_ok=True)
    for number in range(3):
        (place / "photos" / f"p{number}.png").write_bytes(picture(number))
    (place / "products.csv").write_bytes(content.encode(encoding))
    return place


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_as_excel_writes_it(tmp_path, separator, encoding):
    lines = [["id", "title", "description", "price"], ["p0", '"Café; red, large"', "", '"19,90"'],
             ["p1", '"12"" wide\r\ntwo lines"', "x", '"1.234,50"'], ["p2", "Blue"],
             ["", "", "", ""]]  # fmt: skip
    content = "\r\n".join(separator.join(line) for line in lines) + "\r\n"
    table = load_catalogue(csv_shop(tmp_path / "mine", content, encoding)).table
    assert list(table["title"]) == ["Café; red, large", '12" wide\r\ntwo lines', "Blue"]
    assert list(table["id"]) == ["p0", "p1", "p2"]
    assert table["price"].tolist()[:2] == [19.9, 1234.5] and np.isnan(table["price"][2])


@pytest.mark.parametrize(
    "texts, numbers",
    [
        (["19,90", "1.234,50", "1.234", "7"], [19.9, 1234.5, 1234, 7]),
        (["19.90", "1,234.50", "1,234", "1.234"], [19.9, 1234.5, 1234, 1.234]),
        (["€ 19,90", "19,90 EUR", "-5,5 €", "Fr. 1'234,00"], [19.9, 19.9, -5.5, 1234]),
        (["19,90", "19.90", "1 234,5", "1\u202f234\xa0€"], [19.9, 19.9, 1234.5, 1234]),
        (["$12", "1,234,567", "1e3", "0.5"], [12, 1234567, 1000, 0.5]),
    ],
)
def test_prices_in_the_country_of_their_column(texts, numbers):
    assert as_prices(texts).tolist() == numbers


@pytest.mark.parametrize(
    "text", ["", "x", "5 10", "1,23,4", "10-20", "inf", "nan", "on request", "1.2.3", "2024-01-05"]
)
def test_what_is_no_price_is_nan(text):
    assert np.isnan(as_prices([text, "1.50"])[0])


@given(st.lists(st.floats(-1e12, 1e12), min_size=1))
def test_numbers_come_back_from_their_texts(numbers):
    assert as_prices([repr(number) for number in numbers]).tolist() == numbers


def test_prices_that_are_no_numbers_are_counted_and_shown(tmp_path):
    catalogue = load_catalogue(
        csv_shop(tmp_path / "mine", "id;title;price\np0;A;19,90\np1;B;ask us\np2;C;\n")
    )
    assert "1 of 2 prices are no numbers (as 'ask us')" in repr(catalogue)


def test_a_comma_without_quotes_names_the_line_and_the_remedy(tmp_path):
    for content, line in (("id,title\np0,Red cap, large\n", 2), ("id,title\np0,A\np1,B,C\n", 3)):
        said = refuses(csv_shop(tmp_path / "mine", content), f"products.csv, line {line}:")
        assert "3 values for 2 columns" in said and "commas" in said and "double quotes" in said
    refuses(csv_shop(tmp_path / "mine", 'id;title\np0;"a\nb"\np1;B;C\n'), "line 4", "semicolons")


def test_a_quote_that_does_not_close_names_the_line(tmp_path):
    refuses(csv_shop(tmp_path / "mine", 'id,title\np0,A\np1,"B\np2,C\n'), "line 3", "quote")
    refuses(csv_shop(tmp_path / "mine", 'id,title\np0,"Red" cap\n'), "line 2", "quote")


def test_a_missing_column_names_the_separator_that_was_guessed(tmp_path):
    refuses(csv_shop(tmp_path / "mine", "nr;name\np0;A\n"), "['nr', 'name']", "semicolons")
    refuses(csv_shop(tmp_path / "mine", "id,title,title\np0,A,B\n"), "'title' more than once")


def test_another_encoding_names_the_line_and_how_to_save(tmp_path):
    place = csv_shop(tmp_path / "mine", "id;title\np0;A\np1;Café\n", "cp1252")
    refuses(place, "products.csv, line 3", "UTF-8", "Excel", "Caf")


def test_columns_that_are_not_read_are_named_once_with_a_hint(tmp_path):
    place = csv_shop(tmp_path / "mine", "id;title;color;maat\np0;A;Red;M\np1;B;Blue;S\n")
    catalogue = load_catalogue(place)
    assert repr(catalogue).count("not read: color, maat") == 1
    assert '{"colour": "color"}' in repr(catalogue)
    assert "not read" in repr(load_catalogue(place)), "from the cache, too"
    assert "not read" in repr(load_catalogue(place, max_products=1))
    assert "not read" not in repr(catalogue.subset([0])), "its parts do not repeat it"
    (place / "columns.json").write_text('{"colour": "color"}')
    said = repr(load_catalogue(place))
    assert "not read: maat. data/README.md" in said and "colour 100%" in said
    assert not load_catalogue(shop(tmp_path / "other")).notes


# The cache: whole or not at all ------------------------------------------------------------------


def test_a_full_disk_names_the_folder_and_leaves_nothing(tmp_path, cache, monkeypatch):
    def full(photo):
        raise OSError(errno.ENOSPC, "No space left on device")

    place = shop(tmp_path / "mine")
    with monkeypatch.context() as patch:  # where each photo has been decoded and is written
        patch.setattr(reading, "hash_photo", full)
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
        patch.setattr(reading, "decode_both", stop)
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        assert list(table[column]) == reading.as_text(frame[column])
