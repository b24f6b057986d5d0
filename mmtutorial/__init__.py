"""mmtutorial: multimodal product search, step by step.

The lessons live in ``notebooks/``; every idea they write out is kept here as a small module, one
folder a part of the course: ``metrics``, ``catalogue``, ``encoders``, ``matching``, ``search``,
``benchmark``, ``shop``, ``course``. Importing this package imports none of them; it only arranges
that TensorFlow, if it is imported later, starts without its log lines.
"""

from mmtutorial import silence

__version__ = "0.1.0"


class TutorialError(ValueError):
    """Something the user can put right: the message names what was wrong and the remedy."""


silence.begin()
