import json
import random
import subprocess
import sys

import numpy as np
import pytest

from mmtutorial import TutorialError
from mmtutorial.course import results as course


def drawn():
    import keras

    course.begin(seed=7)
    uniform = keras.ops.convert_to_numpy(
        keras.random.uniform((4,), seed=keras.random.SeedGenerator())
    )
    # Seed generators and layers made after `begin` draw their seeds from Python's generator.
    weights = keras.layers.Dense(3)
    weights.build((None, 2))
    numpy_draw = np.random.rand()  # noqa: NPY002 - the global generator is what is seeded
    return random.random(), numpy_draw, uniform.tolist(), weights.get_weights()[0].tolist()


def test_begin_seeds_python_numpy_and_keras():
    drawn()  # the first time, Keras imports modules that draw for themselves
    assert drawn() == drawn()


def test_begin_prints_what_it_runs_on(capsys):
    import keras

    course.begin(seed=3)
    printed = capsys.readouterr().out
    for word in (np.__version__, keras.__version__, keras.backend.backend(), "device", "seed    3"):
        assert word in printed


@pytest.mark.parametrize(
    ("passed", "line"),
    [("quick", "profile quick\n"), (None, "profile full (the numbers of this notebook)")],
)
def test_begin_prints_whose_numbers_it_runs_with(passed, line, capsys, monkeypatch):
    monkeypatch.delenv("MMTUTORIAL_PROFILE", raising=False)
    if passed:
        monkeypatch.setenv("MMTUTORIAL_PROFILE", passed)
    course.begin(seed=3)
    assert line in capsys.readouterr().out


def test_begin_leaves_keras_alone_where_the_lesson_does_not_use_it():
    code = (
        "from mmtutorial import course; course.begin(0); import sys; print('keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "0", None])
def test_begin_refuses_what_is_no_seed(seed):
    with pytest.raises(TutorialError, match=r"SEED is .*whole number"):
        course.begin(seed)


def recorded(catalogue="demo", value=0.4, **claim):
    results = course.Results(catalogue)
    results.record("recall", value, **claim)
    return results.claims[0]


@pytest.mark.parametrize(("value", "kept"), [(0.31, True), (0.3, True), (0.299, False)])
def test_a_claim_holds_from_its_floor_up(value, kept):
    assert recorded(value=value, chance=0.1, floor={"demo": 0.3})["holds"] is kept


@pytest.mark.parametrize(
    ("chance", "floor"), [(0.02, 0.06), (0.25, 0.625), (0.5, 0.75), (2.0, 6.0)]
)
def test_an_unknown_catalogue_has_to_reach_three_times_chance(chance, floor):
    claim = recorded("mine", value=0.03, chance=chance, floor={"demo": 0.9})
    assert claim["floor"] == pytest.approx(floor)
    assert claim["holds"] is False and not claim["promised"]
    assert recorded(value=0.03, chance=0.01, floor={"demo": 0.9})["promised"]
    assert not course.holds(chance, claim["floor"])
    assert not course.holds(0.0, claim["floor"])


@pytest.mark.parametrize("chance", [None, 0.0])
def test_an_unknown_catalogue_without_a_chance_is_kept_unchecked(chance):
    claim = recorded("mine", chance=chance, floor={"demo": 0.9})
    assert claim["floor"] is None
    assert claim["holds"] is None


@pytest.mark.parametrize("catalogue", ["demo", "mine"])
def test_queries_copied_from_titles_prove_nothing(catalogue):
    claim = recorded(catalogue, 0.9, chance=0.01, floor={"demo": 0.3}, protocol="ties", copied=True)
    assert (claim["value"], claim["chance"]) == (0.9, 0.01)
    assert claim["floor"] is None
    assert claim["holds"] is None
    assert claim["protocol"] == f"ties; {course.COPIED}"
    results = course.Results(catalogue)
    results.record("recall", 0.9, chance=0.01, floor={"demo": 0.3}, copied=True)
    shown = results._repr_mimebundle_()
    for page in (shown["text/plain"], shown["text/html"]):
        assert course.COPIED in page
        assert "–" in page and "✓" not in page
    assert recorded(catalogue, 0.9, chance=0.01, floor={"demo": 0.3}, copied=False)["holds"]


def test_a_number_without_a_floor_is_no_claim():
    assert recorded(chance=0.1)["holds"] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan"), "many", None])
def test_what_is_no_finite_number_is_refused_by_name(value):
    with pytest.raises(ValueError, match="'recall'"):
        recorded(value=value)


@pytest.mark.parametrize(
    ("chance", "floor", "why"),
    [
        (0.3, 0.3, "guessing would pass"),
        (0.5, 0.3, "guessing would pass"),
        (None, 0.0, "zero would pass"),
        (-0.5, -0.1, "zero would pass"),
        (0.0, float("nan"), "floor of 'recall'"),
    ],
)
def test_a_floor_that_chance_or_zero_would_pass_is_refused(chance, floor, why):
    with pytest.raises(ValueError, match=why):
        recorded(chance=chance, floor={"demo": floor})


def test_a_floor_goes_by_catalogue():
    with pytest.raises(TutorialError, match="by catalogue"):
        recorded(floor=0.3)


def test_two_results_of_one_name_are_refused():
    results = course.Results("demo")
    results.record("recall", 0.1)
    with pytest.raises(TutorialError, match="recorded already"):
        results.record("recall", 0.2)


def test_results_show_themselves_as_text_table_and_json():
    results = course.Results("demo")
    results.record("text → photo <R@10>", np.float32(0.5), chance=0.01, floor={"demo": 0.6})
    results.record("seconds", 12, protocol="two cores")
    shown = results._repr_mimebundle_()
    assert "✗ text → photo <R@10>" in shown["text/plain"]
    assert "text → photo &lt;R@10&gt;" in shown["text/html"]
    assert "two cores" in shown["text/html"]
    assert json.loads(json.dumps(shown[course.RESULTS_MIME])) == {
        "catalogue": "demo",
        "claims": results.claims,
    }
    assert "nothing recorded" in repr(course.Results("demo"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0.000"), (0.4567, "0.457"), (0.0123, "0.0123"), (0.00031, "0.00031")],
)
def test_numbers_are_shown_with_the_figures_that_matter(value, text):
    assert course.number(value) == text


def test_say_shows_markdown(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append((data, raw)))
    course.say(
        f"""
        Recall is **{0.5:.2f}**,
        half of all.
        """
    )
    text = "Recall is **0.50**,\nhalf of all."
    assert shown == [({"text/markdown": text, "text/plain": text}, True)]
