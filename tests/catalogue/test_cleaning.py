"""Cleaning: what is the same gets one form, what can be known is filled in, nothing is made up."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtutorial.catalogue.catalogue import load_catalogue
from mmtutorial.catalogue.cleaning import (
    annotate,
    clean,
    clean_attributes,
    clean_text,
    impute,
    normalise_title,
    product_colours,
    suspect_colours,
)
from mmtutorial.catalogue.demo.drawing import draw_shop
from mmtutorial.catalogue.groups import group_products
from mmtutorial.catalogue.reading import ATTRIBUTES, COLUMNS


def table(titles, **columns):
    n = len(titles)
    frame = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(n))
    frame = frame.assign(id=[f"p{number}" for number in range(n)], title=titles)
    return frame.assign(photo_hash=[f"h{number}" for number in range(n)], **columns)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A small demo shop, with its truth."""
    place = tmp_path_factory.mktemp("shop")
    draw_shop(place, n_products=600, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMTUTORIAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        return load_catalogue(place)


# Text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dirty",
    [
        "red  shirt ",
        "RED SHIRT",
        "<b>Red</b> Shirt",
        "Red&nbsp;Shirt",
        "Ｒｅｄ Ｓｈｉｒｔ",
        "Red <br/>\tShirt",
        "&lt;b&gt;Red&lt;/b&gt; Shirt",
    ],
)
def test_what_a_copy_may_differ_in_is_gone(dirty):
    assert normalise_title(dirty) == "red shirt"


@pytest.mark.parametrize("title", ["H&M Top", "Size < 10 and > 5", "Café", "红色衬衫", "T-Shirt"])
def test_what_carries_meaning_stays(title):
    assert normalise_title(title) == title.casefold()


entities = st.sampled_from(["&amp;", "&lt;", "&", "<b>", "</i>", ";", "amp", "ﬁ", "İ", "ß", "ͅ"])


@given(st.lists(entities | st.characters(exclude_categories=["Cs"]), max_size=20).map("".join))
def test_normalising_again_changes_nothing(title):
    once = normalise_title(title)
    assert normalise_title(once) == once


def test_clean_text_reports_what_it_changed():
    before = table(["<p>Acme&nbsp;Red Shirt</p>", "ACME BLUE SHIRT", "Acme Blue Hat"])
    after, changes = clean_text(before)
    assert list(after["title"]) == ["Acme Red Shirt", "Acme Blue Shirt", "Acme Blue Hat"]
    assert list(changes["id"]) == ["p0", "p1"] and set(changes["column"]) == {"title"}
    assert list(changes["before"]) == ["<p>Acme&nbsp;Red Shirt</p>", "ACME BLUE SHIRT"]
    assert before["title"][1] == "ACME BLUE SHIRT", "the table that was given stays as it was"


def test_one_spelling_the_most_frequent_one():
    values = ["Navy Blue", "Navy Blue", "navy  BLUE", "NAVY-BLUE ", "Red", "-", ""]
    after, changes = clean_attributes(table([""] * 7, colour=values))
    assert list(after["colour"]) == ["Navy Blue"] * 4 + ["Red", "", ""]
    assert list(changes["id"]) == ["p2", "p3", "p5"]


def test_punctuation_between_digits_counts_and_compound_values_stay_whole():
    values = ["1.5 l", "1,5 l", "15 l", "Black/White", "black / white", "Black", "Softwood,white"]
    after, _ = clean_attributes(table([""] * 7, usage=values))
    assert after["usage"][0] == after["usage"][1] != after["usage"][2] == "15 l"
    assert list(after["usage"][3:]) == ["Black/White"] * 2 + ["Black", "Softwood,white"]


# Holes ------------------------------------------------------------------------------------------


