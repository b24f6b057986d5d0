"""Recommenders by counting, and those that are learnt: what each of them can see."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from mmtutorial import TutorialError
from mmtutorial.applications.factors import Als, Bpr, least_squares
from mmtutorial.applications.next_item import READERS, NextItem, Reader, SelfAttention
from mmtutorial.applications.recommend import (
    Again,
    CoOccurrence,
    ItemKnn,
    Markov,
    OnShelf,
    Popular,
    Recent,
    SessionKnn,
    click_matrix,
)
from mmtutorial.applications.two_tower import LikeHistory, TwoTower, diversify, sameness

COUNTING = [Popular, Recent, Again, Markov, CoOccurrence, ItemKnn, SessionKnn]


def arrays(*lists):
    return [np.array(each) for each in lists]


def two_groups(n=60, items=10, seed=0):
    """Sessions of the first half of the items, or of the second one, never of both."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(items // 2)[:4] + items // 2 * (row % 2) for row in range(n)]


def group_of(scores):
    """Which half of the items has the better scores: ``(n,)`` 0 or 1."""
    half = scores.shape[1] // 2
    return (scores[:, half:].mean(axis=1) > scores[:, :half].mean(axis=1)).astype(int)


@pytest.mark.parametrize("kind", COUNTING)
def test_scores_have_a_number_for_each_item_and_the_order_of_the_histories(kind):
    model = kind(10).fit(two_groups())
    both = model.scores(arrays([0, 1], [7]))
    assert both.shape == (2, 10) and np.isfinite(both).all()
    assert np.allclose(both[1], model.scores(arrays([7]))[0])


@pytest.mark.parametrize("kind", COUNTING)
def test_no_counting_recommender_tells_apart_items_that_nobody_clicked(kind):
    scores = kind(12).fit(two_groups()).scores(arrays([0, 1], [7]))
    assert (scores[:, 10:] == scores[:, 10:11]).all()
    assert (scores[:, :10].max(axis=1) > scores[:, 10]).all()


@pytest.mark.parametrize("kind", [Markov, CoOccurrence, ItemKnn, SessionKnn])
def test_what_stands_in_the_same_sessions_comes_first(kind):
    assert group_of(kind(10).fit(two_groups()).scores(arrays([1], [8]))).tolist() == [0, 1]


def test_the_shelf_of_the_last_click_comes_first_and_a_new_item_only_where_clicks_do_not_count():
    shelf = np.array(["hat", "shoe", "shoe", "shoe"])
    clicks = arrays([0, 1], [0, 2], [0, 2])  # nobody has clicked 3
    by_clicks = OnShelf(shelf).fit(clicks).scores(arrays([0, 1], [1, 0]))
    assert (-by_clicks).argsort(axis=1, kind="stable").tolist() == [[2, 1, 3, 0], [0, 2, 1, 3]]
    alike = OnShelf(shelf, by_clicks=False).fit(clicks).scores(arrays([1]))
    assert alike.tolist() == [[0, 1, 1, 1]]


def test_recent_forgets_what_popular_remembers():
    sessions = arrays(*[[0]] * 5, *[[1]] * 3)
    assert Popular(2).fit(sessions).scores(arrays([0])).argmax() == 0
    assert Recent(2, newest=3).fit(sessions).scores(arrays([0])).argmax() == 1


def test_markov_knows_the_direction_and_co_occurrence_does_not():
    sessions = arrays([0, 1], [0, 1], [2, 0])
    assert Markov(3).fit(sessions).scores(arrays([0])).argmax() == 1
    assert CoOccurrence(3).fit(sessions).scores(arrays([1]))[0, 0] == pytest.approx(1, abs=1e-5)
    assert Markov(3).fit(sessions).scores(arrays([1]))[0, 0] < 0.01


def test_shrinkage_keeps_a_pair_seen_once_behind_one_seen_often():
    sessions = arrays([0, 1], *[[0, 2]] * 9, *[[2]] * 9)
    assert ItemKnn(3, shrinkage=0).fit(sessions).scores(arrays([0]))[0].argmax() == 2
    bare, shrunk = (ItemKnn(3, s).fit(sessions).scores(arrays([0]))[0] for s in (0, 20))
    assert bare[1] / bare[2] > 1.5 * shrunk[1] / shrunk[2]


