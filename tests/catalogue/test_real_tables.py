"""Readers of real sets of others: what they keep, what they set aside, what they refuse."""

import zipfile

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.catalogue import offers, real_sets, reviews, rows, shoppers

NAMES = ("session", "item", "time")


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder in which every set is found."""
    monkeypatch.setattr(real_sets, "find", lambda name: tmp_path)
    return tmp_path


def real(name):
    """Skip where a set is not beside the checkout."""
    try:
        real_sets.find(name)
    except TutorialError as fault:
        pytest.skip(str(fault))


@given(st.lists(st.tuples(*[st.sampled_from(["", "1", "2", "x", "1e400"])] * 3), max_size=12))
def test_each_click_is_kept_or_set_aside(found):
    table = pd.DataFrame(found, columns=NAMES, dtype=str)
    try:
        kept, aside = shoppers.clicks(table, "clicks.csv", *NAMES)
    except TutorialError as fault:
        assert "can be used" in str(fault)
        return
    assert len(kept) + len(aside) == len(table)
    assert not kept.duplicated().any() and kept["time"].notna().all()
    for _, session in kept.groupby("session"):
        assert session["time"].is_monotonic_increasing


def test_sessions_without_their_times_are_refused_by_name():
    with pytest.raises(TutorialError, match=r"clicks\.csv has no column 'time'.*'session', 'item'"):
        shoppers.clicks(pd.DataFrame({"session": [], "item": []}), "clicks.csv", *NAMES)


def test_purchases_keep_returns_and_leave_postage_out(there):
    pd.DataFrame(
        {
            "InvoiceNo": ["1", "C2", "3", "4"],
            "StockCode": ["85123A", "85123A", "POST", "22633"],
            "Description": [" HEART ", None, "POSTAGE", "HAND WARMER"],
            "Quantity": [6, -1, 1, 2],
            "InvoiceDate": ["2010-12-01 08:26:00"] * 4,
            "UnitPrice": [2.55, 2.55, 18.0, 0.0],
            "CustomerID": pd.array([17850, None, 1, 1], dtype="Int64"),
            "Country": ["France"] * 4,
        }
    ).to_parquet(there / "online_retail.parquet")
    kept, aside = shoppers.read_purchases()
    assert kept["quantity"].tolist() == [6, -1] and kept["shopper"].tolist() == ["17850", ""]
    assert kept["title"].tolist() == ["HEART", ""]
    assert aside.to_dict("records") == [
        {"row": 2, "reason": "no product"},
        {"row": 3, "reason": "price not above 0"},
    ]


def test_a_review_of_a_hundred_thousand_characters_is_set_aside():
    table = pd.DataFrame({"text": ["fine", "a" * 100_000, None], "rating": [5, 5, 5]})
    kept, aside = reviews.usable(table, "reviews.csv")
    assert kept["text"].tolist() == ["fine"]
    assert aside["reason"].tolist() == ["longer than 20,000 characters", "no text"]


@pytest.mark.parametrize("content", [b"no zip", None])
def test_a_damaged_download_names_the_file_and_the_remedy(there, content):
    if content:
        (there / "online_shopping_10_cats.zip").write_bytes(content)
    with pytest.raises(TutorialError, match=r"online_shopping_10_cats.*download the set again"):
        reviews.read_reviews_zh()


def test_chinese_reviews_lose_their_byte_order_mark(there):
    with zipfile.ZipFile(there / "online_shopping_10_cats.zip", "w") as archive:
        archive.writestr("online_shopping_10_cats.csv", "cat,label,review\n书籍,1,\ufeff好\n")
    assert reviews.read_reviews_zh().table.to_dict("records") == [
        {"category": "书籍", "text": "好", "positive": True}
    ]


def test_a_line_that_is_no_quadruple_is_refused(there):
    (there / "laptop_quad_dev.tsv").write_text("fine .\t1,2 LAPTOP#GENERAL 7 -1,-1\n")
    with pytest.raises(TutorialError, match=r"laptop_quad_dev.*is no aspect.*data get aspects"):
        reviews.read_aspects("dev")


def test_offers_of_another_kind_are_refused():
    with pytest.raises(TutorialError, match="no offers 'hats': choose one of clothing"):
        offers.read_offers("hats")


def test_a_table_without_one_good_row_is_refused():
    with pytest.raises(TutorialError, match=r"a\.csv: none of its 2 rows can be used: no x"):
        rows.sift(pd.DataFrame({"x": ["", ""]}), {"no x": [True, True]}, "a.csv")


# The sets themselves, where they are --------------------------------------------------------------


def test_the_sessions_have_the_counts_that_are_published():
    real("sessions")
    train, test = (shoppers.read_sessions(part) for part in ("train", "test"))
    assert train.table["item"].nunique() == 2933 and len(test.table) == 13_568
    assert set(train.set_aside["reason"]) == {"twice"}
    assert test.table["time"].min() > train.table["time"].max()  # the day after


def test_the_reviews_have_the_counts_that_are_published():
    real("reviews"), real("aspects"), real("reviews_zh")
    kept, aside = reviews.read_reviews()
    assert len(kept) + len(aside) == 23_486
    assert aside["reason"].value_counts().to_dict() == {"no text": 845}
    assert [len(reviews.read_aspects(part)) for part in ("train", "dev", "test")] == [
        2934,
        326,
        816,
    ]
    sizes = reviews.read_reviews_zh().table["category"].value_counts()
    assert len(sizes) == 10 and sizes["衣服"] == 10_000


def test_the_clusters_of_test_om_are_new_and_labels_follow_clusters():
    real("offers")
    seen, new = (offers.read_offers("clothing", part) for part in ("train", "test_om"))
    sides = ("cluster_left", "cluster_right")
    assert not {*seen[sides[0]], *seen[sides[1]]} & {*new[sides[0]], *new[sides[1]]}
    assert (new["same"] == (new[sides[0]] == new[sides[1]])).mean() > 0.99


def test_each_pair_of_electronics_has_both_its_offers():
    real("offers_electronics")
    first, second, same = offers.read_electronics()
    assert {one for one, _ in same} <= {*first["id"]} and {two for _, two in same} <= {
        *second["id"]
    }


def test_prices_without_their_file_say_where_they_come_from(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_DATA", str(tmp_path))
    with pytest.raises(TutorialError, match=r"no download makes it: read the 1,000 files"):
        offers.read_prices()
    (tmp_path / "prices").mkdir()
    table = pd.DataFrame({"productId": [1], "productDisplayName": ["Bag"], "price": ["649"]})
    table.assign(brandName=None).to_parquet(tmp_path / "prices" / "products_1000.parquet")
    expected = {"id": "1", "title": "Bag", "brand": "", "price": 649.0}
    assert offers.read_prices().to_dict("records") == [expected]
    table.to_parquet(tmp_path / "prices" / "products_1000.parquet")
    with pytest.raises(TutorialError, match="has no column 'brandName'"):
        offers.read_prices()


def test_a_set_is_available_where_it_is_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_DATA", str(tmp_path))
    assert not real_sets.available("reviews")
    with pytest.raises(TutorialError, match="no data set 'no such set'"):
        real_sets.available("no such set")
    (tmp_path / "reviews").mkdir()
    for each in real_sets.real_set("reviews").all_files:
        (tmp_path / "reviews" / each.file).touch()
    assert real_sets.available("reviews")
