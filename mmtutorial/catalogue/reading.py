"""Read a catalogue's files once, decode its photos once, keep both in the cache (lesson 01).

Whatever a shop sends (a parquet file, several shards, a csv with a folder of photos) becomes one
folder in the cache: ``table.parquet``, ``photos.npy`` (memory-mapped when it is opened),
``thumbnails.bin`` and ``thumbnails.npy``, ``set_aside.parquet``, ``queries.json``, ``notes.json``
and, for the demo shop, ``truth.parquet``.
It is built beside its final place and renamed there when it is whole, so a crash, a Ctrl-C or a
second process never leaves a half-made one behind.

A catalogue may come from a stranger: of photos, only regular files inside its folder are read, up
to ``MAX_BYTES`` long and ``MAX_PIXELS`` large.
"""

import contextlib
import difflib
import errno
import hashlib
import io
import json
import os
import reprlib
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from mmtutorial import TutorialError
from mmtutorial.catalogue import thumbnails
from mmtutorial.catalogue.spreadsheet import as_prices, read_csv
from mmtutorial.files import FULL, writing
from mmtutorial.paths import cache_home

COLUMNS = {
    "id": "text, names one product; required",
    "title": "what the shop calls it; required",
    "description": "a few sentences",
    "title_zh": "the title in Chinese",
    "brand": "who makes it",
    "gender": "for whom: Women, Men, Girls, ...",
    "category": "the coarsest kind, as Footwear",
    "subcategory": "the kind within it, as Shoes",
    "article_type": "the finest kind, as Sports Shoes",
    "colour": "its main colour, a word",
    "pattern": "Solid, Striped, ...",
    "season": "the season it was made for",
    "year": "text, four digits",
    "usage": "the occasion: Casual, Formal, ...",
    "price": "a number in the shop's currency; NaN where unknown",
}
REQUIRED = ("id", "title")
PICTURES = ("image", "photo", "image_large")  # columns that do not become part of the table
ATTRIBUTES = [  # the columns whose values are labels
    "brand",
    "gender",
    "category",
    "subcategory",
    "article_type",
    "colour",
    "pattern",
    "season",
    "year",
    "usage",
]

HEIGHT, WIDTH = 80, 60  # of every decoded photo, in pixels
SMALLEST = 8  # a photo with a shorter side than this shows no product
MAX_PIXELS = 60_000_000  # a small file can unpack to gigabytes: its header tells before it does
MAX_BYTES = 4 * MAX_PIXELS  # of a photo's file: about that many pixels without any compression
FORMAT = 6  # of the cached folder: raise it when what is written below changes
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
MISSING = ("", "NA", "nan", "NaN", "None", "<NA>")  # values that say nothing


class Source(NamedTuple):
    """Where a catalogue's parts lie. ``columns`` maps our column name to theirs."""

    files: list  # product files: parquet, or one csv
    columns: dict
    queries: Path | None = None
    truth: Path | None = None


# Finding ------------------------------------------------------------------------------------


def open_source(path: Path, columns: dict | None = None) -> Source:
    """The ``Source`` of a folder (``products.parquet`` or ``products.csv``) or of one such file.

    ``columns`` may also stand in a ``columns.json`` beside the products; what is passed wins.
    ``queries.json`` (qrels) and ``truth.parquet`` beside the products are taken along.
    """
    files = [path]
    folder = path.parent
    if path.is_dir():
        folder = path
        files = sorted(path.glob("products*.parquet")) or sorted(path.glob("products.csv"))
        if not files:
            try:
                found = sorted(entry.name for entry in path.iterdir())[:10]
            except OSError as fault:
                raise TutorialError(f"cannot look into {path}: {fault.strerror}") from fault
            raise TutorialError(
                f"{path} holds no products.parquet and no products.csv (found: {found}); put "
                "one there, or pass the path of your parquet or csv file itself"
            )
    if files[0].suffix not in (".parquet", ".csv"):
        raise TutorialError(f"{files[0]} is no catalogue: expected a .parquet or a .csv file")
    beside = [folder / name for name in ("columns.json", "queries.json", "truth.parquet")]
    mapping, queries, truth = (place if place.exists() else None for place in beside)
    for file in filter(None, [*files, mapping, queries, truth]):
        if not file.is_file():  # to open a pipe would wait for ever, to read a device too
            raise TutorialError(
                f"{file} is not a file, or a link that leads nowhere: put a regular file there"
            )
    theirs = read_json(mapping) if mapping else {}
    return Source(files, {**theirs, **(columns or {})}, queries, truth)


