"""The first lessons on a shop of one's own that has nothing but ids, titles and photos."""

import pytest
from PIL import Image
from small_catalogue import small_catalogue

from mmtutorial.runner import run

LESSONS = ["00", "01", "04"]


@pytest.fixture(scope="module")
def on_a_bare_shop(tmp_path_factory):
    shop = tmp_path_factory.mktemp("bare")
    catalogue = small_catalogue(n=240)
    (shop / "photos").mkdir()
    for id_, photo in zip(catalogue.table["id"], catalogue.photos, strict=True):
        Image.fromarray(photo).save(shop / "photos" / f"{id_}.png")
    table = catalogue.table[["id", "title"]]
    # No title twice: no query has two answers, and no attribute can be read off the others.
    table = table.assign(title=table["title"] + " of " + table["id"])
    table.to_csv(shop / "products.csv", index=False)
    metrics = run(LESSONS, dataset=str(shop), results=tmp_path_factory.mktemp("results"))
    return {one["lesson"][:2]: one for one in metrics}


@pytest.mark.slow
@pytest.mark.parametrize("number", LESSONS)
def test_a_lesson_measures_what_a_bare_shop_allows(number, on_a_bare_shop):
    one = on_a_bare_shop[number]
    assert one["status"] == "passed", one["error"]
    assert one["claims"]


@pytest.mark.slow
def test_queries_copied_from_titles_keep_no_claim(on_a_bare_shop):
    claims = {claim["name"]: claim for claim in on_a_bare_shop["04"]["claims"]}
    claim = claims["R@10, BM25, titles"]
    assert claim["value"] > 0.9
    assert claim["floor"] is None
