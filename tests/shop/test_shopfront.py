"""What the shop page answers, without HTTP."""

import json

import numpy as np
import pandas as pd
import pytest
from toy_shop import COLOURS, KINDS, toy_search, toy_table

from mmtutorial import TutorialError
from mmtutorial.search.relevance import Relevance
from mmtutorial.shop import opening
from mmtutorial.shop.language import Said
from mmtutorial.shop.market import OFFERS, QUALITY, Market
from mmtutorial.shop.shopfront import (
    FOR_YOU,
    KEPT,
    LONGEST_QUERY,
    MOST_SEEN,
    Request,
    Shopfront,
)

COPIES = 8


def table():
    """The toy shop with gaps and hostile texts; the first six are lamps without a price."""
    found = toy_table(COPIES)
    n = np.arange(len(found)) // 6  # which copy of its colour and kind
    return found.assign(
        id=[f"{row:03d}/#?" for row in range(len(found))],
        title=found["title"] + np.where(n == 0, " Lamp", ""),
        description="<script>alert(1)</script>",
        brand=np.where(n % 2, "Acme", "Bolt"),
        price=np.where(n == 0, np.nan, found["price"]),
        year=np.where(n == 0, "", (2010 + n).astype(str)),
    )


def make_shop(products, **more):
    return toy_search(products, **{**opening.RANKING, **more})


@pytest.fixture(scope="module")
def shop():
    search = make_shop(table())
    products = search.catalogue.table
    qrels = {
        f"{colour} {kind}": {
            id_: 1
            for id_ in products["id"][
                (products["colour"] == colour.title()) & (products["article_type"] == name)
            ]
        }
        for colour in COLOURS
        for kind, (name, _) in KINDS.items()
    }
    search.relevance = Relevance.fit(search, qrels)
    return search


@pytest.fixture(scope="module")
def front(shop):
    return Shopfront(shop)


def ask(front, words="", **more):
    answer = front.search(Request(words, **more))
    json.dumps(answer, allow_nan=False)  # the page gets it as JSON
    return answer


def ids(answer):
    return [product["id"] for product in answer["products"]]


def facet(answer, name):
    return next(each for each in answer["facets"] if each["column"] == name)


def counts(answer, name):
    return {each["value"]: each["count"] for each in facet(answer, name)["values"]}


# Searches ---------------------------------------------------------------------------------------


def test_the_shop_tells_what_the_page_needs_first(front):
    data = front.data()
    json.dumps(data, allow_nan=False)
    assert data["name"] == "<b>six</b>" and data["products"] == 6 * COPIES
    assert data["languages"] == ["en", "zh"]
    assert data["columns"] == [
        {"name": "article_type", "kind": "values"},
        {"name": "brand", "kind": "values"},
        {"name": "colour", "kind": "values"},
        {"name": "price", "kind": "range"},
    ]
    assert data["sorts"] == ["best", "price", "-price", "newest"]
    assert sum(each["weight"] for each in data["scorers"]) == pytest.approx(1)
    assert data["says"]["en"].keys() == data["says"]["zh"].keys()
    plain = Shopfront(make_shop(table().drop(columns=["price", "year", "title_zh"]))).data()
    assert plain["sorts"] == ["best"] and plain["languages"] == ["en"]


def test_without_a_query_the_products_that_pass_are_listed_by_their_ids(front):
    answer = ask(front, filters={"colour": ["Red"]}, size=10)
    products = front.table[front.table["colour"] == "Red"]
    assert answer["total"] == answer["count"] == 2 * COPIES and answer["pages"] == 2
    assert ids(answer) == sorted(products["id"])[:10]
    assert answer["fit"] is None
    assert {p["score"] for p in answer["products"]} == {p["chance"] for p in answer["products"]}
    assert counts(answer, "colour") == dict.fromkeys(["Green", "Navy Blue", "Red"], 2 * COPIES)
    assert counts(answer, "article_type") == {"Tshirts": COPIES, "Handbags": COPIES}


