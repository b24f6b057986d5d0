"""``results/index.html``: every lesson that ran, its numbers, its figures, its time and memory.

One page of plain HTML and CSS that needs no network, made from what lies below the results
folder, so that it is right after every lesson and after a run that was cut short. Beside a lesson
stand its tweaked runs and its sweeps. The pages of the lessons get links to one another.
"""

import json
import math
import os
from pathlib import Path
from urllib.parse import quote

from mmtutorial.course.execute import write_text
from mmtutorial.course.lesson_page import templates, with_links
from mmtutorial.course.results import mark, number

LESSON = "[0-9][0-9]_*"
CARD = 1.55  # a card's picture: how often its height goes into its width
BROAD_PIXELS = 1280  # figures have two pixels for each one of their size; broader: a row of its own

NOT_RUN: dict = {
    **{"status": "not run", "time": "–", "memory": "–", "page": "", "error": ""},
    **{"claims": [], "figures": [], "cover": None, "kept": 0, "checked": 0},
}


def write(results: Path) -> Path:
    """Make ``results``/index.html of all runs below it, link their pages; its path."""
    runs = _runs(results)
    page = templates().get_template("index.html")
    write_text(results / "index.html", page.render(runs=runs, number=number, mark=mark))
    for run in runs:
        _link_pages(results, run)
    return results / "index.html"


def _runs(results: Path) -> list[dict]:
    """One entry a run (dataset and profile), its lessons in order of number."""
    runs = []
    for folder in sorted(results.glob("[!.]*/")):
        places = [folder.glob(f"{part}{LESSON}") for part in ("", "tweaked/", "sweeps/")]
        names = sorted({place.name for found in places for place in found})
        lessons = [one for name in names if (one := _lesson(results, folder, name))]
        if lessons:
            first = lessons[0]
            runs.append(
                {"dataset": first["dataset"], "profile": first["profile"], "lessons": lessons}
            )
    return runs


def _lesson(results: Path, run: Path, name: str) -> dict | None:
    """One lesson of a run with its tweaked runs and its sweeps; None where there is nothing."""
    baseline = _ran(results, run / name)
    tweaked = [
        {
            **one,
            "setting": ", ".join(f"{name} = {value}" for name, value in one["changed"].items()),
            "pairs": _pairs(baseline["claims"] if baseline else [], one["claims"]),
        }
        for folder in sorted(run.glob(f"tweaked/{name}/[!.]*"))
        if (one := _ran(results, folder)) and one.get("changed")
    ]
    swept = [
        _sweep(results, path.parent) for path in sorted(run.glob(f"sweeps/{name}/*/sweep.csv"))
    ]
    if baseline is None:  # the lesson itself has not run, and has a place all the same
        others = [*run.glob(f"tweaked/{name}/*"), *run.glob(f"sweeps/{name}/*/*")]
        found = next((one for folder in others if (one := _ran(results, folder))), None)
        baseline = found and {**found, **NOT_RUN}
    return baseline and {**baseline, "folder": run / name, "tweaked": tweaked, "sweeps": swept}


def _ran(results: Path, folder: Path) -> dict | None:
    """What one executed notebook left; None where it is not ours, or of an older version."""
    link = quote(folder.relative_to(results).as_posix())
    try:
        metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
        checked = [claim["holds"] for claim in metrics["claims"] if claim["holds"] is not None]
        memory = metrics["peak_memory_mb"]
        pages = [name for name in ("notebook.html", "notebook.ipynb") if (folder / name).exists()]
        figures = [
            {
                **figure,
                "source": f"{link}/{figure['file']}",
                "size": (size := _size(folder / figure["file"])),
                "broad": size[0] > BROAD_PIXELS,
            }
            for figure in metrics["figures"]
        ]
        return {
            **{key: metrics[key] for key in ("dataset", "profile", "title", "status", "error")},
            "changed": metrics.get("changed"),
            "claims": metrics["claims"],
            "number": metrics["lesson"][:2],
            "anchor": link.replace("/", "-").replace("%", ""),
            "kept": sum(checked),
            "checked": len(checked),
            "time": duration(metrics["seconds"]),
            "memory": "–" if memory is None else f"{memory:,} MB",
            "page": f"{link}/{pages[0]}" if pages else "",
            "figures": figures,
            "cover": _cover(figures),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG in pixels, from its first bytes; zeros where there is none."""
    try:
        with open(path, "rb") as file:
            head = file.read(24)
    except OSError:
        head = b""
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _cover(figures: list[dict]) -> dict | None:
    """The figure that fills a card best, of equal ones the last."""

    def misfit(figure: dict) -> float:
        width, height = figure["size"]
        return abs(math.log(width / height / CARD)) if width and height else math.inf

    return min(reversed(figures), key=misfit, default=None)


def _pairs(baseline: list[dict], tweaked: list[dict]) -> list[tuple]:
    """Each number of a tweaked run: its name, the baseline's value, its own, the difference."""
    before = {claim["name"]: claim["value"] for claim in baseline}
    return [
        (name, before.get(name), value, _signed(value, before.get(name)))
        for name, value in ((claim["name"], claim["value"]) for claim in tweaked)
    ]


def _signed(value: float, before: float | None) -> str:
    if before is None:
        return "–"
    text = number(abs(value - before))
    return f"{'−' if value < before else '+'}{text}" if value != before else "0"


def _sweep(results: Path, folder: Path) -> dict:
    link = quote(folder.relative_to(results).as_posix())
    tables = [
        {"name": name, "source": f"{link}/{name}"}
        for name in ("means.csv", "sweep.csv")
        if (folder / name).exists()
    ]
    figure = f"{link}/sweep.png" if (folder / "sweep.png").exists() else ""
    return {"names": folder.name.replace("-", ", "), "tables": tables, "figure": figure}


def _link_pages(results: Path, run: dict) -> None:
    """Give every page of a run its links: the index, the lessons before and after it."""
    main = [one for one in run["lessons"] if one["page"].endswith(".html")]
    for place, one in enumerate(main):
        previous = main[place - 1] if place else None
        after = main[place + 1] if place + 1 < len(main) else None
        _link(results, one["folder"] / "notebook.html", previous=previous, next=after)
    for one in run["lessons"]:
        folder, baseline = one["folder"], one if one in main else None
        for part in ("tweaked", "sweeps"):
            for path in (folder.parent / part / folder.name).rglob("notebook.html"):
                _link(results, path, baseline=baseline)


def _link(results: Path, path: Path, **others: dict | None) -> None:
    def href(target: Path) -> str:
        return quote(Path(os.path.relpath(target, path.parent)).as_posix())

    links = {
        name: {
            "href": href(one["folder"] / "notebook.html"),
            "text": f"{one['number']} {one['title']}",
        }
        for name, one in others.items()
        if one
    }
    template = templates().get_template("links.html")
    top, bottom = (
        template.render(up=href(results / "index.html"), place=place, label=label, **links)
        for place, label in (("top", "Lessons"), ("bottom", "Lessons, at the end"))
    )
    old = path.read_text("utf-8")
    new = with_links(old, top, bottom)
    if new != old:
        write_text(path, new)


def duration(seconds: float | None) -> str:
    """Seconds in words: ``2 min 5 s``.

    >>> duration(125), duration(None)
    ('2 min 5 s', '–')
    """
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
