"""A sweep: one lesson run over a grid of parameter values and seeds, and what that does to it.

Each point of the grid is a papermill run as ``mmtutorial run`` makes it: kept when finished, run
again when its inputs changed or it failed. A sweep lies in
``results/<dataset>-<profile>/sweeps/<NN_topic>/<NAMES>/``: a folder for each run; ``sweep.csv``
with every number they recorded; ``means.csv`` and ``sweep.png`` with the means over the seeds and
their 95 % t-intervals. A number below its floor is marked, and is no failure: floors are set for
the lesson's own parameters, and a sweep goes where they need not hold.
"""

import itertools
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from mmtutorial import TutorialError
from mmtutorial.course import report
from mmtutorial.course.execute import write_text
from mmtutorial.course.lessons import Lesson, find_lessons, plan, read_profiles, select
from mmtutorial.course.results import number
from mmtutorial.course.runner import (
    ELSEWHERE,
    Task,
    file_name,
    fingerprint,
    resolve_dataset,
    run_tasks,
    values_text,
)
from mmtutorial.files import writing
from mmtutorial.paths import ROOT, results_home

KEPT = ("value", "chance", "floor", "holds", "protocol")  # of what a lesson recorded


def sweep(
    lesson,
    grid,
    *,
    seeds=(0, 1, 2),
    dataset="demo",
    profile="quick",
    jobs=None,
    force=False,
    results=None,
    notebooks=None,
) -> pd.DataFrame:
    """Run one lesson with every combination of the values in ``grid``, each with every seed.

    ``lesson``: number or name; ``grid``: name → values (or their texts), {} to vary the seed
    alone; the other options as in ``runner.run``. Prints the means, writes the files named above
    and returns the table of ``sweep.csv``, see ``tidy``.

    Raises
    ------
    TutorialError
        before anything runs, for an unknown lesson, parameter, dataset or profile, a value of
        another type, or one given twice.
    KeyboardInterrupt
        on Ctrl-C or SIGTERM; finished runs are kept, and the same sweep goes on with the others.
    """
    started = time.perf_counter()
    notebooks = Path(notebooks or ROOT / "notebooks").resolve()
    results = Path(results or results_home()).resolve()
    lessons = find_lessons(notebooks)
    (lesson,) = select(lessons, [lesson])
    if "SEED" in grid:
        raise TutorialError("-p SEED: give the seeds with --seeds")
    if "SEED" not in lesson.parameters:
        raise TutorialError(f"{lesson.name} has no parameter SEED, so it cannot be swept")
    dataset, label, common = resolve_dataset(dataset, profile)
    profiles = read_profiles(notebooks, lessons)
    folder = results / f"{label}-{profile}" / "sweeps" / lesson.name / ("-".join(grid) or "SEED")
    tasks = {}
    for *values, seed in itertools.product(*grid.values(), seeds):
        point = {**dict(zip(grid, values, strict=True)), "SEED": seed}
        options = {"profile": profile, "dataset": dataset, "parameters": point}
        given = plan(lessons, [lesson], profiles, **options)[lesson.name]
        point = {name: given[name] for name in point}  # what was text is a value now
        name = values_text(point)
        if name in tasks:
            raise TutorialError(f"{name} comes twice in the sweep; give each value once")
        tasks[name] = Task(name, lesson, given, folder / file_name(point), point)
    if len(tasks) < 2:
        raise TutorialError("nothing to sweep: name several values (-p NAME V1 V2) or seeds")
    runs = [
        task._replace(label=f"{place}/{len(tasks)} {task.label}")
        for place, task in enumerate(tasks.values(), 1)
    ]
    metrics = run_tasks(runs, common, folder, jobs=jobs, force=force)

    table = tidy(metrics, list(grid), [task.folder.name for task in runs])
    of_points = means(table, list(grid))
    fixed = [f", {name}={table[name].iloc[0]}" for name in grid if len(grid[name]) == 1]
    title = f"{lesson.number} {lesson.title}: {label} catalogue, {profile} profile{''.join(fixed)}"
    with writing(folder, ELSEWHERE):
        write_text(folder / "sweep.csv", table.to_csv(index=False))
        write_text(folder / "means.csv", of_points.to_csv(index=False))
        (folder / "sweep.png").unlink(missing_ok=True)  # an older one: there may be nothing to draw
        if len(of_points):
            plot(table, of_points, title).savefig(folder / "sweep.png", dpi=130)
        report.write(results)
    print(f"\n{title}\n{summary(table, of_points)}\n")
    print(f"{len(tasks)} runs, wall time {report.duration(time.perf_counter() - started)}")
    print(f"sweep.csv, means.csv, sweep.png and the runs: {folder}")
    now = Lesson(lesson.path)
    old = sum(
        one["fingerprint"] != fingerprint(now, task.parameters, common)
        for task, one in zip(runs, metrics, strict=True)
    )
    if old:
        print(
            f"The lesson or the package changed meanwhile: {old} of these runs may mix old and "
            "new. The same sweep again replaces them."
        )
    return table


