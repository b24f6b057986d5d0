"""Read a catalogue's files once, decode its photos once, keep both in the cache (lesson 01).

Whatever a shop sends (a parquet file, several shards, a csv with a folder of photos) becomes one
folder in the cache: ``table.parquet``, ``photos.npy`` (memory-mapped when it is opened),
``set_aside.parquet``, ``queries.json`` and, for the demo shop, ``truth.parquet``. It is built
beside its final place and renamed there when it is whole, so a crash, a Ctrl-C or a second process
never leaves a half-made one behind.
"""

import contextlib
import difflib
import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from mmtutorial import TutorialError
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
FORMAT = 4  # of the cached folder: raise it when what is written below changes
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
            found = sorted(entry.name for entry in path.iterdir())[:10]
            raise TutorialError(
                f"{path} holds no products.parquet and no products.csv (found: {found}); put "
                "one there, or pass the path of your parquet or csv file itself"
            )
    if files[0].suffix not in (".parquet", ".csv"):
        raise TutorialError(f"{files[0]} is no catalogue: expected a .parquet or a .csv file")
    mapping = read_json(folder / "columns.json") if (folder / "columns.json").exists() else {}
    beside = {name: folder / name for name in ("queries.json", "truth.parquet")}
    return Source(
        files,
        {**mapping, **(columns or {})},
        *(place if place.exists() else None for place in beside.values()),
    )


def read_json(path: Path) -> dict:
    """The dict in a JSON file; a ``TutorialError`` names the file that holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
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
            isinstance(grade, int) for grade in answers.values()
        ):
            raise TutorialError(
                f'{path}: the entry of {query!r} should be {{"product id": grade, ...}} with '
                f"whole numbers, not {answers!r}; repair that entry"
            )
    return content


def fingerprint(source: Source) -> str:
    """12 hex digits that change when a file of the source, its mapping or our format does."""
    files = [*source.files, source.queries, source.truth]
    photos = source.files[0].parent / "photos"
    if photos.is_dir():
        files += sorted(photos.iterdir())
    parts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file]
    text = json.dumps([FORMAT, HEIGHT, WIDTH, source.columns, parts], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


# Building in one step -------------------------------------------------------------------------


FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def disk_fault(fault: BaseException) -> bool:
    """Whether the operating system refused to write: no space, no right."""
    refusals = (*FULL, errno.EACCES, errno.EPERM, errno.EROFS)
    return isinstance(fault, OSError) and fault.errno in refusals


@contextlib.contextmanager
def writing(folder: Path, variable: str = "MMTUTORIAL_CACHE"):
    """Turn what the operating system says while we write into a message with a remedy."""
    try:
        yield
    except OSError as fault:
        if fault.errno in FULL:
            raise TutorialError(
                f"no space left on the disk of {folder}: free some, or set {variable} to a "
                "folder on another disk"
            ) from fault
        raise TutorialError(
            f"cannot write into {folder} ({fault.strerror or fault}): make it writable, or set "
            f"{variable} to a folder that is"
        ) from fault


def build_once(final: Path, fill) -> Path:
    """``final``, made by ``fill(folder)`` if it is not there yet: whole, or not at all."""
    if final.is_dir():
        return final
    with writing(final.parent):
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


def open_tables(source: Source):
    """Check the columns of every product file; return ``(number of rows, batches)``.

    ``batches`` yields DataFrames of about a thousand rows under our names, ``image`` as bytes.
    """
    known = [*COLUMNS, "image", "photo"]
    for ours in source.columns:
        if ours not in known:
            close = difflib.get_close_matches(str(ours), known, 1)
            raise TutorialError(
                f"columns={{{ours!r}: ...}}: there is no column {ours!r} in our schema"
                + (f" (did you mean {close[0]!r}?)" if close else "")
                + f"; it has {list(known)}"
            )
    tables = [_open_csv(file) if file.suffix == ".csv" else _open_parquet(file)
              for file in source.files]  # fmt: skip
    for file, (_, names, _) in zip(source.files, tables, strict=True):
        _check_columns(file, names, source.columns)
    rows = sum(count for count, _, _ in tables)
    if rows == 0:
        raise TutorialError(f"{source.files[0]} holds no product at all; it needs at least one row")

    def batches():
        for _, names, read in tables:
            wanted = {ours: source.columns.get(ours, ours) for ours in known}
            wanted = {ours: theirs for ours, theirs in wanted.items() if theirs in names}
            for frame in read(sorted(set(wanted.values()))):
                yield pd.DataFrame({ours: frame[theirs] for ours, theirs in wanted.items()})

    return rows, batches()


def _check_columns(file, names, mapping):
    for ours, theirs in mapping.items():
        if theirs not in names:
            raise TutorialError(
                f"{file} has no column {theirs!r}, which the mapping gives for {ours!r}; "
                f"its columns are {names}"
            )
    for ours in REQUIRED:
        if mapping.get(ours, ours) not in names:
            raise TutorialError(
                f"{file} has no column {ours!r}, which every catalogue needs; its columns are "
                f'{names}. If one of them is the {ours}, say so: columns={{"{ours}": "ITS NAME"}} '
                f'to load_catalogue, or {{"{ours}": "ITS NAME"}} in a columns.json beside the file'
            )


def _open_csv(file):
    try:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError as fault:
        raise TutorialError(f"{file} is empty: it needs a line of column names") from fault
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as fault:
        raise TutorialError(
            f"cannot read {file}: {fault}; it should be comma-separated UTF-8 text"
        ) from fault

    def read(columns):
        for start in range(0, len(frame), 1024):
            yield frame.loc[start : start + 1023, columns].reset_index(drop=True)

    return len(frame), list(frame.columns), read


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

    return parquet.metadata.num_rows, parquet.schema_arrow.names, read


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


def as_text(values) -> list[str]:
    """Any values as stripped text: whole floats without ``.0``, what is missing as ``""``."""
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

    Raises ``TutorialError`` with a short reason for what is no photo or smaller than 8 pixels.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            size = image.size
            if min(size) >= SMALLEST:
                image.draft(None, (4 * WIDTH, 4 * HEIGHT))  # a large JPEG: decode it smaller
                return np.asarray(_fit(image))
    except UnidentifiedImageError as fault:
        raise TutorialError("photo cannot be decoded: no image format that we know") from fault
    except Exception as fault:  # Pillow raises many kinds on broken files
        raise TutorialError(f"photo cannot be decoded: {fault}") from fault
    raise TutorialError(f"photo is {size[0]} x {size[1]} pixels, less than {SMALLEST} on a side")


def _fit(image):
    ImageOps.exif_transpose(image, in_place=True)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if image.size == (WIDTH, HEIGHT):
        return image
    return ImageOps.pad(image, (WIDTH, HEIGHT), color="white")


def hash_photo(photo: np.ndarray) -> str:
    """16 hex digits of an array's bytes: the same for the same pixels."""
    return hashlib.blake2b(np.ascontiguousarray(photo), digest_size=8).hexdigest()


