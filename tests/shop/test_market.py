"""Reviews and offers of a shop: drawn, or from files beside a catalogue; kept, and read back."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_catalogue import small_catalogue

from mmtutorial import TutorialError
from mmtutorial.applications import product_quality
from mmtutorial.catalogue.catalogue import load_catalogue
from mmtutorial.files import DamagedFile
from mmtutorial.shop import market, opening
from mmtutorial.shop.market import Market

REVIEWS = """product;rating;text;text_zh;helpful
0000;5;The fabric is soft and warm;面料柔软;3
0000;4;"Fits well; the colour is bright";;x
0000;9;Too many stars;;
0002;2;;;
none;3;Of another shop;;
"""
OFFERS = """id,seller,title,price,currency,attributes
1,Nord,{title},"19,90",EUR,"{{""colour"": ""{colour}""}}"
1,West,{title},€ 25,,
2,Ost,{title},1.50,EUR,
3,,{title},20,EUR,
4,Fern,{title},30,USD,
5,Leer,,20,EUR,
6,Gratis,{title},0,EUR,
7,Krumm,{title},20,EUR,colour
"""


def write(folder, n=12, reviews="", offers=""):
    """A small catalogue as its owner might have it, with what lies beside it; its photos too."""
    catalogue = small_catalogue(n)
    (folder / "photos").mkdir(parents=True)
    for name, photo in zip(catalogue.table["id"], catalogue.photos, strict=True):
        Image.fromarray(photo).save(folder / "photos" / f"{name}.png")
    table = catalogue.table.assign(price=20.0)
    table.drop(columns="photo_hash").to_csv(folder / "products.csv", index=False)
    first = table.iloc[0]
    texts = {"reviews": reviews, "offers": offers.format(**first)}
    for name, text in texts.items():
        if text:
            (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_the_drawn_shop_has_reviews_and_offers_in_both_languages(tmp_path):
    catalogue = small_catalogue(60)
    found = market.gather("demo", catalogue)
    assert found.drawn and set(found.quality["product"]) <= set(catalogue.table["id"])
    quality = found.quality
    assert (quality.groupby("product")["aspect"].first() == market.OVERALL).all()
    assert ((quality["low"] <= quality["stars"]) & (quality["stars"] <= quality["high"])).all()
    said = quality[quality["aspect"] != market.OVERALL]
    assert (said["quote"] != "").all() and (said["quote_zh"] != "").mean() > 0.5
    assert len(found.offers) > 20 and set(found.offers["product"]) <= set(catalogue.table["id"])

    found.save(tmp_path)
    again = Market.load(tmp_path)
    assert again.drawn and again.quality.equals(quality) and again.offers.equals(found.offers)
    assert market.OVERALL == product_quality.OVERALL
    assert market.files_of("demo") == {} and len(market.made_of("demo")) > 5


def test_files_beside_a_catalogue_are_used_and_bad_rows_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    folder = write(tmp_path / "own", reviews=REVIEWS, offers=OFFERS)
    found = market.gather(str(folder), load_catalogue(folder).cleaned())
    assert not found.drawn
    overall = found.quality[found.quality["aspect"] == market.OVERALL]
    assert overall[["product", "n"]].to_numpy().tolist() == [["0000", 2]]
    fabric = found.quality.set_index("aspect").loc["fabric"]
    assert fabric["quote"] == "The fabric is soft and warm" and fabric["quote_zh"] == "面料柔软"
    assert found.offers[["seller", "price", "currency"]].to_numpy().tolist()[-2:] == [
        ["Nord", 19.9, "EUR"], ["West", 25.0, "EUR"],
    ]  # fmt: skip
    assert set(found.offers["product"]) <= {"0000", "0001"}  # the same title twice
    assert found.offers.set_index("seller")["too_cheap"].to_dict().get("Ost", True)
    said = capsys.readouterr().out
    assert "reviews.csv: 2 of 5 rows are set aside, the first is row 3: rating outside" in said
    assert "reviews.csv: 1 of 5 reviews are of products that the catalogue does not have" in said
    assert "the first of 'none'; they are set aside." in said
    assert "offers.csv: 5 of 8 rows are set aside, the first is row 4: no seller." in said


def test_parquet_comes_before_csv_and_keeps_its_attributes(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    folder = write(tmp_path / "own", offers="no columns at all\n")
    title = small_catalogue(12).table["title"][0]
    pd.DataFrame(
        {
            "seller": ["A", "B"], "title": [title] * 2, "price": [20.0, np.nan],
            "attributes": [{"colour": "Red", "brand": None}, {"colour": None, "brand": "Acme"}],
        }
    ).to_parquet(folder / "offers.parquet")  # fmt: skip
    offers = market.read_offers(market.files_of(str(folder))["offers"])
    assert offers["attributes"].tolist() == [{"colour": "Red"}]
    assert offers["currency"].tolist() == [""]


@pytest.mark.parametrize(
    ("reviews", "offers", "said"),
    [
        ("product,stars\n1,2\n", "", r"reviews.csv has no column 'rating', 'text'"),
        ("product,rating,text\nx,2,ok\n", "", "its column product has to hold the catalogue's ids"),
        ("product,rating,text\n0000,7,ok\n", "", "none of its 1 rows can be used: rating outside"),
        ("", "title,price\nHat,3\n", "offers.csv has no column 'seller'"),
        ("", "seller,title,price\nA,Hat,-3\n", "none of its 1 rows can be used: no price above 0"),
        ("", 'seller,title,price\nA,"Hat,3\n', "offers.csv"),
    ],
)
def test_a_file_of_no_use_is_named_before_anything_is_trained(
    tmp_path, monkeypatch, reviews, offers, said
):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(opening, "_retriever", None)  # not called
    folder = write(tmp_path / "own", reviews=reviews, offers=offers)
    with pytest.raises(TutorialError, match=said):
        opening.build(str(folder))
    assert not opening.home(str(folder)).exists()


def test_without_files_there_is_an_empty_market_and_another_file_makes_another_folder(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    folder = write(tmp_path / "own")
    found = market.gather(str(folder), load_catalogue(folder))
    assert found.quality.empty and found.offers.empty and not found.drawn
    found.save(tmp_path)
    assert Market.load(tmp_path).quality.empty
    assert market.made_of(str(folder)) == []
    homes = [opening.home(str(folder))]
    for text in ("product,rating,text\n0000,4,fine\n", "product,rating,text\n0000,5,fine\n"):
        (folder / "reviews.csv").write_text(text)
        homes.append(opening.home(str(folder)))
    assert len(set(homes)) == 3


def test_offers_that_match_nothing_leave_an_empty_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    folder = write(tmp_path / "own", offers="seller,title,price\nA,Red wine of Bordeaux,3000\n")
    found = market.gather(str(folder), load_catalogue(folder))
    assert found.offers.empty and [*found.offers] == [*market.OFFERS]
    assert "offers.csv: 1 of 1 offers match no product." in capsys.readouterr().out
    (folder / "offers.csv").write_text("seller,title,price\nA,qwertz,3\n")
    with pytest.raises(TutorialError, match=r"offers\.csv: no pair to look at"):
        market.gather(str(folder), load_catalogue(folder))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("quality.parquet", lambda file: file.unlink()),
        ("offers.parquet", lambda file: file.write_bytes(file.read_bytes()[:100])),
        ("quality.parquet", lambda file: Market().offers.to_parquet(file)),
        ("offers.parquet", lambda file: spoilt(Market().offers).to_parquet(file)),
        ("market.json", lambda file: file.write_text(json.dumps({"drawn": "yes"}))),
        ("market.json", lambda file: file.write_text("[")),
    ],
)
def test_a_damaged_table_is_refused_with_a_remedy(tmp_path, name, damage):
    Market().save(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(DamagedFile, match=rf"{name}.*build the search again"):
        Market.load(tmp_path)
    with pytest.raises(
        TutorialError, match=f"remove the folder {tmp_path} and start again: .*{name}"
    ):
        opening.market_of(tmp_path)


def spoilt(offers):
    """The table with an offer that has no price."""
    return pd.concat([offers, pd.DataFrame([{name: np.nan for name in offers}])])
