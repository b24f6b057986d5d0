"""Sentiment, aspects, helpfulness: known cases, and what each refuses."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from mmtutorial import TutorialError
from mmtutorial.applications import review_analysis as analysis
from mmtutorial.encoders.understanding import draw_reviews

GOOD = ["soft and warm", "lovely fit", "very soft", "a lovely colour", "warm and lovely"]
BAD = ["scratchy and thin", "awful fit", "very thin", "an awful colour", "scratchy and awful"]
CHINESE = (["很好看", "非常好", "质量好", "真好"], ["太差了", "质量差", "真差", "差得很"])


@pytest.mark.parametrize("model", [analysis.Bag, analysis.PhraseBag])
@pytest.mark.parametrize(("good", "bad"), [(GOOD * 3, BAD * 3), tuple(3 * c for c in CHINESE)])
def test_bags_learn_english_and_chinese(model, good, bad):
    fitted = model().fit(good + bad, [True] * len(good) + [False] * len(bad))
    assert (fitted.scores(good) > 0).all() and (fitted.scores(bad) < 0).all()
    assert (fitted.scores(["", "."]) == fitted.scores(["zzz", "zzz"])).all()  # nothing known


def test_pairs_of_words_read_what_a_bag_cannot():
    texts = ["not good but bad", "bad but not good", "not bad but good", "good but not bad"] * 5
    good = [False, False, True, True] * 5
    assert roc_auc_score(good, analysis.Bag().fit(texts, good).scores(texts)) == pytest.approx(0.5)
    assert roc_auc_score(good, analysis.PhraseBag().fit(texts, good).scores(texts)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["lstm", "bert"])
def test_a_network_learns_what_a_grammar_says(encoder):
    drawn = draw_reviews(900)
    texts, good = drawn["text"].tolist(), drawn["positive"] == 1
    network = analysis.Network(encoder, epochs=10, length=16).fit(texts[:700], good[:700])
    scores = network.scores(texts[700:])
    assert scores.shape == (200,) and roc_auc_score(good[700:], scores) > 0.75
    assert np.isfinite(network.scores(["", "x" * 100_000])).all()


def test_unknown_encoders_and_labels_of_one_kind_are_refused():
    with pytest.raises(TutorialError, match="encoder must be one of"):
        analysis.Network("gpt").fit(GOOD + BAD, [True] * 5 + [False] * 5)
    with pytest.raises(TutorialError, match="texts of both kinds"):
        analysis.Bag().fit(GOOD, [True] * 5)
    with pytest.raises(TutorialError, match="a label for each text"):
        analysis.Bag().fit(GOOD, [True] * 4)


def test_a_split_by_product_divides_no_product():
    products = np.random.default_rng(0).integers(0, 40, 500).astype(str)
    test = analysis.by_product(products)
    assert not set(products[test]) & set(products[~test]) and 0.1 < test.mean() < 0.4
    with pytest.raises(TutorialError, match="two or more"):
        analysis.by_product(["a", "a"])


def test_the_mean_of_the_placements_is_the_auc():
    rng = np.random.default_rng(0)
    good, scores = rng.random(300) < 0.8, rng.integers(0, 9, 300).astype(float)
    found = analysis.placements(scores, good)
    assert found.shape == ((~good).sum(),)
    assert found.mean() == pytest.approx(roc_auc_score(good, scores))


def test_the_ladder_gives_every_model_the_same_labels():
    seen = []

    class Spy(analysis.Bag):
        def fit(self, texts, good):
            seen.append(sorted(texts))
            return super().fit(texts, good)

    models = {"one": Spy, "two": Spy}
    train = (GOOD * 4 + BAD * 4, [True] * 20 + [False] * 20)
    table, scores = analysis.ladder(models, train, (GOOD + BAD, [1] * 5 + [0] * 5), [20, 999])
    assert table.columns.tolist() == [20, 40] and table.index.tolist() == ["one", "two"]
    assert seen[0] == seen[1] and table[40].tolist() == [1.0, 1.0]
    assert scores["one", 20].shape == (10,)


def test_aspects_are_found_together_and_alone():
    texts = ["soft fabric", "tight fit", "soft fabric and tight fit", "it was a gift"] * 5
    labels = [{"fabric"}, {"fit"}, {"fabric", "fit"}, set()] * 5
    reader = analysis.AspectReader().fit(texts, labels)
    assert reader.read(texts) == labels
    assert reader.read(["nothing of it"])[0] <= {"fabric", "fit"}
    assert analysis.set_f1(labels, labels) == 1 and analysis.set_f1(labels, [set()] * 20) == 0


def test_features_compare_a_review_with_the_others_of_its_product():
    dates = pd.to_datetime(["2025-01-01", "2025-01-03", "2025-03-01", "2025-01-02"])
    reviews = pd.DataFrame(
        {"product": list("aaab"), "rating": [5, 5, 5, 1], "text": ["good", "very good", "ok", "no"]}
    ).assign(date=dates)
    found = analysis.review_features(reviews)
    assert found["words"].tolist() == [1, 2, 1, 1]
    assert found["burst"].tolist() == [1, 1, 0, 0]
    assert found["gap"].tolist() == [0, 0, 0, 1 - 4]  # the lone one: against the mean of all
    assert found["others"].tolist() == [2, 2, 2, 0] and found["age"].tolist()[2] == 0
    assert "burst" not in analysis.review_features(reviews.drop(columns="date"))


def test_votes_that_follow_the_length_are_predicted():
    rng = np.random.default_rng(0)
    words = rng.integers(1, 60, 600)
    features = pd.DataFrame({"words": words, "rating": rng.integers(1, 6, 600)})
    votes, test = pd.Series(words // 6), np.arange(600) % 3 == 0
    expected = analysis.helpfulness(features, votes, test)
    assert np.corrcoef(expected, votes[test])[0, 1] > 0.95