def read_json(path: Path) -> dict:
    """The dict in a JSON file; a ``TutorialError`` names the file that holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as fault:
        raise TutorialError(f"cannot read {path}: {fault}; repair or remove that file") from fault
    if not isinstance(content, dict):
        raise TutorialError(f"{path} should hold a JSON object ({{...}}); repair or remove it")
    return content


def read_queries(path: Path) -> dict[str, dict[str, int]]:
    """Qrels ``{query: {product id: grade}}`` from a JSON file.

    Raises ``TutorialError`` naming the file and the first entry of another form.
    """
    content = read_json(path)
    for query, answers in content.items():
        if not isinstance(answers, dict) or not all(
            type(grade) is int for grade in answers.values()
        ):
            raise TutorialError(
                f'{path}: the entry of {reprlib.repr(query)} should be {{"product id": grade, '
                f"...}} with whole numbers, not {reprlib.repr(answers)}; repair that entry"
            )
    return content


def fingerprint(source: Source) -> str:
    """12 hex digits that change when a file of the source, its mapping or our format does.

    Its photos count too: what lies in ``photos/``, and what a ``photo`` column names.
    """
    folder = source.files[0].parent
    files = [*source.files, *filter(None, (source.queries, source.truth))]
    files += _photo_files(folder)
    files += [folder / place for place in _named_photos(source)]
    parts = [_stamp(file) for file in dict.fromkeys(files)]
    text = json.dumps([FORMAT, HEIGHT, WIDTH, source.columns, parts], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _photo_files(folder):
    """What lies in ``photos/``, in order; nothing where that is no folder, or not readable."""
    try:
        return sorted((folder / "photos").iterdir())
    except OSError:
        return []


def _named_photos(source):
    """The values of the ``photo`` column, if there is one, without empty ones."""
    theirs = source.columns.get("photo", "photo")
    for file in source.files:
        table = _open(file)
        if theirs in table.names:
            for frame in table.read([theirs]):
                yield from filter(None, map(str.strip, as_text(frame[theirs])))


def _stamp(file):
    try:
        found = file.stat()
        return str(file), found.st_size, found.st_mtime_ns
    except (OSError, ValueError):  # not there, a link that leads nowhere, no possible name
        return str(file), -1, -1


# Building in one step -------------------------------------------------------------------------


ELSEWHERE = "set MMTUTORIAL_CACHE to a folder on another disk"


def disk_fault(fault: BaseException) -> bool:
    """Whether the operating system refused to write: no space, no right."""
    refusals = (*FULL, errno.EACCES, errno.EPERM, errno.EROFS)
    return isinstance(fault, OSError) and fault.errno in refusals


def build_once(final: Path, fill: Callable[[Path], object]) -> Path:
    """``final``, made by ``fill(folder)`` if it is not there yet: whole, or not at all."""
    if final.is_dir():
        return final
    with writing(final.parent, ELSEWHERE):
        final.parent.mkdir(parents=True, exist_ok=True)
        _sweep(final.parent)
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=final.parent))
        try:
            fill(building)
            building.chmod(0o755)  # mkdtemp's are for the owner only
            try:
                os.replace(building, final)
            except OSError:
                if not final.is_dir():  # else another process was faster: take its
                    raise
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return final


def _sweep(parent: Path) -> None:
    """Remove what a killed process left: building folders untouched for an hour."""
    for folder in parent.glob(".building-*"):
        with contextlib.suppress(OSError):
            touched = max(place.stat().st_mtime for place in [folder, *folder.iterdir()])
            if time.time() - touched > 3600:
                shutil.rmtree(folder, ignore_errors=True)


# Reading rows ---------------------------------------------------------------------------------


class _Table(NamedTuple):
    """One open product file: ``read(columns)`` yields DataFrames of about a thousand rows."""

    rows: int
    names: list
    read: Callable
    how: str = ""  # it was read, where that is a guess


def open_tables(source: Source) -> tuple[int, list[str], Iterator[pd.DataFrame]]:
    """Check the columns of every product file; return ``(number of rows, notes, batches)``.

    ``notes`` is a list of sentences, one on the columns that we do not read if there are any.
    ``batches`` yields DataFrames of about a thousand rows under our names, images as bytes.
    """
    known = [*COLUMNS, *PICTURES]
    for ours in source.columns:
        if ours not in known:
            close = difflib.get_close_matches(str(ours), known, 1)
            raise TutorialError(
                f"columns={{{ours!r}: ...}}: there is no column {ours!r} in our schema"
                + (f" (did you mean {close[0]!r}?)" if close else "")
                + f"; it has {list(known)}"
            )
    tables = [_open(file) for file in source.files]
    for file, table in zip(source.files, tables, strict=True):
        _check_columns(file, table, source.columns)
    rows = sum(table.rows for table in tables)
    if rows == 0:
        raise TutorialError(f"{source.files[0]} holds no product at all; it needs at least one row")
    wanted = {ours: source.columns.get(ours, ours) for ours in known}

    def batches():
        for table in tables:
            present = {ours: theirs for ours, theirs in wanted.items() if theirs in table.names}
            for frame in table.read(sorted(set(present.values()))):
                yield pd.DataFrame({ours: frame[theirs] for ours, theirs in present.items()})

    names = list(dict.fromkeys(name for table in tables for name in table.names))
    return rows, _note_unread(names, wanted), batches()


def _note_unread(names, wanted):
    """A list of one sentence on the columns that we do not read; empty where there are none."""
    unread = [
        name
        for name in names
        if name and name not in wanted.values() and not name.startswith("__index_level_")
    ]
    free = [ours for ours, theirs in wanted.items() if theirs not in names]
    alike = {
        close[0]: name
        for name in unread
        if (close := difflib.get_close_matches(name.casefold(), free, 1, 0.75))
    }
    if not unread:
        return []
    shown = ", ".join(unread[:20]) + (f" and {len(unread) - 20} more" if unread[20:] else "")
    return [
        f"columns not read: {shown}. "
        + (f"Should they be? Then put {json.dumps(alike)} into columns.json" if alike else
           "data/README.md says how to map a column")
    ]  # fmt: skip


def _check_columns(file, table, mapping):
    names = table.names
    for ours, theirs in mapping.items():
        if theirs not in names:
            raise TutorialError(
                f"{file} has no column {theirs!r}, which the mapping gives for {ours!r}; "
                f"its columns are {names}{table.how}"
            )
    for ours in REQUIRED:
        if mapping.get(ours, ours) not in names:
            raise TutorialError(
                f"{file} has no column {ours!r}, which every catalogue needs; its columns are "
                f"{names}{table.how}. If one of them is the {ours}, say so: "
                f'columns={{"{ours}": "ITS NAME"}} to load_catalogue, or {{"{ours}": "ITS NAME"}} '
                "in a columns.json beside the file"
            )
    for ours in [*COLUMNS, *PICTURES]:
        if names.count(mapping.get(ours, ours)) > 1:
            raise TutorialError(
                f"{file} has the column {mapping.get(ours, ours)!r} more than once; rename the "
                "others"
            )


def _open(file) -> _Table:
    return _open_csv(file) if file.suffix == ".csv" else _open_parquet(file)


def _open_csv(file):
    frame, separator = read_csv(file)
    names = list(frame.columns)

    def read(columns):
        places = [names.index(column) for column in columns]
        for start in range(0, len(frame), 1024):
            yield frame.iloc[start : start + 1024, places].reset_index(drop=True)

    return _Table(len(frame), names, read, f" (read with {separator} between them)")


def _open_parquet(file):
    try:
        parquet = pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as fault:
        raise _unreadable(file, fault) from fault

    def read(columns):
        try:
            for batch in parquet.iter_batches(1024, columns=columns):
                yield pd.DataFrame(
                    {name: _values(batch.column(name), file) for name in columns}, dtype=object
                )
        except (OSError, pa.ArrowException) as fault:
            raise _unreadable(file, fault) from fault

    return _Table(parquet.metadata.num_rows, parquet.schema_arrow.names, read)


def _unreadable(file, fault):
    return TutorialError(
        f"cannot read {file}: {fault}. The file is damaged or not complete (a parquet file ends "
        "with its own index, so a truncated one cannot be opened): copy or download it again"
    )


def _values(column, file):
    """A parquet column as Python values; an image struct as its bytes."""
    if pa.types.is_struct(column.type):  # the hub's form: {"bytes": ..., "path": ...}
        if column.type.get_field_index("bytes") < 0:
            raise TutorialError(
                f"{file} has a column of structs {column.type} without a field 'bytes'; "
                "an image column holds bytes, or a struct with bytes"
            )
        return [None if item is None else item["bytes"] for item in column.to_pylist()]
    return column.to_pylist()


def as_text(values: Iterable) -> list[str]:
    """Any values as text: whole floats without ``.0``, what is missing as ``""``.

    >>> as_text([2012.0, None, "NA", "red"])
    ['2012', '', '', 'red']
    """
    texts = []
    for value in values:
        if isinstance(value, float):
            value = "" if value != value else int(value) if value.is_integer() else value
        text = "" if value is None else str(value)
        texts.append("" if text.strip() in MISSING else text)
    return texts


# Photos ---------------------------------------------------------------------------------------


def decode(content: bytes) -> np.ndarray:
    """One encoded photo → ``(80, 60, 3) uint8``: its aspect kept, padded with white.

    Raises ``TutorialError`` with a short reason for what is no photo, smaller than 8 pixels, or,
    before it is unpacked, larger than ``MAX_PIXELS`` or longer than ``MAX_BYTES``.
    """
    with _opened(content) as image:
        return _pad(_small(image))


def decode_both(content: bytes) -> tuple[np.ndarray, bytes]:
    """What ``decode`` gives, and what ``thumbnail`` gives."""
    with _opened(content) as image:
        longest = max(image.size)
        large = _small(image)
        photo = _pad(large)
    if max(large.size) < min(longest, thumbnails.LONGEST):
        # ``_small`` kept too little of it. More would change the photo, if by a bit only.
        return photo, thumbnail(content)
    return photo, _thumbnail(large)


def thumbnail(content: bytes) -> bytes:
    """One encoded photo → a JPEG of up to 500 pixels; ``b""`` if it fits into 60 × 80.

    Raises what ``decode`` raises.
    """
    with _opened(content) as image:
        longest = max(image.size)
        size = [max(1, side * thumbnails.LONGEST // longest) for side in image.size]
        image.draft(None, size)
        return _thumbnail(_upright(image))


def _thumbnail(image):
    if image.width <= WIDTH and image.height <= HEIGHT:
        return b""
    return thumbnails.encode(image)


@contextlib.contextmanager
def _opened(content):
    """The image in ``content``, looked at before it is unpacked; what ``decode`` raises."""
    if len(content) > MAX_BYTES:
        raise TutorialError(_too_long(len(content)))
    large = f"photo has more than {MAX_PIXELS / 1e6:.0f} million pixels"
    try:
        with warnings.catch_warnings():  # Pillow's own limit is higher
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content))
        with image:
            width, height = image.size
            if image.format == "EPS":  # Pillow would hand it to Ghostscript, which runs programs
                raise UnidentifiedImageError
            if min(width, height) < SMALLEST:
                raise TutorialError(
                    f"photo is {width} x {height} pixels, less than {SMALLEST} on a side"
                )
            if width * height > MAX_PIXELS:
                raise TutorialError(large)
            yield image
    except TutorialError:
        raise
    except Image.DecompressionBombError as fault:
        raise TutorialError(large) from fault
    except UnidentifiedImageError as fault:
        raise TutorialError("photo cannot be decoded: no image format that we know") from fault
    except Exception as fault:  # Pillow raises many kinds on broken files
        raise TutorialError(f"photo cannot be decoded: {fault}") from fault


def read_image_file(path: str | os.PathLike) -> bytes:
    """The bytes of an image file, to be handed to ``decode``.

    Only a regular file of at most ``MAX_BYTES`` is read, never a pipe or a device, which might
    have no end. Raises ``TutorialError`` with a short reason that does not repeat the path.
    """
    if "\0" in os.fspath(path):
        raise TutorialError("no possible file name")
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise TutorialError("no regular file (a folder, a pipe or a device)")
        if found.st_size > MAX_BYTES:
            raise TutorialError(_too_long(found.st_size))
        with open(path, "rb") as file:
            return file.read(found.st_size)
    except FileNotFoundError as fault:
        reason = "a link that leads nowhere" if os.path.islink(path) else "no such file"
        raise TutorialError(reason) from fault
    except OSError as fault:
        raise TutorialError(fault.strerror or str(fault)) from fault


def _too_long(length):
    return f"file of {length / 1e6:,.0f} MB, more than {MAX_BYTES / 1e6:.0f}"


def _small(image):
    """The whole photo, upright, in RGB: a large JPEG is decoded smaller, which is faster."""
    image.draft(None, (4 * WIDTH, 4 * HEIGHT))
    return _upright(image)


def _upright(image):
    """The pixels of an opened image in RGB, turned as its camera says, on white."""
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F" or image.mode.startswith("I"):
        image = _eight_bits(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _pad(image):
    if image.size != (WIDTH, HEIGHT):
        image = ImageOps.pad(image, (WIDTH, HEIGHT), color="white")
    return np.asarray(image)


def _eight_bits(image):
    """A photo with 16 or 32 bits a pixel as grey of 8 bits; Pillow would make it white.

    16 bits have a fixed scale. For 32 bits no scale is agreed on: we take the smallest of
    the usual ones (1 for floats, 255, 65,535) that holds all values.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    values = np.array(image, dtype=np.float32)  # up to 240 MB, so changed in place
    np.nan_to_num(values, copy=False)
    scales = (1, 255, 65535) if image.mode == "F" else (255, 65535)
    largest = values.max()
    values *= 255 / next((scale for scale in scales if largest <= scale), largest)
    return Image.fromarray(values.clip(0, 255, out=values).astype(np.uint8))


