import numpy as np
import pandas as pd
import pytest

from mmtutorial import TutorialError
from mmtutorial.applications.offer_tables import (
    in_one_currency,
    parse_prices,
    read_gold,
    read_table,
    standard_tables,
)


def offers(**columns):
    return pd.DataFrame({"id": ["1", "2"], "title": ["red bag", "blue hat"], **columns})


def test_usual_names_are_understood_and_common_columns_become_attributes():
    left = pd.DataFrame({"_id": [1, 2], "Name": ["red bag", "hat"], "colour": ["red", ""]})
    right = pd.DataFrame({"SKU": ["x"], "product_title": ["bag"], "colour": ["blue"], "size": [3]})
    one, other = standard_tables(left, right)
    assert one["id"].tolist() == ["1", "2"] and other["title"].tolist() == ["bag"]
    assert one["attributes"].tolist() == [{"colour": "red"}, {}]
    assert other["attributes"].tolist() == [{"colour": "blue"}]


def test_any_name_by_mapping():
    left, right = offers(), pd.DataFrame({"was": ["bag"], "cost": ["$ 5"]})
    _, other = standard_tables(left, right, right_columns={"title": "was", "price": "cost"})
    assert other["id"].tolist() == ["0"]
    assert other["price"].tolist() == [5] and other["currency"].tolist() == ["USD"]
    with pytest.raises(TutorialError, match="no column 'nowhere'"):
        standard_tables(left, right, right_columns={"title": "nowhere"})
    with pytest.raises(TutorialError, match="no column 'colour' is looked for"):
        standard_tables(left, right, right_columns={"colour": "was"})


def test_tables_without_a_common_column():
    right = pd.DataFrame({"a": ["bag"], "b": ["x"]})
    with pytest.raises(TutorialError, match=r"no common column.*no title in the second table.*'a'"):
        standard_tables(offers(), right)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (offers(price=[5, -1]), "1 prices are negative, first that of '2'"),
        (offers().assign(id="1"), "the id '1' stands twice"),
        (offers().assign(id=["1", ""]), "an id is empty"),
        (offers().assign(title=""), "every title is empty"),
        (offers().iloc[:0], "has no row"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(bad, message):
    with pytest.raises(TutorialError, match=message):
        standard_tables(bad, offers())


def test_mixed_currencies_need_rates():
    mixed = offers(price=[10.0, 10.0], currency=["USD", "EUR"])
    with pytest.raises(TutorialError, match="prices are in EUR, USD, which cannot be compared"):
        in_one_currency(mixed)
    assert in_one_currency(mixed, {"USD": 1, "EUR": 1.5}).tolist() == [10, 15]
    with pytest.raises(TutorialError, match="no rate for EUR"):
        in_one_currency(mixed, {"USD": 1})
    with pytest.raises(TutorialError, match="the rate of EUR is -1"):
        in_one_currency(mixed, {"USD": 1, "EUR": -1})
    unpriced = mixed.assign(price=[10.0, np.nan])
    assert in_one_currency(unpriced)[0] == 10  # no price, no currency to mix


def test_gold_pairs_with_unknown_ids():
    gold = pd.DataFrame({"a": ["1", "9"], "b": ["2", "1"]})
    with pytest.raises(TutorialError, match=r"1 of 2 ids in its column 'a'.*first '9'"):
        read_gold(gold, offers(), offers(), "gold.csv")
    with pytest.raises(TutorialError, match="needs two columns"):
        read_gold(gold[["a"]], offers(), offers(), "gold.csv")
    assert read_gold(gold[:1], offers(), offers(), "gold.csv").tolist() == [[0, 1]]


def test_files(tmp_path):
    offers().to_csv(tmp_path / "a.csv", index=False)
    offers().to_parquet(tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "a.csv").astype(object),
        read_table(tmp_path / "b.parquet").astype(object),
    )
    (tmp_path / "c.parquet").write_text("no parquet")
    (tmp_path / "d.csv").write_bytes(b"id,title\n1,\xff\xfe\n")
    for name in ("c.parquet", "d.csv"):
        with pytest.raises(TutorialError, match="cannot be read as"):
            read_table(tmp_path / name)
    with pytest.raises(TutorialError, match="there is no file"):
        read_table(tmp_path / "e.csv")


def test_a_price_is_read_as_in_a_catalogue():
    numbers, currencies = parse_prices(pd.Series(["19,90 €", "1.234,00 €", "-5,00 €", ""]))
    assert numbers.fillna(0).tolist() == [19.9, 1234, -5, 0]
    assert currencies.tolist() == ["EUR", "EUR", "EUR", ""]
