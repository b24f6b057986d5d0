import numpy as np
import pytest

from mmtutorial.applications.cross_encoder import (
    CrossEncoder,
    cross_scores,
    hashed_words,
    pair_inputs,
    train_cross_encoder,
)
from mmtutorial.applications.offer_matching import agreement

WORDS = [f"word{n}" for n in range(40)]


def pairs_of_titles(n=400, seed=0):
    """Titles, and pairs: the same words in another order, or one word replaced."""
    rng = np.random.default_rng(seed)
    titles, same = [], rng.random(n) < 0.5
    for alike in same:
        chosen = rng.choice(WORDS, 5, replace=False)
        other = rng.permutation(chosen)
        if not alike:
            other[0] = rng.choice(np.setdiff1d(WORDS, chosen))
        titles += [" ".join(chosen), " ".join(other)]
    return titles, np.arange(2 * n).reshape(n, 2), same


@pytest.fixture(scope="module")
def inputs():
    titles, pairs, same = pairs_of_titles()
    tokens = hashed_words(titles, length=6)
    photos = np.random.default_rng(1).normal(size=(len(titles), 8))
    return pair_inputs((tokens, tokens), (photos, photos), pairs), same


def test_the_order_of_the_two_offers_does_not_matter(inputs):
    turned = {"left": "right", "right": "left", "left_photo": "right_photo"}
    turned["right_photo"] = "left_photo"
    model = CrossEncoder(width=8)
    there = cross_scores(model, inputs[0])
    back = cross_scores(model, {name: inputs[0][other] for name, other in turned.items()})
    assert np.allclose(there, back, atol=1e-5) and there.std() > 0


def test_padding_changes_nothing(inputs):
    model, longer = CrossEncoder(width=8), dict(inputs[0])
    for side in ("left", "right"):
        longer[side] = np.pad(longer[side], ((0, 0), (0, 5)))
    assert np.allclose(cross_scores(model, inputs[0]), cross_scores(model, longer), atol=1e-5)


def test_without_photos_a_title_of_no_word_is_still_a_number():
    tokens = hashed_words(["red bag", "--"])
    found = pair_inputs((tokens, tokens), None, np.array([[0, 1], [1, 1]]))
    assert np.isfinite(cross_scores(CrossEncoder(width=8), found)).all()


@pytest.mark.slow
def test_it_learns_that_one_word_makes_the_difference(inputs):
    """The order of the words says nothing; a bag of both titles together would say little."""
    titles, pairs, same = pairs_of_titles(2000)
    tokens = hashed_words(titles, length=6)
    values = pair_inputs((tokens, tokens), None, pairs)
    learn = {name: each[:1600] for name, each in values.items()}
    model, log = train_cross_encoder(learn, same[:1600], epochs=5, batch_size=64)
    scores = cross_scores(model, {name: each[1600:] for name, each in values.items()})
    assert agreement(scores > 0.5, same[1600:]).f1 > 0.95
    assert log["loss"].iloc[-1] < log["loss"].iloc[0] / 2