def hash_photo(photo: np.ndarray) -> str:
    """16 hex digits of an array's bytes: the same for the same pixels."""
    return hashlib.blake2b(np.ascontiguousarray(photo).data, digest_size=8).hexdigest()


def _photo_reader(source: Source):
    """A function from a row (dict) to the bytes of its photo; raises with the reason."""
    folder = source.files[0].parent
    inside = os.path.join(os.path.realpath(folder), "")
    by_id = {
        file.stem: file
        for file in reversed(_photo_files(folder))
        if file.suffix.lower() in SUFFIXES
    }

    def read(row):
        content = row.get("image")
        if isinstance(content, bytes) and content:
            return content
        place = as_text([row.get("photo")])[0].strip()
        file = folder / place if place else by_id.get(row["id"])
        if file is None:
            raise TutorialError("no photo")
        try:
            if "\0" not in place and not os.path.realpath(file).startswith(inside):
                raise TutorialError("outside the catalogue's folder; copy it there")
            return read_image_file(file)
        except TutorialError as fault:
            shown = place or file.name
            shown = shown if len(shown) <= 80 else f"{shown[:60]}..."
            raise TutorialError(f"photo {shown}: {fault}") from fault

    return read


# The cached form ------------------------------------------------------------------------------


def cached(name: str, source: Source) -> Path:
    """The cache folder of ``source``, made on the first call (8 s for 43,000 photos).

    Raises
    ------
    TutorialError
        for a missing column, an empty catalogue, duplicate ids, an unreadable file, a catalogue
        without one good photo, a full disk or a cache folder that cannot be written.
    """
    final = cache_home() / "catalogues" / f"{name}-{fingerprint(source)}"
    return build_once(final, lambda folder: _fill(folder, name, source))


