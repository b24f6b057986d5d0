"""Two files of offers, from start to end."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from small_catalogue import small_catalogue

from mmtutorial import TutorialError
from mmtutorial.applications.match_tables import match
from mmtutorial.applications.plain_matcher import PlainMatcher, make_shipped
from mmtutorial.catalogue.drawn_offers import DOLLARS, draw_offers
from mmtutorial.cli import main


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Two files with odd names for their columns, and the pairs that are the same."""
    folder = tmp_path_factory.mktemp("offers")
    drawn = draw_offers(small_catalogue(n=200), 150, seed=3)
    table = drawn.table.drop(columns="attributes").join(pd.DataFrame([*drawn.table["attributes"]]))
    table["product"] = drawn.truth["product"]
    side = table["seller"].isin(sorted(table["seller"].unique())[::2])
    a, b = table[side], table[~side]
    a.drop(columns="product").rename(columns={"title": "Product Name"}).to_csv(
        folder / "a.csv", index=False
    )
    b.drop(columns="product").rename(columns={"id": "SKU"}).to_parquet(folder / "b.parquet")
    gold = a.merge(b, on="product")[["id_x", "id_y"]]
    gold.to_csv(folder / "gold.csv", index=False)
    return folder, gold


def files(shop):
    return shop[0] / "a.csv", shop[0] / "b.parquet"


def test_gold_pairs_teach_and_measure(shop, tmp_path):
    found = match(*files(shop), tmp_path / "new" / "out", shop[0] / "gold.csv", rates=DOLLARS)
    assert found == json.loads((tmp_path / "new" / "out" / "metrics.json").read_text())
    assert found["held out"]["f1"] > 0.6 and found["blocking recall"] > 0.7
    assert found["of all pairs"] < 0.2
    matches = pd.read_csv(tmp_path / "new" / "out" / "matches.csv")
    assert len(matches) == found["matches"] and matches["score"].is_monotonic_decreasing
    true = set(map(tuple, shop[1].to_numpy()))
    right = [pair in true for pair in zip(matches["id_a"], matches["id_b"], strict=True)]
    assert np.mean(right) > 0.6
    clusters = pd.read_csv(tmp_path / "new" / "out" / "clusters.csv")
    assert len(clusters) == sum(found["offers"]) and clusters["cluster"].is_monotonic_increasing
    together = clusters.set_index(["table", "id"])["cluster"]
    sure = matches.iloc[0]
    assert together["a", sure["id_a"]] == together["b", sure["id_b"]]


def test_without_gold_the_shipped_weights_decide(shop, tmp_path):
    found = match(*files(shop), tmp_path, rates=DOLLARS)
    assert found["matcher"] == "shipped" and "held out" not in found
    matches = pd.read_csv(tmp_path / "matches.csv")
    true = set(map(tuple, shop[1].to_numpy()))
    hits = sum(pair in true for pair in zip(matches["id_a"], matches["id_b"], strict=True))
    assert 2 * hits / (len(matches) + len(true)) > 0.4


def test_photos_are_used_where_both_tables_have_them(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        titles = [f"thing {word}" for word in ("one", "two", "three")]
        table = pd.DataFrame({"id": range(3), "title": titles, "photo": ["p0.png", "p1.png", ""]})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    for number in range(2):
        photo = rng.integers(0, 255, (80, 60, 3)).astype("uint8")
        Image.fromarray(photo).save(tmp_path / f"p{number}.png")
    (tmp_path / "p1.png").write_bytes(b"no photo")  # then that offer is matched without one
    assert match(tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "out")["candidates"] == 9


def test_the_command(shop, tmp_path):
    a, b = map(str, files(shop))
    rates = [word for name, rate in DOLLARS.items() for word in ("--rate", f"{name}={rate}")]
    call = ["match", a, b, "--gold", str(shop[0] / "gold.csv"), "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(main, [*call, *rates])
    assert done.exit_code == 0, done.output
    assert "held-out gold pairs: precision" in done.output
    again = CliRunner().invoke(main, [*call[:3], *call[5:], *rates])
    assert "nothing is measured without --gold" in again.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "prices are in EUR, GBP, INR, USD, which cannot be compared"),
        (["--column-b", "title=nowhere"], "b.parquet has no column 'nowhere'"),
        (["--column-b", "title"], "is not of the form of --column-b OURS=THEIRS"),
        (["--rate", "USD=cheap"], "is not of the form of --rate CODE=NUMBER"),
    ],
)
def test_the_command_says_what_is_wrong(shop, tmp_path, options, message):
    call = ["match", *map(str, files(shop)), "--output", str(tmp_path), *options]
    done = CliRunner().invoke(main, call)
    assert done.exit_code in (1, 2) and message in done.output.replace("\n", " ")
    assert not list(tmp_path.iterdir())


def test_too_few_gold_pairs(shop, tmp_path):
    shop[1].head(5).to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(TutorialError, match="5 gold pairs are too few"):
        match(*files(shop), tmp_path / "out", tmp_path / "few.csv", rates=DOLLARS)


def test_the_shipped_weights_can_be_made_again():
    small = make_shipped(small_catalogue(n=200), 150, seed=1)
    assert set(small.names) == set(PlainMatcher.shipped().names)
    assert "150 products of the catalogue 'small'" in small.content["made"]
    assert small.content["weights"][small.names.index("price ratio")] < 0
