import json
import re
from html.parser import HTMLParser

import pytest

from mmtutorial import report

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
    assert page.all("img", "alt") == ['The "loss" falls']


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
    assert len(files) == 3
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


def test_an_empty_folder_says_how_to_begin(tmp_path):
    assert "mmtutorial run" in Page(report.write(tmp_path)).text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (119.7, "2 min 0 s"), (3601, "60 min 1 s")]
)
def test_time_is_told_in_minutes_and_seconds(seconds, text):
    assert report.duration(seconds) == text
