import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from nbformat.v4 import new_notebook
from PIL import Image

from mmtutorial.course import lesson_page, report

CLAIM = {
    "name": "text → photo R@10 <b>",
    "value": 0.41,
    "chance": 0.0003,
    "floor": 0.3,
    "holds": True,
    "promised": True,
    "protocol": "1,000 queries & ties by id",
}
METRICS = {
    "lesson": "06_one_space",
    "title": "One space <i>",
    "dataset": "demo",
    "profile": "quick",
    "parameters": {},
    "claims": [CLAIM, {**CLAIM, "name": "gain", "value": 0.001, "floor": 0.02, "holds": False}],
    "figures": [{"file": "figure-01.png", "caption": 'The "loss" falls'}],
    "seconds": 83.2,
    "peak_memory_mb": 1234,
    "status": "failed",
    "error": "ValueError: <script>alert(1)</script>",
}


def leave(results, run="demo-quick", lesson="06_one_space", **changes):
    folder = results / run / lesson
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({**METRICS, "lesson": lesson, **changes}))
    (folder / "figure-01.png").write_bytes(b"png")
    (folder / "notebook.ipynb").write_text("{}")
    return folder


class Page(HTMLParser):
    """What is on the page: tags with their attributes, and the text."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag, attribute):
        return [found[attribute] for name, found in self.tags if name == tag and attribute in found]


def test_a_lesson_shows_title_status_numbers_figures_time_and_memory(tmp_path):
    leave(tmp_path)
    page = Page(report.write(tmp_path))
    for text in ("One space <i>", "failed", "text → photo R@10 <b>", "0.410", "0.0003", "0.300"):
        assert text in page.text
    for text in ("✓", "✗", "1,000 queries & ties by id", "1 min 23 s", "1,234 MB", "1 of 2"):
        assert text in page.text
    assert page.all("img", "alt") == ["", 'The "loss" falls']  # the card's says nothing new


def test_what_lessons_say_is_escaped(tmp_path):
    leave(tmp_path)
    page = Page(report.write(tmp_path))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "b", "i"})
    assert "<script>alert(1)</script>" in page.text


def test_links_are_relative_and_lead_to_files(tmp_path):
    leave(tmp_path, run="my shop #2-quick")
    page = Page(report.write(tmp_path))
    links = page.all("a", "href") + page.all("img", "src")
    files = [link for link in links if not link.startswith("#")]
    assert len(files) == 5
    for link in files:
        assert (tmp_path / link.replace("%20", " ").replace("%23", "#")).exists()
    anchors = [link[1:] for link in links if link.startswith("#")]
    assert set(anchors) <= set(page.all("article", "id"))


def test_the_page_needs_nothing_from_elsewhere(tmp_path):
    leave(tmp_path)
    text = report.write(tmp_path).read_text("utf-8")
    assert not re.search(r"https?://|@import|<link|<script", text)


def test_runs_and_lessons_come_in_order_and_foreign_files_are_let_be(tmp_path):
    for run in ("fashion-full", "demo-quick"):
        for lesson in ("10_metrics", "00_start"):
            leave(tmp_path, run=run, lesson=lesson, dataset=run, title=lesson)
    (tmp_path / "demo-quick" / "11_broken").mkdir()
    (tmp_path / "demo-quick" / "11_broken" / "metrics.json").write_text("{")
    (tmp_path / "demo-quick" / "12_older").mkdir()
    (tmp_path / "demo-quick" / "12_older" / "metrics.json").write_text('{"lesson": "12_older"}')
    (tmp_path / "demo-quick" / ".06_one_space.running").mkdir()
    page = Page(report.write(tmp_path))
    assert page.all("article", "id") == [
        f"{run}-{lesson}"
        for run in ("demo-quick", "fashion-full")
        for lesson in ("00_start", "10_metrics")
    ]


def test_a_lesson_whose_process_was_lost_has_neither_time_nor_memory(tmp_path):
    leave(tmp_path, seconds=None, peak_memory_mb=None, claims=[], figures=[])
    assert "–" in Page(report.write(tmp_path)).text


def test_a_card_for_each_lesson_shows_the_figure_that_fits_it_and_leads_to_its_page(tmp_path):
    figures = [{"file": f"figure-0{n}.png", "caption": ""} for n in (1, 2, 3)]
    folder = leave(tmp_path, figures=figures)
    for figure, size in zip(figures, [(90, 10), (30, 20), (20, 50)], strict=True):
        Image.new("L", size).save(folder / figure["file"])
    (folder / "notebook.html").write_text("")
    text = report.write(tmp_path).read_text("utf-8")
    cards = text[text.index('<ul class="cards">') : text.index("</ul>")]
    assert 'src="demo-quick/06_one_space/figure-02.png"' in cards
    assert 'href="demo-quick/06_one_space/notebook.html"' in cards


def test_of_figures_that_fit_alike_the_last_is_shown(tmp_path):
    leave(tmp_path, figures=[{"file": f"figure-0{n}.png", "caption": ""} for n in (1, 2)])
    assert Page(report.write(tmp_path)).all("img", "src")[0].endswith("figure-02.png")


def test_a_tweaked_run_stands_beside_the_baseline(tmp_path):
    leave(tmp_path)
    claims = [{**CLAIM, "value": 0.35}, {**CLAIM, "name": "new", "value": 2.0}]
    changed = {"FUSION": "<film>", "DIM": 64}
    leave(
        tmp_path,
        lesson="tweaked/06_one_space/FUSION=%3Cfilm%3E,DIM=64",
        changed=changed,
        claims=claims,
    )
    text = report.write(tmp_path).read_text("utf-8")
    assert "With FUSION = &lt;film&gt;, DIM = 64" in text
    rows = re.findall(r'baseline">(.*?)</td>\s.*?tweaked">(.*?)</td>\s.*?change">(.*?)</td>', text)
    assert rows == [("0.410", "0.350", "−0.0600"), ("–", "2.000", "–")]
    assert text.count("<article") == 1


def test_a_tweaked_run_without_its_baseline_is_shown(tmp_path):
    leave(tmp_path, lesson="tweaked/06_one_space/DIM=64", changed={"DIM": 64})
    page = Page(report.write(tmp_path))
    assert "not run" in page.text and "With DIM = 64" in page.text


def test_sweeps_are_linked_with_their_figure(tmp_path):
    leave(tmp_path)
    folder = tmp_path / "demo-quick" / "sweeps" / "06_one_space" / "DIM-EPOCHS"
    folder.mkdir(parents=True)
    for name in ("sweep.csv", "means.csv", "sweep.png"):
        (folder / name).write_text("")
    page = Page(report.write(tmp_path))
    assert "Sweep over DIM, EPOCHS" in page.text
    place = "demo-quick/sweeps/06_one_space/DIM-EPOCHS"
    assert {f"{place}/means.csv", f"{place}/sweep.csv"} <= set(page.all("a", "href"))
    assert f"{place}/sweep.png" in page.all("img", "src")


def links_of(path):
    return [link for link in Page(path).all("a", "href") if not link.startswith(("#", "figure"))]


def test_pages_link_to_the_index_and_to_the_lessons_before_and_after(tmp_path):
    for lesson in ("00_start", "06_one_space", "10_metrics"):
        folder = leave(tmp_path, lesson=lesson, title=f"<{lesson}>")
        (folder / "notebook.html").write_text(lesson_page.page(new_notebook()), "utf-8")
    tweaked = leave(tmp_path, lesson="tweaked/10_metrics/K=5", changed={"K": 5})
    (tweaked / "notebook.html").write_text(lesson_page.page(new_notebook()), "utf-8")
    report.write(tmp_path)
    run = tmp_path / "demo-quick"
    up, start, one, metrics = (
        "../../index.html",
        *(f"../{name}/notebook.html" for name in ("00_start", "06_one_space", "10_metrics")),
    )
    assert links_of(run / "00_start" / "notebook.html") == [up, one] * 2
    assert links_of(run / "06_one_space" / "notebook.html") == [up, start, metrics] * 2
    assert (
        links_of(tweaked / "notebook.html")
        == [
            "../../../../index.html",
            "../../../10_metrics/notebook.html",
        ]
        * 2
    )
    # a lesson that is gone is linked no more
    shutil.rmtree(run / "00_start")
    report.write(tmp_path)
    assert links_of(run / "06_one_space" / "notebook.html") == [up, metrics] * 2


def test_an_empty_folder_says_how_to_begin(tmp_path):
    assert "mmtutorial run" in Page(report.write(tmp_path)).text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (119.7, "2 min 0 s"), (3601, "60 min 1 s")]
)
def test_time_is_told_in_minutes_and_seconds(seconds, text):
    assert report.duration(seconds) == text
