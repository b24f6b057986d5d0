"""The search app: its parts, its page driven from Python, and the served page in a browser."""

import base64
import contextlib
import html
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from small_catalogue import TINY, small_catalogue

from mmtutorial import TutorialError
from mmtutorial.catalogue.catalogue import Catalogue, load_catalogue
from mmtutorial.cli import main
from mmtutorial.course import lessons
from mmtutorial.encoders.tokenisers import Vocabulary
from mmtutorial.matching import attribute_encoder, attribute_retriever
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.paths import ROOT
from mmtutorial.search import query_reader
from mmtutorial.search.product_search import ProductSearch
from mmtutorial.shop import language, opening, serve, uploads
from mmtutorial.shop import page as page_module
from mmtutorial.shop.page import STYLE, make

COLOURS = {"red": "红色", "green": "绿色", "navy blue": "藏青色"}
KINDS = {"tee": ("Tshirts", "T恤"), "bag": ("Handbags", "手提包")}


def table(copies=4):
    """Each colour and kind ``copies`` times; titles say "tee", the catalogue says Tshirts."""
    rows = [
        {
            "title": f"Acme {colour.title()} {kind.title()}",
            "title_zh": f"Acme {chinese}{kind_zh}",
            "colour": colour.title(),
            "article_type": article_type,
            "brand": "Acme",
            "price": 10.0 * (n + 1),
        }
        for n in range(copies)
        for colour, chinese in COLOURS.items()
        for kind, (article_type, kind_zh) in KINDS.items()
    ]
    found = pd.DataFrame(rows)
    found.insert(0, "id", [f"{n:03d}" for n in range(len(found))])
    return found


class ByWords:
    """A retriever whose space one can read: one axis a word; a photo shows its colour."""

    tokeniser = Vocabulary(["red", "green", "navy", "tee", "bag"])

    def embed_photos(self, photos):
        shown = np.asarray(photos, "float32")[:, 0, 0] / 255  # (n, 3)
        return unit_length(np.pad(shown, ((0, 0), (0, 2))) + 1e-3)

    def embed_texts(self, texts):
        words = self.tokeniser.words
        return unit_length([[word in text.lower() for word in words] for text in texts])


@pytest.fixture(scope="module")
def shop():
    products = table()
    photos = np.zeros((len(products), 80, 60, 3), dtype="uint8")
    for row, colour in enumerate(products["colour"]):
        photos[row, ..., [name.title() for name in COLOURS].index(colour)] = 255
    return ProductSearch(ByWords(), Catalogue("<b>six</b>", products, photos))


@pytest.fixture
def page(shop):
    return make(shop, per_page=5)


@pytest.fixture
def ranked(shop):
    """The page of the same shop, ranked as ``mmtutorial app`` ranks."""
    found = (shop.photo_vectors, shop.title_vectors)
    by_all = ProductSearch(shop.retriever, shop.catalogue, vectors=found, **opening.RANKING)
    return make(by_all, per_page=5)


def said(page):
    return re.sub("<[^>]*>", "", page.message.value)


def shown(page):
    """The titles of the cards that are not hidden."""
    faces = [one.face.value for one in page.cards if "hidden" not in one._dom_classes]
    return [re.search('class="title">([^<]*)<', face).group(1) for face in faces]


def ask(page, text):
    page.query.value = text
    page.go.click()


def send(page, content, name="mine.jpg"):
    page.upload.value = (
        {"name": name, "type": "", "size": len(content), "content": memoryview(content),
         "last_modified": pd.Timestamp(0, tz="UTC").to_pydatetime()},
    )  # fmt: skip


def encoded(format="PNG", mode="RGB", size=(60, 80), colour=0):
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, format)
    return buffer.getvalue()


# What a query says -----------------------------------------------------------------------------


def test_a_partner_is_what_goes_with_a_term_and_not_what_goes_with_everything():
    left = [["tee", "new"]] * 3 + [["shoe", "new"]] * 5
    right = [["Tshirts", "Casual"]] * 3 + [["Shoes", "Casual"]] * 4 + [["Shoes"]]
    assert query_reader.associated_terms(left, right, min_confidence=0.8) == {
        "tee": "Tshirts", "shoe": "Shoes", "new": "Casual",
    }  # fmt: skip
    assert query_reader.associated_terms(left, right, min_confidence=0.9)["shoe"] == "Shoes"
    assert "new" not in query_reader.associated_terms(left, right, min_confidence=0.9)  # 7 of 8
    assert query_reader.associated_terms(left, right, min_confidence=0.8, min_count=4).keys() == {
        "shoe",
        "new",
    }
    assert query_reader.associated_terms(left, [[]] * 8, min_confidence=0.8) == {}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a red tee", [("colour", "Red"), ("article_type", "Tshirts")]),
        ("T-shirt, GREEN", [("article_type", "Tshirts"), ("colour", "Green")]),
        ("ACME red", [("brand", "Acme"), ("colour", "Red")]),
        ("navy blue handbag", [("colour", "Navy Blue"), ("article_type", "Handbags")]),
        ("red red", [("colour", "Red")]),
        ("Acme's", [("brand", "Acme")]),
        ("something else", []),
        ("", []),
    ],
)
def test_attributes_are_read_by_value_or_by_a_word_that_titles_use(query, expected):
    assert query_reader.QueryReader(table()).attributes(query) == expected


