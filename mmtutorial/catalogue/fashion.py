"""The fashion catalogue: 43,000 real products and the KAGL benchmark's queries (lessons 01, 24).

The collection is *Fashion Product Images (Small)* (Param Aggarwal, Kaggle), as it lies on the
Hugging Face hub; the queries are those of the KAGL benchmark (Marqo-FashionCLIP). ``find`` reads
them from ``MMTUTORIAL_DATA``/fashion, ``download`` puts them there. ``data/README.md`` says more.
"""

import http.client
import os
import shutil
import urllib.request
from fnmatch import fnmatch
from pathlib import Path

from mmtutorial import TutorialError
from mmtutorial.catalogue.reading import Source, disk_fault, open_tables, read_queries
from mmtutorial.files import replacing, writing
from mmtutorial.paths import data_home

HUB_DATASET = "ashraq/fashion-product-images-small"
REVISION = "3859c76db2f6f3d3b9a3863345e3ccdbff75879d"  # the newest one in July 2026
PRODUCTS = "data/*.parquet"
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
    is renamed. A connection that breaks off is taken up again where it stopped. After five vain
    tries the call ends; run again, it keeps the files that are whole and fetches the others. A
    finished folder is left as it is, if all of it can be read.

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
            read_queries(final / QUERIES)
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
    """The collection's parquet files at ``REVISION``, each compared with the hub's checksum.

    A file whose checksum differs is removed, so that the next call fetches it anew.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        snapshot_download(
            HUB_DATASET,
            repo_type="dataset",
            revision=REVISION,
            local_dir=folder,
            allow_patterns=PRODUCTS,
        )
        # Without a network, snapshot_download takes what is there as all there is. This does not.
        found = HfApi().verify_repo_checksums(
            HUB_DATASET, repo_type="dataset", revision=REVISION, local_dir=folder
        )
    except Exception as fault:  # the client's own kinds, requests' or httpx', by its version
        if disk_fault(fault):
            raise
        raise TutorialError(
            f"could not download {HUB_DATASET} at revision {REVISION} from the Hugging Face hub: "
            f"{fault}. The files that have arrived whole are kept in {folder}: check the network "
            "and run `mmtutorial data get fashion` again, it fetches the others"
        ) from fault
    absent = [name for name in found.missing_paths if fnmatch(name, PRODUCTS)]
    wrong = [each["path"] for each in found.mismatches if fnmatch(each["path"], PRODUCTS)]
    for name in wrong:
        (folder / name).unlink()
    if absent or wrong:
        raise TutorialError(
            f"{', '.join(absent + wrong)} did not arrive as the hub has it: run "
            "`mmtutorial data get fashion` again"
        )
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the client's notes
    (folder / "revision.txt").write_text(f"{HUB_DATASET} {REVISION}\n")
    return sorted(folder.glob(PRODUCTS))


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
    with replacing(file) as arriving:
        arriving.write_bytes(content)
        read_queries(arriving)  # raises if it is no such file
