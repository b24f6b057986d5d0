"""Ranking metrics: hand-worked cases, properties, and trec_eval (by ir-measures) as referee."""

import itertools
import math
import time

import ir_measures
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.metrics import measures, runs
from mmtutorial.metrics.evaluation import evaluate, evaluate_ranking
from mmtutorial.metrics.top_k import top_k

ALL = ["R@1", "R@3", "P@3", "hit@3", "MRR", "MRR@2", "AP", "AP@3", "nDCG", "nDCG@3"]


def value(metric, qrels, run, **options):
    """The one value of a one-query evaluation."""
    return evaluate({"q": qrels}, {"q": run}, metric, **options).per_query[metric].iloc[0]


def in_order(*products):
    """A ranking of these products without ties."""
    return {product: -float(place) for place, product in enumerate(products)}


# By hand -------------------------------------------------------------------------------------

# a and c are relevant and found at ranks 1 and 3; e and f are relevant and never ranked.
RELEVANT = {"a": 1, "c": 1, "e": 1, "f": 1}
RANKING = in_order("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("R@1", 1 / 4),
        ("R@3", 2 / 4),
        ("hit@1", 1),  # recall@1 is 1/4, yet the list has a hit
        ("P@1", 1),
        ("P@3", 2 / 3),
        ("P@8", 2 / 8),  # a short list is no excuse: the empty ranks count
        ("MRR", 1),
        ("AP", (1 / 1 + 2 / 3) / 4),
        ("AP@2", 1 / 4),  # over all four relevants, not over min(2, 4)
        ("AP@3", (1 / 1 + 2 / 3) / 4),
        ("nDCG@3", (1 + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2)),
        ("nDCG", (1 + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2 + 1 / math.log2(5))),
    ],
)
def test_by_hand(metric, expected):
    assert value(metric, RELEVANT, RANKING) == pytest.approx(expected, abs=1e-12)


def test_reciprocal_rank_stops_at_k():
    ranking = in_order("x", "y", "a")
    assert value("MRR@3", {"a": 1}, ranking) == pytest.approx(1 / 3)
    assert value("MRR@2", {"a": 1}, ranking) == 0


def test_ndcg_gain_is_linear_in_the_grade():
    # 2^grade - 1 would give 7 and 1 where the linear gain gives 3 and 1
    dcg, ideal = 1 + 3 / math.log2(3), 3 + 1 / math.log2(3)
    assert value("nDCG@2", {"a": 3, "b": 1}, in_order("b", "a")) == pytest.approx(dcg / ideal)


def test_negative_grades_are_not_relevant_and_cost_nothing():
    with_spam = value("nDCG@3", {"a": 2, "spam": -2}, in_order("spam", "a"))
    assert with_spam == value("nDCG@3", {"a": 2}, in_order("other", "a"))
    assert value("P@1", {"a": 2, "spam": -2}, in_order("spam", "a")) == 0


def test_arrays_and_dictionaries_agree():
    grades = runs.relevance_in_order(["q"], [list(RANKING)], {"q": RELEVANT})
    assert grades.tolist() == [[1, 0, 1, 0]]
    assert measures.recall(grades, [4], k=3)[0] == value("R@3", RELEVANT, RANKING)
    assert measures.precision(grades, k=3)[0] == value("P@3", RELEVANT, RANKING)
    assert measures.hit(grades, k=3)[0] == value("hit@3", RELEVANT, RANKING)
    assert measures.reciprocal_rank(grades)[0] == value("MRR", RELEVANT, RANKING)
    assert measures.average_precision(grades, [4], k=3)[0] == value("AP@3", RELEVANT, RANKING)
    assert measures.ndcg(grades, [[1, 1, 1, 1]], k=3)[0] == value("nDCG@3", RELEVANT, RANKING)


# Against trec_eval ---------------------------------------------------------------------------

ORACLE = {
    "R": lambda k: ir_measures.R @ k,
    "P": lambda k: ir_measures.P @ k,
    "hit": lambda k: ir_measures.Success @ k,
    "AP": lambda k: ir_measures.AP @ k if k else ir_measures.AP,
    "nDCG": lambda k: ir_measures.nDCG @ k if k else ir_measures.nDCG,
    "MRR": lambda k: ir_measures.RR,  # trec_eval cuts no reciprocal rank: see ``trec_eval``
}


