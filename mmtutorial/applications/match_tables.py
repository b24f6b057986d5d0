"""Two tables of offers matched from start to end: what ``mmtutorial match`` does (lesson 14)."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.applications.offer_blocking import candidate_pairs, pair_completeness
from mmtutorial.applications.offer_clusters import average_linkage
from mmtutorial.applications.offer_features import PairFeatures, photo_codes
from mmtutorial.applications.offer_matching import (
    TEST,
    TRAIN,
    Booster,
    pair_exam,
    split_by_entity,
)
from mmtutorial.applications.offer_tables import (
    in_one_currency,
    read_gold,
    read_table,
    standard_tables,
)
from mmtutorial.applications.plain_matcher import PlainMatcher
from mmtutorial.catalogue import reading
from mmtutorial.files import replacing, writing

FEWEST = 20  # gold pairs, so that each part has some


def match(
    left_file: str | Path,
    right_file: str | Path,
    output: str | Path,
    gold_file: str | Path | None = None,
    left_columns: Mapping[str, str] | None = None,
    right_columns: Mapping[str, str] | None = None,
    rates: Mapping[str, float] | None = None,
    k: int = 10,
    seed: int = 0,
) -> dict:
    """Match two files of offers; writes ``matches.csv``, ``clusters.csv`` and ``metrics.json``.

    Blocking keeps ``k`` candidates an offer, features are counted for these pairs alone. With gold
    pairs, three fifths of the products teach a ``Booster``, a fifth chooses its threshold, and on
    the last fifth it is measured, against all candidates of the blocking; without gold pairs the
    shipped ``PlainMatcher`` decides, and nothing is measured. Returns what ``metrics.json`` holds.

    Raises ``TutorialError`` for files and tables that cannot be read or compared
    (``offer_tables``), and for fewer than 20 gold pairs.
    """
    began = time.time()
    left_file, right_file, output = Path(left_file), Path(right_file), Path(output)
    names = (left_file.name, right_file.name)
    tables = standard_tables(
        read_table(left_file), read_table(right_file), left_columns, right_columns, names
    )
    prices = _prices(tables, rates)
    gold = None
    if gold_file is not None:
        gold = read_gold(read_table(gold_file), *tables, what=Path(gold_file).name)
    left, right = (each["title"].tolist() for each in tables)
    pairs = candidate_pairs(left, right, k)
    photos = _photos(tables, (left_file.parent, right_file.parent))
    features = PairFeatures(*tables, prices=prices, photos=photos).of(pairs, rivals=True)
    if gold is None:
        matcher = PlainMatcher.shipped()
        scores, threshold = matcher.scores(features), matcher.threshold
        measured = {"matcher": "shipped", "made": matcher.content["made"]}
    else:
        scores, threshold, measured = _learnt(tables, pairs, features, gold, seed)
    metrics = {
        "offers": [len(each) for each in tables],
        "candidates": len(pairs),
        "of all pairs": round(len(pairs) / (len(tables[0]) * len(tables[1])), 6),
        "threshold": round(threshold, 4),
        "matches": int((scores >= threshold).sum()),
        **measured,
        "seconds": round(time.time() - began, 1),
    }
    _write(output, tables, pairs, scores, threshold, metrics)
    return metrics


def summary(metrics: dict) -> str:
    """What ``match`` found, in a few lines."""
    a, b = metrics["offers"]
    lines = [
        f"{a:,} and {b:,} offers, {metrics['candidates']:,} candidate pairs "
        f"({100 * metrics['of all pairs']:.2g} % of all), {metrics['matches']:,} matches "
        f"in {metrics['seconds']:.0f} s"
    ]
    if "held out" in metrics:
        held = metrics["held out"]
        lines.append(
            f"blocking recall {metrics['blocking recall']:.3f}; on {held['pairs']} held-out gold "
            f"pairs: precision {held['precision']:.3f}, recall {held['recall']:.3f}, "
            f"F1 {held['f1']:.3f}"
        )
    else:
        lines.append("nothing is measured without --gold; look at some of the matches yourself")
    return "\n".join(lines)


def _prices(tables, rates):
    """Both tables' prices in one currency: checked together, since they are compared."""
    together = pd.concat(tables, ignore_index=True)
    amounts = in_one_currency(together, rates, "the two tables").to_numpy()
    return np.split(amounts, [len(tables[0])])


def _photos(tables, folders):
    """``photo_codes`` of both tables, NaN where there is no photo; None where no table has any."""
    found = []
    for table, folder in zip(tables, folders, strict=True):
        codes = np.full((len(table), 900), np.nan, dtype="float32")
        for row, name in enumerate(table["photo"]):
            if name and (folder / name).is_file():
                try:
                    photo = reading.decode((folder / name).read_bytes())
                except TutorialError:
                    continue  # no photo: the offer is matched without one
                codes[row] = photo_codes(photo[None])[0]
        found.append(codes)
    return found if all(np.isfinite(each).any() for each in found) else None


def _learnt(tables, pairs, features, gold, seed):
    """Scores of all candidates, the threshold, and what was measured on the held-out part."""
    exam = pair_exam(pairs, gold, *split_by_entity(*map(len, tables), gold, seed=seed))
    if len(gold) < FEWEST or min(exam.n_true) < 2:
        raise TutorialError(
            f"{len(gold)} gold pairs are too few to learn from and to measure with: give at least "
            f"{FEWEST}, or leave --gold away"
        )
    learn = exam.rows[TRAIN]
    scores = Booster(seed).fit(features.iloc[learn], exam.same[learn]).scores(features)
    threshold = exam.threshold(scores)
    found = exam.measure(scores >= threshold)
    held = {"pairs": exam.n_true[TEST], "candidates": len(exam.rows[TEST])}
    measured = {
        "matcher": "gradient boosting, learnt on the gold pairs",
        "blocking recall": round(pair_completeness(pairs, gold), 4),
        "held out": held | {name: round(value, 4) for name, value in found._asdict().items()},
    }
    return scores, threshold, measured


def _write(output, tables, pairs, scores, threshold, metrics):
    left, right = tables
    sure = np.flatnonzero(scores >= threshold)
    sure = sure[np.argsort(-scores[sure], kind="stable")]
    a, b = pairs[sure].T
    matches = pd.DataFrame(
        {
            "id_a": left["id"].to_numpy()[a],
            "id_b": right["id"].to_numpy()[b],
            "score": scores[sure].round(4),
            "title_a": left["title"].to_numpy()[a],
            "title_b": right["title"].to_numpy()[b],
        }
    )
    of_b = np.repeat([0, 1], [len(left), len(right)])
    linked = average_linkage(
        len(of_b), np.add(pairs[sure], [0, len(left)]), scores[sure], threshold, tables=of_b
    )
    clusters = pd.DataFrame(
        {
            "cluster": linked,
            "table": np.array(["a", "b"])[of_b],
            "id": pd.concat([left["id"], right["id"]]).to_numpy(),
        }
    ).sort_values("cluster", kind="stable")
    with writing(output, "give another --output"):
        output.mkdir(parents=True, exist_ok=True)
        for name, table in (("matches.csv", matches), ("clusters.csv", clusters)):
            with replacing(output / name) as arriving:
                table.to_csv(arriving, index=False)
        with replacing(output / "metrics.json") as arriving:
            arriving.write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
