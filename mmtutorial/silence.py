"""TensorFlow's start-up lines, kept off the screen.

While it is imported, TensorFlow's C++ code writes to file descriptor 2 before it reads its own
log level, TF_CPP_MIN_LOG_LEVEL (github.com/tensorflow/tensorflow/issues/100442), and a notebook
shows those lines in red. ``import mmtutorial`` registers ``QuietTensorFlow``, so that the import
of TensorFlow, whoever asks for it first, drops them. Nothing else is dropped: of a failed import
every line is written, and whoever sets TF_CPP_MIN_LOG_LEVEL below 3 sees all of the log.
"""

import contextlib
import os
import re
import sys
import tempfile
from importlib.machinery import PathFinder

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
NO_ERRORS = "3"  # the level that leaves fatal errors alone
# "I0000 00:00:1795.9 10082 cudart_stub.cc:31] …", "2026-01-31 09:00:00.1: E file.cc:3] …"
LOG_LINE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IWE]\d{4} \d\d:\d\d:[\d.]+ +\d+ \S+:\d+\] "
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+: [IWE] \S+:\d+\] "
)


class QuietTensorFlow:
    """A finder for ``sys.meta_path`` that finds ``tensorflow`` and imports it quietly."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = PathFinder.find_spec(name, path) if name == "tensorflow" else None
        if spec is None or spec.loader is None:
            return None  # the next finder's turn
        execute = spec.loader.exec_module

        def exec_module(module):
            with without_log_lines():
                execute(module)

        spec.loader.exec_module = exec_module
        return spec


def begin():
    """Have TensorFlow imported quietly from now on."""
    if QuietTensorFlow not in sys.meta_path:
        sys.meta_path.insert(0, QuietTensorFlow)


@contextlib.contextmanager
def without_log_lines():
    """Drop TensorFlow's log lines from file descriptor 2; if the body raises, write them all."""
    if os.environ.setdefault(LEVEL, NO_ERRORS) != NO_ERRORS:
        yield
        return
    try:
        kept = os.dup(2)
    except OSError:  # closed, as below pythonw: there is nothing to keep clean
        yield
        return
    failed = True
    with tempfile.TemporaryFile() as file:
        _flush()
        os.dup2(file.fileno(), 2)
        try:
            yield
            failed = False
        finally:
            _flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            for line in file:
                if failed or not LOG_LINE.match(line):
                    os.write(2, line)


def _flush():
    if sys.stderr is not None:
        sys.stderr.flush()