def trec_eval(metric, qrels, run):
    kind, k = measures.parse_metric(metric)
    found = {
        result.query_id: result.value
        for result in ir_measures.pytrec_eval.iter_calc([ORACLE[kind](k)], qrels, run)
    }
    if kind == "MRR" and k:
        found = {query: rr if rr * k >= 1 - 1e-9 else 0.0 for query, rr in found.items()}
    return found


PRODUCTS = [str(number) for number in range(12)]


@st.composite
def collections(draw, tied=False):
    """Qrels and a run over a few queries; scores without ties unless ``tied``."""
    qrels, run = {}, {}
    for query in draw(st.lists(st.sampled_from("abcde"), min_size=1, unique=True)):
        qrels[query] = draw(st.dictionaries(st.sampled_from(PRODUCTS), st.integers(0, 3)))
        ranked = draw(st.lists(st.sampled_from(PRODUCTS), unique=True))
        scores = st.integers(0, 2 if tied else 1000)  # whole numbers: trec_eval keeps float32
        run[query] = dict(
            zip(
                ranked,
                draw(st.lists(scores, unique=not tied, min_size=len(ranked), max_size=len(ranked))),
                strict=True,
            )
        )
    qrels["certain"], run["certain"] = {"0": 1}, {"1": 2.0, "0": 1.0}
    return qrels, run


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(collections(), st.sampled_from(["id", "average"]))
def test_equals_trec_eval_where_no_ties_are(collection, ties):
    qrels, run = collection
    per_query = evaluate(qrels, run, ALL, ties=ties).per_query
    for metric in ALL:
        oracle = trec_eval(metric, qrels, run)
        for query in per_query.index:
            # trec_eval leaves out a query that nothing was retrieved for; we count it as 0
            expected = oracle.get(query, 0.0) if run[query] else 0.0
            assert per_query.loc[query, metric] == pytest.approx(expected, abs=1e-9), metric


def test_equals_trec_eval_on_long_graded_rankings():
    rng = np.random.default_rng(0)
    products = [f"p{number}" for number in range(500)]
    qrels, run = {}, {}
    for query in map(str, range(20)):
        judged = rng.choice(products, 60, replace=False)
        qrels[query] = dict(zip(judged, rng.integers(0, 4, 60).tolist(), strict=True))
        run[query] = dict(zip(products, rng.permutation(500).astype(float), strict=True))
    names = ["R@10", "R@100", "P@10", "hit@1", "MRR@10", "AP", "AP@100", "nDCG@10", "nDCG"]
    per_query = evaluate(qrels, run, names).per_query
    for metric in names:
        oracle = trec_eval(metric, qrels, run)
        np.testing.assert_allclose(
            per_query[metric], [oracle[query] for query in per_query.index], atol=1e-9
        )


def test_trec_eval_breaks_ties_by_descending_id_and_we_by_ascending():
    qrels, run = {"q": {"a": 1}}, {"q": {"a": 1.0, "b": 1.0, "c": 1.0}}
    assert trec_eval("MRR", qrels, run)["q"] == pytest.approx(1 / 3)  # c, b, a
    assert value("MRR", {"a": 1}, run["q"]) == 1  # a, b, c
    assert value("MRR", {"a": 1}, run["q"], ties="average") == pytest.approx(
        (1 + 1 / 2 + 1 / 3) / 3
    )


def test_ids_are_ordered_as_strings():
    assert value("hit@1", {"10": 1}, {"9": 1.0, "10": 1.0}) == 1
    assert evaluate({"q": {10: 1}}, {"q": {9: 1.0, 10: 1.0}}, "hit@1").mean["hit@1"] == 1


# Ties ----------------------------------------------------------------------------------------


def over_all_orders(metric, qrels, run):
    """The mean over every order of tied products, each tried out as a ranking without ties."""
    products = sorted(run)
    orders = [
        order
        for order in itertools.permutations(products)
        if all(run[a] >= run[b] for a, b in itertools.pairwise(order))
    ]
    return np.mean([value(metric, qrels, in_order(*order)) for order in orders])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 3), min_size=1),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2), min_size=1, max_size=6),
    st.sampled_from([*ALL, "R@5", "hit@2", "AP@5", "nDCG@5", "MRR@4"]),
)
def test_tie_average_is_the_mean_over_all_orders(qrels, run, metric):
    qrels = {**qrels, "a": 1}
    assert value(metric, qrels, run, ties="average") == pytest.approx(
        over_all_orders(metric, qrels, run), abs=1e-12
    )


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(collections(tied=True))
def test_tie_average_does_not_care_for_ids(collection):
    qrels, run = collection
    mirror = dict(zip(PRODUCTS, reversed(PRODUCTS), strict=True))
    renamed = [
        {query: {mirror[product]: x for product, x in row.items()} for query, row in side.items()}
        for side in (qrels, run)
    ]
    here = evaluate(qrels, run, ALL, ties="average").per_query
    there = evaluate(*renamed, ALL, ties="average").per_query
    np.testing.assert_allclose(here, there, atol=1e-12)


