import numpy as np
import pandas as pd
import pytest
from small_catalogue import small_catalogue, small_shop

from mmtutorial import TutorialError
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.catalogue.drawn_offers import DOLLARS, draw_offers


@pytest.fixture(scope="module")
def drawn():
    shop = small_catalogue(n=160)
    shop.table["price"] = np.linspace(10, 90, len(shop))
    return draw_offers(shop, n_products=120, seed=1)


def test_every_product_has_two_to_six_sellers_and_none_twice(drawn):
    honest = ~drawn.truth["lure"]
    sellers = drawn.table["seller"][honest].groupby(drawn.truth["product"][honest])
    assert sellers.size().between(1, 6).all()  # a lure took one of the two
    assert sellers.size().median() >= 3
    assert (sellers.nunique() == sellers.size()).all()
    assert len(drawn.photos) == len(drawn.table) == len(drawn.truth)
    assert drawn.truth["id"].tolist() == drawn.table["id"].tolist()


def test_the_same_seed_draws_the_same_and_another_one_others():
    shop = small_catalogue(n=60)
    first, again, other = (draw_offers(shop, 30, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first.table, again.table)
    assert np.array_equal(first.photos, again.photos)
    assert first.table["title"].tolist() != other.table["title"].tolist()


def test_sellers_write_the_same_product_differently(drawn):
    honest = ~drawn.truth["lure"]
    titles = drawn.table["title"][honest].groupby(drawn.truth["product"][honest])
    assert (titles.nunique() > 1).mean() > 0.8


def test_a_pack_of_two_is_another_product_with_the_photo_of_the_first(drawn):
    packs = drawn.truth["product"].str.endswith("-pack")
    assert 0.05 < packs.mean() < 0.3
    titles = drawn.table["title"][packs]
    assert titles.str.contains(r"pack of 2|2-pack|set of 2").all()
    singles = set(drawn.truth["product"][~packs])
    assert {name.removesuffix("-pack") for name in drawn.truth["product"][packs]} <= singles


def test_lures_are_far_cheaper_than_what_they_show(drawn):
    amounts = drawn.table["price"] * drawn.table["currency"].map(DOLLARS)
    pack = drawn.truth["product"].str.contains("-pack")
    usual = amounts[~drawn.truth["lure"]].groupby(drawn.truth["product"]).median()
    lures = drawn.truth[drawn.truth["lure"]]
    assert len(lures) >= 3
    shown = lures["product"].str.replace(r"-lure-.*", "", regex=True)
    ratio = amounts[lures.index].to_numpy() / usual.reindex(shown).to_numpy()
    assert np.nanmax(ratio) < 0.6
    assert lures["product"].is_unique and pack.any()


def test_a_wrong_attribute_is_not_the_products(drawn):
    shop = small_catalogue(n=160).table.set_index("id")
    for row in range(len(drawn.table)):
        wrong, product = drawn.truth["wrong"][row], drawn.truth["shown"][row]
        for name, value in drawn.table["attributes"][row].items():
            assert (value != shop.loc[product, name]) == (name == wrong)
    assert 0.02 < (drawn.truth["wrong"] != "").mean() < 0.2


def test_a_sellers_photo_shows_the_product_and_is_not_the_same():
    shop = small_catalogue(n=40)
    drawn = draw_offers(shop, 20)
    rows = pd.Series(range(len(shop)), index=shop.table["id"])[drawn.truth["shown"]].to_numpy()
    own = np.abs(drawn.photos.astype(float) - shop.photos[rows]).mean(axis=(1, 2, 3))
    assert (own > 0).all() and np.median(own) < 60


def test_a_catalogue_of_titles_alone_will_do():
    drawn = draw_offers(small_shop(n=40), 20)
    assert drawn.table["attributes"].map(len).eq(0).all()
    assert (drawn.truth["wrong"] == "").all() and (drawn.table["price"] > 0).all()
    assert len(drawn.notes) == 2


@pytest.mark.parametrize("title", ["黑色连衣裙", "a", "Acme"])
def test_a_short_title_and_one_of_another_script_are_offered_too(title):
    shop = small_catalogue(n=8)
    shop.table["title"], shop.table["brand"] = title, "Acme"
    drawn = draw_offers(shop, 8)
    assert (drawn.table["title"].str.strip() != "").all()


def test_bad_numbers_and_a_shop_without_titles():
    shop = small_shop(n=10)
    with pytest.raises(TutorialError, match="n_products is 11: choose a whole number from 1 to 10"):
        draw_offers(shop, 11)
    with pytest.raises(TutorialError, match="sellers is 9"):
        draw_offers(shop, 5, sellers=(2, 9))
    untitled = Catalogue("bare", shop.table.assign(title=""), shop.photos)
    with pytest.raises(TutorialError, match="no product of 'bare' has a title"):
        draw_offers(untitled, 5)
