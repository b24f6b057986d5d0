"""Where things lie: what is read, what is cached, what a run leaves behind.

Inputs are read from ``MMTUTORIAL_DATA`` (default ``data/``), which may be read-only: only
``mmtutorial data get`` writes there. What we decode or train goes to ``MMTUTORIAL_CACHE`` (default
``data/cache/``), results to ``results/``. Relative paths are taken from the project's folder,
so that a notebook, the command line and a test mean the same place.
"""

import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
ROOT = _CHECKOUT if (_CHECKOUT / "notebooks").is_dir() else Path.cwd()


def _folder(variable: str, default: str) -> Path:
    return (ROOT / os.environ.get(variable, default)).resolve()


def data_home() -> Path:
    """The folder that data sets are read from, and downloaded to."""
    return _folder("MMTUTORIAL_DATA", "data")


def cache_home() -> Path:
    """The folder for what can be made again: drawn shops, decoded photos, checkpoints."""
    return _folder("MMTUTORIAL_CACHE", "data/cache")


def results_home() -> Path:
    """The folder that ``mmtutorial run`` writes to unless told otherwise."""
    return _folder("MMTUTORIAL_RESULTS", "results")
