import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtutorial.search.facets import BARS, Facets, RangeColumn, passing


def products(n=300, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "colour": rng.choice(["Red", "Navy Blue", ""], n),
            "brand": "Acme",
            "usage": rng.choice(["Casual", "Formal"], n),
            "price": np.where(rng.random(n) < 0.2, np.nan, rng.uniform(3.2, 80, n)),
            "rating": rng.integers(1, 6, n),
            "weight": np.nan,
            "title": "x",
        }
    )
    return table


def test_columns_with_a_choice_are_facets():
    assert list(Facets(products()).columns) == ["colour", "usage", "price", "rating"]


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_counts_are_those_of_pandas(seed):
    table, rng = products(seed=seed), np.random.default_rng(seed)
    facets, chosen = Facets(table), rng.random(len(table)) < rng.random()
    for name in ("colour", "usage"):
        expected = table.loc[chosen & (table[name] != ""), name].value_counts().to_dict()
        found = facets.values(name, chosen)
        assert dict(found) == expected
        assert [n for _, n in found] == sorted(expected.values(), reverse=True)
    for name in ("price", "rating"):
        column, numbers = facets.columns[name], table.loc[chosen, name].dropna()
        edges = np.linspace(column.least, column.most, BARS + 1)
        bars = column.counted(chosen)
        assert bars.sum() == len(numbers)
        assert np.array_equal(bars, np.histogram(numbers, edges)[0])


def test_a_histogram_reaches_from_below_the_least_to_above_the_most():
    price = Facets(products()).columns["price"]
    assert isinstance(price, RangeColumn) and (price.least, price.most) == (3, 80)


def test_a_value_asked_for_stays_with_a_count_of_nothing():
    facets = Facets(pd.DataFrame({"colour": ["Red", "Blue"]}))
    none = np.zeros(2, dtype=bool)
    assert facets.values("colour", none) == []
    assert facets.values("colour", none, (" RED",)) == [("Red", 0)]


def test_a_kind_of_product_is_the_finest_that_has_several():
    table = pd.DataFrame({"article_type": ["", ""], "category": ["Hats", "Bags"], "title": "x"})
    assert list(Facets(table).columns) == ["category"]


def test_numbers_that_are_not_finite_stand_in_no_bar():
    table = pd.DataFrame({"price": [1.0, np.inf, 3.0, np.nan]})
    column = Facets(table).columns["price"]
    assert column.counted(np.ones(4, dtype=bool)).sum() == 2 and column.most == 3


@pytest.mark.parametrize("but", [None, "a", "b"])
def test_a_column_is_counted_under_the_other_filters(but):
    masks = {name: np.random.default_rng(n).random(50) < 0.5 for n, name in enumerate("abc")}
    expected = [all(masks[name][row] for name in masks if name != but) for row in range(50)]
    assert passing(masks, 50, but).tolist() == expected