def tidy(metrics, names, folders) -> pd.DataFrame:
    """One row for each run and number it recorded; one without a number for a run that failed.

    Columns: the parameters ``names``, SEED, status ("passed": ran to its end), claim, value,
    chance, floor, holds (empty where the claim has no floor), protocol, seconds, error, run (its
    folder). The index names the point, by those of its ``names`` that have several values.
    """
    rows, points = [], []
    settings = [one["parameters"] for one in metrics]
    varied = [name for name in names if any(one[name] != settings[0][name] for one in settings)]
    for one, folder in zip(metrics, folders, strict=True):
        parameters, error = one["parameters"], "".join(one["error"].splitlines()[:1])
        for claim in one["claims"] if one["status"] == "passed" else [{"name": None}]:
            points.append(values_text({name: parameters[name] for name in varied}) or "all seeds")
            rows.append(
                {
                    **{name: parameters[name] for name in (*names, "SEED")},
                    "status": one["status"],
                    "claim": claim["name"],
                    **{key: claim.get(key) for key in KEPT},
                    **{"seconds": one["seconds"], "error": error, "run": folder},
                }
            )
    return pd.DataFrame(rows, index=pd.Index(points, name="point"))


def means(table, names) -> pd.DataFrame:
    """The mean over the seeds for each number and point, with its 95 % t-interval.

    The interval, mean ± t(.975, n - 1) · s / √n, says where the mean of many seeds would lie if
    the seeds' values are about normal; a single run has none. ``below_floor`` counts the runs
    that missed the floor, ``failed`` the point's runs that have no number. Index as in ``tidy``.
    """
    rows, points = [], []
    for claim, point in itertools.product(table["claim"].dropna().unique(), table.index.unique()):
        here = table.loc[[point]]
        runs, failed = here[here["claim"] == claim], (here["status"] != "passed").sum()
        if len(runs) or failed:  # a lesson may record other numbers at other points
            values, n = runs["value"].astype(float), len(runs)
            half = stats.t.ppf(0.975, n - 1) * values.std() / np.sqrt(n) if n > 1 else np.nan
            points.append(point)
            rows.append(
                {
                    **{name: here[name].iloc[0] for name in names},
                    **{"claim": claim, "runs": n, "failed": failed, "mean": values.mean()},
                    **{"t95_low": values.mean() - half, "t95_high": values.mean() + half},
                    **{"min": values.min(), "max": values.max()},
                    "below_floor": runs["holds"].eq(False).sum(),
                }
            )
    return pd.DataFrame(rows, index=pd.Index(points, name="point"))


def summary(table, of_points) -> str:
    """The table at the end of a sweep: for each number, every point; then the runs that failed."""
    lines, width = [], max(map(len, table.index))
    for claim in table["claim"].dropna().unique():
        lines += ["", claim, f"  {'':{width}}  {'mean':>9}  {'95 % t-interval':>21}  runs"]
        for point, row in of_points[of_points["claim"] == claim].iterrows():
            mean, low, high = (_number(row[key]) for key in ("mean", "t95_low", "t95_high"))
            line = f"  {point:{width}}  {mean:>9}  {low:>9} … {high:>9}  {row['runs']:>4}"
            line += f"  {row['failed']} failed" if row["failed"] else ""
            lines.append(
                line + (f"  ✗ {row['below_floor']} below floor" * bool(row["below_floor"]))
            )
    failed = table[table["status"] != "passed"]
    lines += [f"\nfailed: {row['run']}: {row['error']}" for _, row in failed.iterrows()]
    return "\n".join(lines)


