"""Learning to rank: losses against plain formulas and libraries, what is mined, what is made."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from other_backends import each_other_backend, run_on
from scipy.stats import rankdata
from sklearn.metrics import ndcg_score

from mmtutorial import TutorialError
from mmtutorial.devices import computing_in
from mmtutorial.matching import rankers
from mmtutorial.matching.candidates import CandidateLists, hard_negatives, random_candidates
from mmtutorial.matching.contrastive import MAX_SCALE
from mmtutorial.matching.rankers import ReRanker, TwoTower
from mmtutorial.matching.ranking import (
    RANKING_LOSSES,
    approx_ndcg_loss,
    bpr_loss,
    pointwise_loss,
    soft_ranks,
    softmax_loss,
    triplet_loss,
)
from mmtutorial.metrics.similarity import unit_length

SEEDS = st.integers(0, 10**6)
all_losses = pytest.mark.parametrize("name", sorted(RANKING_LOSSES))


def some_lists(seed, queries=4, candidates=7):
    """Scores without ties and grades 0 to 2, at least one of each kind in every list."""
    rng = np.random.default_rng(seed)
    scores = np.stack([rng.permutation(candidates) for _ in range(queries)]) / 2
    scores = scores + rng.uniform(-0.1, 0.1, scores.shape)
    grades = rng.integers(0, 3, scores.shape)
    grades[:, 0], grades[:, 1] = 0, 2
    return scores.astype("float32"), grades.astype("float32")


def value(loss, scores, grades):
    return float(ops.convert_to_numpy(loss(scores, grades)))


class FreeScores(keras.Model):
    """Scores that are the weights themselves: one step of SGD shows a loss's gradient."""

    def __init__(self, start):
        super().__init__()
        constant = keras.initializers.Constant(start)
        self.scores = self.add_weight(shape=start.shape, initializer=constant)

    def call(self, inputs):
        return ops.convert_to_tensor(self.scores)


def push(loss, scores, grades):
    """Where one step of gradient descent with rate 1 moves the scores."""
    model = FreeScores(scores)
    model.compile(keras.optimizers.SGD(1.0), loss=lambda grades, scores: loss(scores, grades))
    model.fit(np.zeros((len(scores), 1)), grades, batch_size=len(scores), verbose=0)
    return ops.convert_to_numpy(model.scores) - scores


# What holds for every loss ----------------------------------------------------------------------


@all_losses
@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_candidates_plays_no_role(name, seed):
    scores, grades = some_lists(seed)
    order = np.random.default_rng(seed).permutation(scores.shape[1])
    loss = RANKING_LOSSES[name]
    assert value(loss, scores, grades) == pytest.approx(
        value(loss, scores[:, order], grades[:, order]), rel=1e-4, abs=1e-6
    )


@all_losses
@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_perfect_order_costs_less_than_its_reverse(name, seed):
    scores, grades = some_lists(seed)
    ascending = np.sort(scores, axis=1)
    best_last = np.sort(grades, axis=1)
    loss = RANKING_LOSSES[name]
    assert value(loss, ascending, best_last) < value(loss, ascending, best_last[:, ::-1])


@all_losses
def test_a_step_of_descent_lifts_the_relevant_over_the_others(name):
    scores = np.array([[0.3, -0.2, 0.1, 0.6]], dtype="float32")
    grades = np.array([[0, 1, 0, 0]], dtype="float32")
    moved = push(RANKING_LOSSES[name], scores, grades)
    assert moved[0, 1] > 0
    assert (np.delete(moved[0], 1) < 0).all()


@all_losses
def test_a_loss_is_float32_and_finite_on_half_precision_scores(name):
    scores, grades = some_lists(0)
    scores = (scores * 100).astype("float16")
    found = RANKING_LOSSES[name](ops.convert_to_tensor(scores), grades)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    expected = value(RANKING_LOSSES[name], scores.astype("float32"), grades)
    assert value(RANKING_LOSSES[name], scores, grades) == pytest.approx(expected, rel=1e-6)
    assert np.isfinite(expected)


