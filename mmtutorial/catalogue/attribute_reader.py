"""Reading attribute values out of a text: in titles (lessons 01, 05) and in queries (lesson 24).

One rule for all of them: a plural is its singular, consecutive words may make up one name
("t-shirt" is "Tshirts"), and of several names that begin at a word the longest is read.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Value = TypeVar("Value")


def stem(word: str) -> str:
    """A plural's singular, by its ending: one rule for names and for what is read.

    >>> [stem(word) for word in ("watches", "dress", "men's", "tees", "us")]
    ['watch', 'dress', 'men', 'tee', 'us']
    """
    word = word.removesuffix("'s").removesuffix("’s")
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 2 else word


def joined(words: Sequence[str]) -> str:
    """What the spellings of one name have in common: its words' stems, in one.

    >>> joined(["t", "shirts"]) == joined(["tshirt"])
    True
    """
    return "".join(map(stem, words))


def read_values(
    n_words: int, named: Callable[[int, int], Value | None], max_words: int = 5
) -> Iterator[tuple[int, int, Value | None]]:
    """A text of ``n_words``, in groups that name a value, and in single words that name none.

    ``named(start, stop)`` is the value that the words from ``start`` to before ``stop`` name
    together, or None; it is asked for at most ``max_words`` words. Yields ``(start, stop, value)``
    from left to right; no word is in two groups.

    >>> text, known = "men navy blue tees".split(), {"navyblue": "Navy", "blue": "Blue"}
    >>> [*read_values(len(text), lambda start, stop: known.get(joined(text[start:stop])))]
    [(0, 1, None), (1, 3, 'Navy'), (3, 4, None)]
    """
    start = 0
    while start < n_words:
        for stop in range(min(start + max_words, n_words), start, -1):
            value = named(start, stop)
            if value is not None:
                break
        else:
            stop, value = start + 1, None
        yield start, stop, value
        start = stop
