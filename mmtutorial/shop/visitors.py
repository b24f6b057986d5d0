"""Visitors of the served page: who gets a kernel, how many at a time, and when it ends.

Voila starts a kernel, most of a gigabyte, for whoever asks for its page. ``Shop`` is Voila with a
door: the page of another site gets none, there are never more than ``BoundedKernels.max_kernels``,
and a closed page's kernel ends. It needs voila; ``serve.py`` imports it when it serves.
"""

import asyncio
import re
from datetime import datetime, timezone
from urllib.parse import urlsplit

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, authenticated
from traitlets import Integer
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler

from mmtutorial.shop.cards import render
from mmtutorial.shop.language import CHINESE, ENGLISH

PATIENCE = 20  # seconds that a connection may take to say what it wants


def foreign(request):
    """Whether the page of another site asks; a browser says so in at least one of three headers.

    What asks without any of them is no page: an address typed in, or a program like curl.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return True
    for name in ("Origin", "Referer"):
        if address := request.headers.get(name):
            try:
                if urlsplit(address).netloc != request.host:
                    return True
            except ValueError:  # no address at all
                return True
    return False


class BoundedKernels(AsyncMappingKernelManager):
    """Kernels, ``max_kernels`` at a time: the start of a further one waits until another has ended.

    Voila derives its own manager from this one, and keeps one kernel warm ahead of the next
    visitor. That one counts too: the last visitor who is let in takes it.
    """

    max_kernels = Integer(2, min=1, config=True, help="kernels at a time")

    def __init__(self, **kwargs):
        self.visited = set()  # kernels that have, or had, a visitor
        self.arriving = self.starting = 0
        self.turn, self.closing = asyncio.Lock(), False
        super().__init__(**kwargs)

    def have_place(self):
        """Whether one more visitor can be let in."""
        self.visited.intersection_update(self.list_kernel_ids())
        return len(self.visited) + self.arriving < self.max_kernels

    async def start_kernel(self, **kwargs):
        """Start a kernel when there is a place for it: its id."""
        async with self.turn:  # first come, first served
            while len(self) + self.starting >= self.max_kernels and not self.closing:
                await asyncio.sleep(0.2)
            if self.closing:
                raise RuntimeError("the server is closing")
            self.starting += 1
        try:
            return await super().start_kernel(**kwargs)
        finally:
            self.starting -= 1

    async def shutdown_all(self, *args, **kwargs):
        """End all kernels; what waits for a place gives up."""
        self.closing = True
        await super().shutdown_all(*args, **kwargs)


class Page(TornadoVoilaHandler):
    """The page: always the warm kernel's, for the pages of no other site, while there is place."""

    @authenticated
    async def get(self, path=None):
        """Send the page, or say why not."""
        if path:
            raise HTTPError(404)
        if foreign(self.request):
            return self._refuse(403, "foreign")
        kernels, notebook = self.kernel_manager, self.notebook_path
        if not kernels.have_place():
            self.set_header("Retry-After", "60")
            return self._refuse(503, "full")
        kernels.arriving += 1
        try:
            if not kernels.get_pool_size(notebook):  # others came just now
                kernels.fill_if_needed(0, notebook)
            rendering, _, kernel_id = await kernels.get_rendered_notebook(notebook)
            kernels.visited.add(kernel_id)
        finally:
            kernels.arriving -= 1
        # It may have been warm for hours: count its idle time from now on, not from then.
        kernels.get_kernel(kernel_id).last_activity = datetime.now(timezone.utc)
        self.set_header("Content-Type", "text/html")
        self.set_header("Cache-Control", "no-store")
        done, rest = await rendering
        self.write("".join(done))
        async for snippet, _ in rest:
            self.write(snippet)

    def _refuse(self, status, why):
        self.set_status(status)
        languages = {"en": ENGLISH, "zh": CHINESE}
        self.finish(render("refusal.html", why=why, languages=languages))


class ClosedPage(VoilaShutdownKernelHandler):
    """The word that a page sends when it is closed: its kernel ends.

    A page that is being closed has no ``_xsrf`` cookie to show, since Voila sets none. In its
    place the request must come from a page of this very address; the kernel's id is a secret too.
    """

    def check_xsrf_cookie(self):
        """Let the page's own word pass, and nothing else."""
        if not self.request.headers.get("Origin") or foreign(self.request):
            raise HTTPError(403)

    @authenticated
    async def post(self, kernel_id):
        """End a visitor's kernel."""
        if kernel_id not in self.kernel_manager.visited:
            raise HTTPError(404)
        self.kernel_manager.visited.discard(kernel_id)  # a page that reloads finds its place
        await super().post(kernel_id)


class TemplateFiles(TemplateStaticFileHandler):
    """The files of Voila's page; what is no such file is not found."""

    def parse_url_path(self, path):
        """A path like ``lab/static/voila.js``."""
        if not re.fullmatch(r"(lab|base)/static/[^.].*", path):
            raise HTTPError(404)
        return super().parse_url_path(path)


class Shop(Voila):
    """Voila with these doors, and with connections that may not wait for ever."""

    def init_handlers(self):
        """Voila's routes, three of them with our handlers."""
        ours = {
            TornadoVoilaHandler: Page,
            VoilaShutdownKernelHandler: ClosedPage,
            TemplateStaticFileHandler: TemplateFiles,
        }
        return [
            (route, ours.get(handler, handler), *rest)
            for route, handler, *rest in super().init_handlers()
        ]

    def listen(self):
        """Listen until Ctrl-C or SIGTERM; close what has sent no whole request in ``PATIENCE``."""
        self.app.listen(self.port, self.ip, idle_connection_timeout=PATIENCE, body_timeout=PATIENCE)
        self.ioloop = IOLoop.current()
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            self.log.info("Stopping...")
        finally:
            self.stop()
