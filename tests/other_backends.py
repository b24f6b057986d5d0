"""The same code under another Keras backend, in a process of its own: only there can it be set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

each_other_backend = pytest.mark.parametrize("backend", ["jax", "torch"])

TESTS = Path(__file__).parent
FIND_TESTS = f"import sys; sys.path[:0] = {[str(TESTS), str(TESTS / 'matching')]!r}\n"
REPORT = """
import json
import keras
print(json.dumps([keras.backend.backend(), report]))
"""


def run_on(backend, code):
    """What ``code`` left in its variable ``report``; it may import the test modules.

    Skips the test where the backend is not installed.
    """
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", FIND_TESTS + code + REPORT],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    used, report = json.loads(done.stdout.splitlines()[-1])
    assert used == backend
    return report