def test_chinese_is_read_through_the_two_titles_of_each_product():
    reader = query_reader.QueryReader(table())
    assert reader.translated("红色手提包") == "red bag"
    assert reader.translated("green bag") == "green bag"
    without = query_reader.QueryReader(table().assign(title_zh=""))
    assert without.translated("红色手提包") == "红色手提包"


def test_a_misspelt_word_gets_the_nearest_known_one():
    reader = query_reader.QueryReader(table())
    assert reader.unknown("gren bagg") == {"gren": "green", "bagg": "bag"}
    assert reader.unknown("a green xylophone for Acme, T-shirts, handbags") == {"xylophone": ""}


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("sneekers", "sneakers"),  # one edit
        ("snaekrs", ""),  # two edits in 7 letters
        ("sneaeksr", "sneakers"),  # two edits in 8: letters that changed places
        ("alert", ""),  # "wallet" has 5 of its letters, 3 edits away
        ("hta", ""),
        ("hatt", "hat"),
    ],
)
def test_the_word_meant_is_few_edits_away_for_its_length(word, meant):
    products = table().assign(title=["Red Sneakers Wallet Hat"] * 24, title_zh="")
    assert query_reader.QueryReader(products).unknown(f"red {word}") == {word: meant}


@pytest.mark.parametrize(
    ("a", "b", "edits"),
    [("", "ab", 2), ("cap", "cap", 0), ("cap", "cape", 1), ("cap", "cup", 1), ("form", "from", 1),
     ("kitten", "sitting", 3), ("alert", "wallet", 3)],
)  # fmt: skip
def test_edits_are_counted(a, b, edits):
    assert query_reader._edits(a, b) == query_reader._edits(b, a) == edits


def test_a_function_word_names_no_value():
    """A work lamp called Fors in three colours: "for" is the singular of "fors"."""
    titles = [f"Fors Work Lamp {colour}" for colour in ("Red", "Grey", "White")]
    titles += ["Pasta Pan"] * 3 + ["Towel"] * 3
    kinds = ["Work lamp"] * 3 + ["Cookware"] * 3 + ["Textile"] * 3
    reader = query_reader.QueryReader(pd.DataFrame({"title": titles, "article_type": kinds}))
    assert reader.attributes("towel for my mother") == [("article_type", "Textile")]
    assert reader.attributes("pan for pasta") == [("article_type", "Cookware")]
    assert reader.attributes("a Fors lamp") == [("article_type", "Work lamp")]
    only = query_reader.QueryReader(pd.DataFrame({"title": ["Red Top"] * 3, "brand": ["Any"] * 3}))
    assert only.attributes("any top") == [("brand", "Any")]  # spelt exactly so


# Uploads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", uploads.FORMATS)
def test_a_photo_of_any_size_becomes_ours(format):
    photo = uploads.read_upload(encoded(format, size=(300, 400), colour=(255, 0, 0)), "a")
    assert photo.shape == (80, 60, 3) and photo.dtype == np.uint8
    assert (np.abs(photo[40, 30].astype(int) - (255, 0, 0)) < 8).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no photo"),
        (b"%PDF-1.4 hello", "is no photo"),
        (b"\xff\xd8\xff\xe0 no more", "is no photo"),
        (encoded("TIFF"), "take one of JPEG, PNG"),
        (encoded("JPEG", size=(300, 400))[:-400], "cannot be used"),
        (encoded(size=(5, 5)), "5 x 5 pixels"),
        (encoded(mode="1", size=(8000, 8000)), "60 million pixels"),
        (encoded(mode="1", size=(14000, 14000)), "60 million pixels"),  # Pillow refuses by itself
        (bytes(uploads.MAX_BYTES + 1), "has 15 MB"),
    ],
    ids=["empty", "pdf", "broken", "tiff", "cut", "tiny", "bomb", "larger bomb", "too large"],
)
def test_a_hostile_upload_is_refused_in_a_sentence(content, message):
    with pytest.raises(TutorialError, match=message) as fault:
        uploads.read_upload(content, "x.jpg")
    assert str(fault.value).startswith("“x.jpg” ")