def _fill(folder, name, source):
    total, notes, batches = open_tables(source)
    read_photo = _photo_reader(source)
    frames, set_aside, seen, ends = [], [], [], [0]
    with (
        open(folder / "photos.npy", "wb") as file,
        open(folder / "thumbnails.bin", "wb") as large_file,
        tqdm(total=total, desc=f"decoding {name}", unit=" photos", delay=2, leave=False) as bar,
    ):
        _header(file, total)
        for batch in batches:
            frame = _texts(batch)
            seen += list(frame["id"])
            kept, hashes = [], []
            for place, (row, image) in enumerate(
                zip(frame.to_dict("records"), _pictures(batch), strict=True)
            ):
                try:
                    if not row["id"]:
                        raise TutorialError(f"no id (row {len(seen) - len(frame) + place})")
                    photo, shown = decode_both(read_photo({**row, **image}))
                    shown = _larger(image) or shown
                except TutorialError as reason:
                    set_aside.append((row["id"], str(reason)))
                    continue
                # A plain write, not a mapped one: on a full disk it raises, the other kills us.
                file.write(photo.tobytes())
                large_file.write(shown)
                ends.append(ends[-1] + len(shown))
                kept.append(place)
                hashes.append(hash_photo(photo))
            frames.append(frame.iloc[kept].assign(photo_hash=hashes))
            bar.update(len(frame))
        table = pd.concat(frames, ignore_index=True)
        file.seek(0)
        _header(file, len(table))
    np.save(folder / "thumbnails.npy", np.array(ends, np.int64))
    _check_ids(pd.Series(seen), source.files[0])
    set_aside = pd.DataFrame(set_aside, columns=["id", "reason"], dtype=str)
    if table.empty:
        raise TutorialError(
            f"{source.files[0]}: none of its {total} products can be used; the first: "
            + "; ".join(f"{row.id!r}: {row.reason}" for row in set_aside.head(3).itertuples())
            + ". Photos belong in an `image` column (bytes), in photos/<id>.jpg beside the file, "
            "or at the relative path in a `photo` column"
        )
    told = table["price"] != ""
    prices = as_prices(table["price"])
    odd = table["price"][told & np.isnan(prices)]
    if len(odd):
        examples = ", ".join(map(repr, odd.unique()[:3]))
        notes.append(f"{len(odd)} of {told.sum()} prices are no numbers (as {examples}): now NaN")
    table = table.assign(price=prices)
    table.to_parquet(folder / "table.parquet")
    set_aside.to_parquet(folder / "set_aside.parquet")
    queries = read_queries(source.queries) if source.queries else {}
    (folder / "queries.json").write_text(json.dumps(queries), encoding="utf-8")
    (folder / "notes.json").write_text(json.dumps(notes), encoding="utf-8")
    if source.truth:
        read_truth(source.truth).to_parquet(folder / "truth.parquet")


