import json
import os
import subprocess
import sys

import pytest
from tiny_lessons import write_lesson

from mmtutorial.course import runner

STARTUP = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795817469.900517   10082 cudart_stub.cc:31] Could not find cuda drivers.
E0000 00:00:1795817469.900517 10082 cuda_dnn.cc:8310] Unable to register cuDNN factory
2026-01-31 09:00:00.123456: E external/xla/cuda.cc:477] Unable to register cuFFT factory
"""
LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def python(code, folder=None, **variables):
    """What a new Python writes to its standard error while it runs ``code``."""
    environment = {name: value for name, value in os.environ.items() if name != LEVEL}
    if folder is not None:
        environment["PYTHONPATH"] = str(folder)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ).stderr


@pytest.fixture
def loud(tmp_path):
    """A folder with a ``tensorflow`` that writes to file descriptor 2 and then does ``more``."""

    def write(more=""):
        package = tmp_path / "tensorflow"
        package.mkdir()
        text = f"import os, sys\nos.write(2, {STARTUP.encode()!r})\n{more}\n"
        (package / "__init__.py").write_text(text)
        return tmp_path

    return write


def test_the_log_lines_of_an_import_are_dropped_and_nothing_after_it(loud):
    folder = loud()
    assert python("import tensorflow", folder) == STARTUP
    code = "import mmtutorial, tensorflow, os; os.write(2, b'I0000 after')"
    assert python(code, folder) == "I0000 after"


def test_other_lines_of_an_import_are_kept(loud):
    folder = loud("print('tensorflow needs a newer protobuf', file=sys.stderr)")
    assert python("import mmtutorial, tensorflow", folder) == "tensorflow needs a newer protobuf\n"


def test_a_failed_import_shows_all_that_it_wrote_and_its_traceback(loud):
    error = python("import mmtutorial, tensorflow", loud("raise ImportError('no such symbol')"))
    assert error.startswith(STARTUP)
    assert error.endswith("ImportError: no such symbol\n")


def test_who_asks_for_the_log_gets_it(loud):
    assert python("import mmtutorial, tensorflow", loud(), **{LEVEL: "0"}) == STARTUP


def test_an_import_works_where_standard_error_is_closed(loud, tmp_path):
    folder, done = loud(), tmp_path / "done"
    (folder / "tensorflow" / "__init__.py").write_text(f"open({str(done)!r}, 'w').close()")
    python("import os; os.close(2); import mmtutorial, tensorflow", folder)
    assert done.exists()


def test_importing_the_package_imports_no_keras_and_no_tensorflow():
    code = (
        "import sys, mmtutorial, os\n"
        "os.write(2, str({'keras', 'tensorflow', 'numpy'} & set(sys.modules)).encode())"
    )
    assert python(code) == "set()"


@pytest.mark.slow
def test_a_training_writes_nothing():
    code = (
        "import mmtutorial.matching.contrastive, keras, numpy as np\n"
        "model = keras.Sequential([keras.layers.Dense(2)])\n"
        "model.compile('adam', 'mse')\n"
        "model.fit(np.zeros((8, 4)), np.zeros((8, 2)), verbose=0)"
    )
    assert python(code) == ""


@pytest.mark.slow
def test_the_check_writes_nothing():
    assert python("from mmtutorial.cli import main; main(['check'])") == ""


@pytest.mark.slow
def test_a_lesson_that_imports_keras_has_no_error_stream(tmp_path):
    notebooks, results = tmp_path / "notebooks", tmp_path / "results"
    notebooks.mkdir()
    write_lesson(notebooks, body=["import keras", "keras.ops.ones(3)"])
    (notebooks / "profiles.yaml").write_text("quick: {}\nfull: {}\n")
    (metrics,) = runner.run(notebooks=notebooks, results=results)
    assert metrics["status"] == "passed", metrics["error"]
    executed = json.loads((results / "demo-quick/00_tiny/notebook.ipynb").read_text("utf-8"))
    streams = [
        output.get("name") for cell in executed["cells"] for output in cell.get("outputs", [])
    ]
    assert "stdout" in streams
    assert "stderr" not in streams
