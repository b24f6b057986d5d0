"""The shop over HTTP: what it answers, whom it refuses, and what a visit leaves behind.

The answers are those of a stand-in that tells what it was asked; the server is the real one.
"""

import contextlib
import gc
import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest
from click.testing import CliRunner
from PIL import Image

from mmtutorial import TutorialError
from mmtutorial.cli import main
from mmtutorial.shop import door, service, uploads
from mmtutorial.shop.door import HOST, Door, Rate
from mmtutorial.shop.language import SAYS, Said

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

API = {"X-Shop": "1"}
IDS = ["000", "a/b", "红 &?"]


class Front:
    """Answers with what it was asked; ``calls`` counts, ``hold`` makes it wait."""

    def __init__(self):
        self.calls, self.hold, self.fault = 0, None, None

    def data(self):
        return {"name": "</script><b>six</b>", "products": len(IDS)}

    def search(self, request):
        self.calls += 1
        if self.hold is not None:
            self.hold.wait(30)
        if self.fault is not None:
            raise self.fault
        asked = {**vars(request), "photo": None}
        if request.photo is not None:
            asked["photo"] = request.photo[0, 0].tolist()
        return {"asked": asked}

    def suggest(self, text, language):
        self.calls += 1
        return {"suggestions": [text, language]}

    def product(self, product, request):
        self.calls += 1
        return {"product": product, "words": request.words}

    def for_you(self, seen):
        self.calls += 1
        return {"products": list(seen)}


class Photos:
    """A catalogue with a photo of each size that is asked for."""

    table = pd.DataFrame({"id": IDS})

    def thumbnail(self, row, longest):
        return encoded("JPEG", size=(longest, 10 * (row + 1)))


def encoded(format="PNG", mode="RGB", size=(60, 80), colour=0):
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, format)
    return buffer.getvalue()


@contextlib.contextmanager
def opened(front=None):
    """A server on a thread, for ``ask``."""
    front = front or Front()
    sockets = service.listen(HOST, 0)
    port = sockets[0].getsockname()[1]
    thread = service.ServerThread(sockets, Door(port))
    thread.service.open(front, Photos())
    try:
        url = f"http://{HOST}:{port}"
        yield SimpleNamespace(
            front=front, port=port, url=url, service=thread.service, thread=thread
        )
    finally:
        thread.close()


@pytest.fixture(scope="module")
def of_module():
    with opened() as server:
        yield server


@pytest.fixture
def server(of_module):
    """One server for all tests that leave it as it was."""
    of_module.front.calls = 0
    yield of_module
    of_module.front.hold = of_module.front.fault = None


def ask(server, path="/", headers=None, method="GET", body=None):
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return SimpleNamespace(status=answer.status, headers=answer.headers, body=answer.read())
    finally:
        connection.close()


def api(server, path, **options):
    """As ``ask``, with the page's own header; the JSON is read."""
    answer = ask(server, path, API, **options)
    answer.json = json.loads(answer.body)
    return answer


def until(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# The page and its files -------------------------------------------------------------------------


def test_the_page_carries_its_data_and_no_text_of_a_catalogue_ends_it(server):
    page = ask(server).body.decode()
    (data,) = re.findall('<script type="application/json" id="shop-data">(.*?)</script>', page)
    assert json.loads(data) == server.front.data()
    assert "<b>" not in page


@pytest.mark.parametrize("name", ["page.js", "style.css"])
def test_a_file_of_the_page_is_sent_once_and_then_asked_for_its_tag(server, name):
    first = ask(server, f"/{name}")
    assert first.status == 200
    assert first.headers["Content-Type"].startswith(("text/javascript", "text/css"))
    again = ask(server, f"/{name}", {"If-None-Match": first.headers["Etag"]})
    assert again.status == 304 and again.body == b""


@pytest.mark.parametrize(
    "path",
    ["/page.html", "/service.py", "/../door.py", "/..%2Fdoor.py", "/static/", "/shop/style.css",
     "/style.css/", "//style.css", "/style%00.css", "/api", "/api/", "/photo/", "/%FF",
     "/photo/%FF"],
)  # fmt: skip
def test_nothing_else_is_there(server, path):
    answer = ask(server, path)
    assert answer.status in (400, 404)
    assert answer.body.decode() in [SAYS[key][0] for key in ("nowhere", "odd address")]


@pytest.mark.parametrize("path", ["/", "/style.css", "/nowhere", "/api/search", "/photo/000"])
def test_every_answer_has_the_headers_that_keep_others_out(server, path):
    headers = ask(server, path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'; ") and "unsafe" not in policy
    assert "frame-ancestors 'self' http://127.0.0.1:* http://localhost:*" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers and "Server" not in headers


# Searches ---------------------------------------------------------------------------------------


def test_an_address_becomes_a_request(server):
    path = (
        "/api/search?q=red+%E5%8C%85&like=000&weight=0.25&sort=-price&page=3&size=48&lang=zh"
        "&f.colour=Red&f.colour=Navy+Blue&min.price=10&max.price=40.5&max.year=2012"
        "&off=colour:Red&off=brand:A:B&rank=vectors,bm25&seen=000&seen=a,b"
    )
    assert api(server, path).json["asked"] == {
        "words": "red 包", "photo": None, "like": "000", "weight": 0.25, "sort": "-price",
        "page": 3, "size": 48, "language": "zh", "rank": ["vectors", "bm25"],
        "filters": {"colour": ["Red", "Navy Blue"], "price": [10, 40.5], "year": [None, 2012]},
        "off": [["colour", "Red"], ["brand", "A:B"]], "seen": ["000", "a,b"],
    }  # fmt: skip
    assert api(server, "/api/search").json["asked"] == json.loads(
        json.dumps({**vars(service.Request()), "photo": None})
    )


def test_suggestions_and_products_are_answered_too(server):
    assert api(server, "/api/suggest?q=sn&lang=zh").json == {"suggestions": ["sn", "zh"]}
    assert api(server, "/api/product/a%2Fb?q=red").json == {"product": "a/b", "words": "red"}
    assert api(server, "/api/product/b").status == 404
    found = api(server, "/api/foryou?seen=a%2Fb&seen=%E7%BA%A2+%26%3F").json
    assert found == {"products": ["a/b", "红 &?"]}
    assert ask(server, "/api/foryou?seen=000").status == 403  # without the page's own header


@pytest.mark.parametrize(
    ("path", "status", "key"),
    [
        ("/api/search?page=x", 400, "odd"),
        ("/api/search?page=1.5", 400, "odd"),
        ("/api/search?page=" + "9" * 5000, 400, "odd"),
        ("/api/search?weight=nan", 400, "odd"),
        ("/api/search?min.price=inf", 400, "odd"),
        ("/api/search?min.price=1e999", 400, "odd"),
        ("/api/search?q=%FF", 400, "odd address"),
        ("/api/search?" + "f.a=b&" * 201, 400, "odd"),
        ("/api/foryou?" + "seen=a&" * 201, 400, "odd"),
        ("/api/foryou?seen=%FF", 400, "odd address"),
        ("/api/search?photo=00", 410, "photo gone"),
        ("/api/photo/00", 410, "photo gone"),
        ("/api/nothing", 404, "nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_visitors_language(server, path, status, key):
    for code, n in (("en", 0), ("zh", 1)):
        answer = ask(server, path + ("&" if "?" in path else "?") + f"lang={code}", API)
        pattern = re.sub(r"\\{.*?\\}", ".*", re.escape(SAYS[key][n]))
        assert answer.status == status and re.search(pattern, answer.body.decode())
    assert server.front.calls == 0


def test_what_the_front_refuses_is_a_sentence(server):
    server.front.fault = Said("too long", length=201, most=200)
    answer = api(server, "/api/search?lang=zh")
    assert answer.status == 400 and answer.json["error"].startswith("201 个字符太多了")
    server.front.fault = TutorialError("no such colour")
    assert api(server, "/api/search").json == {"error": "no such colour"}


def test_a_fault_of_ours_is_logged_and_not_shown(server, caplog):
    server.front.fault = RuntimeError("secret detail")
    answer = api(server, "/api/search")
    assert answer.status == 500 and answer.json == {"error": SAYS["trouble"][0]}
    assert "secret detail" in caplog.text


def test_an_answer_that_is_no_json_is_a_fault_of_ours(server, monkeypatch, caplog):
    monkeypatch.setattr(server.front, "search", lambda request: {"score": float("nan")})
    assert api(server, "/api/search").status == 500


# Who may ask ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},  # no X-Shop: an <img>, a form, a script without leave
        {"X-Shop": "0"},
        API | {"Sec-Fetch-Site": "cross-site"},
        API | {"Sec-Fetch-Site": "same-site"},  # another port of this machine
        API | {"Origin": "http://evil.example"},
        API | {"Origin": "null"},
        API | {"Origin": "http://["},
        API | {"Origin": "http://127.0.0.1:1"},
        API | {"Referer": "http://evil.example/page"},
        API | {"Host": "evil.example"},
        API | {"Host": "127.0.0.1"},
        API | {"Host": "127.0.0.1.evil.example:PORT"},
    ],
)
@pytest.mark.parametrize("path", ["/api/search?q=red", "/api/product/000", "/api/photo"])
def test_another_sites_page_starts_nothing(server, monkeypatch, path, headers):
    decoded = []
    monkeypatch.setattr(service, "read_upload", lambda *args: decoded.append(args))
    headers = {name: value.replace("PORT", str(server.port)) for name, value in headers.items()}
    method, body = ("POST", encoded()) if path == "/api/photo" else ("GET", None)
    answer = ask(server, path, headers, method, body)
    assert answer.status == 403 and json.loads(answer.body)["error"]
    assert server.front.calls == 0 and decoded == []


@pytest.mark.parametrize(
    "headers",
    [
        API,  # curl
        API | {"Sec-Fetch-Site": "none"},
        API | {"Sec-Fetch-Site": "same-origin", "Referer": "URL/?q=red"},
        API | {"Origin": "URL"},
        API | {"Host": "localhost:PORT", "Origin": "http://localhost:PORT"},
        API | {"Host": "LOCALHOST:PORT"},
    ],
)
def test_its_own_page_is_answered(server, headers):
    here = {"URL": server.url, "PORT": str(server.port)}
    headers = {
        name: re.sub("URL|PORT", lambda found: here[found[0]], value)
        for name, value in headers.items()
    }
    assert ask(server, "/api/search", headers).status == 200


def test_a_link_and_a_notebooks_frame_may_lead_here_and_a_foreign_script_may_not(server):
    there = {"Sec-Fetch-Site": "cross-site", "Referer": "http://localhost:8888/lab"}
    for into in ("iframe", "document"):
        headers = there | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": into}
        assert ask(server, "/", headers).status == 200
    assert ask(server, "/", there | {"Sec-Fetch-Mode": "no-cors"}).status == 403
    assert ask(server, "/style.css", there).status == 403
    assert ask(server, "/photo/000", there).status == 403
    assert ask(server, "/", {"Host": "evil.example"}).status == 403


def test_a_preflight_gets_no_leave(server):
    asking = {"Origin": "http://evil.example", "Access-Control-Request-Headers": "x-shop"}
    answer = ask(server, "/api/search", asking, "OPTIONS")
    assert answer.status == 403 and "Access-Control-Allow-Headers" not in answer.headers


def test_the_door_knows_its_names():
    closed = Door(80)
    assert not closed.open and closed.rate is None
    assert {"127.0.0.1", "localhost:80", "[::1]:80"} <= closed.hosts
    to_all = Door(8866, "0.0.0.0", ["HTTP://Shop.example:8866/", "https://shop.example:443"])
    assert to_all.open and to_all.rate is not None
    assert to_all.address == "http://shop.example:8866"
    assert {"shop.example:8866", "shop.example", "0.0.0.0:8866"} <= to_all.hosts
    assert Door(8866, "::1").address == "http://[::1]:8866" and not Door(8866, "::1").open
    behind_a_proxy = Door(8866, HOST, ["https://shop.example"])
    assert not behind_a_proxy.open and "shop.example" in behind_a_proxy.hosts


@pytest.mark.parametrize(
    "origin", ["", "shop.example", "*", "ftp://x", "http://", "http://a/b", "http://a?b",
               "http://me@a", "http://[", "http://a#b"]
)  # fmt: skip
def test_an_address_of_another_form_is_refused(origin):
    with pytest.raises(TutorialError, match="--allow-origin"):
        Door(8866, "0.0.0.0", [origin])


# Limits -----------------------------------------------------------------------------------------


def test_one_address_may_ask_so_often(server, monkeypatch):
    monkeypatch.setattr(server.service.door, "rate", Rate(a_second=0.001, burst=3))
    answers = [api(server, "/api/search") for _ in range(4)]
    assert [each.status for each in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["Retry-After"] == "5"


def test_the_rate_fills_up_again_and_forgets_addresses(monkeypatch):
    now = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(door, "time", now)
    rate = Rate(a_second=2, burst=2, most=3)
    assert [rate.allows("a") for _ in range(3)] == [True, True, False]
    now.monotonic = lambda: 0.5
    assert [rate.allows("a") for _ in range(2)] == [True, False]
    for other in "bcd":
        assert rate.allows(other)
    assert list(rate.seen) == ["b", "c", "d"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_is_read_nowhere_but_with_a_photo(server, method):
    assert ask(server, "/api/search", API, method, b"x").status == 413
    assert server.front.calls == 0


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Content-Length: 999999999999", 413),
        (f"Content-Length: {uploads.MAX_BYTES + 1}", 413),
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: -1", 411),
        ("Content-Length: 1\r\nContent-Length: 2", 411),
    ],
)
def test_a_body_too_large_is_refused_before_a_byte_of_it_is_sent(server, lines, status):
    with socket.create_connection((HOST, server.port), timeout=10) as client:
        client.sendall(
            f"POST /api/photo?name=big.jpg HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n"
            f"X-Shop: 1\r\n{lines}\r\n\r\n".encode()
        )
        said = b"".join(iter(lambda: client.recv(65536), b""))  # and the connection ends
    assert said.startswith(b"HTTP/1.1 %d " % status) and said.count(b"HTTP/1.1") == 1
    assert not server.service.uploading


def test_a_large_header_is_refused(server):
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        assert ask(server, "/", {"X-Long": "x" * 20_000}).status >= 400


@pytest.fixture
def impatient(monkeypatch):
    """A server that waits for one second."""
    monkeypatch.setattr(door, "PATIENCE", 1.0)
    monkeypatch.setattr(service, "PATIENCE", 1.0)
    with opened() as server:
        yield server


def test_connections_that_say_nothing_or_too_slowly_are_closed(impatient):
    clients = [socket.create_connection((HOST, impatient.port)) for _ in range(20)]
    for client in clients[::2]:
        client.send(b"GET / HTTP/1.1\r\nHost: 127")
    clients[1].send(
        b"POST /api/photo HTTP/1.1\r\nHost: %s:%d\r\nX-Shop: 1\r\nContent-Length: 9\r\n\r\n1"
        % (HOST.encode(), impatient.port)
    )
    for client in clients:
        client.settimeout(10)
        assert client.recv(1) == b""
        client.close()
    until(lambda: not impatient.service.uploading)
    assert ask(impatient).status == 200


def test_a_visitor_who_does_not_take_the_answer_is_cut_off(impatient, monkeypatch):
    monkeypatch.setattr(impatient.front, "search", lambda request: {"long": "x" * 50_000_000})
    with socket.create_connection((HOST, impatient.port)) as client:
        client.sendall(
            b"GET /api/search HTTP/1.1\r\nHost: %s:%d\r\nX-Shop: 1\r\n\r\n"
            % (HOST.encode(), impatient.port)
        )
        until(lambda: impatient.service.server.connections == 1)
        until(lambda: impatient.service.server.connections == 0, 30)
        client.settimeout(10)
        taken = 0
        with contextlib.suppress(ConnectionError):
            while part := client.recv(1_000_000):
                taken += len(part)
    assert taken < 50_000_000


def test_there_are_so_many_connections_and_no_more(monkeypatch):
    monkeypatch.setattr(door, "CONNECTIONS", 5)
    with opened() as server, contextlib.ExitStack() as open_ones:
        clients = [
            open_ones.enter_context(socket.create_connection((HOST, server.port))) for _ in range(6)
        ]
        clients[-1].settimeout(5)
        assert clients[-1].recv(1) == b""
        for client in clients[:2]:
            client.close()
        until(lambda: _answers(server))


def _answers(server):
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        return ask(server).status == 200


def test_a_crowd_is_turned_away_and_the_server_goes_on_answering(monkeypatch):
    with opened() as server:
        server.service.searches.most = 3
        server.front.hold = threading.Event()
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(api(server, "/api/search")))
            for _ in range(3)
        ]
        for each in threads:
            each.start()
        until(lambda: server.service.searches.jobs == 3)
        refused = api(server, "/api/search?lang=en")
        assert refused.status == 503 and refused.headers["Retry-After"] == "1"
        assert ask(server, "/style.css").status == ask(server, "/photo/000").status == 200
        server.front.hold.set()
        for each in threads:
            each.join()
        assert [answer.status for answer in answers] == [200] * 3
        assert server.service.searches.jobs == 0


def test_nothing_is_searched_for_a_visitor_who_has_gone(monkeypatch):
    with opened() as server:
        server.front.hold = threading.Event()
        request = f"GET /api/search HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nX-Shop: 1\r\n\r\n"
        clients = [socket.create_connection((HOST, server.port)) for _ in range(5)]
        for client in clients:
            client.sendall(request.encode())
        until(lambda: server.service.searches.jobs == 5)
        for client in clients:
            client.close()
        until(lambda: server.service.searches.jobs == 0)
        server.front.hold.set()
        server.front.hold = None
        assert api(server, "/api/search").status == 200
        assert server.front.calls == service.SEARCHERS + 1  # those in work, and the last one


# Photos -----------------------------------------------------------------------------------------


def test_a_products_photo_has_the_size_that_is_asked_for_and_a_tag(server):
    from urllib.parse import quote

    for row, product in enumerate(IDS):
        path = f"/photo/{quote(product, safe='')}"
        for size, longest in service.LONGEST.items():
            answer = ask(server, f"{path}?size={size}")
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert Image.open(io.BytesIO(answer.body)).size == (longest, 10 * (row + 1))
        again = ask(server, path, {"If-None-Match": ask(server, path).headers["Etag"]})
        assert again.status == 304 and again.headers["Cache-Control"] == "private, no-cache"
    assert ask(server, "/photo/000?v=1").headers["Cache-Control"] == "private, max-age=86400"
    assert ask(server, "/photo/001").status == ask(server, "/photo/000?size=all").status == 404


def test_a_photo_that_is_added_can_be_searched_by_and_seen(server):
    content = encoded(size=(300, 400), colour=(0, 255, 0))
    answer = api(server, "/api/photo?name=mine.png", method="POST", body=content)
    token = answer.json["token"]
    assert (answer.json["width"], answer.json["height"]) == (60, 80)
    found = api(server, f"/api/search?photo={token}&weight=1").json["asked"]
    assert found["photo"] == [0, 255, 0] and found["weight"] == 1
    shown = ask(server, f"/api/photo/{token}", API)
    assert shown.headers["Content-Type"] == "image/jpeg"
    assert np.asarray(Image.open(io.BytesIO(shown.body)))[40, 30, 1] > 200
    assert api(server, "/api/photo", method="POST", body=content).json["token"] == token
    until(lambda: not server.service.uploading)


def test_what_is_no_photo_is_refused_in_a_sentence(server):
    answer = api(server, "/api/photo?name=a.pdf&lang=zh", method="POST", body=b"%PDF-1.4")
    assert answer.status == 400 and answer.json["error"].startswith("“a.pdf”不是可以读取的照片")
    answer = api(server, "/api/photo", method="POST", body=b"")
    assert answer.status == 400


def test_the_photo_that_was_used_least_recently_goes_first():
    photos = service.Photos(most=2)
    for token in "ab":
        photos.keep(token, np.zeros(1))
    assert photos["a"] is not None
    photos.keep("c", np.zeros(1))
    assert list(photos.kept) == ["a", "c"]
    assert service.Photos().read(encoded(), "x")[0] != service.Photos().read(encoded(), "x")[0]


def test_so_many_photos_are_taken_in_at_a_time(monkeypatch):
    monkeypatch.setattr(service, "UPLOADS", 2)
    with opened() as server:
        head = f"POST /api/photo HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nX-Shop: 1\r\n"
        clients = [socket.create_connection((HOST, server.port)) for _ in range(2)]
        for client in clients:
            client.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode())
        until(lambda: len(server.service.uploading) == 2)
        assert api(server, "/api/photo", method="POST", body=encoded()).status == 503
        for client in clients:
            client.close()
        until(lambda: not server.service.uploading)
        assert api(server, "/api/photo", method="POST", body=encoded()).status == 200


# The server itself ------------------------------------------------------------------------------


def test_closing_leaves_no_thread_and_no_socket():
    before = set(threading.enumerate())
    with opened() as server:
        assert api(server, "/api/search").status == 200
        assert server.thread.is_open
    assert not server.thread.is_open
    server.thread.close()
    until(lambda: not set(threading.enumerate()) - before)
    with pytest.raises(ConnectionError):
        ask(server)


def test_until_the_shop_is_open_its_page_asks_again_and_nothing_is_answered():
    sockets = service.listen(HOST, 0)
    port = sockets[0].getsockname()[1]
    thread = service.ServerThread(sockets, Door(port))
    server = SimpleNamespace(port=port)
    try:
        page = ask(server, "/?q=red")
        assert page.status == 503 and page.headers["Refresh"] == page.headers["Retry-After"] == "1"
        assert page.body.decode() == SAYS["opening"][0]
        assert api(server, "/api/search?lang=zh").json == {"error": SAYS["opening"][1]}
        assert ask(server, "/photo/000").status == 503
        thread.service.open(Front(), Photos())
        assert ask(server, "/?q=red").status == 200 and api(server, "/api/search").status == 200
    finally:
        thread.close()


def test_the_command_passes_everything_on(monkeypatch):
    given = []
    monkeypatch.setattr(service, "serve", lambda *args, **options: given.append((args, options)))
    words = "app --dataset shoes --port 9 --no-browser --model fashion-base --host 0.0.0.0"
    words += " --allow-origin http://a:9 --allow-origin http://b:9"
    assert CliRunner().invoke(main, words.split()).exit_code == 0
    assert CliRunner().invoke(main, ["app"]).exit_code == 0
    assert given == [
        (("shoes",), {"port": 9, "browser": False, "model": "fashion-base", "host": "0.0.0.0",
                      "allow_origin": ("http://a:9", "http://b:9")}),
        (("demo",), {"port": 8866, "browser": True, "model": None, "host": "127.0.0.1",
                     "allow_origin": ()}),
    ]  # fmt: skip
    assert CliRunner().invoke(main, ["app", "--port", "70000"]).exit_code == 2


def test_a_taken_port_is_named_before_anything_is_trained():
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        done = CliRunner().invoke(main, ["app", "--port", str(port)])
    assert done.exit_code == 1
    assert done.output == (
        f"Error: port {port} is taken by another program; choose another one with --port\n"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--host 0.0.0.0", "opens the shop to other machines: give the address"),
        ("--host 203.0.113.7 --allow-origin http://a", "this machine has no such address"),
        ("--host no.such.host.invalid --allow-origin http://a", "this machine has no such address"),
    ],
)
def test_a_host_that_cannot_be_is_refused(options, said):
    done = CliRunner().invoke(main, ["app", *options.split()])
    assert done.exit_code == 1 and said in done.output


OPENED_AT_ONCE = """
import sys
import tempfile
from types import SimpleNamespace
sys.path.insert(0, {tests!r})
from mmtutorial.shop import market, opening, service
from shop.test_service import Front, Photos
home = service.Path(tempfile.mkdtemp())
market.Market().save(home)
opening.home = lambda *_: home
opening.load = lambda *_: SimpleNamespace(catalogue=Photos())
service.Shopfront = lambda search, market: Front()
from mmtutorial.cli import main
main()
"""


def start(code, *options):
    """``mmtutorial app`` with that code around it, as soon as it has said something."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", code, "app", "--no-browser", "--port", str(port), *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )
    assert "Opening the shop" in process.stdout.readline()
    return process, port


@pytest.mark.slow
@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_shop(with_signal):
    from mmtutorial.paths import ROOT

    code = OPENED_AT_ONCE.format(tests=str(ROOT / "tests"))
    origin = "http://shop.example:8866"
    process, port = start(code, "--host", "0.0.0.0", "--allow-origin", origin)
    warned, opened_at = process.stdout.readline(), process.stdout.readline()
    assert "There is no password and no encryption." in warned and origin in warned
    assert f"The shop is open: {origin} " in opened_at
    server = SimpleNamespace(port=port)
    assert ask(server, "/api/search", API | {"Host": "shop.example:8866"}).status == 200
    assert ask(server, "/api/search", API | {"Host": "other.example:8866"}).status == 403
    with socket.create_connection((HOST, port)):  # an open connection does not hold it up
        process.send_signal(with_signal)
        assert process.stdout.read() == "Closed.\n"
    assert process.wait(10) == 0


def test_closing_while_a_model_is_trained_ends_the_training(tmp_path):
    """In the process of its own; a function that sleeps takes the training's place."""
    slow = tmp_path / "slow.py"
    slow.write_text(
        f"import os, pathlib, time\ndef build(*_):\n    pathlib.Path({str(tmp_path / 'pid')!r})"
        ".write_text(str(os.getpid()))\n    time.sleep(600)\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import slow\nfrom mmtutorial.shop import opening, service\n"
        "opening.home = lambda *_: service.Path('nowhere')\nopening.build = slow.build\n"
        "from mmtutorial.cli import main; main()"
    )
    process, _ = start(code)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 60)
    pid = int((tmp_path / "pid").read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 130
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


def test_every_file_beside_the_code_goes_into_the_wheel():
    folder = Path(service.__file__).parent
    project = folder.parent.parent / "pyproject.toml"
    if not project.exists():
        pytest.skip("not a checkout")
    packed = tomllib.loads(project.read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    beside = {file.name for file in folder.iterdir() if file.is_file() and file.suffix != ".py"}
    assert {"style.css", "page.js", "page.html"} <= beside
    for name in beside:
        assert any(fnmatch(name, pattern) for pattern in packed["mmtutorial.shop"]), name


# A crowd ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_twenty_visitors_at_a_time_get_their_own_answers_and_leave_nothing():
    """Each adds a photo and searches ten times; one is cut off in the middle. Nothing grows."""
    with opened() as server:

        def visit(number):
            colour = (number, 255 - number, 7)
            content = encoded("BMP", colour=colour)
            while (sent := api(server, "/api/photo", method="POST", body=content)).status == 503:
                time.sleep(0.1)  # as the page does
            connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
            for n in range(10):
                path = f"/api/search?q=visitor+{number}+{n}&photo={sent.json['token']}"
                connection.request("GET", path, headers=API)
                if number == 7 and n == 5:
                    break
                asked = json.loads(connection.getresponse().read())["asked"]
                assert asked["words"] == f"visitor {number} {n}"
                assert asked["photo"] == list(colour)
                connection.request("GET", f"/photo/000?size=large&n={number}", headers=API)
                assert Image.open(io.BytesIO(connection.getresponse().read())).size == (500, 10)
            connection.close()

        def crowd():
            with ThreadPoolExecutor(20) as visitors:
                list(visitors.map(visit, range(20)))
            until(lambda: server.service.searches.jobs == server.service.pictures.jobs == 0)
            until(lambda: server.service.server.connections == 0)
            assert not server.service.uploading
            gc.collect()
            handlers = sum(isinstance(each, service.Answer) for each in gc.get_objects())
            return psutil.Process().memory_info().rss, len(threading.enumerate()), handlers

        crowd()
        first = crowd()
        for _ in range(3):
            last = crowd()
        assert last[0] - first[0] < 20e6  # bytes
        assert last[1] <= first[1] and last[2] <= 1
        assert len(server.service.photos.kept) == 20  # the same photos have the same tokens
        assert api(server, "/api/search?q=red").json["asked"]["words"] == "red"
