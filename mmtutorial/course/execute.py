"""One lesson, executed in a process of its own: ``python -m mmtutorial.course.execute``.

The runner writes a job (JSON, one line) to its standard input and holds that pipe open. When the
pipe closes, because the runner was interrupted or killed, this process takes its kernel down and
ends. Progress goes out as JSON lines. What the lesson leaves is gathered in a folder beside its
final place and moved there at the end, so that a kill at any moment leaves the old or the new.
"""

import itertools
import json
import os
import re
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

import nbformat
import psutil

from mmtutorial.course.lesson_page import save_figures, save_html
from mmtutorial.course.lessons import read_notebook
from mmtutorial.course.results import RESULTS_MIME, holds, number

START_SECONDS = 120
CELL_SECONDS = 2 * 3600
_LAST_WORD = threading.Lock()  # held by what decides whether the lesson's results are kept


def main() -> None:
    """Read the job, execute it, leave the lesson's folder."""
    speak = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # the kernel inherits 1 and 2: what libraries print there goes to the log
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    folder = Path(job["working"])
    try:
        metrics = {**job["metrics"], **run_lesson(job, folder, speak)}
        if metrics["status"] == "passed":
            (folder / "log.txt").unlink(missing_ok=True)
        with _LAST_WORD:
            write_json(folder / "metrics.json", metrics)
            replace_folder(folder, Path(job["folder"]))
    except OSError as error:  # the results folder: full, gone or read-only
        print(json.dumps({"disk": [error.errno, error.strerror or str(error)]}), file=speak)
        sys.exit(1)


def _end_with_the_runner() -> None:
    sys.stdin.read()  # returns when the runner's end of the pipe is closed
    with _LAST_WORD:  # or else the killed kernel would be kept as the lesson's failure
        kill_below(os.getpid())
        os._exit(1)


def kill_below(pid: int) -> None:
    """Kill all processes below ``pid``, those too that start meanwhile."""
    try:
        while below := psutil.Process(pid).children(recursive=True):
            for process in below:
                process.kill()
            psutil.wait_procs(below, timeout=5)
    except psutil.NoSuchProcess:
        pass


def run_lesson(job: dict, folder: Path, speak: TextIO) -> dict:
    """Execute the notebook into ``folder``; what it came to, as part of metrics.json."""
    import papermill
    from papermill.engines import NBClientEngine, papermill_engines

    class Telling(NBClientEngine):
        """papermill's own engine, telling the runner about each cell that is done."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
            complete = nb_man.cell_complete

            def tell(cell: Any, cell_index: int, **kw: Any) -> None:
                complete(cell, cell_index=cell_index, **kw)
                print(json.dumps({"cell": cell_index + 1, "of": len(nb_man.nb.cells)}), file=speak)

            nb_man.cell_complete = tell
            return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)

    papermill_engines.register("telling", Telling)
    executed = folder / "notebook.ipynb"
    error, started = "", time.perf_counter()
    try:
        papermill.execute_notebook(
            _literal(job["notebook"]),
            _literal(executed),
            parameters=job["parameters"],
            engine_name="telling",
            kernel_name="python3",
            kernel_manager_class=_own_kernel(),
            cwd=job["cwd"],
            request_save_on_cell_execute=True,
            progress_bar=False,
            start_timeout=START_SECONDS,
            execution_timeout=CELL_SECONDS,
        )
    except papermill.PapermillExecutionError as stopped:
        error = _explain(stopped.ename, stopped.evalue, stopped.traceback)
    except OSError:
        raise
    except Exception as stopped:  # a kernel that died or never answered, a cell too slow
        traceback.print_exc()
        error = f"{type(stopped).__name__}: {str(stopped).strip().splitlines()[0]}"
    seconds = time.perf_counter() - started
    notebook = read_notebook(executed) if executed.exists() else None
    claims, figures = [], []
    if notebook is not None:
        claims, figures = recorded(notebook), save_figures(notebook, folder)
        save_html(notebook, folder / "notebook.html")
        if error:
            error = f'cell "{stopped_cell(notebook)}": {error}'
    error = error or broken_claims(claims, job["strict"])
    return {
        "status": "failed" if error else "passed",
        "error": error,
        "claims": claims,
        "figures": figures,
        "seconds": round(seconds, 1),
        "peak_memory_mb": _peak_memory_mb(),
    }


def _literal(path: str | Path) -> str:
    return str(path).replace("{", "{{").replace("}", "}}")  # papermill formats paths


def _own_kernel() -> type:
    """A manager that starts this interpreter as ``python3``, whatever kernels are installed."""
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    class OwnKernel(AsyncKernelManager):
        kernel_spec = KernelSpec(**get_kernel_dict())

    return OwnKernel


def _explain(ename: str, evalue: str, lines: list[str]) -> str:
    """The exception; and, where it is none of ours with a remedy, the cell's line that did it."""
    text = f"{ename}: {evalue}".strip()
    if ename == "TutorialError":
        return text
    trace = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", "\n".join(lines)).splitlines()
    starts = [place for place, line in enumerate(trace) if line.startswith("Cell In[")]
    if not starts:
        return text
    shown = itertools.takewhile(str.strip, trace[starts[-1] : starts[-1] + 12])
    return "\n".join([text, *(f"    {line}" for line in shown)])


def stopped_cell(notebook: nbformat.NotebookNode) -> str:
    """The id of the cell where execution ended: the one that raised, or else the last begun."""
    last = notebook.cells[0].id
    for cell in notebook.cells:
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return cell.id
        if cell.metadata.get("papermill", {}).get("start_time"):
            last = cell.id
    return last


def recorded(notebook: nbformat.NotebookNode) -> list[dict]:
    """The claims in the outputs of an executed notebook: those of the last Results shown."""
    claims = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if RESULTS_MIME in output.get("data", {}):
                claims = output.data[RESULTS_MIME]["claims"]
    return claims


def broken_claims(claims: list[dict], strict: bool) -> str:
    """What keeps recorded claims from passing, or nothing.

    ``strict``: a missed floor does, where the lesson promises to reach it on this catalogue.

    >>> claim = {"name": "R@10", "value": 0.5, "floor": 0.75, "promised": True}
    >>> broken_claims([claim], strict=True)
    'claim: "R@10" is 0.500, below its floor 0.750'
    """
    if not claims:
        return (
            "the lesson recorded nothing: its last code cell, tagged `results`, must record at "
            "least one number and end with the Results object"
        )
    return "\n".join(
        f'claim: "{claim["name"]}" is {number(claim["value"])}, below its floor '
        f"{number(claim['floor'])}"
        for claim in claims
        if strict and claim["promised"] and holds(claim["value"], claim["floor"]) is False
    )


def _peak_memory_mb() -> int | None:
    """The most memory that the kernel, ended by now, held at a time; None where unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))


def write_json(path: Path, content: object) -> None:
    """Write JSON whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def replace_folder(working: Path, final: Path) -> None:
    """Move a finished folder to its place, over what an earlier run left there."""
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    working.rename(final)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    main()