@pytest.mark.parametrize("name", ["triplet", "BPR", "softmax", "ApproxNDCG"])
def test_a_query_without_relevant_candidates_does_not_count(name):
    scores, grades = some_lists(1)
    nothing = np.zeros_like(grades[:1])
    more = np.concatenate([grades, nothing]), np.concatenate([scores, scores[:1]])
    loss = RANKING_LOSSES[name]
    assert value(loss, more[1], more[0]) == pytest.approx(value(loss, scores, grades), rel=1e-5)
    assert value(loss, scores[:1], nothing) == 0


# Each loss against its formula or a library -----------------------------------------------------


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_pointwise_is_binary_cross_entropy(seed):
    scores, grades = some_lists(seed)
    right = (grades > 0).astype("float32")
    expected = keras.losses.binary_crossentropy(right, scores, from_logits=True)
    expected = ops.convert_to_numpy(expected).mean()
    assert value(pointwise_loss, scores, grades) == pytest.approx(expected, rel=1e-5)


def pairs(scores, grades):
    """How far the better one is ahead, for every pair of unequal grades: a plain double loop."""
    return np.array(
        [
            line[i] - line[j]
            for line, grade in zip(scores.astype(float), grades, strict=True)
            for i in range(len(line))
            for j in range(len(line))
            if grade[i] > grade[j]
        ]
    )


@given(SEEDS, st.floats(0.1, 3))
@settings(max_examples=15, deadline=None)
def test_the_pairwise_losses_are_means_over_pairs(seed, margin):
    scores, grades = some_lists(seed)
    ahead = pairs(scores, grades)
    expected = np.maximum(0, margin - ahead).mean()
    found = float(triplet_loss(scores, grades, margin))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    expected = -np.log(1 / (1 + np.exp(-ahead))).mean()
    assert value(bpr_loss, scores, grades) == pytest.approx(expected, rel=1e-4)


def test_a_triplet_that_keeps_its_distance_pulls_no_more():
    scores, grades = np.array([[3.0, 0.0]], "float32"), np.array([[1, 0]], "float32")
    assert (push(triplet_loss, scores, grades) == 0).all()
    assert push(bpr_loss, scores, grades)[0, 0] > 0


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_softmax_with_one_relevant_is_categorical_cross_entropy(seed):
    scores, _ = some_lists(seed)
    right = np.random.default_rng(seed).integers(0, scores.shape[1], len(scores))
    expected = keras.losses.sparse_categorical_crossentropy(right, scores, from_logits=True)
    grades = np.eye(scores.shape[1])[right]
    found = value(softmax_loss, scores, grades)
    assert found == pytest.approx(ops.convert_to_numpy(expected).mean(), rel=1e-4, abs=1e-5)


def test_softmax_pushes_towards_the_shares_of_the_grades():
    scores, grades = some_lists(3, queries=1)
    p = np.exp(scores) / np.exp(scores).sum()
    assert np.allclose(push(softmax_loss, scores, grades), grades / grades.sum() - p, atol=1e-5)


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_approx_ndcg_becomes_one_minus_ndcg(seed):
    scores, grades = some_lists(seed)
    found = float(approx_ndcg_loss(scores, grades, temperature=1e-3))
    assert found == pytest.approx(1 - ndcg_score(grades, scores), abs=1e-4)


# Soft ranks ---------------------------------------------------------------------------------------


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_soft_ranks_become_ranks(seed):
    scores, _ = some_lists(seed)
    found = ops.convert_to_numpy(soft_ranks(scores, 1e-3))
    assert np.allclose(found, rankdata(-scores, axis=1), atol=1e-3)


