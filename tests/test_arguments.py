"""Checks of arguments: what passes, and what the error names."""

import numpy as np
import pytest

from mmtutorial import TutorialError
from mmtutorial.arguments import check_choice, check_share, check_whole


@pytest.mark.parametrize("value", [0, -5, 11, 2.0, "3", True, None, float("nan")])
def test_a_number_out_of_its_range_is_named_with_the_range(value):
    with pytest.raises(TutorialError, match=r"^DIM is .*: choose a whole number from 1 to 10$"):
        check_whole(DIM=value, low=1, high=10)


@pytest.mark.parametrize("value", [0, 2.0, "3", True, None, float("nan")])
def test_a_number_below_its_lowest_is_named_with_it(value):
    with pytest.raises(TutorialError, match=r"^DIM is .*: choose a whole number of at least 1$"):
        check_whole(DIM=value, low=1)


@pytest.mark.parametrize("value", [2.0, "3", True, None, float("nan")])
def test_the_first_that_is_no_whole_number_is_named(value):
    with pytest.raises(TutorialError, match=r"^page has to be a whole number, not "):
        check_whole(k=10, page=value, row=value)


def test_a_number_in_its_range_passes():
    for value in (1, np.int64(10)):
        check_whole(DIM=value, low=1, high=10)
        check_whole(DIM=value, low=1)
        check_whole(DIM=-value)


@pytest.mark.parametrize("value", [-0.1, 1.1, "0.5", None, float("nan")])
def test_a_share_is_from_0_to_1(value):
    check_share(photo_weight=np.float32(1), lexical_weight=0)
    with pytest.raises(TutorialError, match="photo_weight is a share from 0 to 1"):
        check_share(photo_weight=value)


def test_a_choice_names_the_others():
    with pytest.raises(TutorialError, match=r"ties must be one of \('id', 'average'\), got 'luck'"):
        check_choice("ties", "luck", ("id", "average"))