def test_infinite_scores_tie_like_any_other():
    run = {"a": -np.inf, "b": -np.inf, "c": np.inf}
    assert value("R@2", {"a": 1}, run, ties="average") == pytest.approx(0.5)
    assert value("P@8", {"a": 1}, run, ties="average") == pytest.approx(1 / 8)


@settings(max_examples=40, deadline=None)
@given(collections(tied=True), st.sampled_from(["id", "average"]))
def test_a_query_has_the_same_value_alone_as_among_others(collection, ties):
    qrels, run = collection
    together = evaluate(qrels, run, ALL, ties=ties).per_query
    for query in together.index:
        alone = evaluate({query: qrels[query]}, {query: run[query]}, ALL, ties=ties).per_query
        assert (alone.loc[query] == together.loc[query]).all()


# Arrays of a search ----------------------------------------------------------------------------


@st.composite
def searches(draw):
    """Qrels, ids, and the rows and scores of a search, with ties and gaps."""
    ids = np.array(draw(st.permutations(PRODUCTS)))
    depth = draw(st.integers(1, len(ids)))
    qrels, rows, scores = {}, [], []
    for query in ["certain", *draw(st.lists(st.sampled_from("abcd"), unique=True))]:
        qrels[query] = draw(st.dictionaries(st.sampled_from(PRODUCTS), st.integers(0, 3)))
        found = draw(st.permutations(range(len(ids))))[:depth]
        gaps = draw(st.integers(0, depth))
        rows.append([*found[: depth - gaps], *[-1] * gaps])
        levels = st.sampled_from([0.0, 1.0, 2.0, -np.inf, np.inf])
        scores.append([draw(levels) for _ in found])
    qrels["certain"]["0"] = 1
    return qrels, ids, np.array(rows), np.array(scores, dtype="float32")


@settings(max_examples=60, deadline=None)
@given(searches())
def test_arrays_give_the_same_evaluation_as_dictionaries(search):
    qrels, ids, rows, scores = search
    run = {
        query: {ids[row]: float(score) for row, score in zip(*found, strict=True) if row >= 0}
        for query, *found in zip(qrels, rows, scores, strict=True)
    }
    expected = evaluate(qrels, run, ALL)
    found = evaluate_ranking(qrels, ids, rows, scores, ALL)
    pd.testing.assert_frame_equal(found.per_query, expected.per_query, atol=1e-12)
    assert found.no_relevant == expected.no_relevant
    assert found.unranked == expected.unranked


@settings(max_examples=20, deadline=None)
@given(searches())
def test_without_scores_the_rows_stay_in_their_order(search):
    qrels, ids, rows, _ = search
    falling = np.tile(-np.arange(rows.shape[1]), (len(rows), 1))
    expected = evaluate_ranking(qrels, ids, rows, falling, ALL).per_query
    found = evaluate_ranking(qrels, ids, rows, metrics=ALL).per_query
    pd.testing.assert_frame_equal(found, expected)


def test_what_top_k_returns_goes_straight_in():
    gallery, ids = np.eye(3), ["c", "b", "a"]
    qrels = {"first": {"c": 1}, "second": {"a": 1}}
    found = evaluate_ranking(qrels, ids, *top_k([[1, 0, 0], [0, 1, 0]], gallery, 2, ids))
    assert found.mean["R@10"] == 1  # of equal scores the smaller id, "a", is second
    assert found.per_query.index.tolist() == ["first", "second"]


# Chance --------------------------------------------------------------------------------------


def test_chance_of_recall_and_precision_is_a_simple_share():
    n_relevant = np.array([1, 7, 7, 20])
    np.testing.assert_allclose(measures.chance("R@10", n_relevant, 50), 10 / 50)
    np.testing.assert_allclose(measures.chance("P@10", n_relevant, 50), n_relevant / 50)
    hypergeometric = 1 - math.comb(43, 10) / math.comb(50, 10)
    np.testing.assert_allclose(measures.chance("hit@10", [7], 50), hypergeometric)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["AP", "AP@5", "MRR@5", "nDCG@5", "hit@5"])
