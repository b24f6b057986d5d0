"""Which backend Keras takes, and its import without what only its extras want."""

import contextlib
import importlib.util
import json
import os
import sys
from pathlib import Path

from mmtutorial import TutorialError

BACKENDS = ("tensorflow", "jax", "torch")


def backend() -> str:
    """The Keras backend that lessons will use: KERAS_BACKEND, or else Keras's own setting.

    Raises ``TutorialError`` for one that is unknown or not installed. Does not import Keras.
    """
    chosen = os.environ.get("KERAS_BACKEND")
    if not chosen:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        with contextlib.suppress(OSError, ValueError):
            chosen = json.loads((home / "keras.json").read_text("utf-8")).get("backend")
    chosen = chosen or "tensorflow"
    if chosen not in BACKENDS:
        raise TutorialError(
            f"the Keras backend is set to {chosen!r}; set KERAS_BACKEND to one of "
            f"{', '.join(BACKENDS)}, or unset it to use tensorflow"
        )
    if importlib.util.find_spec(chosen) is None:
        raise TutorialError(
            f"the Keras backend {chosen!r} is not installed; pip install 'mmtutorial[{chosen}]', "
            "or unset KERAS_BACKEND to use tensorflow"
        )
    return chosen


@contextlib.contextmanager
def lean_keras():
    """Import Keras inside this, and it takes two thirds of the time.

    Keras imports scikit-learn, Matplotlib and JAX where it finds them, for a wrapper, a plot and a
    callback; TensorFlow imports JAX for a converter. Inside, they are not found, unless they are
    imported already or JAX is the backend. Afterwards whoever wants them imports them as usual.
    """
    spared = {"sklearn", "matplotlib", "jax"} - {backend()} - set(sys.modules)
    sys.modules.update(dict.fromkeys(spared))  # type: ignore[arg-type]  # None: is not found
    try:
        yield
    finally:
        for name in spared:
            del sys.modules[name]