def test_the_list_holds_what_fits_and_as_much_as_fills_a_page(front):
    answer = ask(front, "red tee", size=4)
    assert answer["total"] == 6 * COPIES
    assert answer["fit"] == answer["count"] == COPIES and answer["pages"] == 2
    for product in answer["products"] + ask(front, "red tee", size=4, page=2)["products"]:
        assert product["title"].startswith("Acme Red Tee") and product["chance"] > 0.5
    filled = ask(front, "red tee", size=20)
    assert filled["fit"] == COPIES and filled["count"] == 20 and filled["pages"] == 1
    assert [p["chance"] >= 0.5 for p in filled["products"]] == [True] * COPIES + [False] * 12
    assert ask(front, "red tee", size=4, page=99)["page"] == 2


def test_the_order_is_that_of_the_search(front, shop):
    for where in ({}, {"brand": ["Bolt"], "price": (20, 70)}):
        found = shop.search("red tee", k=COPIES, where=where)
        shown = ask(front, "red tee", filters=where)["products"]
        assert [p["row"] for p in shown][: len(found)] == list(found["row"])[: len(shown)]
        assert np.allclose([p["score"] for p in shown][: len(found)], found["score"][: len(shown)])


def test_without_a_known_relevance_all_are_listed():
    answer = ask(Shopfront(make_shop(table())), "red tee")
    assert answer["fit"] is None and answer["count"] == answer["total"] == 6 * COPIES
    assert answer["products"][0]["chance"] is None


def test_a_facet_obeys_the_query_and_the_other_filters_not_its_own(front):
    answer = ask(front, "red tee", filters={"brand": ["Bolt"], "price": (20, 50)})
    assert counts(answer, "colour") == {"Red": 2} and counts(answer, "article_type") == {
        "Tshirts": 2
    }
    fitting = front.table[
        (front.table["colour"] == "Red") & (front.table["article_type"] == "Tshirts")
    ]
    priced = fitting[fitting["price"].between(20, 50)]
    assert counts(answer, "brand") == priced["brand"].value_counts().to_dict()
    price = facet(answer, "price")
    assert sum(price["bars"]) == fitting.loc[fitting["brand"] == "Bolt", "price"].count()
    assert (price["least"], price["most"], price["chosen"]) == (20, 10 * COPIES, [20, 50])
    chosen = {e["value"]: e["chosen"] for e in facet(answer, "brand")["values"]}
    assert chosen == {"Acme": False, "Bolt": True}


@pytest.mark.parametrize("sort", ["price", "-price", "newest"])
def test_sorting_reorders_what_is_listed_and_nothing_else(front, sort):
    best, other = (ask(front, "red tee", size=COPIES, sort=each) for each in ("best", sort))
    assert sorted(ids(best)) == sorted(ids(other)) and best["count"] == other["count"]
    values = [p["price"] for p in other["products"]]  # years rise with prices here
    assert values[-1] is None  # unknown comes last
    assert values[:-1] == sorted(values[:-1], reverse=sort != "price")


def test_what_only_fills_the_page_is_sorted_behind_what_fits(front):
    answer = ask(front, "red tee", size=20, sort="price")
    assert [p["chance"] >= 0.5 for p in answer["products"]] == [True] * COPIES + [False] * 12


def test_a_sort_that_the_catalogue_cannot_is_named(front):
    with pytest.raises(TutorialError, match="sort must be one of"):
        ask(front, sort="rating")
    with pytest.raises(TutorialError, match="sort must be one of"):
        Shopfront(make_shop(table().assign(year=""))).search(Request(sort="newest"))


def test_what_is_read_in_the_words_can_be_taken_off(front):
    answer = ask(front, "red tee")
    assert answer["read"] == [
        {"column": "colour", "value": "Red", "off": False},
        {"column": "article_type", "value": "Tshirts", "off": False},
    ]
    off = ask(front, "red tee", off=[("colour", "Red")])
    assert [each["off"] for each in off["read"]] == [True, False]
    why = front.product(ids(off)[0], Request("red tee", off=[("colour", "Red")]))["why"]
    assert [each["column"] for each in why["agrees"]] == ["article_type"]
    silent = ask(front, "red tee", off=[("colour", "Red"), ("article_type", "Tshirts")])
    assert silent["products"]


