"""``mmtutorial check``: is this machine ready for the course? Each fault comes with its remedy."""

import contextlib
import html
import os
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from mmtutorial import TutorialError, __version__
from mmtutorial.backends import backend
from mmtutorial.paths import ROOT, cache_home, results_home

PYTHONS = ((3, 10), (3, 13))
DISK_GB = 3
MEMORY_GB = 4


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``status``: "ok", "note" (the course runs) or "fault" (it does not)."""

    what: str
    status: str
    found: str
    remedy: str = ""


class Report(list):
    """The findings; shows itself as a table. ``ok`` is False where any is a fault."""

    @property
    def ok(self) -> bool:
        return all(finding.status != "fault" for finding in self)

    @property
    def verdict(self) -> str:
        if self.ok:
            return "Ready for the course."
        faults = ", ".join(one.what for one in self if one.status == "fault")
        return f"Not ready yet; put right: {faults}."

    def __repr__(self) -> str:
        width = max(len(one.what) for one in self)
        lines = []
        for one in self:
            lines.append(f"{_SIGNS[one.status]} {one.what:<{width}}  {one.found}")
            if one.remedy:
                lines.append(f"  {'':<{width}}  → {one.remedy}")
        return "\n".join([*lines, "", self.verdict])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="color: {_COLOURS[one.status]}">{_SIGNS[one.status]}</td>'
            f'<td style="text-align: left">{html.escape(one.what)}</td>'
            f'<td style="text-align: left">{html.escape(one.found)}'
            + (f"<br>→ {html.escape(one.remedy)}" if one.remedy else "")
            + "</td></tr>"
            for one in self
        )
        return f"<table><tbody>{rows}</tbody></table><p><b>{html.escape(self.verdict)}</b></p>"


_SIGNS = {"ok": "✓", "note": "!", "fault": "✗"}
_COLOURS = {"ok": "#2e7d32", "note": "#b26a00", "fault": "#b3261e"}


def report(gpu: bool = False) -> Report:
    """Look at everything; ``gpu`` makes a missing GPU a fault. Lesson 00's first cell."""
    return Report(
        [
            check_python(),
            check_environment(),
            *check_backend(gpu),
            *check_versions(ROOT / "requirements.lock"),
            check_demo(),
            check_fashion(),
            check_disk(),
            check_memory(),
        ]
    )


def check_python(version: tuple = sys.version_info) -> Finding:
    """Python 3.10 to 3.13."""
    found = ".".join(str(part) for part in version[:3])
    if PYTHONS[0] <= tuple(version[:2]) <= PYTHONS[1]:
        return Finding("Python", "ok", found)
    return Finding(
        "Python",
        "fault",
        f"{found}, but the course needs 3.10 to 3.13",
        "delete .venv and run `make run PYTHON=python3.12`, or use conda: environment.yml",
    )


def check_environment() -> Finding:
    """An environment of its own, so that nothing else's versions get in the way."""
    if sys.prefix != sys.base_prefix or os.environ.get("CONDA_PREFIX"):
        return Finding("environment", "ok", sys.prefix)
    return Finding(
        "environment",
        "note",
        f"the system's own Python, {sys.prefix}",
        "`make run` makes a .venv; or `conda env create -f environment.yml`",
    )


