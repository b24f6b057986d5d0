"""What Keras computes on: the devices of the chosen backend."""

import keras

from mmtutorial import TutorialError


def devices():
    """The devices that Keras uses now, such as ``["cpu:0"]`` or ``["gpu:0", "gpu:1"]``."""
    if keras.backend.backend() == "torch":  # keras.distribution knows TensorFlow and JAX only
        import torch

        return [f"gpu:{n}" for n in range(torch.cuda.device_count())] or ["cpu:0"]
    return keras.distribution.list_devices()


def has_gpu():
    """Whether Keras computes on a GPU."""
    return any(device.startswith(("gpu", "cuda")) for device in devices())


def steps_per_call(steps):
    """How many training steps one call of the backend does, to be ``steps_per_execution``.

    For a small model the call takes longer than the step: many steps in one call save time. Keras
    with PyTorch runs one step a call, whatever it is told.
    """
    return 1 if keras.backend.backend() == "torch" else steps


def require_gpu():
    """Raise ``TutorialError`` with the remedy where there is no GPU."""
    if not has_gpu():
        raise TutorialError(
            f"a GPU was asked for, but the {keras.backend.backend()} backend sees only "
            f"{', '.join(devices())}; install the CUDA libraries (pip install 'mmtutorial[gpu]'), "
            "check that nvidia-smi lists a GPU, or go on without asking for one"
        )
