import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from mmtutorial import TutorialError
from mmtutorial.applications.offer_features import PairFeatures, codes, photo_codes
from mmtutorial.applications.offer_matching import (
    EVERYWHERE,
    TEST,
    TRAIN,
    VALIDATION,
    Booster,
    agreement,
    best_threshold,
    compare_f1,
    pair_exam,
    parts_of,
    split_by_entity,
)
from mmtutorial.applications.plain_matcher import PlainMatcher


@pytest.fixture
def offers():
    left = pd.DataFrame(
        {
            "title": ["Acme MG-5220 printer black", "red cotton bag", "hat"],
            "brand": ["Acme", "", "Bolt"],
            "model": ["", "B-17", ""],
            "attributes": [{"colour": "black", "kind": "printer"}, {"colour": "red"}, {}],
        }
    )
    right = pd.DataFrame(
        {
            "title": ["printer acme mg5220", "printer acme mg5230 black", "bag b17 red 2 pack"],
            "brand": ["ACME", "Acme", "Bolt"],
            "model": ["MG5220", "MG5230", "b17"],
            "attributes": [{"colour": "black"}, {"colour": "Black"}, {"colour": "blue"}],
        }
    )
    return left, right


def test_features_say_what_their_names_say(offers):
    prices = np.array([100.0, np.nan, 5]), np.array([100.0, 50, 20])
    found = PairFeatures(*offers, prices=prices).of(np.array([[0, 0], [0, 1], [1, 2], [2, 2]]))
    assert found["code shared"].fillna(-1).tolist() == [1, 0, 1, -1]
    assert found["model equal"].fillna(-1).tolist() == [-1, -1, 1, -1]
    assert found["brand equal"].fillna(-1).tolist() == [1, 1, -1, 1]
    assert found["attributes differ"].fillna(-1).tolist() == [0, 0, 1, -1]
    assert np.allclose(found["price ratio"].fillna(-1), [0, 0.693, -1, 1.386], atol=1e-3)
    assert found["numbers alone"][2] == 2
    assert found["photo cosine"].isna().all()
    assert (found["rarest alone"] > 0).all()


def test_features_do_not_depend_on_the_order_of_the_tables(offers):
    pairs = np.array([[0, 0], [0, 1], [1, 2], [2, 1]])
    there = PairFeatures(*offers).of(pairs)
    back = PairFeatures(*reversed(offers)).of(pairs[:, ::-1])
    assert np.allclose(there, back, equal_nan=True, atol=1e-6)
    assert np.allclose(PairFeatures(*offers).of(pairs, block=3), there, equal_nan=True)


def test_rivals_compare_a_pair_with_the_other_candidates(offers):
    pairs = np.array([[0, 0], [0, 1], [1, 2]])
    found = PairFeatures(*offers).of(pairs, rivals=True)
    assert sorted(found["left place"]) == [0, 0, 1]
    assert found["left margin"][0] == -found["left margin"][1]
    assert found["right place"].tolist() == [0, 0, 0]


def test_codes_and_photos():
    assert codes("iPhone 12, WM-1000XM4 or 3ft") == ["wm1000xm4"]
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 200, (2, 80, 60, 3)).astype("uint8")
    found = photo_codes(np.concatenate([photos, photos + 40]))  # the same in another light
    assert np.allclose(found[:2], found[2:], atol=1e-5)
    assert found[0] @ found[1] < 0.5


def test_entities_stay_together():
    gold = np.array([[0, 0], [0, 1], [1, 1], [5, 7]])  # 0, 1 and their offers are one product
    for seed in range(10):
        left, right = split_by_entity(40, 30, gold, seed=seed)
        assert left[0] == left[1] == right[0] == right[1] and left[5] == right[7]
        assert (right[[2, 3, 8]] == EVERYWHERE).all() and set(left) <= {0, 1, 2}