def test_a_hole_is_filled_by_copies_that_agree():
    titles = [f"Shirt {number // 2}" for number in range(40)]
    colours = [["Red", "Blue"][number // 2 % 2] for number in range(40)]
    colours[5] = colours[8] = ""
    after, changes = impute(table(titles, colour=colours))
    assert (after["colour"][5], after["colour"][8]) == ("Red", "Red")
    assert list(changes["rule"]) == ["same title"] * 2


def test_a_rule_that_is_wrong_on_known_cells_is_not_used():
    """Same title, another colour: the title does not say it, so it must not be copied."""
    titles = [f"Shirt {number // 2}" for number in range(40)]
    colours = ["Red", "Blue"] * 20
    colours[5] = ""
    after, changes = impute(table(titles, colour=colours))
    assert after["colour"][5] == "" and changes.empty


def test_a_hole_is_filled_by_a_word_of_the_title_if_it_is_the_only_one():
    titles = ["Red Shirt", "Navy Blue Shirt", "Blue Shirt"] * 10
    titles += ["NAVY blue hat", "Red and Blue Hat", "Hat"]
    colours = ["Red", "Navy Blue", "Blue"] * 10 + ["", "", ""]
    after, changes = impute(table(titles, colour=colours))
    assert list(after["colour"][30:]) == ["Navy Blue", "", ""]
    assert list(changes["rule"]) == ["word of the title"]


def test_brand_and_pattern_are_read_off_the_title():
    titles = ["Acme & Sons Men Shirt"] * 5 + ["Acme & Sons Striped Hat", "Odd Women's Plain Hat"]
    after, _ = annotate(table(titles))
    assert list(after["brand"]) == ["Acme & Sons"] * 6 + [""]
    assert list(after["pattern"]) == [""] * 5 + ["Striped", "Solid"]
    known, changes = annotate(table(titles, brand="Known", pattern="Known"))
    assert changes.empty and set(known["brand"]) == {"Known"}


@pytest.mark.parametrize("start", ["Grey", "Navy Blue", "Casual", "Striped"])
def test_a_colour_or_an_occasion_at_the_start_of_a_title_is_no_brand(start):
    titles = [f"{start} Men Shirt"] * 5 + ["Grey Navy Men Shirt"] * 5
    colours = ["Grey", "Navy Blue"] * 5
    after, _ = annotate(table(titles, colour=colours, usage="Casual"))
    assert list(after["brand"]) == [""] * 5 + ["Grey Navy"] * 5, (
        "two colours may be a name, as Red Rose is"
    )


# Scored against the truth -------------------------------------------------------------------------


@pytest.mark.slow
def test_cleaning_the_demo_shop_repairs_much_and_breaks_nothing(shop):
    cleaned, changes = clean(shop.table)
    for column in [*ATTRIBUTES, "title", "description"]:
        right_before = shop.table[column] == shop.truth[column]
        right_after = cleaned[column] == shop.truth[column]
        assert not (right_before & ~right_after).any(), f"{column}: a right value was spoiled"
        if column != "year":  # no title names it
            repaired = (right_after & ~right_before).sum() / (~right_before).sum()
            assert repaired > 0.5, column
    final = changes.drop_duplicates(["id", "column"], keep="last")
    truth = shop.truth.set_index("id")
    named = zip(final["id"], final["column"], final["after"], strict=True)
    assert np.mean([truth.at[name, column] == after for name, column, after in named]) > 0.98


@pytest.mark.slow
def test_the_changes_are_what_changed(shop):
    cleaned, changes = clean(shop.table)
    replayed = shop.table.set_index("id").copy()
    for row in changes.itertuples():
        assert replayed.at[row.id, row.column] == row.before
        replayed.loc[row.id, row.column] = row.after
    pd.testing.assert_frame_equal(replayed.reset_index(), cleaned, check_dtype=False)


@pytest.mark.slow
def test_cleaning_again_changes_nothing_and_keeps_the_groups(shop):
    cleaned, _ = clean(shop.table)
    assert clean(cleaned)[1].empty
    assert (group_products(cleaned) == group_products(shop.table)).all()


def test_the_colour_of_a_photo_is_that_of_the_product_not_of_its_background():
    photos = np.full((2, 80, 60, 3), 250, np.uint8)
    photos[0, 20:60, 15:45] = (200, 20, 20)
    lightness, red, yellow = product_colours(photos).T
    assert red[0] > 60 and 35 < lightness[0] < 50
    assert lightness[1] > 97 and abs(red[1]) < 1 and abs(yellow[1]) < 1, "all background: white"


@pytest.mark.slow
def test_suspect_colours_finds_the_wrong_labels(shop):
    cleaned = shop.cleaned().table
    wrong = set(shop.truth["id"][shop.truth["dirt"].str.contains("wrong:colour")])
    found = suspect_colours(cleaned, shop.photos)
    hits = found["id"].isin(wrong)
    assert hits.mean() > 0.5 and hits.sum() > 0.6 * len(wrong)  # 2 % of all labels are wrong
    truth = shop.truth.set_index("id")["colour"]
    assert (found["looks_like"][hits] == truth[found["id"][hits]].to_numpy()).mean() > 0.7
    assert found["gap"].is_monotonic_decreasing
    assert suspect_colours(cleaned.assign(colour=""), shop.photos).empty


def test_an_empty_table_is_cleaned_too():
    assert len(clean(table([]))[0]) == 0


def test_titles_and_values_meet_in_the_singular():
    """One rule of plurals: "Watch" in a title is the type Watches, and no "dres" is a word."""
    products = table(
        [f"Acme {n} Watch" for n in range(12)] + [f"Acme {n} Dress" for n in range(12)],
        article_type=["Watches"] * 11 + [""] + ["Dresses"] * 11 + [""],
    )
    filled, _ = impute(products)
    assert filled["article_type"].iloc[[11, 23]].tolist() == ["Watches", "Dresses"]
