"""The door of the served page: who gets a kernel, how many there are, and when they end.

The server is the real one; its notebook prints a line instead of loading a shop, so that a kernel
takes a second.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psutil
import pytest

from mmtutorial.shop import serve

pytest.importorskip("voila")
from mmtutorial.shop import visitors

MOST = 2
SERVER = """
import signal
import sys
from pathlib import Path

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job has it ignored

import nbformat
from mmtutorial.shop import serve, visitors

visitors.PATIENCE = 2
with serve._own_folder() as folder:
    path = serve._write_notebook(folder, "demo", "nowhere", None)
    notebook = nbformat.read(path, 4)
    notebook.cells[0].source = "print('hello')"
    nbformat.write(notebook, path)
    serve._server(path, int(sys.argv[1]), int(sys.argv[2])).start()
"""


@pytest.fixture(scope="module")
def server():
    with socket.socket() as probe:
        probe.bind((serve.HOST, 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port), str(MOST)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    found = SimpleNamespace(process=process, port=port, address=f"http://{serve.HOST}:{port}")
    until(lambda: ask(found, "/voila/templates/")[0] == 404)
    yield found
    process.send_signal(signal.SIGINT)
    process.wait(30)


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)


def ask(server, path="/", data=None, **headers):
    """Status, text and headers of an answer; status 0 where nobody listens."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(server.address + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode(), refusal.headers
    except urllib.error.URLError:
        return 0, "", {}


def kernels(server):
    """The process ids of the kernels that live."""
    below = psutil.Process(server.process.pid).children(recursive=True)
    found = set()
    for one in below:
        try:
            if one.status() != "zombie" and "ipykernel_launcher" in one.cmdline():
                found.add(one.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def kernel_of(page):
    return json.loads(re.search(r'"kernelId": ("[^"]+")', page).group(1))


def leave(server, kernel, **headers):
    return ask(server, f"/voila/api/shutdown/{kernel}", b"_xsrf=", **headers)[0]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),  # curl, or a browser of old
        ({"Sec-Fetch-Site": "none"}, False),  # typed in
        ({"Sec-Fetch-Site": "same-origin", "Referer": "http://127.0.0.1:8866/"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),  # another port of this machine
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Referer": "http://evil.example/127.0.0.1:8866"}, True),
        ({"Referer": "http://127.0.0.1:8888/lab"}, True),
        ({"Origin": "http://[broken"}, True),
    ],
)
def test_a_request_is_foreign_if_any_header_says_so(headers, expected):
    request = SimpleNamespace(headers=headers, host="127.0.0.1:8866")
    assert visitors.foreign(request) is expected


@pytest.mark.parametrize(
    "headers",
    [{"Sec_Fetch_Site": "cross-site"}, {"Origin": "http://evil.example"},
     {"Referer": "http://evil.example/"}],
)  # fmt: skip
def test_the_page_of_another_site_starts_nothing(server, headers):
    until(lambda: len(kernels(server)) == 1)  # the warm one
    before = kernels(server)
    for _ in range(3):
        status, text, _ = ask(server, **headers)
        assert status == 403 and "Another site" in text and "其他网站" in text
    time.sleep(1)
    assert kernels(server) == before


def test_kernels_are_bounded_and_a_closed_page_makes_room(server):
    """Eight at once: two get a page, six a sentence; there are never more than two kernels."""
    most = set()
    with ThreadPoolExecutor(8) as visits:
        waiting = [visits.submit(ask, server) for _ in range(8)]
        while not all(one.done() for one in waiting):
            most.add(len(kernels(server)))
            time.sleep(0.1)
    answers = [one.result() for one in waiting]
    assert sorted(status for status, *_ in answers) == [200] * MOST + [503] * 6
    refused = next(answer for answer in answers if answer[0] == 503)
    assert "full" in refused[1] and "已满" in refused[1] and refused[2]["Retry-After"] == "60"
    assert len(kernels(server)) == max(most) == MOST
    assert ask(server, "/?theme=dark&template=lab")[0] == 503  # no way round

    first, second = [kernel_of(text) for status, text, _ in answers if status == 200]
    assert leave(server, first) == leave(server, first, Origin="http://evil.example") == 403
    assert leave(server, first, Origin="null") == 403
    before = kernels(server)
    assert leave(server, first, Origin=server.address) == 204
    assert leave(server, first, Origin=server.address) == 404
    status, text, _ = ask(server)
    assert status == 200 and "hello" in text
    assert len(kernels(server)) == MOST and kernels(server) != before
    for kernel in (second, kernel_of(text)):
        assert leave(server, kernel, Origin=server.address) == 204
    until(lambda: len(kernels(server)) == 1)


@pytest.mark.slow
def test_a_page_that_vanishes_without_a_word_keeps_its_kernel_for_a_minute_at_most(server):
    until(lambda: len(kernels(server)) == 1)
    assert ask(server)[0] == 200  # no browser: nobody connects
    until(lambda: len(kernels(server)) == MOST)
    time.sleep(15)
    assert len(kernels(server)) == MOST  # time enough to connect
    until(lambda: len(kernels(server)) == 1, seconds=45)


def test_connections_that_say_nothing_are_closed(server):
    half_open = [socket.create_connection((serve.HOST, server.port)) for _ in range(50)]
    for one in half_open[::2]:
        one.send(b"GET / HTTP/1.1\r\nHost: 127")
    for one in half_open:
        one.settimeout(20)  # the server's patience is 2 s in this test, 20 s elsewhere
        assert one.recv(1) == b""


@pytest.mark.parametrize(
    "path",
    ["", "lab", "lab/static", "lab/static/", "lab/else/x", "no/static/x.js", "lab/static/no.js",
     "lab/static/../../x", "lab/static/a\\b"],
)  # fmt: skip
def test_what_is_no_file_of_the_page_is_not_found(server, path):
    assert ask(server, f"/voila/templates/{path}")[0] in (403, 404)


def test_the_files_of_the_page_are_found(server):
    assert ask(server, "/voila/templates/base/static/voila.js")[0] == 200
    assert ask(server, "/no-such-page")[0] == 404


@pytest.mark.slow
def test_a_killed_server_leaves_nothing_that_the_next_start_does_not_remove(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(serve.tempfile, "tempdir", None)
    code = SERVER.replace("serve._server(", "print(folder, flush=True); serve._server(")
    with socket.socket() as probe:
        probe.bind((serve.HOST, 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(port), "1"], stdout=subprocess.PIPE, text=True
    )
    folder = process.stdout.readline().strip()
    server = SimpleNamespace(process=process)
    until(lambda: kernels(server))
    below = kernels(server)
    left = [path.name for path in tmp_path.iterdir()]
    assert [str(tmp_path / name) for name in left] == [folder]  # all it writes is in there
    monkeypatch.setattr(serve.time, "time", lambda now=time.time: now() + 100)
    with serve._own_folder():
        assert (tmp_path / left[0]).is_dir()  # its server lives
    process.kill()
    process.wait()
    until(lambda: not any(psutil.pid_exists(pid) for pid in below))
    with serve._own_folder() as own:
        assert [path.name for path in tmp_path.iterdir()] == [own.name]
    assert list(tmp_path.iterdir()) == []
