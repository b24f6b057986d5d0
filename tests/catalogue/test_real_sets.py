"""Real data sets: listed with their licences, fetched whole or not at all."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pandas as pd
import pytest
from click.testing import CliRunner

from mmtutorial import TutorialError
from mmtutorial.catalogue import real_sets
from mmtutorial.cli import main


class Quiet(SimpleHTTPRequestHandler):
    asked: ClassVar[list] = []

    def log_message(self, *_):
        self.asked.append(self.path)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A set of two files on a server of this machine: the folder they are served from."""
    folder = tmp_path / "served" / "someone" / "shop" / "c0ffee" / "data"
    folder.mkdir(parents=True)
    files = []
    for name, content in (("a.csv", b"id\n1\n"), ("b.csv", b"id\n2\n")):
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        files.append(
            real_sets.RemoteFile(
                name, "someone/shop", "c0ffee", f"data/{name}", len(content), digest
            )
        )
    one = real_sets.RealSet("tiny", "two small files", "CC0", tuple(files))
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Quiet.asked = []
    monkeypatch.setattr(real_sets, "RAW", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(real_sets, "real_sets", lambda: {"tiny": one})
    monkeypatch.setenv("MMTUTORIAL_DATA", str(tmp_path / "data"))
    yield folder
    server.shutdown()
    server.server_close()


def call(*words):
    return CliRunner().invoke(main, words)


def test_a_set_is_fetched_once_and_its_licence_is_shown_first(served, tmp_path):
    done = call("data", "get", "tiny")
    assert done.exit_code == 0, done.output
    assert done.output.index("licence: CC0") < done.output.index("whole")
    assert (real_sets.find("tiny") / "b.csv").read_bytes() == b"id\n2\n"
    asked = len(Quiet.asked)
    real_sets.download("tiny")
    assert len(Quiet.asked) == asked == 2


def test_what_arrives_altered_does_not_take_the_files_name(served, tmp_path):
    (served / "b.csv").write_bytes(b"id\n3\n")
    with pytest.raises(TutorialError, match=r"SHA-256 differs.*mmtutorial data get tiny"):
        real_sets.download("tiny")
    assert sorted(path.name for path in (tmp_path / "data" / "tiny").iterdir()) == ["a.csv"]
    (served / "b.csv").write_bytes(b"id\n2\n")
    real_sets.download("tiny")  # goes on with the second
    assert Quiet.asked.count("/someone/shop/c0ffee/data/a.csv") == 1


def test_a_file_that_was_altered_on_the_disk_is_fetched_again(served, tmp_path):
    folder = real_sets.download("tiny")
    (folder / "a.csv").write_bytes(b"id\n9\n")
    assert (real_sets.download("tiny") / "a.csv").read_bytes() == b"id\n1\n"


def test_a_network_that_is_away_is_named_with_the_remedy(served, monkeypatch):
    monkeypatch.setattr(real_sets, "RAW", "http://127.0.0.1:1")
    done = call("data", "get", "tiny")
    assert done.exit_code == 1
    assert "could not download http://127.0.0.1:1/someone" in done.output
    assert "again" in done.output


def test_a_set_that_is_not_there_names_the_command(served):
    with pytest.raises(TutorialError, match="mmtutorial data get tiny"):
        real_sets.find("tiny")
    with pytest.raises(TutorialError, match="no data set 'tinny': choose one of tiny"):
        real_sets.find("tinny")


def test_every_file_has_a_commit_and_a_digest():
    for one in real_sets.real_sets().values():
        assert one.about
        assert one.licence
        assert one.all_files
        assert len({each.file for each in one.all_files}) == len(one.all_files)
        for each in one.all_files:
            assert len(each.commit) == 40
            assert len(each.sha256) == 64
            assert "/" not in each.file
            assert each.url.startswith("https://")


def test_the_list_shows_each_set_with_its_licence():
    done = call("data", "list")
    for name, one in real_sets.real_sets().items():
        assert f"{name}: {one.about}" in done.output
        assert one.licence in done.output


HEAD = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def test_a_table_of_many_days_becomes_one_and_is_compared(served, monkeypatch):
    days = {
        "2010-12-01": "536365,085123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,France\n",
        "2010-12-02": "C536366,71053,,-1,2010-12-02 08:26:00,3.39,,France\n",
    }
    for day, line in days.items():
        (served / f"{day}.csv").write_text(HEAD + line)
    text = HEAD + "".join(days.values()).replace("17850.0", "17850")
    digest = hashlib.sha256(text.encode()).hexdigest()
    whole = real_sets.RemoteFile(
        "all.parquet", "someone/shop", "c0ffee", "data/{}.csv", len(text), digest
    )
    one = real_sets.RealSet("tiny", "two days", "CC0", (), whole, " ".join(days))
    monkeypatch.setattr(real_sets, "real_sets", lambda: {"tiny": one})
    table = pd.read_parquet(real_sets.download("tiny") / "all.parquet")
    assert [path.name for path in real_sets.find("tiny").iterdir()] == ["all.parquet"]
    assert table["StockCode"].tolist() == ["085123A", "71053"]
    assert table["CustomerID"].isna().tolist() == [False, True]
    (real_sets.find("tiny") / "all.parquet").unlink()
    (served / "2010-12-02.csv").write_text(HEAD)
    with pytest.raises(TutorialError, match="SHA-256 of their table differs"):
        real_sets.download("tiny")
    assert list((real_sets.data_home() / "tiny").iterdir()) == []