def versions() -> dict[str, str]:
    """What a lesson's numbers depend on: Python, the package, Keras, its backend, NumPy."""
    found = {"python": sys.version.split()[0], "mmtutorial": __version__, "backend": backend()}
    for name in ("keras", found["backend"], "keras-hub", "numpy", "pandas", "scikit-learn"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def check_backend(gpu: bool = False) -> list[Finding]:
    """Keras starts on the chosen backend, and has a GPU where one is asked for."""
    try:
        chosen = backend()
    except TutorialError as error:
        found, _, remedy = str(error).partition("; ")
        return [Finding("Keras backend", "fault", found, remedy)]
    try:
        import keras

        from mmtutorial.devices import devices, has_gpu, require_gpu

        found = ", ".join(devices())
        findings = [Finding("Keras backend", "ok", f"Keras {keras.__version__} on {chosen}")]
    except Exception as error:  # a broken installation can fail in any way
        return [
            Finding(
                "Keras backend",
                "fault",
                f"Keras does not start on {chosen}: {type(error).__name__}: {error}",
                "delete .venv and run `make run` to install anew",
            )
        ]
    if has_gpu():
        return [*findings, Finding("device", "ok", found)]
    if not gpu:
        return [*findings, Finding("device", "ok", f"{found} (no GPU; the course needs none)")]
    try:
        require_gpu()
    except TutorialError as error:
        found, _, remedy = str(error).partition("; ")
    return [*findings, Finding("device", "fault", found, remedy)]


def check_versions(lock: Path) -> list[Finding]:
    """What is installed, against the lock file: what the course was measured with."""
    from packaging.requirements import Requirement

    if not lock.exists():
        return [Finding("packages", "note", f"no {lock.name} here to compare with")]
    lines = [line.split("#")[0].strip() for line in lock.read_text("utf-8").splitlines()]
    locked = [Requirement(line) for line in lines if line]
    locked = [one for one in locked if one.marker is None or one.marker.evaluate()]
    missing, other = [], []
    for one in locked:
        try:
            version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            missing.append(one.name)
            continue
        if not one.specifier.contains(version, prereleases=True):
            other.append(f"{one.name} {version} (lock: {str(one.specifier).lstrip('=')})")
    needed = _needed()
    lacking = [name for name in missing if name.lower().replace("_", "-") in needed]
    optional = [name for name in missing if name not in lacking]
    install = f"pip install -r {lock.name}"
    findings = []
    if lacking:
        findings.append(Finding("packages", "fault", f"missing: {', '.join(lacking)}", install))
    if other:
        found = f"{len(other)} of {len(locked)} differ from the lock: {_some(other)}"
        remedy = f"nothing, if the lessons pass; else {install}"
        findings.append(Finding("packages", "note", found, remedy))
    if not lacking and not other:
        found = f"{len(locked) - len(missing)} of {len(locked)} as locked"
        if optional:
            found += f"; not installed, for tests or extras: {_some(optional)}"
        findings.append(Finding("packages", "ok", found))
    return findings


def _needed() -> set[str]:
    """The names of what the package itself cannot do without."""
    from packaging.requirements import Requirement

    declared = [Requirement(line) for line in metadata.requires("mmtutorial") or []]
    return {
        one.name.lower().replace("_", "-")
        for one in declared
        if one.marker is None or one.marker.evaluate({"extra": ""})
    }


def _some(names: list[str], max_names: int = 5) -> str:
    more = f" and {len(names) - max_names} more" if len(names) > max_names else ""
    return ", ".join(names[:max_names]) + more


def check_demo() -> Finding:
    """The drawn shop: made by the first lesson that loads it."""
    if list((cache_home() / "shops").glob("demo-*")):
        return Finding("demo catalogue", "ok", f"drawn, in {cache_home()}")
    return Finding("demo catalogue", "ok", "not drawn yet; the first lesson does it, in seconds")


def check_fashion() -> Finding:
    """The real catalogue: optional."""
    from mmtutorial.catalogue import fashion

    try:
        source = fashion.find()
    except TutorialError as error:
        found, _, remedy = str(error).partition(". ")
        return Finding("fashion catalogue", "note", found, remedy)
    return Finding("fashion catalogue", "ok", f"in {Path(source.files[0]).parent}")


def check_disk() -> Finding:
    """Room for decoded photos, checkpoints and results."""
    where = min((_existing(cache_home()), _existing(results_home())), key=_free_gb)
    found = f"{_free_gb(where):.1f} GB free in {where}"
    if _free_gb(where) >= DISK_GB:
        return Finding("disk", "ok", found)
    return Finding(
        "disk",
        "fault",
        f"{found}; the course needs {DISK_GB} GB",
        "free some, or set MMTUTORIAL_CACHE and MMTUTORIAL_RESULTS to folders on another disk",
    )


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def _free_gb(folder: Path) -> float:
    return shutil.disk_usage(folder).free / 1e9


def check_memory() -> Finding:
    """Memory for one lesson."""
    memory = psutil.virtual_memory()
    found = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB available"
    if memory.available / 1e9 >= MEMORY_GB:
        return Finding("memory", "ok", found)
    return Finding(
        "memory",
        "note",
        f"{found}; the larger lessons take up to {MEMORY_GB} GB",
        "close other programs; run one lesson at a time (--jobs 1) with -p MAX_PRODUCTS 2000",
    )