def test_session_knn_listens_most_to_the_last_click():
    model = SessionKnn(4, neighbours=1).fit(arrays([0, 2], [1, 3]))
    assert model.scores(arrays([1, 0]))[0].argmax() in (0, 2)
    assert model.scores(arrays([0, 1]))[0].argmax() in (1, 3)


def test_an_empty_training_scores_nothing_higher():
    for kind in (Popular, Markov, CoOccurrence, ItemKnn):
        assert (kind(3).fit([]).scores(arrays([0])) == 0).all()


def test_least_squares_solves_its_equation():
    rng = np.random.default_rng(0)
    q, clicks = rng.normal(size=(6, 3)).astype("float32"), click_matrix(arrays([0, 2, 5], []), 6)
    found = least_squares(clicks, q, weight=7.0, ridge=0.5)
    c = np.diag([7.0, 1, 7, 1, 1, 7])
    p = np.array([1.0, 0, 1, 0, 0, 1])
    direct = np.linalg.solve(q.T @ c @ q + 0.5 * np.eye(3), q.T @ c @ p)
    assert np.allclose(found, [direct, np.zeros(3)], atol=1e-4)


def test_als_finds_the_groups():
    model = Als(10, dim=4, rounds=4).fit(two_groups())
    assert group_of(model.scores(arrays([1, 2], [8]))).tolist() == [0, 1]


