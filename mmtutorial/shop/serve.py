"""Serving the search app: ``mmtutorial app``.

The page of ``page.make`` behind Voila, on this machine only. Voila gives each visitor a kernel of
their own; one is ready ahead of the next visitor, with its page made and its model warm.
``visitors.py`` says who gets one, and how many there are.
"""

import contextlib
import errno
import importlib.util
import logging
import multiprocessing
import os
import shutil
import socket
import sys
import tempfile
import time
import webbrowser
from concurrent.futures import ProcessPoolExecutor
from importlib import resources
from pathlib import Path

import numpy as np
import psutil
from filelock import FileLock, Timeout

from mmtutorial import TutorialError
from mmtutorial.shop import opening
from mmtutorial.shop.uploads import MAX_BYTES

HOST = "127.0.0.1"
KERNEL_BYTES = 800_000_000  # what a visitor's kernel takes, and some room
PREFIX = "mmtutorial-app-"  # of the server's temporary folder


def serve(
    dataset: str = "demo",
    port: int = 8866,
    browser: bool = True,
    model: str | None = None,
    visitors: int | None = None,
) -> None:
    """Serve the page on 127.0.0.1 with Voila until Ctrl-C.

    The model is trained, or loaded, and all products are embedded before the server starts; what
    comes of it is kept in the cache, and kernels map it into their memory. Voila preheats one
    kernel at a time; the address is printed when the first one is warm.

    ``dataset``: "demo", "fashion" or the path of your own; ``model``: the name or the folder of a
    ``AttributeRetriever``, instead of the one that lesson 00 trains on it; ``visitors``:
    how many pages may be open at a time, by default as many as fit into half of the free memory.
    Raises ``TutorialError`` where Voila is missing, the port is taken, or as lesson 00 would.
    """
    if importlib.util.find_spec("voila") is None:
        raise TutorialError("voila is not installed; pip install 'mmtutorial[app]'")
    from tornado.ioloop import PeriodicCallback

    _check_port(port)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # here and in all that is started below
    # In a process of its own, as what TensorFlow has once taken, it does not give back.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as builder:
        home = builder.submit(opening.build, dataset, model).result()
    address = f"http://{HOST}:{port}"
    with _own_folder() as folder:
        ready, failed = folder / "ready", folder / "failed"  # the kernel's word
        notebook = _write_notebook(folder, dataset, home, model)
        server = _server(notebook, port, visitors or _places())

        def tell():
            if not ready.exists():
                return
            waiting.stop()
            if failed.exists():
                server.ioloop.stop()
                return
            print(f"The shop is open: {address} (Ctrl-C closes it)", flush=True)
            if browser:
                webbrowser.open(address)

        waiting = PeriodicCallback(tell, 200)
        waiting.start()
        print("Warming up…", flush=True)
        server.start()  # until Ctrl-C, or SIGTERM
        if failed.exists():
            raise TutorialError(f"the page could not be made:\n{failed.read_text('utf-8')}")
    print("Closed.")


def _check_port(port):
    """Raise a ``TutorialError`` if nothing can listen there: Voila would take another one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as fault:
            taken = fault.errno == errno.EADDRINUSE
            why = "is taken by another program" if taken else f"cannot be used ({fault.strerror})"
            raise TutorialError(f"port {port} {why}; choose another one with --port") from fault


def _places():
    """How many kernels fit into half of the memory that is free: 1 to 16."""
    return int(np.clip(psutil.virtual_memory().available // 2 // KERNEL_BYTES, 1, 16))


@contextlib.contextmanager
def _own_folder():
    """A temporary folder for this server. Those of servers that were killed are removed.

    A server holds the lock in its folder, and the system lets go of it with the process. A folder
    of the last minute is left: its server may not have got to its lock yet.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, Timeout):
            if folder.is_symlink() or time.time() - folder.stat().st_mtime < 60:
                continue
            with FileLock(folder / "lock", timeout=0):
                shutil.rmtree(folder)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with FileLock(folder / "lock"):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_notebook(folder, dataset, home, model):
    """The notebook that Voila serves: one cell. It runs where the command was given.

    When it is through it leaves the file ``ready`` in ``folder``, and ``failed`` before if it is.
    """
    import nbformat
    from ipykernel.kernelspec import write_kernel_spec

    source = f"""
import os, traceback
from pathlib import Path
from mmtutorial import TutorialError

os.chdir({os.getcwd()!r})
folder = Path({str(folder)!r})
try:
    from IPython.display import HTML, display

    from mmtutorial.shop import opening, page, serve

    shop = opening.load({dataset!r}, {str(home)!r})
    display(HTML(serve.in_the_browser()), page.make(shop))
except Exception as fault:
    reason = str(fault) if isinstance(fault, TutorialError) else traceback.format_exc()
    (folder / "failed").write_text(reason, encoding="utf-8")
finally:
    (folder / "ready").touch()
"""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source)],
        metadata={
            "title": "Product search",
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        },
    )
    # "python3" means this interpreter, whatever kernels the user has installed.
    launch = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR", "-f"]
    write_kernel_spec(
        folder / "kernels" / "python3", overrides={"argv": [*launch, "{connection_file}"]}
    )
    os.environ["JUPYTER_PATH"] = str(folder)
    path = folder / "app.ipynb"
    nbformat.write(notebook, path)
    return path


def _server(notebook, port, visitors):
    """Voila for that notebook: this machine only, nothing from elsewhere, no file but the page."""
    from traitlets.config import Config

    from mmtutorial.shop.visitors import BoundedKernels, Shop

    own = "'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
    config = Config()
    config.Voila.ip = HOST
    config.Voila.port = port
    config.Voila.port_retries = 0
    config.Voila.open_browser = False
    config.Voila.log_level = logging.ERROR
    config.Voila.config_file_paths = []
    config.Voila.connection_dir_root = str(notebook.parent)  # goes with the folder
    config.Voila.tornado_settings = {
        # Voila's page asks a CDN for icons; a shop that works offline should not.
        "headers": {"Content-Security-Policy": f"default-src {own}; frame-ancestors 'self'"},
        "allow_remote_access": False,  # no other name for this machine: DNS rebinding
        "local_hostnames": ["localhost", HOST],
        "ws_ping_interval": 0,  # no proxy on the way that would cut a silent connection
        "websocket_max_message_size": MAX_BYTES + 1_000_000,
    }
    config.VoilaConfiguration.preheat_kernel = True
    config.VoilaConfiguration.default_pool_size = 1
    config.VoilaConfiguration.file_allowlist = []
    config.VoilaConfiguration.multi_kernel_manager_class = BoundedKernels
    config.BoundedKernels.max_kernels = visitors
    config.VoilaKernelManager.fill_delay = 0
    # A closed page ends its kernel; one that vanished without a word is ended within a minute.
    config.BoundedKernels.cull_idle_timeout = 40
    config.BoundedKernels.cull_interval = 10
    server = Shop(config=config, notebook_path=str(notebook))
    server.initialize([])
    return server


def in_the_browser() -> str:
    """The markup that a served page needs besides its widgets: ``served.css`` and ``page.js``."""
    files = resources.files("mmtutorial.shop")
    style, script = (files.joinpath(name).read_text("utf-8") for name in ("served.css", "page.js"))
    return f"<style>\n{style}</style>\n<script>\n({script})({MAX_BYTES});\n</script>"
