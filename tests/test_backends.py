"""Which backend Keras takes, and its lean import."""

import subprocess
import sys

import pytest

from mmtutorial import TutorialError, backends


def test_the_backend_comes_from_the_environment_then_from_keras_own_file(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert backends.backend() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "plaidml"}')
    with pytest.raises(TutorialError, match="'plaidml'"):
        backends.backend()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert backends.backend() == "tensorflow"


@pytest.mark.slow
def test_a_lean_import_loads_less_and_spoils_nothing():
    code = """
import sys
from mmtutorial.backends import lean_keras
with lean_keras():
    import keras
print("sklearn" in sys.modules, "matplotlib" in sys.modules)
import sklearn.linear_model, matplotlib.pyplot, numpy as np
print(keras.Sequential([keras.layers.Dense(2)])(np.ones((1, 3))).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n(1, 2)\n"


def test_what_is_imported_already_stays():
    import sklearn

    with backends.lean_keras():
        assert sys.modules["sklearn"] is sklearn
    assert sys.modules["sklearn"] is sklearn
