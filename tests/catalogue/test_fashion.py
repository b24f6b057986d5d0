"""The fashion catalogue: read where it lies, downloaded whole or not at all."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mmtutorial import TutorialError
from mmtutorial.catalogue import fashion
from mmtutorial.catalogue.catalogue import leaked, load_catalogue
from mmtutorial.paths import data_home

SHARDS = ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]
QUERIES = {"Acme Men Red Shirt": {"1": 1}, "Nothing of ours": {"99": 1}}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


def jpeg(number):
    """A 60 x 80 photo of noise, another one for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (80, 60, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def shard(first):
    """Six products in the hub's form: whole-number ids, photos as structs."""
    numbers = range(first, first + 6)
    photos = [{"bytes": jpeg(number), "path": f"{number}.jpg"} for number in numbers]
    frame = pd.DataFrame({"id": numbers, "year": 2012.0, "image": photos})
    names = ("gender", "masterCategory", "subCategory", "articleType", "baseColour", "season")
    frame = frame.assign(usage="NA", **dict.fromkeys(names, "thing"))
    frame["productDisplayName"] = [f"Acme Men Red Shirt {number}" for number in numbers]
    return frame


@pytest.fixture
def hub(tmp_path):
    """A hub on this machine: its address, the files it has, and how it misbehaves."""
    files = {}
    for place, name in enumerate(SHARDS):
        shard(1 + 6 * place).to_parquet(tmp_path / "shard.parquet")
        files[name] = (tmp_path / "shard.parquet").read_bytes()
    state = {
        "files": files,
        "break": {},
        "dead": False,
        "truncate": False,
        "ranges": [],
        "asked": [],
        "gone": set(),
        "down": False,
    }
    state["revision"] = fashion.REVISION

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            name = self.path.split("?")[0]
            if name.endswith("/queries.json"):
                return self.answer(json.dumps(QUERIES).encode())
            if state["down"] or name in state["gone"]:
                return self.answer(b"", 404)
            if "/api/" in name:
                if not name.endswith(state["revision"]):
                    return self.answer(b"", 404, header=("X-Error-Code", "RevisionNotFound"))
                entries = [
                    {"type": "file", "path": name, "rfilename": name, "size": len(content),
                     "oid": "0" * 40, "lfs": {
                        "oid": hashlib.sha256(content).hexdigest(), "size": len(content),
                        "pointerSize": 130, "sha256": hashlib.sha256(content).hexdigest()}}
                    for name, content in files.items()
                ]  # fmt: skip
                info = {"id": fashion.HUB_DATASET, "sha": state["revision"], "siblings": entries}
                answer = entries if "/tree/" in name else info
                return self.answer(json.dumps(answer).encode())
            assert f"/resolve/{state['revision']}/" in name
            state["asked"] += [name] if self.command == "GET" else []
            self.answer(files["data/" + name.rsplit("/", 1)[1]], name=name)

        def answer(self, content, status=200, name="", header=("X-Served-By", "a test")):
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            if name and state["truncate"]:
                content = content[:-100]
            start = 0
            if wanted := self.headers.get("Range"):
                state["ranges"].append(wanted)
                start, status = int(wanted.split("=")[1].split("-")[0]), 206
            self.send_response(status)
            self.send_header("ETag", etag)
            self.send_header("X-Repo-Commit", state["revision"])
            self.send_header(*header)
            self.send_header("Content-Length", str(len(content) - start))
            if status == 206:
                end = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", end)
            self.end_headers()
            if self.command == "HEAD":
                return
            if state["break"].pop(name, 0):  # half of it, then the line goes dead
                state["gone"] = {name} if state["dead"] else set()
                content = content[: len(content) // 2]
                self.close_connection = True
            self.wfile.write(content[start:])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state["address"] = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()


def download(hub):
    """``fashion.download`` in a process of its own: the hub's client reads its address once."""
    program = (
        "from huggingface_hub import constants\n"
        "constants.DOWNLOAD_CHUNK_SIZE = 1024\n"  # it keeps whole chunks: 10 MB, we have 40 kB
        "from mmtutorial import TutorialError\n"
        "from mmtutorial.catalogue import fashion\n"
        f"fashion.QUERIES_URL = {hub['address'] + '/queries.json'!r}\n"
        "try: print('done', fashion.download())\n"
        "except TutorialError as fault: print('error', fault)\n"
    )
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub["address"],
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "0",
        "no_proxy": "127.0.0.1",
    }
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=90
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_downloaded_shards_become_the_fashion_catalogue(home, hub):
    assert download(hub).startswith("done")
    catalogue = load_catalogue("fashion")
    assert len(catalogue) == 12
    assert catalogue.table["id"][0] == "1" and catalogue.table["year"][0] == "2012"
    assert catalogue.table["usage"][0] == ""
    assert catalogue.queries == {"Acme Men Red Shirt": {"1": 1}}
    assert not (home / "fashion.part").exists()
    assert fashion.REVISION in (home / "fashion" / "revision.txt").read_text()
    hub["down"] = True
    assert download(hub).startswith("done"), "a finished download needs no network"


def break_off(hub, shard):
    """Let the line break off once, in the middle of that shard."""
    hub["break"] = {f"/datasets/{fashion.HUB_DATASET}/resolve/{fashion.REVISION}/{shard}": 1}


def test_a_broken_connection_is_taken_up_where_it_stopped(home, hub):
    second = hub["files"][SHARDS[1]]
    break_off(hub, SHARDS[1])
    assert download(hub).startswith("done")
    start = int(hub["ranges"][-1].removeprefix("bytes=").split("-")[0])
    assert start > len(second) // 3, "the first half was fetched twice"
    assert (home / "fashion" / SHARDS[1]).read_bytes() == second


def test_a_download_that_ended_without_success_keeps_the_files_that_are_whole(home, hub):
    first, _ = SHARDS
    break_off(hub, SHARDS[1])
    hub["dead"] = True
    said = download(hub)
    assert said.startswith("error") and "run `mmtutorial data get fashion` again" in said
    assert not (home / "fashion").exists()
    assert (home / "fashion.part" / first).read_bytes() == hub["files"][first]
    hub["gone"], hub["asked"] = set(), []
    assert download(hub).startswith("done")
    assert [name.rsplit("/", 1)[1] for name in hub["asked"]] == [SHARDS[1].rsplit("/", 1)[1]]
    left = {path.name for path in (home / "fashion").iterdir()}
    assert left == {"data", "revision.txt", fashion.QUERIES}
    assert len(load_catalogue("fashion")) == 12


def test_a_revision_that_the_hub_no_longer_has_is_named(home, hub):
    hub["revision"] = "f" * 40
    said = download(hub)
    assert said.startswith("error") and fashion.REVISION in said
    assert not (home / "fashion").exists()


@pytest.mark.parametrize("spoilt", ["junk", "columns", "middle", "queries"])
def test_what_is_there_already_is_looked_at(home, spoilt):
    file, queries = home / "fashion" / "products.parquet", home / "fashion" / fashion.QUERIES
    file.parent.mkdir(parents=True)
    shard(1).to_parquet(file)
    queries.write_text(json.dumps(QUERIES))
    assert fashion.download() == home / "fashion"
    if spoilt == "junk":
        file.write_bytes(b"not a table")
    elif spoilt == "columns":
        shard(1).drop(columns="productDisplayName").to_parquet(file)
    elif spoilt == "middle":
        content = file.read_bytes()
        file.write_bytes(content[:4] + bytes(4000) + content[4004:])
    else:
        file = queries
        file.write_text("[]")
    with pytest.raises(TutorialError, match=f"move .* away.*{file.name}"):
        fashion.download()


def test_a_truncated_download_is_an_error_and_never_a_catalogue(home, hub):
    """A whole answer of the wrong bytes: only its checksum tells."""
    hub["truncate"] = True
    said = download(hub)
    assert said.startswith("error") and all(shard in said for shard in SHARDS)
    assert not (home / "fashion").exists()
    hub["truncate"] = False
    assert download(hub).startswith("done"), "and the next try mends it"


def test_without_a_hub_the_message_says_what_to_do(home, hub):
    hub["down"] = True
    said = download(hub)
    assert said.startswith("error") and fashion.HUB_DATASET in said
    assert "mmtutorial data get fashion" in said
    assert not (home / "fashion").exists()


def test_queries_that_cannot_be_fetched(tmp_path):
    with pytest.raises(TutorialError, match=r"127\.0\.0\.1.*Check the network"):
        fashion.fetch_queries("http://127.0.0.1:9/queries.json", tmp_path / "queries.json")
    assert list(tmp_path.iterdir()) == []


def test_where_the_catalogue_is_absent_the_message_names_folder_and_remedy(home):
    with pytest.raises(TutorialError) as caught:
        load_catalogue("fashion")
    for word in (str(home / "fashion"), "mmtutorial data get fashion", "MMTUTORIAL_DATA"):
        assert word in str(caught.value)


def test_products_without_queries_are_an_error(home):
    (home / "fashion").mkdir(parents=True)
    shard(1).to_parquet(home / "fashion" / "products.parquet")
    with pytest.raises(TutorialError, match=fashion.QUERIES):
        load_catalogue("fashion")


@pytest.mark.skipif(not (data_home() / "fashion").is_dir(), reason="the fashion data is not here")
def test_no_train_product_is_a_copy_of_one_that_a_query_asks_for():
    catalogue = load_catalogue("fashion", max_products=4000)
    asked = {product for answers in catalogue.queries.values() for product in answers}
    split = catalogue.split(seed=1)
    assert asked and asked <= set(split.test.table["id"])
    assert not leaked(split.train, split.test).any()
    assert not leaked(split.train, split.validation).any()
