import base64
import re
from html.parser import HTMLParser
from itertools import product
from urllib.parse import urlparse

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mmtutorial.course import lesson_page
from mmtutorial.course.lesson_page import formula, page, save_figures, save_html, with_links
from mmtutorial.course.lessons import find_lessons
from mmtutorial.paths import ROOT

LESSONS = find_lessons(ROOT / "notebooks")
PNG = base64.b64encode(b"\x89PNG").decode()
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Parsed(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag, attribute):
        return [found[attribute] for name, found in self.tags if name == tag and attribute in found]


def shown(data, **metadata):
    return new_output("display_data", data, metadata=metadata)


def notebook(*cells):
    return new_notebook(cells=[new_markdown_cell("# 06 One <b>space</b>"), *cells])


def loaded(text):
    """All that a browser would fetch for a page."""
    tags = Parsed(text).tags
    yield from (found[LOADS[tag]] for tag, found in tags if found.get(LOADS.get(tag)))
    yield from re.findall(r"(?:@import|url\()\s*[\"']?([^\"')\s]+)", text)


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_page_of_every_lesson_needs_no_network_and_has_no_raw_formula(lesson):
    text = page(lesson.notebook)
    assert [url for url in loaded(text) if urlparse(url).scheme not in ("", "data")] == []
    assert f"<title>{lesson.number} {lesson.title} · mmtutorial</title>" in text
    formulas = re.findall(r"<math.*?</math>", text, flags=re.DOTALL)
    written = [cell.source for cell in lesson.notebook.cells if cell.cell_type == "markdown"]
    assert len(formulas) == sum(
        len(re.findall(r"\$\$.+?\$\$|\$[^$\n]+\$", source, flags=re.DOTALL)) for source in written
    )
    assert not any("\\" in one for one in formulas)
    ids = Parsed(text).all
    places = [found["id"] for _, found in Parsed(text).tags if found.get("id")]
    assert len(places) == len(set(places))
    assert {link[1:] for link in ids("a", "href") if link.startswith("#")} <= set(places)


def test_formulas_become_mathml():
    assert "<mfrac>" in formula(r"\tfrac{1}{2}", "inline")
    assert 'display="block"' in page(notebook(new_markdown_cell("$$a = b$$")))
    text = page(notebook(new_markdown_cell("$a < b$ and the price is 5 dollars")))
    assert 'display="inline"' in text and "<mo>&#x0003C;</mo>" in text


def test_a_formula_that_cannot_be_converted_is_shown_as_written():
    assert formula("a < b^", "inline") == "<code>a &lt; b^</code>"


def test_the_contents_list_the_headings_under_names_of_their_own():
    cells = [new_markdown_cell("## Try it\n\n### A `closer` look"), new_markdown_cell("## Try it")]
    text = page(notebook(*cells))
    links = [link for link in Parsed(text).all("a", "href") if link.startswith("#")]
    assert links == ["#try-it", "#a-closer-look", "#try-it-2"] * 2  # once for phones
    assert "A closer look</a>" in text


def test_long_code_is_folded_and_short_code_is_not():
    long = new_code_cell("\n".join(f"x = {n}" for n in range(lesson_page.FOLD_LINES + 1)))
    tags = [tag for tag, _ in Parsed(page(notebook(long))).tags]
    assert "button" in tags
    assert tags.count("details") == 1
    assert "details" not in [tag for tag, _ in Parsed(page(notebook(new_code_cell("x")))).tags]


def test_figures_are_files_beside_the_page_with_their_size_and_heading(tmp_path):
    output = shown({"image/png": PNG}, **{"image/png": {"width": 700, "height": 80}})
    both = shown({"image/png": PNG, "text/html": "<i>table</i>"})
    cells = [new_code_cell("x", outputs=[both]), new_markdown_cell("## The `loss`")]
    whole = notebook(*cells, new_code_cell("y", outputs=[output]))
    figures = save_figures(whole, tmp_path)
    save_html(whole, tmp_path / "notebook.html")
    (image,) = [
        found for tag, found in Parsed((tmp_path / "notebook.html").read_text("utf-8")).tags
        if tag == "img"
    ]  # fmt: skip
    assert figures[1] == {"file": "figure-02.png", "caption": "The loss"}
    assert image["src"] == "figure-02.png" and image["alt"] == "Figure: The loss"
    assert (image["width"], image["height"], image["class"]) == ("700", "80", "broad")
    assert (tmp_path / "figure-02.png").read_bytes() == b"\x89PNG"


def test_outputs_of_every_kind_are_shown():
    trace = ["\x1b[31mKeyError\x1b[0m: '<no such>'"]
    outputs = [
        new_output("stream", name="stdout", text="<printed> \x1b[32mgreen"),
        shown({"text/html": "<table><tr><td>7</td></tr></table>", "text/plain": "hidden"}),
        shown({"text/markdown": "**said** in $x$"}),
        shown({"text/plain": "array([1])"}),
        shown({"application/vnd.jupyter.widget-view+json": {}, "text/plain": "hidden"}),
        shown({"image/jpeg": PNG}),
        new_output("error", ename="KeyError", evalue="", traceback=trace),
    ]
    text = page(notebook(new_code_cell("x", outputs=outputs)))
    for part in ("&lt;printed&gt;", "<td>7</td>", "<strong>said</strong>", "array([1])", "<math"):
        assert part in text
    for part in (
        "run the lesson in JupyterLab",
        'class="ansi-green-fg"',
        "KeyError: &#x27;&lt;no such&gt;",
    ):
        assert part in text
    assert f"data:image/jpeg;base64,{PNG}" in text
    assert "hidden</pre>" not in text


def test_a_link_to_a_notebook_leads_to_its_page():
    cell = new_markdown_cell("[10](10_ranking_metrics.ipynb), [Keras](https://keras.io)")
    links = Parsed(page(notebook(cell))).all("a", "href")
    assert links == ["../10_ranking_metrics/notebook.html", "https://keras.io"]


def test_a_notebook_without_a_heading_or_a_cell_makes_a_page():
    assert "<title>Lesson · mmtutorial</title>" in page(new_notebook())


def test_links_replace_those_that_were_there():
    once = with_links(page(new_notebook()), "<i>top</i>", "<i>bottom</i>")
    again = with_links(once, "<b>\\1</b>", "<u>end</u>")
    assert once.index("<i>top</i>") < once.index("<main>") < once.index("<i>bottom</i>")
    assert "<i>" not in again and "<b>\\1</b>" in again and "<u>end</u>" in again
    assert with_links("no page of ours", "a", "b") == "no page of ours"


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_colours_of_code_and_errors_are_legible():
    """Contrast of at least 4.5 against every background they stand on (WCAG 2.1, AA)."""
    text = page(new_notebook())
    code = re.findall(r"^\.code \.\w+ {[^}]*?(?<!-)color: (#\w{6})", text, flags=re.MULTILINE)
    errors = re.findall(r"-fg {[^}]*?(?<!-)color: (#\w{6})", text)
    assert len(set(code)) > 5 and len(errors) > 5
    pairs = [*product(code, ["#ffffff"]), *product(errors, ["#ffffff", "#f6f7f9", "#fbeeed"])]
    for colour, ground in pairs:
        dark, light = sorted((luminance(colour), luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (colour, ground)