# The page, driven from Python ------------------------------------------------------------------


def test_it_opens_with_the_whole_shop_and_a_hint(page):
    assert "Type what you are looking for" in said(page)
    assert len(shown(page)) == 5
    assert "24 products, page 1 of 5" in page.place.value


def test_a_search_shows_the_best_first_and_says_why(page):
    ask(page, "green bag")
    assert shown(page)[:4] == ["Acme Green Bag"] * 4
    assert page.asked == [("colour", "Green"), ("article_type", "Handbags")]
    face = page.cards[4].face.value
    assert "✓ Green" in face and "✗ Tshirts, not Handbags" in face
    score, photo, title = (float(number) for number in re.findall(r">(-?\d\.\d\d)<", face))
    assert abs(photo + title - score) < 0.015


def test_why_shows_what_each_scorer_gives_and_the_page_what_it_ranks_by(page, ranked):
    assert "ranked by its photo and title (100%)" in page.ranking.value
    shares = [f"({weight / sum(opening.WEIGHTS):.0%})" for weight in opening.WEIGHTS]
    by = ("its photo and title", "its words", "its attributes")
    said = ", ".join(f"{name} {share}" for name, share in zip(by, shares, strict=True))
    assert f"ranked by {said}" in ranked.ranking.value
    ask(ranked, "green bag")
    assert shown(ranked)[:4] == ["Acme Green Bag"] * 4
    face = ranked.cards[4].face.value
    score, *parts = (float(number) for number in re.findall(r">(-?\d\.\d\d)<", face))
    assert len(parts) == 4 and abs(sum(parts) - score) < 0.025
    assert [name for name in re.findall(r'class="(\w+)-part"', face)] == [
        "photo", "title", "bm25", "attributes",
    ]  # fmt: skip
    assert "✓ Green" in face and "✗ Tshirts, not Handbags" in face
    ranked.language.value = "title_zh"
    assert "排序依据：照片和标题" in ranked.ranking.value and "用词" in ranked.cards[0].face.value
    ask(ranked, "")
    send(ranked, encoded(colour=(0, 255, 0)))  # a photo has no words: vectors alone
    assert re.findall(r'class="(\w+)-part"', ranked.cards[0].face.value) == ["photo", "title"]


def test_an_own_scorer_stands_on_the_card_by_its_name(shop):
    class New:
        name = "new <b>"

        def scores(self, query):
            return np.arange(len(shop.gallery))

    own = ProductSearch(shop.retriever, shop.catalogue, scorers=("vectors", New()))
    page = make(own, per_page=5)
    ask(page, "green bag")
    assert (
        "new &lt;b&gt;" in page.cards[0].face.value and 'class="part"' in page.cards[0].face.value
    )
    assert "new &lt;b&gt; (50%)" in page.ranking.value


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "Type what you are looking for"),
        ("   ", "Type what you are looking for"),
        ("qwertz", "No title has a word of “qwertz”: try other words"),
        ("grean", "did you mean green?"),
        ("red" * 100, "300 characters are too many: describe it in up to 200"),
        ("<script>alert(1)</script>", "No title has a word of"),
    ],
)
def test_a_query_that_cannot_be_answered_gets_a_sentence(page, query, message):
    ask(page, "red")
    ask(page, query)
    assert message in said(page).replace("&lt;", "<")
    assert "Acme Red" not in "".join(shown(page)) or not query.strip()


def test_nothing_that_others_wrote_becomes_markup(shop):
    evil = '<img src=x onerror="alert(1)">'
    products = shop.catalogue.table.assign(title=f"red {evil}", colour=evil, brand=evil + "&")
    products.loc[0, "brand"] = "Bolt"
    page = make(ProductSearch(ByWords(), Catalogue(evil, products, shop.catalogue.photos)))
    ask(page, f"red {evil}")
    assert page.asked == [("colour", evil)]
    send(page, b"no photo", name=evil)
    page.cards[0].more.click()
    ask(page, evil)
    widgets = [page, *page.children]
    for one in widgets:
        widgets += getattr(one, "children", ()) if one is not page else ()
    markup = [one.value for one in widgets if type(one).__name__ == "HTML"]
    assert len(markup) > 12
    assert not any(evil in value for value in markup)
    assert any("&lt;img src=x" in value for value in markup)


