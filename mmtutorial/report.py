"""``results/index.html``: every lesson that ran, its numbers, its figures, its time and memory.

One page of plain HTML and CSS that needs no network, made from the ``metrics.json`` files below
the results folder, so that it is right after every lesson and after a run that was cut short.
"""

import json
from pathlib import Path
from urllib.parse import quote

from mmtutorial.course import mark, number
from mmtutorial.execute import write_text

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mmtutorial: results</title>
<style>
:root { --ink: #22262b; --soft: #667080; --line: #e3e6ea; --good: #2a7a3b; --bad: #b3261e;
  --accent: #3a6ea5; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f7f9; color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { margin: 0; font-size: 1.7rem; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.25rem; }
h3 { margin: 0; font-size: 1.15rem; }
p { margin: .25rem 0; }
a { color: var(--accent); }
.soft { color: var(--soft); }
.scroll { overflow-x: auto; }
article, nav { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem 1.25rem; margin: 0 0 1rem; }
article > header { display: flex; flex-wrap: wrap; gap: .25rem .9rem; align-items: baseline; }
.number { color: var(--soft); font-variant-numeric: tabular-nums; }
.passed { color: var(--good); }
.failed { color: var(--bad); }
.status { font-size: .85rem; font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; font-size: .93rem; }
th { color: var(--soft); font-weight: 500; text-align: right; }
th, td { padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td { text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; min-width: 11rem; }
td small { display: block; color: var(--soft); }
td.value { font-weight: 600; }
nav table { margin: 0; }
nav th:first-child, nav td:first-child { min-width: 9rem; }
pre { background: #fbeeed; border-radius: 6px; padding: .7rem .9rem; overflow-x: auto;
  font-size: .82rem; line-height: 1.4; }
details summary { cursor: pointer; color: var(--accent); margin: .4rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr));
  gap: 1rem; align-items: start; }
figure { margin: 0; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figcaption { color: var(--soft); font-size: .85rem; text-align: center; margin-top: .3rem; }
@media (max-width: 36rem) {
  article, nav { padding: .8rem .9rem; }
  nav th:last-child, nav td:last-child { display: none; }
  .claims thead { display: none; }
  .claims tr { display: grid; grid-template-columns: 1fr 1fr 1fr 1.4rem;
    border-bottom: 1px solid var(--line); padding: .35rem 0; }
  .claims td { border: 0; padding: .1rem 0; text-align: left; white-space: nowrap; }
  .claims td:first-child { grid-column: 1 / -1; white-space: normal; }
  .claims td[data-name]::before { content: attr(data-name) " "; color: var(--soft);
    font-weight: 400; font-size: .75rem; }
}
</style>
</head>
<body>
<main>
<h1>mmtutorial: results</h1>
<p class="soft">What each lesson measured. ✓ reaches its floor, ✗ does not, – carries no claim;
chance is what guessing would give.</p>
{% for run in runs %}
<section>
<h2>{{ run.dataset }} catalogue, {{ run.profile }} profile</h2>
<nav class="scroll" aria-label="lessons of this run">
<table>
<thead><tr><th>lesson</th><th>status</th><th>claims</th><th>time</th><th>memory</th></tr></thead>
<tbody>
{% for one in run.lessons %}
<tr><td><a href="#{{ one.anchor }}">{{ one.number }} {{ one.title }}</a></td>
<td class="{{ one.status }}">{{ one.status }}</td>
<td>{{ one.kept }} of {{ one.checked }}</td>
<td>{{ one.time }}</td><td>{{ one.memory }}</td></tr>
{% endfor %}
</tbody>
</table>
</nav>
{% for one in run.lessons %}
<article id="{{ one.anchor }}">
<header>
<h3><span class="number">{{ one.number }}</span> {{ one.title }}</h3>
<span class="status {{ one.status }}">{{ one.status }}</span>
<span class="soft">{{ one.time }}, {{ one.memory }}</span>
{% if one.page %}<a href="{{ one.page }}">executed notebook</a>{% endif %}
</header>
{% if one.error %}<pre>{{ one.error }}</pre>{% endif %}
{% if one.claims %}
<div class="scroll">
<table class="claims">
<thead><tr><th>result</th><th>value</th><th>chance</th><th>floor</th><th></th></tr></thead>
<tbody>
{% for claim in one.claims %}
<tr><td>{{ claim.name }}{% if claim.protocol %}<small>{{ claim.protocol }}</small>{% endif %}</td>
<td class="value" data-name="value">{{ number(claim.value) }}</td>
<td data-name="chance">{{ number(claim.chance) }}</td>
<td data-name="floor">{{ number(claim.floor) }}</td>
<td class="{{ 'failed' if claim.holds is false else 'passed' }}">{{ mark(claim.holds) }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
{% if one.figures %}
<details open>
<summary>{{ one.figures | length }} figure{{ "s" if one.figures | length > 1 }}</summary>
<div class="figures">
{% for figure in one.figures %}
<figure><a href="{{ figure.source }}"><img src="{{ figure.source }}" loading="lazy"
alt="{{ figure.caption or 'figure' }}"></a><figcaption>{{ figure.caption }}</figcaption></figure>
{% endfor %}
</div>
</details>
{% endif %}
</article>
{% endfor %}
</section>
{% else %}
<p>No lesson has run yet: <code>mmtutorial run</code>.</p>
{% endfor %}
</main>
</body>
</html>
"""


def write(results: Path) -> Path:
    """Make ``results``/index.html from the metrics of all lessons below it; its path."""
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True).from_string(PAGE)
    text = page.render(runs=_runs(results), number=number, mark=mark)
    write_text(results / "index.html", text)
    return results / "index.html"


def _runs(results: Path) -> list[dict]:
    """One entry a run (dataset and profile), its lessons in order of number."""
    runs: dict[Path, dict] = {}
    for path in sorted(results.glob("*/[0-9][0-9]_*/metrics.json")):
        folder = path.parent
        try:
            metrics = json.loads(path.read_text("utf-8"))
            run = {"dataset": metrics["dataset"], "profile": metrics["profile"], "lessons": []}
            lesson = _lesson(metrics, folder, quote(folder.relative_to(results).as_posix()))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # not one of ours, or of an older version: the page is made all the same
        runs.setdefault(folder.parent, run)["lessons"].append(lesson)
    return list(runs.values())


def _lesson(metrics: dict, folder: Path, link: str) -> dict:
    memory = metrics["peak_memory_mb"]
    checked = [claim["holds"] for claim in metrics["claims"] if claim["holds"] is not None]
    pages = [name for name in ("notebook.html", "notebook.ipynb") if (folder / name).exists()]
    return {
        **metrics,
        "number": metrics["lesson"][:2],
        "anchor": link.replace("/", "-").replace("%", ""),
        "kept": sum(checked),
        "checked": len(checked),
        "time": duration(metrics["seconds"]),
        "memory": "–" if memory is None else f"{memory:,} MB",
        "page": f"{link}/{pages[0]}" if pages else "",
        "figures": [
            {**figure, "source": f"{link}/{figure['file']}"} for figure in metrics["figures"]
        ],
    }


def duration(seconds: float | None) -> str:
    """Seconds in words: ``2 min 5 s``."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
