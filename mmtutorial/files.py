"""Files that are read back: whole, of the right shape, or refused; and disks that are full.

What a user can copy, cut or edit (a model's folder, a saved search, a checkpoint in the cache) is
read with ``read_json``, ``read_array`` and ``read_arrays``, or inside ``intact``. They raise
``DamagedFile``, which names the file, what is wrong with it, and the remedy. No pickle is ever
opened, so that a foreign file cannot run code. What is written goes through ``replacing`` (whole,
or not at all) and ``writing`` (a full disk becomes a ``TutorialError``).
"""

import contextlib
import errno
import hashlib
import inspect
import json
import math
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmtutorial import TutorialError

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # no space, or none for this user


class DamagedFile(TutorialError):
    """A saved file that is missing, cut, altered, or of another version."""


# Reading ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def intact(path: str | Path, remedy: str) -> Iterator[None]:
    """Turn whatever goes wrong while ``path`` is read into a ``DamagedFile`` with a ``remedy``.

    zip, HDF5, JSON, NumPy and Keras raise a dozen kinds of errors for a damaged file.
    """
    try:
        yield
    except (DamagedFile, MemoryError):  # too little memory says nothing about the file
        raise
    except FileNotFoundError as fault:
        raise DamagedFile(f"there is no {fault.filename or path}; {remedy}") from fault
    except Exception as fault:
        lines = str(getattr(fault, "strerror", None) or fault).strip().splitlines()
        plain = isinstance(fault, TutorialError) or type(fault) is ValueError
        reason = " ".join([*([] if plain else [f"{type(fault).__name__}:"]), *lines[:1]])
        raise DamagedFile(
            f"{path} cannot be read ({reason.rstrip('.:')}): it is damaged, or was saved by "
            f"another version; {remedy}"
        ) from fault


def read_json(path: str | Path, remedy: str, keys: dict[str, type] | None = None) -> dict:
    """The object in a JSON file: a dict.

    ``keys``: name → type (``int``, ``float``, ``bool``, ``str``, ``list``, ``dict``). The object
    then has exactly these names; ``float`` stands for a finite number, whole or not.
    """
    with intact(path, remedy):
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        wanted = keys or dict.fromkeys(content)
        for what, names in (
            ("lacks", wanted.keys() - content),
            ("knows no", content - wanted.keys()),
        ):
            if names:
                raise ValueError(f"it {what} {sorted(names)[0]!r}")
        for name, kind in (keys or {}).items():
            if not is_a(content[name], kind):
                raise ValueError(f"{name!r} is {content[name]!r:.50}, not {kind.__name__}")
    return content


def is_a(value: Any, kind: type) -> bool:
    """Whether a value out of JSON is of that type; ``float``: a finite number, whole or not.

    >>> is_a(1, float), is_a(1.0, int), is_a(True, int), is_a(float("nan"), float)
    (True, False, False, False)
    """
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind  # True is no int here


def are_texts(values: Any) -> bool:
    """Whether a value out of JSON is a list of texts.

    >>> are_texts(["red", "hat"]), are_texts(["red", 5]), are_texts("red")
    (True, False, False)
    """
    return is_a(values, list) and all(is_a(each, str) for each in values)


def read_array(
    path: str | Path,
    remedy: str,
    shape: tuple[int | None, ...],
    dtype: type,
    mapped: bool = False,
) -> np.ndarray:
    """The array in a ``.npy`` file, of that ``shape`` (None: any length) and kind of ``dtype``.

    Its shape is looked at before any memory is taken. Float values must be finite. With ``mapped``
    it is memory-mapped.
    """
    with intact(path, remedy):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        _check(array, shape, dtype)
        return array if mapped else np.array(array)


