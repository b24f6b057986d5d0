"""An executed lesson as files to read: its figures, and ``notebook.html``.

The page needs no network: formulas become MathML, figures are the PNG files beside it, and its
style and its few lines of script stand in it. A notebook that stopped half-way gives a page too.
``report`` adds the links to other lessons, see ``with_links``: which ones are there changes later.
"""

import base64
import copy
import html
import re
from pathlib import Path

FOLD_LINES = 12  # longer code is folded at first
START, END = "<!-- links to other pages -->", "<!-- end of links -->"
LINKS = re.compile(f"{START}.*?{END}", flags=re.DOTALL)
HEADING = re.compile(r"^#{1,6} +(.+?) *$", flags=re.MULTILINE)
LESSON_FILE = re.compile(r"(?:\./)?(\d\d_\w+)\.ipynb")
PICTURES = ("image/png", "image/jpeg")
FRAME = re.compile(r'<iframe [^>]*src="http://127\.0\.0\.1:[^>]*></iframe>')  # its kernel has ended


def save_figures(notebook, folder: Path) -> list[dict]:
    """Write every PNG output as figure-NN.png; its caption is the nearest heading above it."""
    figures = []
    for output, file, caption in _figures(notebook):
        (folder / file).write_bytes(base64.b64decode(output.data["image/png"]))
        figures.append({"file": file, "caption": caption})
    return figures


def _figures(notebook):
    """Each PNG output of the notebook, with its file name and its caption."""
    number, heading = 0, ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = (HEADING.findall(cell.source) or [heading])[-1]
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                number += 1
                yield output, f"figure-{number:02d}.png", heading.replace("`", "")


def save_html(notebook, path: Path) -> None:
    """The executed notebook as a page that a browser shows; its figures lie beside it."""
    path.write_text(page(notebook), encoding="utf-8")


def page(notebook) -> str:
    """The text of ``notebook.html``."""
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor
    from pygments.formatters import HtmlFormatter

    notebook = copy.deepcopy(notebook)
    tidy = CoalesceStreamsPreprocessor(enabled=True)  # of a progress bar, only the last state
    notebook, _ = tidy.preprocess(notebook, {})
    render = _Markdown()
    figures = {id(output): (file, caption) for output, file, caption in _figures(notebook)}
    cells = [_cell(cell, render, figures) for cell in notebook.cells]
    titles = [text for level, text, _ in render.headings if level == 1]
    return (
        templates()
        .get_template("lesson.html")
        .render(
            title=titles[0] if titles else "Lesson",
            contents=[(level, text, place) for level, text, place in render.headings if level > 1],
            cells=cells,
            highlighting=HtmlFormatter(style="xcode").get_style_defs(".code"),
            links=START + END,
        )
    )


def templates():
    """The HTML of the pages, in ``mmtutorial/course/pages``; what is put into it is escaped."""
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("mmtutorial.course", "pages")
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)


def with_links(text: str, top: str, bottom: str) -> str:
    """The text of a page, with these links (HTML) at its two ends instead of those it had."""
    links = iter((top, bottom))
    return LINKS.sub(lambda _: f"{START}{next(links)}{END}", text, count=2)


def _cell(cell, render, figures) -> dict:
    if cell.cell_type != "code":
        source = cell.source
        return {"prose": render(source) if cell.cell_type == "markdown" else html.escape(source)}
    lines = cell.source.strip().splitlines()
    return {
        "id": cell.get("id", ""),
        "code": _highlight(cell.source),
        "lines": len(lines),
        "fold": len(lines) > FOLD_LINES,
        "outputs": [_output(output, render, figures) for output in cell.outputs],
    }


def _highlight(source: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    return highlight(source, get_lexer_by_name("ipython3"), HtmlFormatter(nowrap=True))


def _output(output, render, figures) -> dict:
    """One output of a cell, as HTML of a ``kind`` that the template knows."""
    from nbconvert.filters import ansi2html, strip_ansi

    if output.output_type == "stream":
        return {"kind": f"text {output.name}", "html": ansi2html(output.text)}
    if output.output_type == "error":
        trace = strip_ansi("\n".join(output.traceback))  # its colours are for dark terminals
        return {"kind": "text error", "html": html.escape(trace)}
    data = output.data
    if "application/vnd.jupyter.widget-view+json" in data:
        return {"kind": "widget", "html": ""}
    if "text/html" in data:
        return {"kind": "rich", "html": FRAME.sub("", data["text/html"])}
    if "text/markdown" in data:
        return {"kind": "prose", "html": render(data["text/markdown"])}
    if "image/svg+xml" in data:
        return {"kind": "rich", "html": data["image/svg+xml"]}
    for kind in PICTURES:
        if kind in data:
            embedded = f"data:{kind};base64,{data[kind]}"
            source, caption = figures.get(id(output), (embedded, ""))
            size = output.metadata.get(kind, {})
            return {"kind": "figure", "source": source, "caption": caption, "size": size}
    return {"kind": "text", "html": ansi2html(data.get("text/plain", ""))}


class _Markdown:
    """Markdown to HTML as Jupyter reads it; formulas to MathML; ``headings`` collects them.

    ``headings``: (level, text, id) of all headings rendered so far; the ids differ.
    """

    def __init__(self):
        self.headings: list[tuple[int, str, str]] = []

    def __call__(self, source: str) -> str:
        from nbconvert.filters.markdown_mistune import MarkdownWithMath

        return MarkdownWithMath(renderer=self._renderer()).render(source)

    def _renderer(self):
        from nbconvert.filters.markdown_mistune import IPythonRenderer

        headings = self.headings

        class Renderer(IPythonRenderer):
            def heading(self, text, level, **attrs):
                plain = html.unescape(re.sub(r"<[^>]+>", "", text)).strip()
                name = re.sub(r"\W+", "-", plain.lower()).strip("-") or "part"
                taken = [place for _, _, place in headings]
                place, more = name, 2
                while place in taken:
                    place, more = f"{name}-{more}", more + 1
                headings.append((level, plain, place))
                return f'<h{level} id="{html.escape(place)}">{text}</h{level}>\n'

            def block_math(self, body):
                return formula(body, "block")

            def inline_math(self, body):
                return formula(body, "inline")

            def latex_environment(self, name, body):
                return formula(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")

            def link(self, text, url, title=None):
                lesson = LESSON_FILE.fullmatch(url)
                return super().link(text, f"../{lesson[1]}/notebook.html" if lesson else url, title)

            def table(self, text):
                return f'<div class="scroll" tabindex="0"><table>{text}</table></div>'

        return Renderer(escape=False)


def formula(latex: str, display: str) -> str:
    """LaTeX as MathML, which browsers draw themselves; ``display``: "inline" or "block".

    A formula that cannot be converted is shown as it was written.
    """
    from latex2mathml.converter import convert

    try:
        mathml = convert(latex.strip(), display=display)
    except Exception:  # it has many, one for each kind of mistake
        return f"<code>{html.escape(latex)}</code>"
    if display == "block":  # it scrolls where it is too wide, by keyboard too
        mathml = mathml.replace("<math ", '<math tabindex="0" ', 1)
    return mathml