def _photo_reader(source: Source):
    """A function from a row (dict) to the bytes of its photo; raises with the reason."""
    folder = source.files[0].parent
    by_id = {}
    if (folder / "photos").is_dir():
        by_id = {
            file.stem: file
            for file in sorted((folder / "photos").iterdir(), reverse=True)
            if file.suffix.lower() in SUFFIXES
        }

    def read(row):
        content = row.get("image")
        if isinstance(content, bytes) and content:
            return content
        place = str(row["photo"]).strip() if row.get("photo") else ""
        file = folder / place if place else by_id.get(row["id"])
        if file is None:
            raise TutorialError("no photo")
        try:
            return file.read_bytes()
        except OSError as fault:
            reason = "no such file" if isinstance(fault, FileNotFoundError) else fault.strerror
            raise TutorialError(f"photo {place or file.name}: {reason}") from fault

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
    total, batches = open_tables(source)
    read_photo = _photo_reader(source)
    frames, set_aside, seen = [], [], []
    with (
        open(folder / "photos.npy", "wb") as file,
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
                    photo = decode(read_photo({**row, **image}))
                except TutorialError as reason:
                    set_aside.append((row["id"], str(reason)))
                    continue
                # A plain write, not a mapped one: on a full disk it raises, the other kills us.
                file.write(photo.tobytes())
                kept.append(place)
                hashes.append(hash_photo(photo))
            frames.append(frame.iloc[kept].assign(photo_hash=hashes))
            bar.update(len(frame))
        table = pd.concat(frames, ignore_index=True)
        file.seek(0)
        _header(file, len(table))
    _check_ids(pd.Series(seen), source.files[0])
    set_aside = pd.DataFrame(set_aside, columns=["id", "reason"], dtype=str)
    if table.empty:
        raise TutorialError(
            f"{source.files[0]}: none of its {total} products can be used; the first: "
            + "; ".join(f"{row.id!r}: {row.reason}" for row in set_aside.head(3).itertuples())
            + ". Photos belong in an `image` column (bytes), in photos/<id>.jpg beside the file, "
            "or at the relative path in a `photo` column"
        )
    table.to_parquet(folder / "table.parquet")
    set_aside.to_parquet(folder / "set_aside.parquet")
    queries = read_queries(source.queries) if source.queries else {}
    (folder / "queries.json").write_text(json.dumps(queries), encoding="utf-8")
    if source.truth:
        shutil.copy(source.truth, folder / "truth.parquet")


def _header(file, rows):
    """The ``.npy`` header; numpy pads it so that it can be written again with fewer rows."""
    shape = (rows, HEIGHT, WIDTH, 3)
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )


def _texts(batch):
    """The batch under the schema: every column there, text or (price) float."""
    frame = pd.DataFrame(index=batch.index)
    for column in COLUMNS:
        values = batch[column] if column in batch else [None] * len(batch)
        if column == "price":
            frame[column] = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce")
            frame[column] = frame[column].astype("float64")
        else:
            frame[column] = pd.Series(as_text(values), dtype=str)
    frame["id"] = frame["id"].str.strip()
    return frame


def _pictures(batch):
    present = [column for column in ("image", "photo") if column in batch]
    return batch[present].to_dict("records") if present else [{}] * len(batch)


def _check_ids(ids, file):
    twice = sorted(set(ids[ids.duplicated() & (ids != "")]))
    if twice:
        raise TutorialError(
            f"{file}: {len(twice)} ids stand on more than one row, for example {twice[:5]}; an id "
            "names one product, so rename or remove the others"
        )