def read_arrays(path: str | Path, remedy: str, like: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays in an ``.npz`` file: exactly the names of ``like``, as a dict.

    ``like``: name → anything with a ``shape`` and a ``dtype``, such as a Keras variable; the array
    has the same shape and the same kind of numbers, in any precision. Float values are finite.
    """
    with intact(path, remedy):
        size = Path(path).stat().st_size
        with zipfile.ZipFile(path) as archive:  # np.savez stores as it is: nothing can unfold
            if any(member.file_size > size for member in archive.infolist()):
                raise ValueError("it is compressed, and larger than its file")
        with np.load(path, allow_pickle=False) as file:
            if set(file.files) != set(like):
                raise ValueError(f"it holds {len(file.files)} arrays that are not those expected")
            found = {name: file[name] for name in like}
        for name, array in found.items():
            kind = np.dtype(like[name].dtype).type.__mro__[1]  # float32 → floating
            _check(array, tuple(like[name].shape), kind, name)
    return found


def _check(array, shape, dtype, name="the array"):
    if not isinstance(array, np.ndarray):
        raise ValueError("it holds no array")
    fits = len(shape) == array.ndim and all(
        wanted in (None, n) for wanted, n in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = " × ".join("any" if n is None else f"{n:,}" for n in shape) or "one number"
        raise ValueError(f"{name} is {' × '.join(map(str, array.shape))}, expected {wanted}")
    if not np.issubdtype(array.dtype, dtype):
        raise ValueError(f"{name} holds {array.dtype}, expected {dtype.__name__}")
    if array.size and array.dtype.kind == "f" and not np.isfinite([array.min(), array.max()]).all():
        raise ValueError(f"{name} is not finite: it holds NaN or infinite values")


# Writing ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives the name of a file to write; it takes the place of ``path`` if all went well.

    So ``path`` is whole at any time: the old one or the new one, whenever the power or Ctrl-C
    cuts in.
    """
    path = Path(path)
    arriving = path.with_name(f"arriving-{path.name}")
    try:
        yield arriving
        os.replace(arriving, path)
    finally:
        arriving.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(folder: str | Path, elsewhere: str, state: str | Path | None = None) -> Iterator[None]:
    """Turn a refusal to write into ``folder`` into a ``TutorialError`` with its remedies.

    ``elsewhere`` says how another folder is chosen. ``state`` is the file that a training goes on
    from: if it is there, the message says so.
    """
    try:
        yield
    except TutorialError:
        raise
    except Exception as fault:
        if _is_full(fault):
            reason = f"no space left on the disk of {folder}: free some"
        elif isinstance(fault, OSError):
            reason = f"cannot write into {folder} ({fault}): make it writable"
        else:
            raise
        kept = state is not None and Path(state).exists()
        goes_on = f". What was trained so far is kept in {state}: the same call goes on from it"
        raise TutorialError(f"{reason}, or {elsewhere}{goes_on if kept else ''}") from fault


def _is_full(fault):
    """Whether the disk is full: TensorFlow and HDF5 keep the words of the error, not its number."""
    while fault is not None:
        for number in FULL:
            if getattr(fault, "errno", None) == number or os.strerror(number) in str(fault):
                return True
        fault = fault.__cause__ or fault.__context__
    return False


# Names in the cache -----------------------------------------------------------------------------


def checkpoint_key(
    version: int,
    settings: Any,
    data: Iterable[str | bytes | np.ndarray],
    code: Iterable = (),
) -> str:
    """24 hex digits, the name of a checkpoint: another one where anything below is another one.

    It does not cover the versions of Keras, its backend and NumPy, nor what ``code`` calls beyond
    its own text.

    Parameters
    ----------
    version : raised by hand when old checkpoints must not be found any more
    settings : what JSON can hold
    data : texts, bytes or arrays that the training sees
    code : modules, classes and functions that shape the result; their source text counts, not
        where their file lies

    >>> one, other = (checkpoint_key(1, {"epochs": n}, ["a title"]) for n in (5, 6))
    >>> len(one), one == other
    (24, False)
    """
    digest = hashlib.blake2b(digest_size=12)
    parts = [json.dumps([version, settings], sort_keys=True), *map(_source, code), *data]
    for part in parts:
        part = part.encode() if isinstance(part, str) else np.ascontiguousarray(part).data
        digest.update(f"{memoryview(part).nbytes} ".encode())  # "ab", "c" is not "a", "bc"
        digest.update(part)
    return digest.hexdigest()


def _source(code):
    try:
        return inspect.getsource(code)
    except (OSError, TypeError) as fault:
        raise TutorialError(
            f"the source of {code!r} cannot be read, and a checkpoint is known by it: write it "
            "with def, in a cell or a file"
        ) from fault
