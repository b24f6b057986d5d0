from collections import Counter

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from mmtutorial import TutorialError
from mmtutorial.encoders.tokenisers import chinese_words, text_ngrams, words
from mmtutorial.metrics.top_k import top_k
from mmtutorial.search.lexical import Bm25, TfIdf

TITLES = [
    "Puma Men Black T-shirt",
    "Puma Women Red Tee",
    "Nike Men Black Shoes",
    "Nike Men Black Shoes",
    "Nike Women Tee, Nike Red",
]
IDS = ["30", "4", "7", "12", "5"]
both = pytest.mark.parametrize("index", [TfIdf, Bm25])
titles = st.lists(
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=7).map(" ".join),
    min_size=2,
    max_size=9,
)


def counts(texts, terms):
    """How often each term occurs in each text: (n_texts, n_terms)."""
    bags = [Counter(words(text)) for text in texts]
    return np.array([[bag[term] for term in terms] for bag in bags], dtype=float)


def tf_idf_by_hand(gallery, queries):
    terms = sorted({word for title in gallery for word in words(title)})
    tf = counts(gallery, terms)
    idf = 1 + np.log((1 + len(gallery)) / (1 + (tf > 0).sum(axis=0)))
    rows = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
            for x in (counts(queries, terms) * idf, tf * idf)]  # fmt: skip
    return rows[0] @ rows[1].T


def bm25_by_hand(gallery, queries, k1, b):
    terms = sorted({word for title in gallery for word in words(title)})
    tf = counts(gallery, terms)
    df = (tf > 0).sum(axis=0)
    idf = np.log(1 + (len(gallery) - df + 0.5) / (df + 0.5))
    length = tf.sum(axis=1, keepdims=True)
    saturated = tf / (tf + k1 * (1 - b + b * length / length.mean()))
    return counts(queries, terms) @ (idf * saturated).T


@settings(deadline=None, max_examples=25)
@given(titles, titles)
def test_tf_idf_is_the_formula_and_scikit_learn(gallery, queries):
    found = TfIdf().fit(gallery).scores(queries)
    np.testing.assert_allclose(found, tf_idf_by_hand(gallery, queries), atol=1e-5)
    referee = TfidfVectorizer(token_pattern=r"\w+").fit(gallery)
    theirs = (referee.transform(queries) @ referee.transform(gallery).T).toarray()
    np.testing.assert_allclose(found, theirs, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(titles, titles, st.floats(0.01, 3), st.floats(0, 0.9))
def test_bm25_is_the_formula(gallery, queries, k1, b):
    found = Bm25(k1=k1, b=b).fit(gallery).scores(queries)
    np.testing.assert_allclose(found, bm25_by_hand(gallery, queries, k1, b), atol=1e-5)


def test_bm25_ranks_as_bm25s_does():
    referee = bm25s.BM25()
    referee.index([words(title) for title in TITLES], show_progress=False)
    rows, scores = referee.retrieve([words("nike red tee")], k=3, show_progress=False)
    found, ours = Bm25().fit(TITLES).top_k(["nike red tee"], 3, IDS)
    np.testing.assert_allclose(ours, scores, atol=1e-6)
    assert found[0, 0] == rows[0, 0] == 4


@both
def test_a_rare_word_weighs_more_than_a_common_one(index):
    red, puma, nike = index().fit(TITLES).scores(["shirt", "puma", "black"])[:, 0]
    assert red > puma > nike > 0


@both
def test_no_shared_term_scores_nothing(index):
    assert (index().fit(TITLES).scores(["sandals", "", "!"]) == 0).all()


@both
def test_ties_go_by_id_and_the_rule_is_that_of_search(index):
    fitted = index().fit(TITLES)
    queries = ["nike shoes", "sandals", "women", "black nike tee"]
    rows, scores = fitted.top_k(queries, 4, IDS)
    assert rows[0, :2].tolist() == [3, 2]  # "12" < "7", as strings
    assert rows[1].tolist() == [3, 0, 1, 4]  # all score 0
    same, _ = top_k(fitted.scores(queries), np.eye(len(TITLES)), 4, IDS)
    assert (rows == same).all() and (np.diff(scores) <= 0).all()


@both
def test_what_a_term_is_can_be_chosen(index):
    by_ngrams = index(text_ngrams).fit(TITLES)
    assert by_ngrams.top_k(["blakc sheos"], 1, IDS)[0][0, 0] in (2, 3)
    chinese = index(chinese_words).fit(["黑色运动鞋", "黑色皮鞋", "红色运动鞋"])
    assert chinese.top_k(["红色的运动鞋"], 1, list("abc"))[0][0, 0] == 2


@both
def test_what_cannot_work_says_so(index):
    with pytest.raises(TutorialError, match=r"k=6.*holds 5"):
        index().fit(TITLES).top_k(["tee"], 6, IDS)
    with pytest.raises(TutorialError, match="no term in any of these 2 titles"):
        index().fit(["", "?!"])


def test_bad_parameters_of_bm25():
    with pytest.raises(TutorialError, match="b a share from 0 to 1"):
        Bm25(b=2)