def test_ranking_by_one_scorer_says_what_moved(front, shop):
    own = ids(ask(front, "red tee bolt", size=48))
    other = ask(front, "red tee bolt", size=48, rank=("bm25",))
    places = {id_: place for place, id_ in enumerate(own)}
    assert ids(other) != own
    for place, product in enumerate(other["products"]):
        assert product["move"] == places[product["id"]] - place
    bm25 = shop.score_lists(shop.query("red tee bolt"))["bm25"]
    scores = [bm25[p["row"]] for p in other["products"]]
    assert scores == sorted(scores, reverse=True)
    everything = ask(front, "red tee", rank=("vectors", "bm25", "attributes"), size=COPIES)
    assert {p["move"] for p in everything["products"]} == {0}
    assert {p["move"] for p in ask(front, "red tee")["products"]} == {None}
    with pytest.raises(TutorialError, match="rank must be one of"):
        ask(front, "red", rank=("smell",))


def test_a_photo_finds_what_looks_like_it_with_words_and_alone(front, shop):
    green = shop.catalogue.photos[2]
    answer = ask(front, photo=green)
    assert answer["read"] == [] and answer["products"][0]["title"].startswith("Acme Green")
    both = ask(front, "bag", photo=green, weight=0.5)
    assert both["products"][0]["title"].startswith("Acme Green Bag")
    assert ids(ask(front, "bag", photo=green, weight=0.0)) != ids(ask(front, photo=green))


def test_similar_products_leave_out_the_one_they_are_like(front, shop):
    id_ = front.table["id"][4]
    answer = ask(front, like=id_, size=COPIES)
    assert answer["similar_to"]["id"] == id_ and id_ not in ids(answer)
    assert answer["total"] == 6 * COPIES - 1
    assert [p["row"] for p in answer["products"]] == list(shop.similar(4, COPIES)["row"])


def test_chinese_is_translated_and_said_so(front):
    answer = ask(front, "红色手提包")
    assert answer["translated"] == "red bag" and ask(front, "red bag")["translated"] is None
    assert answer["products"][0]["title"].startswith("Acme Red Bag")
    assert answer["products"][0]["title_zh"] == "Acme 红色手提包"


def test_unknown_words_come_with_the_word_meant(front):
    assert ask(front, "gren bag zzz")["unknown"] == [
        {"word": "gren", "close": "green"},
        {"word": "zzz", "close": ""},
    ]


def test_a_word_that_the_model_lacks_is_answered_by_titles(front):
    answer = ask(front, "lamp", size=6)
    assert answer["fit"] == 6 and answer["unknown"] == []
    assert all("Lamp" in product["title"] for product in answer["products"])
    why = front.product(ids(answer)[0], Request("lamp"))["why"]
    assert "bm25" in [part["name"] for part in why["parts"]] and why["words"] == ["lamp"]
    assert not {"photo", "title"} & {part["name"] for part in why["parts"]}  # no vector


# Refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        (Request("x" * 5000), "too long"),
        (Request(like="nothing"), "no product"),
        (Request(like="\0"), "no product"),
    ],
)
def test_what_cannot_be_asked_is_said(front, request_, key):
    with pytest.raises(Said) as fault:
        front.search(request_)
    assert fault.value.key == key


@pytest.mark.parametrize("words", ["<red", "\0\0", "red\0\x1btee", "\ud800"])
def test_hostile_text_finds_what_its_words_find(front, words):
    assert front.search(Request(words))["products"]


@pytest.mark.parametrize(
    ("words", "unknown"),
    [
        ("qwertz", {"qwertz": ""}),
        ("gren", {"gren": "green"}),
        ("<script>alert(1)</script>", {"alert": "", "1": ""}),
        ("😀🏳️‍🌈", {}),
        ("' OR 1=1 --", None),
    ],
)
def test_words_that_the_shop_does_not_know_find_nothing_and_are_named(front, words, unknown):
    request = Request(words, filters={"colour": ["red"]}, sort="price", rank=("bm25",))
    for answer in (front.search(Request(words)), front.search(request)):
        assert (answer["count"], answer["fit"], answer["pages"]) == (0, 0, 1)
        assert answer["products"] == []
        said = {each["word"]: each["close"] for each in answer["unknown"]}
        assert unknown is None or said == unknown
    assert front.product(front.table["id"][0], Request(words))["why"] is None
    front.suggest(words)


def test_beside_a_photo_unknown_words_do_not_count(front):
    photo = front.shop.catalogue.photos[0]
    alone, with_words = (ask(front, words, photo=photo) for words in ("", "qwertz"))
    assert ids(alone) == ids(with_words)
    assert with_words["unknown"] == [{"word": "qwertz", "close": ""}]


