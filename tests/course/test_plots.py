import matplotlib
import numpy as np
import pandas as pd
import pytest

from mmtutorial.course import plots

matplotlib.use("Agg")
PHOTOS = np.zeros((5, 80, 60, 3), dtype="uint8")


@pytest.fixture(autouse=True)
def close():
    yield
    plots.plt.close("all")


def test_a_gallery_shows_every_photo_with_its_title_and_frame():
    titles = pd.Series([f"title {n}" for n in range(5)], index=[9, 8, 7, 6, 5])
    figure = plots.gallery(PHOTOS, titles, columns=3, marks=["green", None, None, None, "red"])
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in shown] == list(titles)
    assert len(figure.axes) == 6  # two rows of three places
    assert [axis.get_frame_on() for axis in shown] == [True, False, False, False, True]


@pytest.mark.parametrize("width", [0.9, 1.5])
def test_titles_in_a_gallery_do_not_touch_and_say_the_type(width):
    titles = ["Brindlemoor Women Terra Summer Red Handbag"] * 6
    figure = plots.gallery([PHOTOS[0]] * 6, titles, columns=3, width=width)
    figure.canvas.draw()
    boxes = [axis.title.get_window_extent() for axis in figure.axes]
    assert not any(box.overlaps(other) for n, box in enumerate(boxes) for other in boxes[:n])
    photos = [axis.get_window_extent() for axis in figure.axes]
    assert not any(box.overlaps(photo) for box in boxes for photo in photos)
    assert all(axis.get_title().endswith("Handbag") for axis in figure.axes)


def test_a_gallery_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one photo"):
        plots.gallery(PHOTOS[:0])


def test_a_curve_has_a_line_for_each_series_and_a_legend_for_several():
    axis = plots.curve({"a": [3, 2, 1], "b": [2, 2, 2]}, xlabel="epoch")
    assert [line.get_label() for line in axis.lines] == ["a", "b"]
    assert list(axis.lines[0].get_xdata()) == [1, 2, 3]
    assert axis.get_legend() is not None
    assert plots.curve({"a": [1]}).get_legend() is None


def test_bars_stand_in_the_given_order_beside_chance():
    axis = plots.bars({"words": 0.2, "photo": 0.5}, xlabel="R@10", chance=0.01)
    assert [bar.get_width() for bar in axis.patches] == [0.2, 0.5]
    assert axis.yaxis_inverted()
    assert "0.01" in axis.get_xlabel()


def test_intervals_reach_from_low_to_high():
    values = pd.Series({"a": 0.1, "b": -0.2})
    axis = plots.intervals(values, values - 0.05, values + 0.05)
    assert np.allclose(axis.lines[0].get_xdata(), [0.05, 0.15])