def test_chance_agrees_with_shuffling(metric):
    rng = np.random.default_rng(0)
    run = {str(q): dict(zip(PRODUCTS, rng.permutation(12), strict=True)) for q in range(4000)}
    qrels = {query: {"3": 1, "7": 1, "8": 1} for query in run}
    values = evaluate(qrels, run, metric).per_query[metric]
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - measures.chance(metric, [3], 12)[0]) < 4 * error


# What is counted, and what is reported -------------------------------------------------------


def test_queries_without_relevants_are_reported_and_left_out():
    qrels = {"good": {"a": 1}, "empty": {}, "zero": {"a": 0}}
    run = {"good": {"a": 1.0}, "zero": {"a": 1.0}, "stranger": {"a": 1.0}}
    result = evaluate(qrels, run, "R@1")
    assert result.no_relevant == ["empty", "zero", "stranger"]
    assert list(result.per_query.index) == ["good"]
    assert result.mean["R@1"] == 1
    assert "3 more without a relevant product" in repr(result)
    with pytest.raises(TutorialError, match="'empty'"):
        evaluate(qrels, run, "R@1", no_relevant="raise")


def test_queries_without_a_ranking_count_as_zero_and_are_reported():
    qrels = {"good": {"a": 1}, "forgotten": {"a": 1}, "blank": {"b": 1}}
    result = evaluate(qrels, {"good": {"a": 1.0}, "blank": {}}, ALL)
    assert result.unranked == ["forgotten", "blank"]
    assert (result.per_query.loc[["forgotten", "blank"]] == 0).all(axis=None)
    assert result.mean["AP"] == pytest.approx(1 / 3)
    assert "2 without a ranking" in repr(result)


def test_a_run_survives_the_way_through_arrays():
    run = runs.run_from_top_k(["q", "r"], [["a", "b"], ["b", "c"]], [[0.9, 0.1], [0.5, 0.5]])
    assert run == {"q": {"a": 0.9, "b": 0.1}, "r": {"b": 0.5, "c": 0.5}}


def test_a_cut_off_far_past_every_list_costs_nothing():
    """One billion columns would be 8 GB for each query."""
    names = [f"{kind}@1000000000" for kind in measures.METRICS]
    for ties in ("id", "average"):
        far = evaluate({"q": RELEVANT}, {"q": RANKING}, names, ties=ties).mean
        near = evaluate({"q": RELEVANT}, {"q": RANKING}, [f"{m}@8" for m in measures.METRICS]).mean
        for kind in measures.METRICS:
            share = 8 / 1_000_000_000 if kind == "P" else 1  # P@k divides by k
            assert far[f"{kind}@1000000000"] == pytest.approx(near[f"{kind}@8"] * share, rel=1e-12)


# Errors --------------------------------------------------------------------------------------

GRADES = np.array([[1, 0, 0], [0, 0, 1]])


