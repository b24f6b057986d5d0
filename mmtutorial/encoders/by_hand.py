"""Written out to be read: a convolution, a pooling, a principal component analysis (lesson 03)."""

from typing import NamedTuple

import numpy as np

from mmtutorial import TutorialError


def conv2d(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: float | np.ndarray = 0.0,
    strides: int = 1,
    padding: str = "valid",
) -> np.ndarray:
    """What ``keras.layers.Conv2D`` computes, on arrays: lay the kernel on every window, sum up.

    Parameters
    ----------
    x : ``(batch, height, width, channels)`` float
    kernel : ``(k_height, k_width, channels, filters)`` float
    bias : a number, or ``(filters,)``
    strides : how many pixels the window moves at a time, down and across
    padding : "valid" keeps inside the picture; "same" puts zeros around it, so that with
        strides 1 the output is as large as the input

    Returns
    -------
    ``(batch, out_height, out_width, filters)`` float

    The kernel is not flipped: mathematics calls this a cross-correlation. Defined in lesson 03.

    >>> stripe = np.array([[0.0, 0.0, 1.0, 0.0, 0.0]]).reshape(1, 1, 5, 1)
    >>> edge = np.array([-1.0, 1.0]).reshape(1, 2, 1, 1)  # right pixel less left pixel
    >>> conv2d(stripe, edge).ravel().tolist()
    [0.0, 1.0, -1.0, 0.0]
    """
    x, kernel = np.asarray(x), np.asarray(kernel)
    if x.shape[-1] != kernel.shape[2]:
        raise TutorialError(
            f"the picture has {x.shape[-1]} channels and the kernel reads {kernel.shape[2]}: "
            "they must be the same"
        )
    windows = _windows(x, kernel.shape[:2], strides, padding)
    return np.einsum("bijckl,klcf->bijf", windows, kernel) + bias


def max_pool(x: np.ndarray, size: int = 2) -> np.ndarray:
    """What ``keras.layers.MaxPooling2D`` computes, on arrays: the largest value of each block.

    ``(batch, height, width, channels)`` → ``(batch, height // size, width // size, channels)``;
    rows and columns that fill no whole block are dropped. Defined in lesson 03.

    >>> max_pool(np.arange(16).reshape(1, 4, 4, 1)).reshape(2, 2).tolist()
    [[5, 7], [13, 15]]
    """
    return _windows(np.asarray(x), (size, size), size, "valid").max(axis=(-2, -1))


def _windows(x, size, strides, padding):
    """All windows of a picture: ``(batch, out_height, out_width, channels, *size)``, a view."""
    if padding not in ("valid", "same"):
        raise TutorialError(f"padding is 'valid' or 'same', not {padding!r}")
    if padding == "same":
        missing = [  # so many zeros, half of them before and the odd one behind
            max((-(-n // strides) - 1) * strides + k - n, 0)
            for n, k in zip(x.shape[1:3], size, strict=True)
        ]
        x = np.pad(x, [(0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)])
    if any(n < k for n, k in zip(x.shape[1:3], size, strict=True)):
        raise TutorialError(
            f"a window of {size[0]} × {size[1]} does not fit into a picture of "
            f"{x.shape[1]} × {x.shape[2]}: use a smaller one"
        )
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))
    return windows[:, ::strides, ::strides]


class PCA(NamedTuple):
    """The directions in which vectors differ most; ``fit_pca`` finds them. Defined in lesson 03.

    ``mean``: ``(width,)``; ``directions``: ``(n, width)``, of unit length, at right angles, the
    greatest variance first; ``share``: ``(n,)``, how much of all variance lies along each.
    """

    mean: np.ndarray
    directions: np.ndarray
    share: np.ndarray

    def encode(self, x: np.ndarray) -> np.ndarray:
        """``(rows, width)`` → ``(rows, n)``: how far each row lies along each direction."""
        return (np.asarray(x) - self.mean) @ self.directions.T


def fit_pca(x: np.ndarray, n: int) -> PCA:
    """Principal component analysis of ``(rows, width)`` float, from train only → ``PCA``.

    By singular value decomposition of the centred rows (Jolliffe & Cadima 2016,
    doi:10.1098/rsta.2015.0202). A direction's sign means nothing: its largest entry is made
    positive, as scikit-learn does. Defined in lesson 03.

    Raises ``TutorialError`` where ``n`` is not in 1 … min(rows, width), or all rows are equal.

    >>> pca = fit_pca(np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]), 1)  # all on one line
    >>> pca.directions.round(2).tolist(), pca.share.round(2).tolist()
    ([[0.71, 0.71]], [1.0])
    """
    x = np.asarray(x)
    if not 1 <= n <= min(x.shape):
        raise TutorialError(
            f"{n} directions of {x.shape[0]} rows with {x.shape[1]} numbers: choose from 1 to "
            f"{min(x.shape)}"
        )
    mean = x.mean(axis=0)
    _, lengths, directions = np.linalg.svd(x - mean, full_matrices=False)
    variance = lengths**2
    if not variance.sum() > 0:
        raise TutorialError("all rows are equal, or not finite: there is nothing that varies")
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    return PCA(mean, (signs[:, None] * directions)[:n], (variance / variance.sum())[:n])