@pytest.mark.parametrize(
    "more",
    [
        {"page": 0}, {"page": 1.5}, {"size": 0}, {"size": 10**6}, {"weight": 7},
        {"weight": float("nan")}, {"filters": {"colour": ["Purple"]}}, {"filters": {"x": ["y"]}},
        {"filters": {"price": (5, 1)}}, {"photo": np.zeros((5, 5))}, {"sort": ""},
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_refused(front, more):
    with pytest.raises(TutorialError):
        front.search(Request("red", **more))


def test_filters_that_let_nothing_pass_leave_an_empty_list(front):
    for words in ("", "red tee"):
        answer = ask(front, words, filters={"price": (1, 2)})
        assert (answer["total"], answer["count"], answer["pages"]) == (0, 0, 1)
        assert answer["products"] == [] and answer["fit"] == (0 if words else None)


# One product ------------------------------------------------------------------------------------


def test_a_product_without_a_query_has_no_why(front):
    answer = front.product("004/#?")
    json.dumps(answer, allow_nan=False)
    assert answer["why"] is None and answer["product"]["score"] is None
    assert {"column": "colour", "value": "Navy Blue"} in answer["attributes"]
    assert answer["description"] == "<script>alert(1)</script>"  # the page escapes it
    assert answer["product"]["photo"]["small"] == "/photo/004%2F%23%3F?v=&size=small"
    assert answer["product"]["price"] is None
    assert len(answer["similar"]) == 8 and "004/#?" not in [p["id"] for p in answer["similar"]]


@pytest.mark.parametrize("rank", [None, ("bm25", "attributes")])
def test_why_adds_up_and_agrees_with_the_list(front, rank):
    request = Request("red tee", rank=rank)
    for place, product in enumerate(ask(front, "red tee", rank=rank)["products"][:12], start=1):
        why = front.product(product["id"], request)["why"]
        json.dumps(why, allow_nan=False)
        assert why["place"] == place and why["score"] == product["score"]
        assert sum(part["share"] for part in why["parts"]) == pytest.approx(why["score"], abs=1e-5)
        names = {part["name"] for part in why["parts"]}
        assert names == ({"photo", "title", "bm25", "attributes"} if rank is None else set(rank))
        agrees = {each["asked"]: each["agrees"] for each in why["agrees"]}
        assert agrees == {
            "Red": "Red" in product["title"], "Tshirts": "Tee" in product["title"],
        }  # fmt: skip
        assert why["words"] == [w for w in ("red", "tee") if w.title() in product["title"]]


def test_why_of_a_similar_product_compares_their_attributes(front):
    first = ids(ask(front, like="000/#?"))[0]
    why = front.product(first, Request(like="000/#?"))["why"]
    assert {part["name"] for part in why["parts"]} == {"photo", "title"}
    assert {each["column"] for each in why["agrees"]} == {"article_type", "colour", "brand"}
    assert front.product("000/#?", Request(like="000/#?"))["why"] is None  # itself


def test_pages_facets_and_reasons_embed_nothing_again(shop):
    front = Shopfront(shop)
    photo = shop.catalogue.photos[1]
    ask(front, "red tee", photo=photo)
    before = shop.retriever.calls
    ask(front, "red tee", photo=photo, page=2, size=3, filters={"brand": ["Bolt"]}, sort="price")
    ask(front, "red tee", photo=photo, rank=("vectors",))
    front.product("004/#?", Request("red tee", photo=photo))
    assert shop.retriever.calls == before
    ask(front, "red tee", photo=shop.catalogue.photos[2])
    assert shop.retriever.calls > before
    for number in range(2 * KEPT):
        ask(front, f"red tee {number}")
    assert len(front._kept) == KEPT


def test_a_product_that_is_not_there_is_said(front):
    with pytest.raises(Said) as fault:
        front.product("x" * 5000)
    assert fault.value.key == "no product" and len(str(fault.value)) < 200


# What others say, and what the visitor may like --------------------------------------------------


@pytest.fixture(scope="module")
def with_market(shop):
    """Two reviews of one product in two aspects, and four offers of it."""
    stars = {"product": "001/#?", "n": 2, "stars": 4.25, "low": 3.601, "high": 4.9}
    quality = [
        {**stars, "aspect": "overall", "quote": "", "quote_zh": ""},
        {**stars, "aspect": "fit", "quote": "<b>Fits</b>", "quote_zh": "合身"},
    ]
    offer = {"product": "001/#?", "title": "Lamp", "currency": "EUR", "price": 9.0}
    offers = [
        {**offer, "seller": name, "amount": amount, "too_cheap": cheap}
        for name, amount, cheap in (
            ("dear", 30.0, False), ("odd", 2.0, True), ("good", 10.5, False), ("fair", 11.0, False),
        )
    ]  # fmt: skip
    market = Market(
        pd.DataFrame(quality)[[*QUALITY]].astype(QUALITY),
        pd.DataFrame(offers)[[*OFFERS]].astype(OFFERS),
        drawn=True,
    )
    return Shopfront(shop, market)


def test_a_card_has_stars_and_the_lowest_offer_that_is_not_too_cheap(with_market, front):
    cards = {each["id"]: each for each in ask(with_market)["products"]}
    card = cards["001/#?"]
    assert card["stars"] == {"stars": 4.25, "low": 3.6, "high": 4.9, "n": 2}
    assert card["offers_from"] == 10.5
    assert cards["002/#?"]["stars"] is None and cards["002/#?"]["offers_from"] is None
    assert with_market.data()["invented"] and not front.data()["invented"]


def test_a_product_has_its_aspects_and_its_offers_by_price(with_market, front):
    answer = with_market.product("001/#?")
    json.dumps(answer, allow_nan=False)
    assert [each["aspect"] for each in answer["aspects"]] == ["overall", "fit"]
    assert answer["aspects"][1]["quote"] == "<b>Fits</b>"  # the page escapes it
    assert [each["seller"] for each in answer["offers"]] == ["good", "fair", "dear", "odd"]
    assert [each["too_cheap"] for each in answer["offers"]] == [False, False, False, True]
    for other in (with_market.product("002/#?"), front.product("001/#?")):
        assert other["aspects"] == other["offers"] == []


def test_for_you_is_near_what_was_seen_and_does_not_show_it_again(front):
    red_tees = [each for each in ids(ask(front, "red tee", size=8))][:2]
    found = front.for_you([*red_tees, "sold out"])
    json.dumps(found, allow_nan=False)
    colours = [front.table["colour"][each["row"]] for each in found["products"]]
    assert len(found["products"]) == FOR_YOU and colours[0] == "Red"
    assert not set(red_tees) & set(ids(found))
    assert len(set(ids(found))) == FOR_YOU
    assert front.for_you([]) == front.for_you(["sold out", "\0", "'; --"]) == {"products": []}
    assert front.for_you([*front.table["id"][:MOST_SEEN]])["products"]
    for ask_it in (front.for_you, lambda seen: front.search(Request("red", seen=seen))):
        with pytest.raises(Said):
            ask_it(["000/#?"] * (MOST_SEEN + 1))


def test_where_all_was_seen_nothing_is_for_you(shop):
    few = table().head(6)
    front = Shopfront(make_shop(few))
    assert front.for_you([*few["id"]]) == {"products": []}
    assert len(front.for_you([*few["id"]][:4])["products"]) == 2


def test_a_taste_moves_products_and_stands_among_the_reasons(front):
    plain = ids(ask(front, "tee"))
    seen = front.table.loc[front.table["colour"] == "Green", "id"].tolist()[:3]
    answer = ask(front, "tee", seen=seen)
    greens = [front.table["colour"][each["row"]] for each in answer["products"]].index("Green")
    assert greens == 0 and ids(answer) != plain and set(ids(answer)) == set(plain)
    why = front.product(ids(answer)[0], Request("tee", seen=seen))["why"]
    assert "taste" in [each["name"] for each in why["parts"]] and why["place"] == 1
    assert ids(ask(front, "tee", seen=["sold out"])) == plain == ids(ask(front, "tee"))


def test_suggestions_are_plain_and_bounded(front):
    found = front.suggest("acme r")
    json.dumps(found)
    assert found["suggestions"][0] == {
        "text": "acme red", "kind": "value", "column": "colour", "count": 2 * COPIES,
    }  # fmt: skip
    assert front.suggest("a" * (LONGEST_QUERY + 1)) == {"suggestions": []}
    assert front.suggest("红", "zh")["suggestions"]