def test_no_product_of_the_test_is_learnt_from_and_it_meets_all_its_candidates():
    left, right = np.array([TRAIN, TEST, VALIDATION]), np.array([TRAIN, TEST, EVERYWHERE])
    pairs = np.array([[0, 0], [0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 2]])
    exam = pair_exam(pairs, np.array([[0, 0], [1, 1], [2, 2]]), left, right)
    assert pairs[exam.rows[TRAIN]].tolist() == [[0, 0], [0, 2]]
    assert pairs[exam.rows[VALIDATION]].tolist() == [[2, 2]]
    assert pairs[exam.rows[TEST]].tolist() == [[0, 1], [1, 0], [1, 2]]
    assert exam.n_true == (1, 1, 1) and exam.lost.tolist() == [1]
    assert exam.measure(exam.same).recall == 0  # the only true pair of the test was lost
    assert exam.compare(exam.same, ~exam.same).difference == 0


def test_a_product_stands_in_one_part():
    products = np.random.default_rng(0).integers(0, 300, 2000)
    parts = pd.Series(parts_of(products)).groupby(products)
    assert (parts.nunique() == 1).all()
    assert parts.first().value_counts(normalize=True)[TRAIN] == pytest.approx(0.6, abs=0.1)


def test_f1_agrees_with_scikit_learn_and_lost_pairs_count():
    rng = np.random.default_rng(0)
    found, same = rng.random(50) < 0.4, rng.random(50) < 0.4
    assert agreement(found, same).f1 == pytest.approx(f1_score(same, found))
    assert agreement(found, same, n_true=2 * same.sum()).recall == pytest.approx(
        agreement(found, same).recall / 2
    )
    assert agreement([False], [False]) == (0, 0, 0)


def test_no_other_threshold_is_better():
    rng = np.random.default_rng(0)
    same = rng.random(200) < 0.3
    scores = np.round(same * 0.3 + rng.random(200), 1)  # many ties
    chosen = agreement(scores >= best_threshold(scores, same, 80), same, 80).f1
    assert chosen == max(agreement(scores >= cut, same, 80).f1 for cut in np.unique(scores))
    with pytest.raises(TutorialError, match="no validation pair is the same"):
        best_threshold([0.1], [False])


def test_a_better_matcher_is_shown_and_luck_is_not():
    rng = np.random.default_rng(0)
    same = rng.random(600) < 0.3
    groups = np.arange(600) // 3
    strong, weak = (same ^ (rng.random(600) < share) for share in (0.05, 0.3))
    found = compare_f1(strong, weak, same, groups, resamples=500)
    assert found.verdict == "better"
    expected = f1_score(same, strong) - f1_score(same, weak)
    assert found.difference == pytest.approx(expected)
    luck = same ^ (rng.random(600) < 0.3)
    assert compare_f1(luck, weak, same, groups, resamples=500).verdict == "no difference shown"
    lost = compare_f1(strong, weak, same, groups, lost=np.arange(100), resamples=200)
    assert lost.difference < found.difference


@pytest.fixture
def learnable():
    rng = np.random.default_rng(0)
    same = rng.random(600) < 0.3
    features = pd.DataFrame({"near": same + rng.normal(0, 0.4, 600), "noise": rng.random(600)})
    features.loc[::7, "near"] = np.nan
    return features, same


@pytest.mark.parametrize("matcher", [Booster(models=1), PlainMatcher])
def test_matchers_learn_and_read_what_is_missing(learnable, matcher):
    features, same = learnable
    fitted = matcher.fit(features[:400], same[:400])
    found = agreement(fitted.scores(features[400:]) >= 0.5, same[400:])
    assert found.f1 > 0.75
    turned = features[features.columns[::-1]]
    assert np.allclose(fitted.scores(turned), fitted.scores(features))


def test_a_plain_matcher_is_its_numbers(learnable):
    fitted = PlainMatcher.fit(*learnable, made="a test")
    again = PlainMatcher(fitted.content)
    assert np.array_equal(again.scores(learnable[0]), fitted.scores(learnable[0]))


def test_all_alike_teach_nothing(learnable):
    with pytest.raises(TutorialError, match="0 of 600 training pairs"):
        Booster().fit(learnable[0], np.zeros(600))