def test_als_is_that_of_implicit():
    als = pytest.importorskip("implicit.als")
    clicks = click_matrix(two_groups(), 10)
    ours = Als(10, dim=4, rounds=3, weight=20.0, ridge=5.0, seed=1)
    theirs = als.AlternatingLeastSquares(
        factors=4, regularization=5.0, alpha=1.0, iterations=3, use_cg=False, use_native=False,
        num_threads=1, dtype=np.float64,
    )  # fmt: skip
    theirs.item_factors = ours.items.astype("float64")
    theirs.user_factors = np.zeros((clicks.shape[0], 4))
    theirs.fit(csr_matrix(clicks, dtype="float64") * 20.0, show_progress=False)
    ours.fit(two_groups())
    mine, other = ours.sessions @ ours.items.T, theirs.user_factors @ theirs.item_factors.T
    assert np.allclose(mine, other, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("reader", sorted(READERS))
def test_readers_never_look_ahead(reader):
    model = Reader(9, reader, dim=8)
    tokens = np.array([[1, 2, 3, 4, 5]])
    changed = np.array([[1, 2, 3, 9, 0]])
    before, after = (np.asarray(model({"tokens": each})) for each in (tokens, changed))
    assert np.allclose(before[:, :3], after[:, :3], atol=1e-5)
    assert not np.allclose(before[:, 3:], after[:, 3:], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("reader", sorted(READERS))
def test_a_reader_learns_what_depends_on_the_click_before_the_last(reader):
    # After "0 then 2" comes 3, after "1 then 2" comes 4: the last click alone cannot tell.
    sessions = arrays(*[[0, 2, 3], [1, 2, 4]] * 60)
    model = NextItem(5, reader, dim=16, epochs=25, batch_clicks=16, learning_rate=0.01, dropout=0.0)
    scores = model.fit(sessions).scores(arrays([0, 2], [1, 2]))
    assert scores.argmax(axis=1).tolist() == [3, 4]
    assert Markov(5).fit(sessions).scores(arrays([0, 2], [1, 2])).argmax(axis=1).std() == 0


@pytest.mark.slow
def test_bpr_finds_the_groups_and_the_same_seed_the_same_vectors():
    first, again = (
        Bpr(10, dim=8, epochs=30, batch_size=32, seed=2).fit(two_groups()) for _ in range(2)
    )
    assert group_of(first.scores(arrays([1, 2], [8]))).tolist() == [0, 1]
    assert np.array_equal(first.items, again.items)


@pytest.mark.slow
def test_bpr_ranks_as_well_as_that_of_implicit():
    bpr = pytest.importorskip("implicit.bpr")
    rng = np.random.default_rng(0)
    sessions = [rng.permutation(20)[:6] + 20 * (row % 4) for row in range(400)]
    clicks = click_matrix([each[:-1] for each in sessions], 80)
    left_out = np.array([each[-1] for each in sessions])
    theirs = bpr.BayesianPersonalizedRanking(
        factors=8, iterations=100, random_state=0, num_threads=1
    )
    theirs.fit(csr_matrix(clicks), show_progress=False)
    ours = Bpr(80, dim=8, epochs=30, batch_size=128).fit([each[:-1] for each in sessions])

    def auc(users, items):
        scores = users @ items.T
        right = scores[np.arange(len(users)), left_out][:, None]
        return (right > scores).mean()

    mine = auc(ours.sessions, ours.items)
    assert mine > 0.8 and mine > auc(theirs.user_factors, theirs.item_factors) - 0.05


@pytest.mark.slow
def test_two_towers_place_an_item_that_nobody_clicked():
    rng = np.random.default_rng(0)
    kinds = np.arange(24) % 4  # four kinds of items, seen in their features and nothing else
    features = np.eye(4)[kinds] + 0.1 * rng.normal(size=(24, 4))
    warm = [np.flatnonzero((kinds == kind) & (np.arange(24) < 20)) for kind in range(4)]
    sessions = [rng.permutation(warm[row % 4])[:4] for row in range(200)]
    model = TwoTower(features, dim=8, epochs=10, batch_size=64, learning_rate=0.01).fit(sessions)
    asked = [each[:1] for each in warm]
    scores = model.scores(asked)[:, 20:]  # of the cold items
    assert (kinds[20:][scores.argmax(axis=1)] == np.arange(4)).all()
    blind = model.by_content().scores(asked)
    assert np.allclose(model.scores(asked) - blind, model.usual, atol=1e-4)
    assert np.ptp(model.usual) > 0 and np.allclose(model.usual[20:], model.usual[:20].mean())
    assert LikeHistory(features).scores(arrays([0, 4], [1])).argmax(axis=1).tolist() != [1, 1]


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(TutorialError, match="finite"):
        TwoTower(np.array([[np.nan, 1.0]]))


def test_an_unknown_reader_is_named():
    with pytest.raises(TutorialError, match="'gru', 'lstm', 'attention'"):
        NextItem(3, "rnn")


def test_more_diversity_never_makes_a_page_more_alike():
    rng = np.random.default_rng(1)
    scores, vectors = rng.random(40), rng.normal(size=(40, 5))
    pages = [diversify(scores, vectors, 8, weight) for weight in (0.0, 0.5, 1.0)]
    assert pages[0].tolist() == np.argsort(-scores)[:8].tolist()
    alike = [sameness(vectors[page]) for page in pages]
    assert alike[0] > alike[1] > alike[2] and all(len(set(page)) == 8 for page in pages)


@pytest.mark.slow
def test_self_attention_is_the_decoder_block_of_keras_hub():
    import keras_hub

    ours = SelfAttention(8, dropout=0.0)
    theirs = keras_hub.layers.TransformerDecoder(
        16, 2, activation="relu", layer_norm_epsilon=1e-3, normalize_first=True
    )
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    ours(x), theirs(x)
    pairs = [
        (ours.norm, theirs._self_attention_layer_norm),
        (ours.attention, theirs._self_attention_layer),
        (ours.second_norm, theirs._feedforward_layer_norm),
        (ours.wide, theirs._feedforward_intermediate_dense),
        (ours.narrow, theirs._feedforward_output_dense),
    ]
    for mine, other in pairs:
        mine.set_weights([each + 0.1 for each in other.get_weights()])
        other.set_weights(mine.get_weights())
    expected = ours.last_norm(theirs(8**0.5 * x + ours.place))
    assert np.allclose(np.asarray(ours(x)), np.asarray(expected), atol=1e-5)