def test_each_unknown_word_is_named_and_the_others_are_used(page):
    ask(page, "bagg red xylophone")
    assert said(page) == "No title has “bagg”: did you mean bag? No title has “xylophone”."
    assert {title.split()[1] for title in shown(page)} == {"Red"}
    ask(page, "red bag")
    assert said(page) == ""


@pytest.mark.parametrize("known", [False, True])
def test_markup_has_no_word_and_nothing_is_proposed(page, monkeypatch, known):
    """Even where the model can cut any word into pieces that it knows."""
    if known:
        monkeypatch.setattr(page, "_knows", lambda text: True)
    ask(page, "<script>teee(1)</script>")
    assert said(page).startswith("No title has a word of") and "did you mean" not in said(page)
    assert shown(page) == []


def test_while_a_search_runs_the_earlier_list_is_marked_and_has_no_heading(page, monkeypatch):
    ask(page, "red")
    seen = []
    embed = page.shop.embed_query

    def watched(*query):
        seen.append((page.heading.value, "busy" in page._dom_classes))
        return embed(*query)

    monkeypatch.setattr(page.shop, "embed_query", watched)
    page.query.value = "green xylophone"
    ((heading, busy),) = seen
    assert "Searching for “green xylophone” …" in heading and "red" not in heading and busy
    assert "busy" not in page._dom_classes and "Results for" in page.heading.value

    def broken(*query):
        raise RuntimeError

    monkeypatch.setattr(page.shop, "embed_query", broken)
    ask(page, "red bag")
    assert shown(page) == [] and "busy" not in page._dom_classes
    assert "Nothing found" in page.heading.value


def widgets(page):
    found = [page]
    for one in found:
        found += getattr(one, "children", ())
    return found


def labels(page):
    """All that the page says and a catalogue does not: what controls and sentences read."""
    found = []
    for one in widgets(page):
        found.append(getattr(one, "description", ""))
        found += [getattr(one, "placeholder", ""), getattr(one, "tooltip", "") or ""]
        if type(one).__name__ in ("HTML", "Label") and "<style>" not in one.value:
            found.append(html.unescape(re.sub("<[^>]*>", " ", one.value)))
        if type(one).__name__ == "Dropdown":
            found += [label for label, _ in one.options]
    return [text.strip() for text in found if re.search(r"\w", text)]


def test_every_label_is_in_the_language_that_is_chosen(page):
    page.language.value = "title_zh"
    of_catalogue = (
        "<b>six</b>|Acme|Red|Green|Navy Blue|Tshirts|Handbags|T恤|tee|red|xylophone|mine.jpg|MB"
    )
    for step in (
        lambda: None,
        lambda: ask(page, "red tee xylophone"),
        lambda: page.cards[0].more.click(),
        lambda: send(page, encoded()),
        lambda: send(page, bytes(uploads.MAX_BYTES + 1)),
        lambda: ask(page, "xylophone"),
        lambda: ask(page, "red" * 100),
        lambda: setattr(page.price, "value", (11, 12)),
    ):
        step()
        said_now = re.sub(of_catalogue, "", " ".join(labels(page)))
        assert re.findall("[A-Za-z]+", said_now) == []
    page.language.value = "title"
    assert re.findall("[\u4e00-\u9fff]+", " ".join(labels(page))) == []


def test_both_languages_say_the_same_things():
    for key, (english, chinese) in language.SAYS.items():
        names = [sorted(re.findall(r"{(\w+)", text)) for text in (english, chinese)]
        assert names[0] == names[1], key
        assert re.search("[\u4e00-\u9fff]", chinese), key