def ranked(rows, scores=None, ids=("a", "b", "c"), metrics="R@1"):
    return evaluate_ranking({"q": {"a": 1}}, ids, rows, scores, metrics)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: value("recall@10", {"a": 1}, {"a": 1.0}), "'recall@10'.*R, P, hit"),
        (lambda: value("R", {"a": 1}, {"a": 1.0}), "R@10"),
        (lambda: value("R@0", {"a": 1}, {"a": 1.0}), "is 0: choose a whole number of at least 1"),
        (lambda: value("R@-3", {"a": 1}, {"a": 1.0}), "is -3: choose a whole number of at least 1"),
        (lambda: value("R@20", {"a": 1}, {"a": 1.0}, gallery_size=9), "k = 20.*9 products"),
        (
            lambda: value("R@1", {"a": 1}, {"b": 0.0, "a": np.nan}),
            "query 'q'.*score of product 'a' is nan",
        ),
        (lambda: value("R@1", {"a": 1}, {"b": 0.0, "a": None}), "query 'q'.*'a' is None, no num"),
        (lambda: value("R@1", {"a": 1}, {"b": 0.0, "a": "0.5"}), "'a' is '0.5', no number"),
        (lambda: value("R@1", {"a": 1, "b": np.nan}, {}), "query 'q': the grade of product 'b'"),
        (lambda: value("R@1", {"a": 1, "b": np.inf}, {}), "'b' is inf, no number"),
        (lambda: value("R@1", {"a": "high"}, {}), "the grade of product 'a' is 'high'"),
        (lambda: value("R@1", ["a"], {}), "query 'q': give a dictionary .product id: grade"),
        (lambda: value("R@1", {"a": 1}, ["a"]), "query 'q': give a dictionary .product id: score"),
        (lambda: evaluate([("q", {"a": 1})], {}), "qrels must be a dictionary"),
        (lambda: evaluate({"q": {"a": 1}}, None), "run must be a dictionary"),
        (lambda: measures.ndcg([[1, 0], [np.nan, 1]], [[1], [1]]), "query row 1 is NaN"),
        (lambda: value("R@1", {"1": 1}, {1: 0.5}), "int in the run and str in the qrels"),
        (lambda: value("R@1", {"a": 1}, {"a": 1.0}, ties="luck"), "'id', 'average'.*'luck'"),
        (lambda: evaluate({}, {}, "R@1"), "nothing to score"),
        (lambda: evaluate({"q": {"a": 0}}, {}, "R@1"), "nothing to score"),
        (lambda: measures.recall(GRADES, [1, 1], k=4), "k = 4, but only 3"),
        (lambda: measures.recall(GRADES, [1, 1], k=0), "is 0: choose a whole number of at least 1"),
        (lambda: measures.precision(GRADES, k=2.5), "k is 2.5: choose a whole number"),
        (lambda: measures.recall(GRADES, [1, 0], k=1), "1 queries have no relevant.*row 1"),
        (lambda: measures.average_precision([[1, 1]], [1]), "n_relevant says 1"),
        (lambda: measures.ndcg(GRADES, [[1], [0]]), "no relevant.*row 1"),
        (lambda: measures.hit(GRADES[0], k=1), r"\(n_queries, depth\)"),
        (lambda: measures.hit(GRADES, 1, scores=[[1, 2, 3], [3, 2, 1]]), "row 0.*descending"),
        (lambda: measures.hit(GRADES, 1, scores=[[3, 2, 1], [3, np.nan, 1]]), "row 1 are NaN"),
        (lambda: measures.hit(GRADES, 1, scores=[[1, 2]]), "shape"),
        (lambda: measures.chance("R@10", [1], 9), "k = 10.*9 products"),
        (lambda: measures.chance("R@1", [0], 9), "between 1 and"),
        (lambda: ranked([[0, 1], [1, 0]]), r"1 queries and rows of shape \(2, 2\)"),
        (lambda: ranked([0, 1]), "do not fit"),
        (lambda: ranked([[]]), "do not fit"),
        (lambda: ranked([[0, 3]]), "rows go from 0 to 3, and the gallery has 3 ids"),
        (lambda: ranked([[0, -2]]), "rows go from -2 to 0"),
        (lambda: ranked([[1, 0, 1]]), "query 'q': a product is ranked twice"),
        (lambda: ranked([[1, 0]], [[0.5]]), "give one score a row"),
        (lambda: ranked([[1, 0]], [[0.5, np.nan]]), "query 'q': a score is NaN"),
        (lambda: ranked([[1, 0]], ids=[1, 2, 3]), "int in the run and str in the qrels"),
        (lambda: ranked([[1, 0]], metrics="R"), "'R' needs a cut-off"),
        (lambda: runs.run_from_top_k(["q"], [["a", "b"]], [[1.0]]), "do not fit"),
        (lambda: runs.run_from_top_k(["q", "q"], [["a"], ["a"]], [[1], [1]]), "twice"),
        (lambda: runs.run_from_top_k(["q"], [["a", "a"]], [[1, 1]]), "'q'.*twice"),
    ],
)
def test_errors_name_what_is_wrong(act, words):
    with pytest.raises(TutorialError, match=words):
        act()


# Speed ---------------------------------------------------------------------------------------


def test_a_thousand_rankings_of_a_thousand_take_about_a_second():
    rng = np.random.default_rng(0)
    products = np.array([str(number) for number in range(40_000)])
    queries = [f"query {number}" for number in range(1000)]
    ranked = products[rng.integers(0, 40, (1000, 1)) + 40 * np.arange(1000)]
    run = runs.run_from_top_k(queries, ranked, -np.sort(-rng.random(ranked.shape)))
    qrels = {query: {ranked[row, 7]: 1} for row, query in enumerate(queries)}
    start = time.process_time()
    result = evaluate(qrels, run, ["R@10", "MRR@10", "nDCG@10", "AP", "P@10", "hit@10"])
    assert time.process_time() - start < 5  # 1 s of a core's time
    assert result.mean["MRR@10"] == pytest.approx(1 / 8)
