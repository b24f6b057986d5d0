"""The shop page in a notebook cell: in a frame, as long as its kernel lives."""

import http.server
import json
import subprocess
import sys
import threading
import urllib.request

import nbformat
import pytest
from toy_shop import toy_search, toy_table

from mmtutorial.course.lesson_page import page as lesson_page
from mmtutorial.paths import ROOT
from mmtutorial.shop import page


def small_search():
    return toy_search(toy_table())


@pytest.fixture(scope="module")
def shop():
    return small_search()


@pytest.fixture(scope="module")
def shown(shop):
    made = page.make(shop)
    yield made
    made.close()


def read(address, **headers):
    request = urllib.request.Request(address, headers={"X-Shop": "1", **headers})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def test_a_cell_shows_a_frame_and_says_how_to_open_it_again(shown):
    markup = shown._repr_html_()
    assert f'<iframe src="{shown.url}" title="Product search"' in markup
    assert f'<a href="{shown.url}" target="_blank"' in markup
    assert "in the kernel of this notebook" in markup and "<code>mmtutorial app</code>" in markup
    assert shown.url.startswith("http://127.0.0.1:") and "shop-data" in read(shown.url)


def test_it_searches_what_it_was_made_for(shop, shown):
    found = json.loads(read(f"{shown.url}/api/search?q=green+bag&size=4"))["products"]
    assert [product["title"] for product in found] == ["Acme Green Bag"] * 4


def test_a_search_has_one_page_and_another_search_another(shop, shown):
    assert page.make(shop) is shown
    other = page.make(small_search())
    assert other.url != shown.url
    other.close()
    assert not other.is_open and shown.is_open


def test_a_page_that_was_closed_is_made_anew():
    search = small_search()
    first = page.make(search)
    first.close()
    second = page.make(search)
    assert second is not first and "shop-data" in read(second.url)
    second.close()


CODE = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from shop.test_page import small_search
from mmtutorial.shop import page
"""


@pytest.mark.slow
def test_it_does_not_keep_its_process_from_ending():
    code = CODE + "import urllib.request; urllib.request.urlopen(page.make(small_search()).url)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode == 0 and b"Traceback" not in done.stderr


@pytest.mark.slow
def test_an_executed_notebook_has_the_sentence_and_its_page_no_dead_frame():
    from nbclient import NotebookClient

    cell = nbformat.v4.new_code_cell(CODE + "page.make(small_search())")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = (each for each in cell.outputs if each.output_type == "execute_result")
    assert "<iframe" in output.data["text/html"]
    saved = lesson_page(notebook)
    assert "<iframe" not in saved and "<code>mmtutorial app</code>" in saved


# What a browser says of it ----------------------------------------------------------------------

FETCH = """address => fetch(address, { headers: { "X-Shop": "1" } })
    .then((answer) => answer.status, () => 0)"""


@pytest.fixture
def notebook(shown):
    """A page with the frame in it, as JupyterLab would have it; on every name of this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html>{shown._repr_html_()}".encode())

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_in_the_frame_of_a_notebook_it_searches_and_the_notebook_itself_cannot(
    browser, shown, notebook, host
):
    view = browser.new_page()
    view.goto(f"http://{host}:{notebook}")
    frame = view.wait_for_selector("iframe").content_frame()
    frame.wait_for_selector("main", state="attached")
    assert frame.evaluate(FETCH, f"{shown.url}/api/search?q=red+bag") == 200
    assert view.evaluate(FETCH, f"{shown.url}/api/search?q=red+bag") == 0
    view.close()


@pytest.mark.slow
def test_a_page_of_another_host_cannot_show_it_in_a_frame(browser, shown, notebook):
    view = browser.new_page()
    complaints = []
    view.on("console", lambda message: complaints.append(message.text))
    view.goto(f"http://127.0.0.2:{notebook}")
    view.wait_for_timeout(1000)
    frames = [frame for frame in view.frames if frame != view.main_frame]
    assert not any(frame.query_selector("#shop-data") for frame in frames)
    assert any("frame-ancestors" in text for text in complaints)
    view.close()
