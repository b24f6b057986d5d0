"""The fashion catalogue: 43,000 real products and the KAGL benchmark's queries (lessons 01, 24).

The collection is *Fashion Product Images (Small)* (Param Aggarwal, Kaggle), as it lies on the
Hugging Face hub; the queries are those of the KAGL benchmark (Marqo-FashionCLIP). ``find`` reads
them from ``MMTUTORIAL_DATA``/fashion, ``download`` puts them there. ``data/README.md`` says more.
"""

import hashlib
import http.client
import os
import urllib.request
from pathlib import Path

from mmtutorial import TutorialError
from mmtutorial.catalogue.reading import Source, disk_fault, open_tables, read_queries
from mmtutorial.files import writing
from mmtutorial.paths import data_home

HUB_DATASET = "ashraq/fashion-product-images-small"
REVISION = "3859c76db2f6f3d3b9a3863345e3ccdbff75879d"  # the newest one in July 2026
QUERIES = "text_to_image.qrels.json"
QUERIES_URL = (
    "https://raw.githubusercontent.com/marqo-ai/marqo-FashionCLIP/"
    "fcd64646c0402afbfc753eb2c843f705e642eddd/data/KAGL/gt_query_doc/"
    "ground_truth_text-image.json"
)
REMEDY = (
    "Run `mmtutorial data get fashion` to download it (about 270 MB), or set MMTUTORIAL_DATA to "
    "the folder that holds fashion/"
)
COLUMNS = {  # our name → theirs
    "id": "id",
    "title": "productDisplayName",
    "gender": "gender",
    "category": "masterCategory",
    "subcategory": "subCategory",
    "article_type": "articleType",
    "colour": "baseColour",
    "season": "season",
    "year": "year",
    "usage": "usage",
}


def find() -> Source:
    """The files of the fashion catalogue: one ``products.parquet``, or the hub's several shards.

    Raises ``TutorialError`` naming the folder and the remedy if a part is missing.
    """
    folder = data_home() / "fashion"
    patterns = ("products.parquet", "*.parquet", "data/*.parquet")
    files = next((found for each in patterns if (found := sorted(folder.glob(each)))), [])
    if not files:
        raise TutorialError(f"the fashion catalogue is not in {folder}. {REMEDY}")
    queries = folder / QUERIES
    if not queries.exists():
        raise TutorialError(
            f"{folder} holds the products but not the queries, {QUERIES}. Move that folder away "
            f"and run `mmtutorial data get fashion`, or fetch {QUERIES_URL} under that name"
        )
    return Source(files, COLUMNS, queries)


def download() -> Path:
    """Fetch products and queries into ``MMTUTORIAL_DATA``/fashion; return that folder.

    What arrives lies in ``fashion.part`` until all of it is there and verified, then the folder
    is renamed. Run again, it goes on where it stopped, within a file too. A finished one is left
    as it is, if all of it can be read.

    Raises
    ------
    TutorialError
        if the hub cannot be reached, a file arrives incomplete or damaged, what is there already
        cannot be read, the disk is full or the folder cannot be written.
    """
    final = data_home() / "fashion"
    if final.is_dir() and any(final.iterdir()):
        try:
            source = find()
            _read_through(source)
            read_queries(source.queries)
        except TutorialError as fault:
            raise TutorialError(f"move {final} away, then try again: {fault}") from fault
        return final
    part = final.with_name("fashion.part")
    with writing(part, "set MMTUTORIAL_DATA to a folder on another disk"):
        part.mkdir(parents=True, exist_ok=True)
        files = fetch_products(part)
        _read_through(Source(files, COLUMNS))
        fetch_queries(QUERIES_URL, part / QUERIES)
        if final.is_dir():  # an empty one
            final.rmdir()
        os.replace(part, final)
    return final


def _read_through(source):
    """Raise ``TutorialError`` unless every row can be read and has the columns that we need."""
    _, _, batches = open_tables(source)
    for _ in batches:
        pass


def fetch_products(folder: Path) -> list[Path]:
    """The collection's parquet files from the hub, each compared with the hub's checksum.

    They come at ``REVISION``; if the hub does not know that one any more, at the newest, and we
    say so. ``revision.txt`` keeps which it was.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        try:
            info = HfApi().dataset_info(HUB_DATASET, revision=REVISION, files_metadata=True)
        except RevisionNotFoundError:
            info = HfApi().dataset_info(HUB_DATASET, files_metadata=True)
            print(f"The hub has no revision {REVISION} any more: we take the newest, {info.sha}")
        (folder / "revision.txt").write_text(f"{HUB_DATASET} {info.sha}\n")
        wanted = {entry.rfilename: entry for entry in info.siblings}
        wanted = {name: entry for name, entry in wanted.items() if name.endswith(".parquet")}
        for name, entry in wanted.items():
            if not (folder / name).exists():
                _fetch_file(name, info.sha, entry.size, folder / name)
    except Exception as fault:  # the client's own kinds, requests' or httpx', by its version
        if disk_fault(fault):
            raise
        raise TutorialError(
            f"could not download {HUB_DATASET} from the Hugging Face hub: {fault}. What has "
            f"arrived is kept in {folder}: check the network and run `mmtutorial data get "
            "fashion` again, it goes on from there"
        ) from fault
    faults = [
        fault
        for name, entry in wanted.items()
        if (fault := verify(folder / name, entry.size, entry.lfs.sha256 if entry.lfs else None))
    ]
    if faults:
        raise TutorialError(
            f"{'; '.join(faults)}. Removed: run `mmtutorial data get fashion` again"
        )
    return sorted(folder / name for name in wanted)


def _fetch_file(name, revision, size, file):
    """One file of the collection, with a progress bar; goes on from the end of ``FILE.part``.

    ``hf_hub_download`` would remove what has arrived when the connection breaks off for good.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(HUB_DATASET, name, repo_type="dataset", revision=revision)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    with open(part, "ab") as stream:
        if (arrived := stream.tell()) > size:  # not ours: begin anew
            stream.truncate(arrived := 0)
        if arrived < size:
            http_get(
                url,
                stream,
                resume_size=arrived,
                headers=build_hf_headers(),
                expected_size=size,
                displayed_filename=file.name,
            )
    os.replace(part, file)


def verify(file: Path, size: int, sha256: str | None) -> str:
    """Compare a file with what the hub says of it: ``""``, or what is wrong with it.

    A wrong file is removed, so that the next download fetches it anew.
    """
    found, fault = file.stat().st_size, ""
    if found != size:
        fault = f"{file} is {found:,} bytes long, it should be {size:,}"
    elif sha256:
        digest = hashlib.sha256()
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != sha256:
            fault = f"{file} is not what the hub has (its SHA-256 differs)"
    if fault:
        file.unlink()
    return fault


def fetch_queries(url: str, file: Path) -> None:
    """Download qrels (160 kB of JSON) to ``file``, which is there only when it is whole."""
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            content = response.read()  # raises IncompleteRead if the connection breaks off
    except (OSError, http.client.HTTPException) as fault:
        raise TutorialError(
            f"could not download the queries from {url}: {fault}. Check the network and run "
            "`mmtutorial data get fashion` again; the products that have arrived are kept"
        ) from fault
    arriving = file.with_name(file.name + ".part")
    arriving.write_bytes(content)
    read_queries(arriving)  # raises if it is no such file
    os.replace(arriving, file)
