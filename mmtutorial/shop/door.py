"""The door of the shop's server: who may ask, and how much at a time (lesson 24).

``Door`` knows the names that the server goes by, and tells the page of another site from its own.
``Workers`` are the threads that search, with a queue that has an end. ``Server`` is tornado's, with
connections that may neither wait for ever nor be without number.
"""

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError

from mmtutorial import TutorialError
from mmtutorial.shop.language import Said

HOST = "127.0.0.1"
LOOPBACK = (HOST, "localhost", "[::1]")
PATIENCE = 20.0  # seconds that a connection may be silent, or slow with what it sends or takes
CONNECTIONS = 256  # at a time; a browser opens six
HEADER_BYTES = 16_384  # of a request
WAITING = 64  # jobs at a time, those in work included


class Refused(HTTPError):
    """A request that is not answered: a status, and why, in a sentence for the visitor.

    ``retry``: after how many seconds it may be asked again, where that helps.
    """

    def __init__(self, status: int, why: TutorialError, retry: int | None = None):
        super().__init__(status)
        self.why, self.retry = why, retry


class Door:
    """Who is let in.

    A server on this machine can be asked by every page that this machine's browser shows. A name
    that is not ours in ``Host`` means that a stranger's name leads here (DNS rebinding); a request
    whose ``Sec-Fetch-Site``, ``Origin`` or ``Referer`` is not ours comes from another site's page.
    Where others can reach the server (``open``), an address may ask so often.

    ``host``: what the server listens on. ``origins``: further addresses that it is known by, as
    ``http://shop.example:8866``. Raises ``TutorialError`` for one of another form, and for a
    ``host`` that others can reach and no address that they may type.
    """

    def __init__(self, port: int, host: str = HOST, origins: Iterable[str] = ()):
        self.origins = [_address(each) for each in origins]
        self.open = not _is_loopback(host)
        if self.open and not self.origins:
            raise TutorialError(
                f"--host {host} opens the shop to other machines: give the address that visitors "
                f"will type as well, as --allow-origin http://shop.example:{port}"
            )
        name = f"[{host}]" if ":" in host else host
        self.address = self.origins[0] if self.open else f"http://{name}:{port}"
        names = {*LOOPBACK, name.lower()}
        self.hosts = {f"{each}:{port}" for each in names} | (names if port == 80 else set())
        self.hosts |= {urlsplit(each).netloc for each in self.origins}
        self.rate = Rate() if self.open else None

    def knows(self, request: HTTPServerRequest) -> bool:
        """Whether the request calls the server by one of its names."""
        return request.host.lower() in self.hosts

    def foreign(self, request: HTTPServerRequest) -> bool:
        """Whether another site's page asks; a browser says so in at least one of three headers.

        What asks without any of them is no page: an address typed in, or a program like curl.
        """
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return True
        for name in ("Origin", "Referer"):
            if address := request.headers.get(name):
                try:
                    if urlsplit(address).netloc.lower() not in self.hosts:
                        return True
                except ValueError:  # no address at all
                    return True
        return False


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _address(text):
    """``HTTP://Shop.example:8866/`` as browsers write it in ``Origin``."""
    try:
        scheme, netloc, *rest = urlsplit(text.strip().rstrip("/").lower())
    except ValueError:
        scheme, netloc, rest = "", "", []
    if scheme not in ("http", "https") or not netloc or "@" in netloc or any(rest):
        raise TutorialError(
            f"--allow-origin {text}: give what visitors type up to the port, and nothing behind "
            "it, as http://shop.example:8866"
        )
    return f"{scheme}://{netloc.removesuffix({'http': ':80', 'https': ':443'}[scheme])}"


class Rate:
    """How often one address may ask: so many requests a second, and a burst (a token bucket).

    A page of results is a search and two dozen photos. Of the addresses, the ``most`` that asked
    last are remembered.
    """

    def __init__(self, a_second: float = 50, burst: float = 300, most: int = 10_000):
        self.a_second, self.burst, self.most = a_second, burst, most
        self.seen: OrderedDict[str, tuple[float, float]] = OrderedDict()  # → tokens left, when

    def allows(self, address: str) -> bool:
        """Count a request of that address: whether it may be answered."""
        now = time.monotonic()
        left, then = self.seen.pop(address, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.a_second)
        self.seen[address] = max(left - 1, 0), now
        if len(self.seen) > self.most:
            self.seen.popitem(last=False)
        return left >= 1


class Workers:
    """Threads that do the visitors' jobs in turn; ``most`` jobs at a time, waiting ones included.

    So the event loop never waits for a search, and a crowd is turned away instead of made to wait.
    """

    def __init__(self, threads: int = 1, most: int = WAITING):
        self.pool = ThreadPoolExecutor(threads, "shop")
        self.most, self.jobs = most, 0

    def start(self, function, *arguments) -> asyncio.Future:
        """Put a job into the queue: its future. One that is cancelled in time is never begun.

        Raises ``Refused`` where the queue is full.
        """
        if self.jobs >= self.most:
            raise Refused(503, Said("busy", seconds=1), retry=1)
        self.jobs += 1
        job = asyncio.get_running_loop().run_in_executor(self.pool, function, *arguments)
        job.add_done_callback(self._done)
        return job

    def _done(self, job):
        self.jobs -= 1

    def close(self) -> None:
        """Finish what was begun, forget the rest."""
        self.pool.shutdown(cancel_futures=True)


class Server(HTTPServer):
    """tornado's server; a connection too many is closed at once."""

    def initialize(self, *args, **settings):
        """As ``HTTPServer``, with our limits. A body is measured by the handler that wants one."""
        self.connections = 0
        super().initialize(
            *args,
            idle_connection_timeout=PATIENCE,
            body_timeout=PATIENCE,
            max_header_size=HEADER_BYTES,
            chunk_size=65_536,
            **settings,
        )

    def handle_stream(self, stream, address):
        """Take a new connection."""
        if self.connections >= CONNECTIONS:
            stream.close()
            return
        self.connections += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn):
        """A connection has ended."""
        self.connections -= 1
        super().on_close(server_conn)
