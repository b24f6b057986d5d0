"""The demo shop: a drawn catalogue whose truth is known (lessons 00 to 24).

A laboratory rather than a toy: every product has a brand, a gender, an article type, a colour,
a pattern, a usage and a season, and the shop decides who gets to know them.

- The **photo** shows type, colour, pattern, brand mark and (by size) children's wear.
- The **title** always names brand, gender and type; the other four only at times
  (``vocabulary.SAID``).
- The **description** always names usage and season, which no photo shows.

So a query such as "navy dotted party dress" cannot be answered by one modality alone. Then the
shop is made dirty at known rates (``vocabulary.MISSING`` and the constants beside it). The clean
values are kept in ``truth.parquet``, so that cleaning can be scored.

Product ``i`` is drawn from ``(seed, i)`` only: a larger shop holds the same products, and more.
Dirt and queries are dealt over the whole shop.
"""

import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmtutorial import TutorialError
from mmtutorial.catalogue.demo.dirt import soil, soil_large, soil_photos
from mmtutorial.catalogue.demo.queries import draw_queries
from mmtutorial.catalogue.demo.records import sample_truth
from mmtutorial.catalogue.demo.studio import draw_photo
from mmtutorial.files import replacing

LARGE = 3  # the large photos are 180 × 240 pixels, so many times the small ones


def draw_shop(folder: str | Path, n_products: int = 3000, seed: int = 0) -> None:
    """Draw the demo shop into ``folder``: the same files, byte for byte, for the same arguments.

    - ``products.parquet``: the dirty catalogue, as a shop would hand it over; the schema's
      columns, ``image`` (JPEG bytes) and ``image_large`` (the same photo of 180 × 240 pixels;
      None where ``image`` is damaged), rows in no order.
    - ``truth.parquet``: the same rows with the clean values, and ``said`` (attributes the title
      names), ``twin_of`` (id, or ""), ``dirt`` (what was done, comma between: "missing:colour",
      "case:title", "html:description", "wrong:colour", "duplicate_title", "twin_photo",
      "corrupt_photo", "grey_photo", "odd_size").
    - ``queries.json``: ``{query: {product id: 1}}``, drawn from the truth.

    Takes about 11 ms a product. Raises ``TutorialError`` for a number of products below 1, a
    negative seed, or a folder that cannot be written.
    """
    for name, value, low in (("n_products", n_products, 1), ("seed", seed, 0)):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < low:
            raise TutorialError(f"{name} must be a whole number of at least {low}, got {value!r}")
    folder = Path(folder)
    truth = sample_truth(n_products, seed)
    records = truth.to_dict("records")
    place = {record["id"]: i for i, record in enumerate(records)}

    def draw(what, scale=1):
        bar = tqdm(records, f"drawing {what}", unit=" photos", mininterval=0.5, file=sys.stdout)
        for i, record in enumerate(bar):
            yield draw_photo(record, seed, place.get(record["twin_of"], i), scale)

    photos = list(draw("the demo shop"))
    rng = np.random.default_rng([seed, n_products, 5])
    table, dirt = soil(truth, rng)
    table["image"] = soil_photos(photos, truth, dirt, rng)
    table["image_large"] = [
        None if "corrupt_photo" in done else soil_large(photo, image)
        for photo, image, done in zip(
            draw("its large photos", LARGE), table["image"], dirt, strict=True
        )
    ]
    truth["dirt"] = [",".join(names) for names in dirt]
    corrupt = truth["id"][truth["dirt"].str.contains("corrupt_photo")]
    queries = draw_queries(truth, corrupt, seed)
    order = rng.permutation(n_products)
    table, truth = (frame.iloc[order].reset_index(drop=True) for frame in (table, truth))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "truth.parquet") as path:
            truth.to_parquet(path, index=False)
        text = json.dumps(queries, indent=1, ensure_ascii=False) + "\n"
        with replacing(folder / "queries.json") as path:
            path.write_text(text, encoding="utf-8")
        # Last, so that a folder with products.parquet is a whole shop.
        with replacing(folder / "products.parquet") as path:
            table.to_parquet(path, index=False)
    except OSError as error:
        raise TutorialError(
            f"cannot write the demo shop into {folder}: {error}; "
            "set MMTUTORIAL_CACHE to a folder that is writable and has 100 MB free"
        ) from error