def read_truth(file: Path) -> pd.DataFrame:
    """The clean values behind a catalogue, a row for each ``id`` (text).

    Raises ``TutorialError`` if the file is damaged, has no ``id``, or has one twice.
    """
    try:
        truth = pd.read_parquet(file)
    except (OSError, pa.ArrowException, ValueError) as fault:
        raise _unreadable(file, fault) from fault
    if list(truth.columns).count("id") != 1:
        raise TutorialError(
            f"{file} needs one column 'id'; its columns are {list(truth.columns)}. Remove the "
            "file if it is not meant as the truth behind the products"
        )
    truth = truth.assign(id=[product.strip() for product in as_text(truth["id"])])
    _check_ids(truth["id"], file)
    return truth


def _header(file, rows):
    """The ``.npy`` header; numpy pads it so that it can be written again with fewer rows."""
    shape = (rows, HEIGHT, WIDTH, 3)
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )


def _texts(batch):
    """The batch under the schema: every column there, as text."""
    frame = pd.DataFrame(index=batch.index)
    for column in COLUMNS:
        values = batch[column] if column in batch else [None] * len(batch)
        frame[column] = pd.Series(as_text(values), dtype=str)
    frame["id"] = frame["id"].str.strip()
    return frame


def _pictures(batch):
    present = [column for column in PICTURES if column in batch]
    return batch[present].to_dict("records") if present else [{}] * len(batch)


def _larger(image):
    """The thumbnail out of ``image_large``; ``b""`` where that is no photo."""
    content = image.get("image_large")
    with contextlib.suppress(TutorialError):
        return thumbnail(content) if isinstance(content, bytes) else b""
    return b""


def _check_ids(ids, file):
    twice = sorted(set(ids[ids.duplicated() & (ids != "")]))
    if twice:
        raise TutorialError(
            f"{file}: {len(twice)} ids stand on more than one row, for example {twice[:5]}; an id "
            "names one product, so rename or remove the others"
        )
