"""Real data sets of others: found beside the catalogue, or fetched (lessons 12 to 23).

``real_sets.json`` lists them: what each is, its licence, and for each file the public repository,
the commit and the SHA-256 of what lies there. ``find`` gives the folder of a set in
``MMTUTORIAL_DATA``, ``download`` puts it there. The fashion catalogue has its own module.
"""

import hashlib
import json
import shutil
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tqdm import tqdm

from mmtutorial import TutorialError
from mmtutorial.files import replacing, writing
from mmtutorial.paths import data_home

RAW = "https://raw.githubusercontent.com"
INVOICES = {"InvoiceNo": str, "StockCode": str, "Description": str}  # "536365" is no number


class RemoteFile(NamedTuple):
    """A file of a public repository at a fixed commit."""

    file: str
    repository: str
    commit: str
    path: str
    bytes: int
    sha256: str

    @property
    def url(self) -> str:
        return f"{RAW}/{self.repository}/{self.commit}/{self.path}"


class RealSet(NamedTuple):
    """A data set: what it is, what its licence says, and its files.

    ``joined``: a table that lies in many small files, a day each. ``path`` has ``{}`` for each of
    ``names`` (a space between them), ``bytes`` and ``sha256`` are those of the whole table as CSV.
    """

    name: str
    about: str
    licence: str
    files: tuple[RemoteFile, ...]
    joined: RemoteFile | None = None
    names: str = ""

    @property
    def all_files(self) -> tuple[RemoteFile, ...]:
        return (*self.files, *filter(None, [self.joined]))

    def __str__(self):
        size = sum(each.bytes for each in self.all_files) / 1e6
        return f"{self.name}: {self.about} ({size:.1f} MB)\nlicence: {self.licence}"


@cache
def real_sets() -> dict[str, RealSet]:
    """The sets by their names.

    >>> real_sets()["reviews"].about
    "Women's E-Commerce Clothing Reviews: 23,486 English reviews of 1,206 products"
    """
    source = resources.files("mmtutorial.catalogue").joinpath("real_sets.json")
    return {
        name: _read(name, **one)
        for name, one in json.loads(source.read_text(encoding="utf-8")).items()
    }


def _read(name, about, licence, files, joined=None):
    names = joined.pop("names") if joined else ""
    joined = RemoteFile(**joined) if joined else None
    return RealSet(name, about, licence, tuple(RemoteFile(**each) for each in files), joined, names)


def real_set(name: str) -> RealSet:
    """The set of that name; raises ``TutorialError`` where there is none."""
    if name not in real_sets():
        raise TutorialError(f"no data set {name!r}: choose one of {', '.join(real_sets())}")
    return real_sets()[name]


def find(name: str) -> Path:
    """The folder of a set, with all its files.

    Raises ``TutorialError`` for a name that is not there, and for a set that is not there or lacks
    a file; the message says how to fetch it.
    """
    chosen, folder = real_set(name), data_home() / name
    absent = [each.file for each in chosen.all_files if not (folder / each.file).is_file()]
    if absent:
        what = f"{folder} lacks {absent[0]}" if folder.is_dir() else f"there is no {folder}"
        raise TutorialError(
            f"{what}: run `mmtutorial data get {name}` to download it, or set MMTUTORIAL_DATA to "
            f"the folder that holds {name}/"
        )
    return folder


def available(name: str) -> bool:
    """Whether ``find`` finds that set."""
    try:
        find(name)
    except TutorialError:
        return False
    return True


def download(name: str) -> Path:
    """Fetch a set's files into ``MMTUTORIAL_DATA``/NAME; return that folder.

    Each file is compared with its SHA-256 before it takes its name, so what has its name is whole.
    A file that is there already and right is not fetched again: after a broken connection, run
    it again.

    Raises ``TutorialError`` if a file cannot be fetched or is not the one we know, the disk is
    full or the folder cannot be written.
    """
    chosen, folder = real_set(name), data_home() / name
    with writing(folder, "set MMTUTORIAL_DATA to a folder on another disk"):
        folder.mkdir(parents=True, exist_ok=True)
        for each in chosen.files:
            _fetch(name, each, folder)
        if chosen.joined and not (folder / chosen.joined.file).exists():
            _join(chosen, folder)
    return folder


def _join(chosen, folder):
    """Fetch the parts of ``chosen.joined``, and write them as one table."""
    whole, parts = chosen.joined, folder / "parts"
    parts.mkdir(exist_ok=True)
    tables = []
    for day in tqdm(chosen.names.split(), f"fetching {chosen.name}", unit=" files", delay=2):
        part = whole._replace(file=f"{day}.csv", path=whole.path.format(day), sha256=None)
        _fetch(chosen.name, part, parts)  # what is there already is taken as it is
        tables.append(pd.read_csv(parts / part.file, dtype=INVOICES))
    table = pd.concat(tables, ignore_index=True)
    table["CustomerID"] = table["CustomerID"].astype("Int64")
    if hashlib.sha256(table.to_csv(index=False).encode()).hexdigest() != whole.sha256:
        shutil.rmtree(parts)
        raise TutorialError(
            f"the files of {whole.repository} are not those that we know: the SHA-256 of their "
            f"table differs. Run `mmtutorial data get {chosen.name}` again"
        )
    with replacing(folder / whole.file) as arriving:
        table.to_parquet(arriving)
    shutil.rmtree(parts)


def _fetch(name, each, folder):
    import pooch

    pooch.utils.get_logger().setLevel("ERROR")
    again = f"run `mmtutorial data get {name}` again; the files that have arrived are kept"
    try:
        pooch.retrieve(
            each.url,
            each.sha256 and f"sha256:{each.sha256}",
            fname=each.file,
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=60),
        )
    except ValueError as fault:  # another digest: pooch has removed what arrived
        raise TutorialError(
            f"what {each.url} sent is not the file that we know: its SHA-256 differs. It may have "
            f"been cut on its way: {again}"
        ) from fault
    except OSError as fault:
        if fault.errno:  # the disk's; what the network says has no number
            raise
        raise TutorialError(f"could not download {each.url}: {fault}. {again}") from fault