def test_a_menu_has_counts_the_commonest_first_and_an_end(shop, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_VALUES", 2)
    products = shop.catalogue.table.copy()
    products.loc[:2, "colour"] = "Pink"
    products.loc[3, "colour"] = ""
    page = make(ProductSearch(ByWords(), Catalogue("c", products, shop.catalogue.photos)))
    assert [label for label, _ in page.filters["colour"].options] == [
        "Colour: any", "Navy Blue (8)", "Green (6)",
    ]  # fmt: skip
    assert "the 2 commonest of 4" in page.notes["colour"].value
    assert page.notes["article_type"].value == ""
    ask(page, "red tee")
    page.narrow.click()  # to a value that the menu leaves out
    assert page.where() == {"article_type": "Tshirts", "colour": "Red"}
    assert page.filters["colour"].label == "Red (6)"
    page.language.value = "title_zh"
    assert page.where() == {"article_type": "Tshirts", "colour": "Red"}
    page.reset.click()
    assert len(page.filters["colour"].options) == 3


def luminance(colour):
    """Of ``#rrggbb``, as WCAG 2.2 defines it."""
    parts = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("paper", ["white", "tint"])
@pytest.mark.parametrize("ink", ["ink", "soft", "accent", "fault", "yes", "no"])
def test_what_is_written_stands_out_from_its_ground(ink, paper):
    """4.5 to 1 at least (WCAG 2.2, 1.4.3)."""
    colours = dict(re.findall(r"--(\w+): (#\w{6})", STYLE), white="#ffffff")
    for name in ("fault", "yes", "no"):
        colours[name] = re.search(rf"\.{name} {{ color: (#\w{{6}})", STYLE).group(1)
    light, dark = luminance(colours[paper]), luminance(colours[ink])
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_filters_and_prices_narrow_what_is_found(page):
    page.filters["colour"].value = "Red"
    assert "8 products" in page.place.value
    page.price.value = (10, 20)
    assert "4 products" in page.place.value
    ask(page, "bag")
    assert shown(page) == ["Acme Red Bag"] * 2 + ["Acme Red Tee"] * 2
    page.reset.click()
    assert page.where() == {} and "24 products" in page.place.value


def test_what_was_read_in_the_query_can_be_made_the_filter(page):
    ask(page, "green tee")
    page.narrow.click()
    assert page.where() == {"article_type": "Tshirts", "colour": "Green"}
    assert shown(page) == ["Acme Green Tee"] * 4


def test_filters_that_nothing_passes_say_so(page):
    page.price.value = (11, 12)
    assert "No product passes" in said(page) and shown(page) == []


def test_pages_go_on_and_come_to_an_end(page):
    ask(page, "red bag")
    seen = []
    for number in range(1, 6):
        assert f"page {number} of 5" in page.place.value
        seen += [one.row for one in page.cards if "hidden" not in one._dom_classes]
        page.later.click()
    assert sorted(seen) == list(range(24))
    assert page.later.disabled
    page.earlier.click()
    assert "page 4 of 5" in page.place.value


def test_similar_products_leave_out_the_product_itself_and_lead_back(page):
    ask(page, "red bag")
    row = page.cards[0].row
    page.cards[0].more.click()
    assert "Similar to" in page.heading.value and "23 products" in page.place.value
    rows = [one.row for one in page.cards]
    assert row not in rows
    assert set(shown(page)[:3]) == {"Acme Red Bag"}
    page.back.click()
    assert page.cards[0].row == row and "red bag" in page.heading.value


def test_an_uploaded_photo_and_the_slider(page):
    ask(page, "bag")
    send(page, encoded(colour=(0, 255, 0)))
    page.slider.value = 1.0
    assert all("Green" in title for title in shown(page))
    page.slider.value = 0.0
    assert all("Bag" in title for title in shown(page))
    send(page, b"no photo")
    assert "“mine.jpg” is no photo" in said(page)
    assert page.photo[0, 0].tolist() == [0, 255, 0]  # the one before stays
    page.remove.click()
    assert page.photo is None and "your photo" not in page.heading.value


def test_titles_in_chinese_and_a_chinese_query(page):
    page.language.value = "title_zh"
    ask(page, "绿色T恤")
    assert shown(page)[0] == "Acme 绿色T恤"
    assert "理解为：green" in page.heading.value


def test_a_fault_of_ours_is_a_sentence_too_and_goes_to_the_terminal(page, monkeypatch, capsys):
    def broken(texts):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(page.shop.retriever, "embed_texts", broken, raising=False)
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    ask(page, "red")
    assert said(page).startswith("Something went wrong here.")
    assert "secret detail" in capsys.readouterr().err


def test_a_catalogue_of_ids_and_titles_will_do():
    products = table()[["id", "title"]]
    photos = np.zeros((len(products), 80, 60, 3), dtype="uint8")
    page = make(ProductSearch(ByWords(), Catalogue("bare", products, photos)))
    ask(page, "red tee")
    assert shown(page)[0] == "Acme Red Tee" and page.filters == {} and page.price is None


# Serving ---------------------------------------------------------------------------------------


def test_the_command_passes_everything_on(monkeypatch):
    given = []
    monkeypatch.setattr(serve, "serve", lambda *args, **options: given.append((args, options)))
    words = "app --dataset shoes --port 9 --no-browser --model fashion-base --visitors 3"
    assert CliRunner().invoke(main, words.split()).exit_code == 0
    assert CliRunner().invoke(main, ["app"]).exit_code == 0
    assert given == [
        (("shoes",), {"port": 9, "browser": False, "model": "fashion-base", "visitors": 3}),
        (("demo",), {"port": 8866, "browser": True, "model": None, "visitors": None}),
    ]
    assert CliRunner().invoke(main, ["app", "--port", "70000"]).exit_code == 2


def test_a_taken_port_is_named_before_anything_is_trained():
    with socket.socket() as other:
        other.bind((serve.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        done = CliRunner().invoke(main, ["app", "--port", str(port)])
    assert done.exit_code == 1
    assert done.output == (
        f"Error: port {port} is taken by another program; choose another one with --port\n"
    )


def test_without_voila_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(serve.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TutorialError, match=r"pip install 'mmtutorial\[app\]'"):
        serve.serve()


def test_it_takes_the_model_of_lesson_00():
    """Its quick profile on every catalogue, so that who ran the lesson does not train again."""
    folder = ROOT / "notebooks"
    lessons_there = lessons.find_lessons(folder)
    (first,) = lessons.select(lessons_there, ["00"])
    profiles = lessons.read_profiles(folder, lessons_there)
    for dataset in ("demo", "fashion", "some/where"):
        given = lessons.plan(
            lessons_there, [first], profiles, profile="quick", dataset=dataset, parameters={}
        )[first.name]
        of_lesson = {name.lower(): value for name, value in (first.parameters | given).items()}
        ours = opening.MODEL | opening.MODEL_OF.get(dataset, {})
        assert ours == {name: of_lesson[name] for name in ours}
        assert of_lesson["max_products"] == 0


def test_it_ranks_by_what_lesson_24_finds():
    """The lesson chooses weights for the same scorers, in the same fusion, from the same grid."""
    notebook = json.loads((ROOT / "notebooks" / "24_capstone.ipynb").read_text("utf-8"))
    cells = {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}
    grid = re.search(r"np.linspace\(0, 1, (\d+)\)", cells["24-shop-weights"]).group(1)
    steps = np.array(opening.WEIGHTS) * (int(grid) - 1)
    assert np.allclose(steps, steps.round()) and sum(opening.WEIGHTS) == pytest.approx(1)
    assert "scorers=opening.SCORERS" in cells["24-shop-weights"]
    assert '"scorers": opening.SCORERS, "weights": weights' in cells["24-shop"]
    assert "fusion" not in cells["24-shop"] and opening.RANKING.keys() == {"scorers", "weights"}
    assert "weighted_scores(said, w)" in cells["24-shop-weights"]  # ProductSearch's own default
    assert "page.make(shop)" in cells["24-app"]


@pytest.fixture
def own(tmp_path):
    """The folder of a small catalogue as its owner might have it."""
    catalogue = small_catalogue(300)
    folder = tmp_path / "own"
    (folder / "photos").mkdir(parents=True)
    for name, photo in zip(catalogue.table["id"], catalogue.photos, strict=True):
        Image.fromarray(photo).resize((150, 200)).save(folder / "photos" / f"{name}.png")
    names = {"id": "sku", "title": "name", "colour": "color"}
    products = catalogue.table[[*names]].rename(columns=names)
    products.to_csv(folder / "products.csv", index=False)
    (folder / "columns.json").write_text(json.dumps(names))
    return folder


@pytest.mark.slow
def test_another_model_can_be_put_in_and_is_embedded_once(own, tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    catalogue = load_catalogue(own).cleaned()
    attribute_retriever.AttributeRetriever.new(
        catalogue, {**attribute_encoder.SETTINGS, **TINY}
    ).save(tmp_path / "m")
    home = opening.build(str(own), str(tmp_path / "m"))
    monkeypatch.setattr(ProductSearch, "save", None)  # not called again
    assert opening.build(str(own), str(tmp_path / "m")) == home
    shop = opening.load(str(own), str(home))
    assert isinstance(shop.retriever, attribute_retriever.AttributeRetriever)
    assert tuple(shop.scorers) == opening.SCORERS
    assert tuple(shop.weights.values()) == opening.WEIGHTS
    page = make(shop)
    ask(page, "red bars")
    assert len(shown(page)) == 12 and page.asked == [("colour", "Red")]


# The served page in a browser ------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind((serve.HOST, 0))
        return probe.getsockname()[1]


def start(*arguments):
    """``mmtutorial app``, when it says that it is open: the process and its address."""
    command = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from mmtutorial.cli import main; main()"
    )
    options = ["--no-browser", "--port", str(free_port()), *arguments]
    process = subprocess.Popen(
        [sys.executable, "-c", command, "app", *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
    )  # fmt: skip
    late = threading.Timer(400, process.kill)  # what never opens must not hang the tests
    late.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "The shop is open" in line:
            late.cancel()
            return process, re.search(r"http://[\d.:]+", line).group()
    late.cancel()
    pytest.fail("".join(lines))


@pytest.fixture(scope="module")
def served():
    pytest.importorskip("voila")
    process, address = start()
    yield SimpleNamespace(process=process, address=address)
    process.kill()


def visit(browser, address, width):
    """A page of the shop, when its products are there; what the page itself complains of."""
    view = browser.new_page()
    view.set_viewport_size({"width": width, "height": 850})
    view.set_default_timeout(60_000)
    view.complaints = []
    view.on("pageerror", lambda error: view.complaints.append(str(error)))
    view.on("dialog", lambda dialog: (view.complaints.append(dialog.message), dialog.dismiss()))
    view.goto(address)
    view.wait_for_selector(".shop .card img")
    return view


def wait_for(view, selector, text, busy=False):
    """Until it says so and, unless ``busy``, no search runs any more."""
    view.wait_for_function(
        "([where, what]) => document.querySelector(where).innerText.includes(what) && "
        f"document.querySelector('.shop').classList.contains('busy') === {str(busy).lower()}",
        arg=[f".shop {selector}", text],
    )


def upload(view, **file):
    with view.expect_file_chooser() as chooser:
        view.click(".shop .widget-upload")
    chooser.value.set_files(files=[file])


def titles(view):
    return view.locator(".shop .card:not(.hidden) .title").all_inner_texts()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_a_visit(browser, served, width):
    view = visit(browser, served.address, width)
    view.fill(".shop .bar input", "black hat")
    view.keyboard.press("Enter")
    wait_for(view, "h2", "black hat")
    by_words = titles(view)
    assert len(by_words) == 12 and sum("Hat" in title for title in by_words[:4]) >= 3
    view.locator(".shop summary").first.click()
    assert "its photo" in view.locator(".shop details").first.inner_text()

    skirt = view.evaluate("document.querySelector('.shop .card img').src").split(",")[1]
    upload(view, name="a.jpg", mimeType="image/jpeg", buffer=base64.b64decode(skirt))
    wait_for(view, "h2", "and your photo")
    both = titles(view)
    view.locator(".shop .slide [role=slider]").focus()
    view.keyboard.press("End")
    view.wait_for_function(
        "before => [...document.querySelectorAll('.shop .card .title')]"
        ".some((one, n) => one.innerText !== before[n])",
        arg=both,
    )
    view.click("text=Remove photo")

    for name, content, message in [
        ("a.pdf", b"%PDF", "is no photo"),
        ("bomb.png", encoded(mode="1", size=(14000, 14000)), "60 million pixels"),
        ("big.jpg", bytes(uploads.MAX_BYTES + 1000), "a photo may have 15"),
    ]:
        upload(view, name=name, mimeType="image/jpeg", buffer=content)
        wait_for(view, "[role=status]", message)
    for text, message in [
        ("", "Type what you are looking for"),
        ("<img src=x onerror=alert(1)>", "No title has a word of “<img src=x"),
    ]:
        view.fill(".shop .bar input", text)
        view.click(".shop .bar button.mod-primary")
        wait_for(view, "[role=status]", message)
    assert view.locator(".shop img[src=x]").count() == 0
    assert "Traceback" not in view.content()
    assert view.evaluate("document.body.scrollWidth") <= width
    assert view.complaints == []
    view.close()


# Of all controls that show: those without a name for a screen reader; and what else it goes by.
NAMELESS = """() => {
  const shows = (one) => one.checkVisibility() && !one.closest(".hidden");
  const name = (one) => one.getAttribute("aria-label") || one.innerText ||
    [...(one.labels || [])].map((label) => label.textContent).join("");
  return [...document.querySelectorAll("input, select, textarea, button, [role=slider]")]
    .filter((one) => shows(one) && !name(one).trim()).map((one) => one.outerHTML);
}"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_controls_have_names_in_both_languages_and_the_page_its_landmarks(browser, served, width):
    view = visit(browser, served.address, width)
    if width == 390:
        view.click(".shop .side > .widget-toggle-button")
    photo = view.evaluate("document.querySelector('.shop .card img').src").split(",")[1]
    upload(view, name="a.jpg", mimeType="image/jpeg", buffer=base64.b64decode(photo))
    wait_for(view, "h2", "your photo")
    sliders = "[...document.querySelectorAll('.shop [role=slider]')].map(one => one.ariaLabel)"
    assert view.evaluate(NAMELESS) == []
    assert view.evaluate(sliders) == ["More words or more photo", "Price, from", "Price, to"]
    assert view.locator("[role=main]").count() == view.locator("[role=search]").count() == 1
    assert view.evaluate("document.documentElement.lang") == "en"
    view.click("text=中文")
    wait_for(view, "h2", "您的照片")
    view.wait_for_function("document.documentElement.lang === 'zh'")
    assert view.evaluate(NAMELESS) == []
    assert view.evaluate(sliders) == ["文字与照片的比重", "价格，最低", "价格，最高"]
    upload(view, name="b.jpg", mimeType="image/jpeg", buffer=bytes(uploads.MAX_BYTES + 1))
    wait_for(view, "[role=status]", "“b.jpg”有 15 MB")  # the page's own script
    view.close()


@pytest.mark.slow
def test_the_earlier_list_is_pale_and_busy_while_a_search_runs(browser, served):
    view = visit(browser, served.address, 1280)
    view.evaluate("""() => {
      window.seen = [];
      const at = (where) => document.querySelector(".shop " + where);
      new MutationObserver(() => window.seen.push([at("h2").innerText,
        at(".found").ariaBusy, Number(getComputedStyle(at(".grid")).opacity)]))
        .observe(at(".heading"), { subtree: true, childList: true });
    }""")
    view.fill(".shop .bar input", "black hat")
    view.keyboard.press("Enter")
    wait_for(view, "h2", "Results for “black hat”")
    first, last = view.evaluate("[window.seen[0], window.seen.at(-1)]")
    assert first[0] == "Searching for “black hat” …" and first[1:] == ["true", 0.25]
    assert last[0] == "Results for “black hat”"
    view.wait_for_function("document.querySelector('.shop .found').ariaBusy === 'false'")

    view.evaluate("""() => fetch("/voila/api/shutdown/" + JSON.parse(
      document.getElementById("jupyter-config-data").textContent).kernelId, { method: "POST" })""")
    view.fill(".shop .bar input", "red hat")
    view.keyboard.press("Enter")
    wait_for(view, "[role=status]", "There is no answer", busy=True)
    assert (
        view.evaluate("getComputedStyle(document.querySelector('.shop .grid')).opacity") == "0.25"
    )
    view.close()


@pytest.mark.slow
def test_a_page_that_is_closed_ends_its_kernel_and_another_site_gets_none(browser, served):
    import psutil

    def kernels():
        found = set()
        for one in psutil.Process(served.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it may end while it is looked at
                if one.status() != "zombie" and "ipykernel_launcher" in one.cmdline():
                    found.add(one.pid)
        return found

    profile = browser.new_context()  # it outlives its page, as a visitor's browser does
    view = visit(profile, served.address, 390)
    time.sleep(5)  # the next kernel is started
    before = kernels()
    other = browser.new_page()
    other.goto(f"data:text/html,<a href='{served.address}/'>a link</a>")
    with other.expect_response(served.address + "/") as answer:
        other.click("text=a link")
    assert answer.value.status == 403
    view.close(run_before_unload=True)
    end = time.monotonic() + 30
    while before <= kernels():
        assert time.monotonic() < end, "the kernel lives on"
        time.sleep(0.5)
    other.close()
    profile.close()


@pytest.mark.slow
def test_a_catalogue_of_ones_own(browser, own):
    """Foreign column names, photos of another size, nothing but titles and a colour."""
    process, address = start("--dataset", str(own))
    try:
        view = visit(browser, address, 390)
        view.fill(".shop .bar input", "green boxes")
        view.keyboard.press("Enter")
        wait_for(view, "h2", "green boxes")
        assert "Colour: Green" in view.inner_text(".shop .heading")
        assert view.locator(".shop select", has_text="Colour: any").count() == 1
        assert len(titles(view)) == 12
        assert view.complaints == []
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.mark.slow
def test_a_kernel_that_fails_is_said_instead_of_waited_for(tmp_path):
    """What was built is gone when the kernel looks for it."""
    pytest.importorskip("voila")
    code = (
        "from mmtutorial.shop import opening, serve\n"
        f"opening.build = lambda *_: {str(tmp_path)!r}\n"
        "serve.ProcessPoolExecutor = lambda *_: __import__('concurrent.futures')"
        ".futures.ThreadPoolExecutor(1)\n"
        "from mmtutorial.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "app", "--no-browser", "--port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "the page could not be made" in done.stderr
    assert f"remove the folder {tmp_path} and start again: there is no" in done.stderr


@pytest.mark.slow
def test_ctrl_c_closes_the_shop_and_leaves_nothing_running(served):
    import psutil

    below = psutil.Process(served.process.pid).children(recursive=True)
    assert below
    served.process.send_signal(signal.SIGINT)
    assert "Closed." in served.process.stdout.read()
    assert served.process.wait(30) == 0
    time.sleep(1)
    assert not [one for one in below if psutil.pid_exists(one.pid) and one.status() != "zombie"]
