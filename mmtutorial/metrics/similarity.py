"""How near two vectors are: dot product, cosine, Euclidean distance (lesson 06).

Each takes ``(n_queries, dim)`` and ``(n_products, dim)`` float arrays and returns
``(n_queries, n_products)``; higher is nearer, so the Euclidean distance is negated.
"""

import numpy as np
from numpy.typing import ArrayLike


def unit_length(x: ArrayLike) -> np.ndarray:
    """Rows of a ``(n, dim)`` array brought to length 1, float32; a row of zeros stays zero.

    >>> unit_length([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    x = np.asarray(x, dtype="float32")
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def dot(queries: ArrayLike, products: ArrayLike) -> np.ndarray:
    """The dot product: grows with the lengths, and the smaller the angle.

    >>> dot([[1.0, 0.0]], [[2.0, 2.0], [0.9, 0.1]]).tolist()
    [[2.0, 0.9]]
    """
    return np.asarray(queries) @ np.asarray(products).T


def cosine(queries: ArrayLike, products: ArrayLike) -> np.ndarray:
    """The cosine of the angle, from -1 to 1: the lengths do not count.

    >>> cosine([[1.0, 0.0]], [[2.0, 2.0], [0.9, 0.1]]).round(2)
    array([[0.71, 0.99]], dtype=float32)
    """
    return dot(unit_length(queries), unit_length(products))


def euclidean(queries: ArrayLike, products: ArrayLike) -> np.ndarray:
    """The negated Euclidean distance, at most 0.

    >>> euclidean([[0.0, 0.0]], [[3.0, 4.0], [1.0, 0.0]]).tolist()
    [[-5.0, -1.0]]
    """
    queries, products = np.asarray(queries), np.asarray(products)
    lengths = (queries**2).sum(axis=1)[:, None] + (products**2).sum(axis=1)
    return -np.sqrt(np.maximum(lengths - 2 * dot(queries, products), 0))