@given(SEEDS, st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_soft_ranks_keep_the_order_and_the_sum(seed, temperature):
    scores, _ = some_lists(seed)
    found = ops.convert_to_numpy(soft_ranks(scores, temperature))
    n = scores.shape[1]
    assert np.allclose(found.sum(axis=1), n * (n + 1) / 2, rtol=1e-4)
    in_order = np.take_along_axis(found, np.argsort(-scores, axis=1), axis=1)
    assert (np.diff(in_order, axis=1) >= -1e-4).all()


def test_tied_candidates_share_the_middle_of_their_places():
    found = ops.convert_to_numpy(soft_ranks(np.array([[1.0, 0.0, 0.0]]), 0.01))
    assert np.allclose(found, [[1, 2.5, 2.5]])


def test_soft_ranks_move_the_scores_and_argsort_does_not():
    scores = np.array([[0.2, 0.5, 0.1]], dtype="float32")
    first = np.array([[1, 0, 0]], dtype="float32")  # its rank is to become smaller

    def rank_by_sorting(scores, grades):
        ranks = 1 + ops.argsort(ops.argsort(-scores, axis=1), axis=1)
        return ops.sum(ops.cast(ranks, "float32") * grades)

    assert push(lambda s, g: ops.sum(soft_ranks(s) * g), scores, first)[0, 0] > 0.1
    try:
        moved = push(rank_by_sorting, scores, first)
    except (ValueError, RuntimeError) as error:  # TensorFlow and PyTorch say so, JAX gives zeros
        assert "grad" in str(error)
    else:
        assert (moved == 0).all()


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_a_temperature_must_be_above_zero(temperature):
    with pytest.raises(TutorialError, match="must be above 0"):
        soft_ranks(np.zeros((1, 3)), temperature)


# Queries and grades made from attributes ---------------------------------------------------------


# Candidates --------------------------------------------------------------------------------------


def test_all_relevant_products_are_candidates_and_no_product_twice():
    relevant = np.random.default_rng(0).random((20, 40)) < 0.1
    rows = random_candidates(relevant, 15, seed=1)
    assert rows.shape == (20, 15)
    for line, right in zip(rows, relevant, strict=True):
        assert set(np.flatnonzero(right)) <= set(line)
        assert len(set(line)) == 15
    assert (random_candidates(relevant, 15, seed=2) != rows).any()


@pytest.mark.parametrize("size", [3, 41])
def test_candidates_that_leave_nothing_to_compare_are_refused(size):
    relevant = np.zeros((2, 40), dtype=bool)
    relevant[1, :3] = True
    with pytest.raises(TutorialError, match="up to 3 of them relevant"):
        random_candidates(relevant, size)


def test_hard_negatives_are_the_best_ranked_that_are_not_relevant():
    scores = np.array([[0.1, 0.9, 0.8, 0.8, 0.2]])
    relevant = np.array([[False, True, False, False, False]])
    assert hard_negatives(scores, relevant, 3).tolist() == [[2, 3, 4]]


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_guarded_negatives_never_share_a_group_with_a_relevant_one(seed):
    rng = np.random.default_rng(seed)
    scores, relevant = rng.random((5, 30)), rng.random((5, 30)) < 0.1
    groups = rng.integers(0, 12, 30)
    try:
        rows = hard_negatives(scores, relevant, 4, groups)
    except TutorialError as error:
        assert "lower k" in str(error)
        return
    for n, line in enumerate(rows):
        assert not set(groups[line]) & set(groups[relevant[n]])
        passed_over = np.setdiff1d(np.flatnonzero(scores[n] > scores[n, line[-1]]), line)
        assert np.isin(groups[passed_over], groups[relevant[n]]).all()
    alone = hard_negatives(scores, relevant, 4, np.arange(30))
    assert (alone == hard_negatives(scores, relevant, 4)).all()


def test_too_few_negatives_is_an_error():
    with pytest.raises(TutorialError, match=r"query row 0 has 2 products .* 3 were asked for"):
        hard_negatives(np.zeros((1, 3)), np.array([[True, False, False]]), 3)


# Models ------------------------------------------------------------------------------------------


def small_task(n=96, dim=8, candidates=6, seed=0):
    """Half of a query's vector is on the right product's photo, the other half on its title."""
    rng = np.random.default_rng(seed)
    queries = unit_length(rng.normal(size=(n, dim)))
    photos, titles = (unit_length(rng.normal(size=(n, dim))) for _ in range(2))
    half = dim // 2
    photos[:, :half], titles[:, half:] = queries[:, :half], queries[:, half:]
    photos, titles = unit_length(photos), unit_length(titles)
    rows = random_candidates(np.eye(n, dtype=bool), candidates, seed)
    grades = rows == np.arange(n)[:, None]
    more = {name: rng.random(rows.shape).astype("float32") for name in ("first", "lexical")}
    return CandidateLists(queries, photos, titles, rows, grades, more, batch_size=16, seed=seed)


def share_on_top(model, task):
    """How often the right candidate has the highest score."""
    found = [(ops.convert_to_numpy(model(x)), y) for x, y in (task[n] for n in range(len(task)))]
    return np.mean([s.argmax(axis=1) == y.argmax(axis=1) for s, y in found])


def test_lists_hold_what_their_rows_say_and_change_their_order():
    task = small_task()
    first = [task[n][1].shape for n in range(len(task))]
    x, grades = task[0]
    assert x["query"].shape == (16, 8) and x["photo"].shape == (16, 6, 8)
    right = x["photo"][grades.astype(bool)]  # (16, dim): photos share half the query
    assert (np.sum(right[:, :4] * x["query"][:, :4], axis=1) > 0).all()
    before = task.order.copy()
    task.set_epoch(1)
    assert (before != task.order).any() and sorted(before) == sorted(task.order)
    assert first == [(16, 6)] * 6


def test_both_towers_start_as_the_encoders_left_them():
    x, _ = small_task()[0]
    model = TwoTower()
    scores = ops.convert_to_numpy(model(x))
    middle = unit_length(x["photo"] + x["title"])
    expected = 15 * np.einsum("qd,qcd->qc", x["query"], middle) - 10
    assert np.allclose(scores, expected, atol=1e-4)


@pytest.mark.slow
@all_losses
def test_every_loss_trains_the_towers(name):
    keras.utils.set_random_seed(0)
    task, model = small_task(), TwoTower()
    before = share_on_top(model, task)
    log = rankers.train(model, task, name, epochs=15, learning_rate=0.01)
    assert log[-1] < 0.9 * log[0]
    assert share_on_top(model, task) >= before


def test_what_the_towers_embed_gives_the_scores_of_the_call():
    keras.utils.set_random_seed(0)
    task, model = small_task(), TwoTower()
    rankers.train(model, task, epochs=2)
    queries = model.embed_queries(task.x["query"])
    products = model.embed_products(task.photos, task.titles)
    assert np.allclose(np.linalg.norm(products, axis=1), 1, atol=1e-5)
    rows = task.candidates
    x = {"query": task.x["query"], "photo": task.photos[rows], "title": task.titles[rows]}
    cosines = np.take_along_axis(queries @ products.T, rows, axis=1)
    scale, offset = (float(ops.convert_to_numpy(w)) for w in (model.log_scale, model.offset))
    expected = np.exp(scale) * cosines + offset
    assert np.allclose(ops.convert_to_numpy(model(x)), expected, atol=1e-3)


def test_the_re_ranker_starts_from_the_first_stage():
    x, _ = small_task()[0]
    assert np.allclose(ops.convert_to_numpy(ReRanker()(x)), 15 * x["first"], atol=1e-4)


@pytest.mark.slow
def test_the_re_ranker_learns_what_the_first_stage_does_not_know():
    keras.utils.set_random_seed(0)
    task, model = small_task(n=256), ReRanker(width=16, dropout=0.0)
    before = share_on_top(model, task)  # a first stage that guesses
    rankers.train(model, task, epochs=15, learning_rate=0.01)
    assert share_on_top(model, task) > before + 0.3


@pytest.mark.slow
def test_the_re_ranker_reads_the_words():
    keras.utils.set_random_seed(0)
    task = small_task(n=256)
    task.x["query"] = unit_length(np.random.default_rng(9).normal(size=task.x["query"].shape))
    task.extra_inputs["lexical"] += task.grades  # nothing but the words tells the right one
    model = ReRanker(width=16)
    rankers.train(model, task, epochs=15, learning_rate=0.01)
    assert share_on_top(model, task) > 0.9
    x, _ = task[0]
    louder = {**x, "lexical": 7 * x["lexical"]}  # the scale of the lexical score does not count
    assert np.allclose(*(ops.convert_to_numpy(model(each)) for each in (x, louder)), atol=1e-3)


@pytest.mark.parametrize("make", [TwoTower, ReRanker])
def test_saved_and_loaded_is_the_same(make, tmp_path):
    task, model = small_task(), make()
    rankers.train(model, task, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    x, _ = task[0]
    assert np.allclose(*(ops.convert_to_numpy(m(x)) for m in (model, loaded)), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("make", [TwoTower, ReRanker])
def test_mixed_precision_trains(make):
    """What a GPU run does, on the CPU: float16 compute, float32 weights that all move."""
    keras.utils.set_random_seed(0)
    with computing_in("mixed_float16"):
        model, task = make(), small_task()
        model(task[0][0])
        before = model.get_weights()
        log = rankers.train(model, task, epochs=6, learning_rate=0.01)
    assert model.compute_dtype == "float16"
    assert log[-1] < log[0]
    layers = zip(model.trainable_weights, before, strict=True)
    moved = {w.path: np.abs(ops.convert_to_numpy(w) - old).max() for w, old in layers}
    moved.pop("offset" if make is TwoTower else "", None)  # the same for all: softmax ignores it
    assert min(moved.values()) > 1e-3, moved


@pytest.mark.parametrize("make", [TwoTower, ReRanker])
def test_the_scale_is_bounded(make):
    """So that no score overflows: 1 / temperature goes to 100 at most, as in the encoders."""
    model, (x, _) = make(), small_task()[0]
    model(x)
    assert float(model.scale) == pytest.approx(rankers.SCALE)
    model.log_scale.assign(20.0)
    assert float(model.scale) == MAX_SCALE and np.isfinite(model(x)).all()


def test_an_unknown_loss_is_refused_and_an_own_one_taken():
    with pytest.raises(
        TutorialError, match=r"no ranking loss 'luck'; choose one of \['ApproxNDCG'"
    ):
        rankers.train(TwoTower(), small_task(), "luck")
    keras.utils.set_random_seed(0)
    colder = rankers.train(
        TwoTower(), small_task(), lambda s, g: approx_ndcg_loss(s, g, temperature=0.1), epochs=1
    )
    assert colder[0] > 0


def test_a_diverged_loss_is_an_error():
    task = small_task()
    task.x["query"] = task.x["query"] * np.nan
    with pytest.raises(TutorialError, match="lower learning rate"):
        rankers.train(TwoTower(), task, epochs=1)


ON_ANOTHER_BACKEND = """
import keras
from test_ranking import RANKING_LOSSES, ReRanker, TwoTower, rankers, small_task
from test_ranking import test_soft_ranks_move_the_scores_and_argsort_does_not as no_gradient
no_gradient()
report = {}
for name in RANKING_LOSSES:
    keras.utils.set_random_seed(0)
    report[name] = rankers.train(TwoTower(), small_task(), name, epochs=10, learning_rate=0.01)
report["ReRanker"] = rankers.train(ReRanker(), small_task(), epochs=10, learning_rate=0.01)
"""


@pytest.mark.slow
@each_other_backend
def test_the_same_code_learns_on_other_backends(backend):
    losses = run_on(backend, ON_ANOTHER_BACKEND)
    assert all(log[-1] < 0.9 * log[0] for log in losses.values()), losses
