"""A log is split by time, asked, ranked over all items, and judged."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.applications import histories
from mmtutorial.applications.recommend import Popular


def a_log(rows, **columns):
    """``rows``: (shopper, session, item, hour)."""
    table = pd.DataFrame(rows, columns=["shopper", "session", "item", "time"])
    table["time"] = pd.to_datetime(table["time"], unit="h", utc=True)
    return table.assign(**columns)


ROWS = [
    ("ann", "1", "a", 0), ("ann", "1", "b", 1), ("bob", "2", "b", 2), ("bob", "2", "c", 3),
    ("ann", "3", "c", 10), ("ann", "3", "a", 11), ("ann", "3", "d", 12), ("cy", "4", "a", 13),
]  # fmt: skip


def test_clicks_without_times_are_refused():
    for table in (a_log(ROWS).drop(columns="time"), a_log(ROWS, time=pd.NaT)):
        with pytest.raises(TutorialError, match=r"no times.*column 'time'"):
            histories.make_log(table)


def test_one_shopper_alone_is_refused():
    with pytest.raises(TutorialError, match=r"come from one shopper \('ann'\)"):
        histories.make_log(a_log(ROWS, shopper="ann"))


def test_times_that_are_texts_are_named():
    with pytest.raises(TutorialError, match="to_datetime"):
        histories.make_log(a_log(ROWS, time="yesterday"))


def test_clicks_on_products_that_do_not_exist_are_set_aside_and_none_else():
    log = histories.make_log(a_log(ROWS), items=["a", "b", "d"])
    assert log.set_aside.to_dict("records") == [
        {"row": 3, "reason": "no such product"},
        {"row": 4, "reason": "no such product"},
    ]
    assert log.items[log.clicks["item"]].tolist() == ["a", "b", "b", "a", "d", "a"]
    with pytest.raises(TutorialError, match="none of its 8 rows can be used: no such product"):
        histories.make_log(a_log(ROWS), items=["z"])


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=1, max_size=9), st.randoms())
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_rows_does_not_count(rows, random):
    rows = [(f"s{s}", f"s{s}-{n}", f"i{i}", n * 20 + t) for s, n, i, t in rows]
    rows = list({row[3]: row for row in rows}.values())  # no two at the same time
    table = a_log(rows)
    try:
        log = histories.make_log(table)
    except TutorialError as fault:
        assert "one shopper" in str(fault)
        return
    shuffled = table.sample(frac=1, random_state=random.randrange(1000))
    pd.testing.assert_frame_equal(histories.make_log(shuffled).clicks, log.clicks)


def test_a_session_lies_on_one_side_and_no_question_sees_the_future():
    log = histories.make_log(a_log(ROWS))
    train, test = histories.split_by_time(log, pd.Timestamp(1970, 1, 1, 5, tz="UTC"))
    assert train["session"].tolist() == ["1", "1", "2", "2"]
    exam = histories.next_clicks(train, test, length=3)
    assert [each.tolist() for each in exam.histories] == [[0, 1, 2], [1, 2, 0]]
    assert [each.tolist() for each in exam.relevant] == [[0], [3]]
    assert exam.repeats.tolist() == [True, False]
    assert len(exam.sample(1)) == 1 and len(exam.subset(exam.repeats)) == 1


def test_a_basket_is_asked_as_a_whole_and_only_of_those_who_come_back():
    log = histories.make_log(a_log(ROWS))
    exam = histories.next_baskets(*histories.split_by_time(log, 0.5))
    assert exam.shoppers.tolist() == ["ann"]
    assert exam.histories[0].tolist() == [0, 1] and exam.relevant[0].tolist() == [2, 0, 3]


def test_a_split_that_leaves_nothing_is_refused():
    log = histories.make_log(a_log(ROWS))
    with pytest.raises(TutorialError, match="no session begins before"):
        histories.split_by_time(log, 0.0)
    with pytest.raises(TutorialError, match="no session begins after"):
        histories.split_by_time(log, pd.Timestamp("2030-01-01", tz="UTC"))
    train, test = histories.split_by_time(log, pd.Timestamp(1970, 1, 1, 13, tz="UTC"))
    with pytest.raises(TutorialError, match="two clicks"):
        histories.next_clicks(train, test)
    with pytest.raises(TutorialError, match="comes back"):
        histories.next_baskets(train, test)


def test_rank_looks_at_all_items_and_judge_counts_hits():
    log = histories.make_log(a_log(ROWS))
    train, test = histories.split_by_time(log, 0.5)
    exam = histories.next_clicks(train, test)
    popular = Popular(4).fit(histories.sequences(train))
    rows, scores = histories.rank(popular, exam.histories, log.items, k=2, block=1)
    assert rows.tolist() == [[1, 0], [1, 0]] and (np.diff(scores) <= 0).all()
    assert histories.judge(exam, rows, ["hit@2"]).per_query["hit@2"].tolist() == [1.0, 0.0]
    only = np.array([False, False, True, True])
    rows, _ = histories.rank(popular, exam.histories, log.items, k=2, allowed=only)
    assert rows.tolist() == [[2, 3], [2, 3]]


def test_liked_ignores_what_is_not_on_sale():
    utility = np.array([[np.nan, 1.0, 3.0, 2.0]])
    assert histories.liked(np.array([[2, 3]]), utility).tolist() == [1.0]
    assert histories.liked(np.array([[0, 0]]), utility).tolist() == [0.0]
    assert histories.liked(np.array([[1, 2, 3, 0]]), utility).tolist() == [0.0]


def test_where_no_answer_is_better_than_another_nothing_is_gained():
    """A shelf with one product: what is named besides it counts as it, up to rounding."""
    utility = np.full((1, 5), np.nan, dtype="float32")
    utility[0, 2] = 0.1
    assert histories.liked(np.array([[2, 0, 1]]), utility).tolist() == [0.0]
    assert histories.liked(np.array([[0, 1, 3]]), utility).tolist() == [0.0]