def _number(value) -> str:
    return number(None if np.isnan(value) else value)


GOOD, LOW, SOFT = "#4878a8", "#b04040", "#909090"  # a point, one with a run below its floor
LEGEND = {  # what a panel may show → how it is drawn
    "mean of the seeds, 95 % t-interval": {"marker": "o", "color": GOOD, "linewidth": 2.5},
    "one seed: no interval": {"marker": "o", "mfc": "white", "color": GOOD, "linewidth": 0},
    "single seeds": {"marker": ".", "color": SOFT, "markersize": 5, "linewidth": 0},
    "red: a seed below the floor": {"marker": "o", "color": LOW, "linewidth": 0},
    "floor": {"color": LOW, "linewidth": 1, "linestyle": ":"},
    "chance": {"color": SOFT, "linewidth": 1, "linestyle": "--"},
}


def plot(table, of_points, title):
    """One panel a recorded number, one line a point: its mean, t-interval and single seeds.

    A panel's axis holds its points, their intervals, the floor, and chance (or else zero), so
    that a difference is seen beside what it has to be compared with.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    claims = list(of_points["claim"].unique())
    points = list(of_points.index.unique())
    columns = min(3, len(claims))
    rows = -(-len(claims) // columns)
    figure = Figure(
        (2.2 + 3 * columns, 1.3 + (0.8 + 0.3 * len(points)) * rows), layout="constrained"
    )
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    shown = set()
    for axis, claim in itertools.zip_longest(axes.flat, claims):
        if claim is None:
            axis.set_axis_off()
            continue
        for point, row in of_points[of_points["claim"] == claim].iterrows():
            runs = table[(table.index == point) & (table["claim"] == claim)]
            shown |= _draw(axis, points.index(point), row, runs)
        axis.set_xlim(*limits(table[table["claim"] == claim], of_points, claim))
        axis.set_title("\n".join(textwrap.wrap(claim, 38)), fontsize=9)
        axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
        axis.tick_params(labelsize=8)
        axis.grid(axis="x", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    failed = of_points.groupby(level="point")["failed"].max()
    names = [f"{one:.40}" + (f" ({failed[one]} failed)" if failed[one] else "") for one in points]
    axes[0, 0].set_yticks(range(len(points)), names)
    axes[0, 0].set_ylim(len(points) - 0.5, -0.5)
    figure.suptitle(title, fontsize=10)
    handles = [Line2D([], [], label=name, **how) for name, how in LEGEND.items() if name in shown]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _draw(axis, place: int, row, runs) -> set[str]:
    """One point of a panel; the names in LEGEND of what was drawn."""
    shown, values = set(), runs["value"].astype(float)
    low = bool(row["below_floor"])
    if len(values) == 1:
        kind, colour = "one seed: no interval", LOW if low else GOOD
        axis.plot(values, [place], **{**LEGEND[kind], "color": colour})
        shown.add(kind)
    elif len(values):
        kind, colour = "mean of the seeds, 95 % t-interval", LOW if low else GOOD
        axis.plot([row["t95_low"], row["t95_high"]], [place] * 2, color=colour, linewidth=2.5)
        axis.plot(row["mean"], place, "o", color=colour)
        axis.plot(values, [place + 0.25] * len(values), **LEGEND["single seeds"])
        shown |= {kind, "single seeds"}
    for kind in ("floor", "chance"):
        level = runs[kind].astype(float).mean()  # chance may differ a little between seeds
        if not np.isnan(level):
            axis.vlines(level, place - 0.45, place + 0.45, zorder=0, **LEGEND[kind])
            shown.add(kind)
    return shown | ({"red: a seed below the floor"} if low else set())


def limits(runs, of_points, claim: str) -> tuple[float, float]:
    """The ends of a panel's axis: all that is drawn and chance, or zero where there is none."""
    here = of_points[of_points["claim"] == claim]
    seen = [runs[key] for key in ("value", "floor", "chance")]
    seen += [here["t95_low"], here["t95_high"]]
    numbers = np.concatenate([np.asarray(one, float) for one in seen])
    if runs["chance"].isna().all():
        numbers = np.append(numbers, 0.0)
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin
