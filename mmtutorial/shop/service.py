"""The shop page over HTTP: ``mmtutorial app``, and the page in a notebook cell (lesson 24).

One process serves the page's three files and a small JSON interface; a ``Shopfront`` knows the
answers, a thread computes them. A visitor has no state here: what was chosen stands in the page's
address. All that stays of a visit is the photo that was added, until 500 others have been used.
``door.py`` says who is let in.
"""

import asyncio
import contextlib
import errno
import hashlib
import io
import json
import math
import multiprocessing
import os
import re
import secrets
import signal
import socket
import threading
import time
import webbrowser
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import Application, Finish, RequestHandler, stream_request_body

from mmtutorial import TutorialError
from mmtutorial.shop import opening
from mmtutorial.shop.door import HOST, PATIENCE, Door, Refused, Server, Workers
from mmtutorial.shop.language import CHINESE, ENGLISH, Said, say
from mmtutorial.shop.shopfront import Request, Shopfront
from mmtutorial.shop.uploads import MAX_BYTES, read_upload

PARAMETERS = 200  # of a request
KEPT = 500  # photos that visitors added
UPLOADS = 16  # at a time, each up to MAX_BYTES in memory
SEARCHERS = 2  # threads: on two cores they answer 1.4 times as many searches as one does
LONGEST = {"small": 200, "large": 500}  # pixels on a photo's long side
FILES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
SLOT = re.compile(r'(<script type="application/json" id="shop-data">).*?(</script>)', re.DOTALL)
HEADERS = {
    # JupyterLab on this machine may show the page in a frame, another site may not.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self' http://127.0.0.1:* "
    "http://localhost:*",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


# What is shared by all visitors -------------------------------------------------------------------


class Service:
    """One shop: its answers, its threads, its files, and the photos that visitors added.

    Until ``open`` is called it says that the shop is being opened.
    """

    def __init__(self, door: Door):
        self.door, self.front = door, None
        self.searches, self.pictures = Workers(SEARCHERS), Workers()
        self.photos = Photos()
        self.uploading: set[RequestHandler] = set()

    def open(self, front, catalogue) -> None:
        """Answer from now on: ``front`` is a ``Shopfront``, ``catalogue`` has the photos."""
        here = Path(__file__).parent
        served = (file for file in here.iterdir() if file.suffix in FILES)
        self.files = {file.name: file.read_bytes() for file in served}
        self.page = filled((here / "page.html").read_text("utf-8"), front.data())
        self.catalogue = catalogue
        self.rows = {product: row for row, product in enumerate(catalogue.table["id"])}
        self.front = front

    def application(self) -> Application:
        """The routes, for tornado."""
        routes = [
            ("/", Page),
            (r"/([\w-]+\.(?:css|js))", File),
            ("/api/search", Search),
            ("/api/suggest", Suggest),
            ("/api/foryou", ForYou),
            ("/api/product/([^/]+)", Product),
            ("/api/photo", Upload),
            ("/api/photo/([^/]+)", Uploaded),
            ("/photo/([^/]+)", Photo),
        ]
        mine = {"shop": self}
        return Application(
            [(path, handler, mine) for path, handler in routes],
            default_handler_class=Nowhere,
            default_handler_args=mine,
            log_function=lambda handler: None,  # what visitors ask for is nobody's business
        )

    async def run(self, sockets: list, until: asyncio.Event) -> None:
        """Answer on these sockets; then close all that was opened."""
        self.server = Server(self.application())
        self.server.add_sockets(sockets)
        try:
            await until.wait()
        finally:
            self.server.stop()
            await self.server.close_all_connections()
            self.searches.close()
            self.pictures.close()


class Photos:
    """The photos that visitors added, decoded: the ``most`` that were used last."""

    def __init__(self, most: int = KEPT):
        self.most = most
        self.kept: OrderedDict[str, np.ndarray] = OrderedDict()  # token → (80, 60, 3) uint8
        self.secret = secrets.token_bytes(16)  # so that nobody can ask whether a photo is here

    def read(self, content: bytes, name: str) -> tuple[str, np.ndarray]:
        """A file's token and its photo; raises ``TutorialError`` as ``read_upload`` does."""
        token = hashlib.blake2b(content, digest_size=16, key=self.secret).hexdigest()
        return token, read_upload(content, name)

    def keep(self, token: str, photo: np.ndarray) -> None:
        """Keep it, and let go of the one that was not used for longest."""
        self.kept[token] = photo
        self.kept.move_to_end(token)
        if len(self.kept) > self.most:
            self.kept.popitem(last=False)

    def __getitem__(self, token: str) -> np.ndarray:
        if token not in self.kept:
            raise Refused(410, Said("photo gone"))
        self.kept.move_to_end(token)
        return self.kept[token]


def filled(page: str, data: dict) -> bytes:
    """The page with ``data`` in its ``<script id="shop-data">``; no ``<`` in it can end that."""
    text = in_json(data).replace("<", "\\u003c")
    return SLOT.sub(lambda slot: slot[1] + text + slot[2], page, count=1).encode()


def in_json(content) -> str:
    """JSON that browsers read: no NaN in it."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


# Requests -----------------------------------------------------------------------------------------


@stream_request_body  # so that ``prepare`` comes before a body is read
class Answer(RequestHandler):
    """What all answers have in common: the checks before, the headers, a sentence for a fault."""

    longest_body = 0

    def initialize(self, shop: Service):
        """Called by tornado."""
        self.shop, self.job = shop, None

    def set_default_headers(self):
        """Called by tornado."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self):
        """Refuse what is not for us, before anything is read or computed."""
        request, door = self.request, self.shop.door
        if not door.knows(request):
            raise Refused(403, Said("other name", host=request.host, address=door.address))
        if self.is_foreign():
            raise Refused(403, Said("foreign"))
        if door.rate and not door.rate.allows(request.remote_ip):
            raise Refused(429, Said("often"), retry=5)
        if self.shop.front is None:
            raise Refused(503, Said("opening"), retry=1)
        length = request.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in request.headers or not length.isdecimal():
            raise Refused(411, Said("odd", name="Content-Length"))
        if int(length) > self.longest_body:
            raise self.too_long(int(length))
        if sum(map(len, request.query_arguments.values())) > PARAMETERS:
            raise Refused(400, Said("odd", name="?"))

    def is_foreign(self):
        """Whether the page of another site asks."""
        return self.shop.door.foreign(self.request)

    def too_long(self, length):
        """What is said of a body that is larger than it may be."""
        return Refused(413, Said("odd", name="Content-Length"))

    def data_received(self, chunk):
        """Called by tornado; there is a body where it is wanted, and nowhere else."""

    async def work(self, workers, function, *arguments):
        """What the function returns; it runs in a thread, unless the visitor has gone by then."""
        self.job = workers.start(function, *arguments)
        try:
            return await self.job
        except asyncio.CancelledError:
            raise Finish from None
        except TutorialError as fault:
            raise Refused(400, fault) from fault

    def on_connection_close(self):
        """The visitor has gone."""
        if self.job is not None:
            self.job.cancel()
        super().on_connection_close()

    def finish(self, chunk=None):
        """End the answer; a connection that does not take it in time is closed."""
        connection, loop = self.request.connection, IOLoop.current()
        written = super().finish(chunk)
        late = loop.call_later(PATIENCE, connection.close)
        written.add_done_callback(lambda _: loop.remove_timeout(late))
        return written

    @property
    def language(self):
        """The visitor's."""
        return CHINESE if self.code == "zh" else ENGLISH

    @property
    def code(self):
        """The visitor's language, "en" or "zh"."""
        return "zh" if self.request.query_arguments.get("lang", [b""])[-1] == b"zh" else "en"

    def write_error(self, status, exc_info=None, **_):
        """A sentence in the visitor's language; a fault of ours is logged, and not shown."""
        fault = exc_info[1] if exc_info else None
        why = fault.why if isinstance(fault, Refused) else Said(_FAULTS.get(status, "trouble"))
        if isinstance(fault, Refused) and fault.retry:
            self.set_header("Retry-After", str(fault.retry))
        text = say(why.key, self.language, **why.values) if isinstance(why, Said) else str(why)
        self.say_no(text)

    def say_no(self, text):
        """Send the sentence."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(text)


_FAULTS = {400: "odd address", 404: "nowhere", 405: "nowhere"}


class Nowhere(Answer):
    """Any other address."""

    def prepare(self):
        """Say that there is nothing."""
        super().prepare()
        raise Refused(404, Said("nowhere"))


class Page(Answer):
    """The page. A link on another site may lead to it, and a notebook may show it in a frame."""

    def is_foreign(self):
        """Whoever walks in is welcome; a page that fetches it as something else is not."""
        walks_in = self.request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        return not walks_in and super().is_foreign()

    def get(self):
        """Send it."""
        self.set_header("Cache-Control", "no-cache")
        self.finish(self.shop.page)

    def say_no(self, text):
        """Send the sentence; a page that will be there in a moment asks again by itself."""
        if self.get_status() == 503:
            self.set_header("Refresh", "1")
        super().say_no(text)


class File(Answer):
    """A file of the page."""

    def get(self, name):
        """Send it."""
        if name not in self.shop.files:
            raise Refused(404, Said("nowhere"))
        self.set_header("Content-Type", FILES[Path(name).suffix])
        self.set_header("Cache-Control", "no-cache")  # that is: kept, and asked for its ETag
        self.finish(self.shop.files[name])


class Photo(Answer):
    """A product's photo, as JPEG.

    With ``v=`` in its address, which is another one for another photo, browsers keep it for a day;
    without, they ask whether it is still the same.
    """

    async def get(self, product):
        """Send it."""
        size = self.get_query_argument("size", "small")
        if product not in self.shop.rows or size not in LONGEST:
            raise Refused(404, Said("nowhere"))
        row, longest = self.shop.rows[product], LONGEST[size]
        photo = await self.work(self.shop.pictures, self.shop.catalogue.thumbnail, row, longest)
        kept = "max-age=86400" if self.get_query_argument("v", "") else "no-cache"
        self.set_header("Cache-Control", f"private, {kept}")
        self.set_header("Content-Type", "image/jpeg")
        self.finish(photo)


class Api(Answer):
    """What the page's script asks for. Its header ``X-Shop`` no other site's page can send:
    browsers would ask first (CORS), and get no answer."""

    def is_foreign(self):
        """As anywhere, and whatever lacks the header."""
        return super().is_foreign() or self.request.headers.get("X-Shop") != "1"

    def say_no(self, text):
        """Send the sentence as JSON."""
        self.send({"error": text})

    def send(self, content):
        """Send JSON."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(content if isinstance(content, str) else in_json(content))

    async def answer(self, function, *arguments):
        """Send what the function of the front returns."""
        self.send(await self.work(self.shop.searches, lambda: in_json(function(*arguments))))

    def asked(self) -> Request:
        """What the address asks for. Raises ``Refused`` for what is no number, and for a photo that
        is not kept; whatever else makes no sense refuses the front."""
        photo, rank = self.one("photo"), self.one("rank")
        off = (each.partition(":") for each in self.get_query_arguments("off"))
        return Request(
            words=self.one("q"),
            photo=self.shop.photos[photo] if photo else None,
            like=self.one("like") or None,
            weight=self.number("weight", 0.5),
            sort=self.one("sort") or "best",
            page=self.number("page", 1),
            size=self.number("size", 24),
            filters=self.filters(),
            off=tuple((column, value) for column, _, value in off),
            rank=tuple(rank.split(",")) if rank else None,
            seen=tuple(self.get_query_arguments("seen")),
            language=self.code,
        )

    def one(self, name):
        """A parameter's value, "" where there is none."""
        return self.get_query_argument(name, "")

    def number(self, name, default):
        """A parameter that is a number of the kind of ``default``."""
        try:
            value = type(default)(self.one(name) or default)
            if math.isfinite(value):
                return value
        except (ValueError, OverflowError):  # no number, or one of hundreds of digits
            pass
        raise Refused(400, Said("odd", name=name))

    def filters(self):
        """``f.colour=Red``, ``min.price=10`` … as ``ProductSearch.fits`` takes them."""
        filters: dict[str, list | tuple] = {}
        for name in self.request.query_arguments:
            kind, _, column = name.partition(".")
            if kind == "f":
                filters[column] = self.get_query_arguments(name)
            elif kind in ("min", "max"):
                ends = (f"min.{column}", f"max.{column}")
                filters[column] = tuple(
                    self.number(end, 0.0) if self.one(end) else None for end in ends
                )
        return filters


class Search(Api):
    """A page of results."""

    async def get(self):
        """Send it."""
        await self.answer(self.shop.front.search, self.asked())


class Suggest(Api):
    """How the words that are being typed might go on."""

    async def get(self):
        """Send it."""
        await self.answer(self.shop.front.suggest, self.one("q"), self.code)


class ForYou(Api):
    """Products near those that the visitor opened: the browser names them, nothing keeps them."""

    async def get(self):
        """Send it."""
        await self.answer(self.shop.front.for_you, self.get_query_arguments("seen"))


class Product(Api):
    """All about one product."""

    async def get(self, product):
        """Send it."""
        if product not in self.shop.rows:
            raise Refused(404, Said("nowhere"))
        await self.answer(self.shop.front.product, product, self.asked())


class Upload(Api):
    """A photo that a visitor adds: the body is the file."""

    longest_body = MAX_BYTES

    def prepare(self):
        """Refuse before the body is read, and where too many are being read."""
        super().prepare()
        if self.request.method != "POST":
            raise Refused(405, Said("nowhere"))
        if len(self.shop.uploading) >= UPLOADS:
            raise Refused(503, Said("busy", seconds=1), retry=1)
        self.shop.uploading.add(self)
        self.body = bytearray()

    def too_long(self, length):
        """That the photo is too large."""
        name, size, most = self.one("name"), round(length / 1e6), round(MAX_BYTES / 1e6)
        return Refused(413, Said("large", name=name, size=size, most=most))

    def data_received(self, chunk):
        """A part of the file."""
        self.body += chunk

    async def post(self):
        """Read the photo, keep it, send the token that it is asked for by."""
        content, name = bytes(self.body), self.one("name")[:100]
        token, photo = await self.work(self.shop.pictures, self.shop.photos.read, content, name)
        self.shop.photos.keep(token, photo)
        self.send({"token": token, "width": photo.shape[1], "height": photo.shape[0]})

    def on_finish(self):
        """It is answered."""
        self.shop.uploading.discard(self)

    def on_connection_close(self):
        """The visitor has gone."""
        self.shop.uploading.discard(self)
        super().on_connection_close()


class Uploaded(Api):
    """A photo that a visitor added, as JPEG: what ``Upload`` made of it."""

    def get(self, token):
        """Send it."""
        buffer = io.BytesIO()
        Image.fromarray(self.shop.photos[token]).save(buffer, "JPEG", quality=92)
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Content-Type", "image/jpeg")
        self.finish(buffer.getvalue())


# Serving ------------------------------------------------------------------------------------------


def serve(
    dataset: str = "demo",
    port: int = 8866,
    browser: bool = True,
    model: str | None = None,
    host: str = HOST,
    allow_origin: Iterable[str] = (),
) -> None:
    """Serve the shop until Ctrl-C or SIGTERM.

    Where the model has to be trained, or the products to be embedded, that is done first, in a
    process of its own; what comes of it is kept in the cache.

    ``dataset``: "demo", "fashion" or the path of your own; ``model``: the name or the folder of a
    model, instead of the one that lesson 00 trains on it; ``host``, ``allow_origin``: for visitors
    from elsewhere, see ``Door``. Raises ``TutorialError`` where the port cannot be used, as
    ``Door``, or as lesson 00 would.
    """
    door = Door(port, host, allow_origin)
    server = ServerThread(listen(host, port), door)
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        for each in before:  # either ends us in the same way
            signal.signal(each, signal.default_int_handler)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # here and in what is started below
        print(f"Opening the shop at {door.address} …", flush=True)
        reading = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        try:
            reading.submit(len, "")  # so that its process starts while the folder is looked up
            home = _built(dataset, model)
            words = reading.submit(opening.words_of, home)
            market = reading.submit(opening.market_of, home)
            search = opening.load(dataset, home, words.result)
            server.open(search, market.result())
        finally:
            reading.shutdown(wait=False)  # its process takes a second to end
        if door.open:
            print(
                "OPEN TO OTHER MACHINES: whoever reaches this one can search the shop and see all "
                f"of it, as {', '.join(door.origins)}. There is no password and no encryption.",
                flush=True,
            )
        print(f"The shop is open: {door.address} (Ctrl-C closes it)", flush=True)
        if browser:
            webbrowser.open(door.address)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(60)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        server.close()
    print("Closed.", flush=True)


def listen(host: str, port: int) -> list:
    """Sockets on that port, 0 for any free one. Raises ``TutorialError`` where there are none."""
    try:
        return bind_sockets(port, host)
    except OSError as fault:
        if isinstance(fault, socket.gaierror) or fault.errno == errno.EADDRNOTAVAIL:
            raise TutorialError(f"--host {host}: this machine has no such address") from fault
        taken = fault.errno == errno.EADDRINUSE
        why = "is taken by another program" if taken else f"cannot be used ({fault.strerror})"
        raise TutorialError(f"port {port} {why}; choose another one with --port") from fault


def _built(dataset, model):
    """The search's folder; made first, in a process of its own, where it is not there.

    What TensorFlow has once taken in a training, it does not give back.
    """
    home = opening.home(dataset, model)
    if home.is_dir():
        return home
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as builder:
        try:
            return builder.submit(opening.build, dataset, model).result()
        except BaseException:
            for process in multiprocessing.active_children():  # a training would go on for minutes
                process.terminate()
            raise


class ServerThread:
    """The server on a thread of its own, which does not keep the process from ending.

    So the thread that opens the shop can be interrupted, and a notebook goes on.
    """

    def __init__(self, sockets: list, door: Door):
        self.sockets, self.service = sockets, Service(door)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shop page", daemon=True)
        self._thread.start()
        self._started.wait()

    def _run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self.service.run(self.sockets, self._told)

    def open(self, search, market=None) -> None:
        """Answer for a ``ProductSearch``, with the reviews and offers of a ``Market``."""
        self.service.open(Shopfront(search, market), search.catalogue)

    @property
    def is_open(self) -> bool:
        """Whether it answers."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End the server; closing again does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._told.set)
            self._thread.join()
