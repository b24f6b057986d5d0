"""The shop page in a notebook cell (lesson 24): ``make(search)``."""

import html

from mmtutorial.shop.door import HOST, Door
from mmtutorial.shop.service import ServerThread, listen

HEIGHT = 900  # pixels of the frame in the cell


class Page:
    """The page over a ``ProductSearch``, in a frame where a notebook shows it.

    ``url`` is its address, on this machine alone. It lives in this kernel, and ends with it, or
    with ``close``.
    """

    def __init__(self, search, market=None):
        sockets = listen(HOST, 0)
        door = Door(sockets[0].getsockname()[1])
        self._server, self.url = ServerThread(sockets, door), door.address
        self._server.open(search, market)

    @property
    def is_open(self) -> bool:
        """Whether it answers."""
        return self._server.is_open

    def close(self) -> None:
        """End it; closing again does nothing."""
        self._server.close()

    def _repr_html_(self):
        url = html.escape(self.url)
        return (
            f'<iframe src="{url}" title="Product search" '
            f'style="width: 100%; height: {HEIGHT}px; border: none"></iframe>\n'
            f'<p><a href="{url}" target="_blank" rel="noopener">Open the page in a tab</a>. '
            "It lives in the kernel of this notebook. When that kernel has ended, run the cell "
            "again, or open the shop with <code>mmtutorial app</code>.</p>"
        )


_pages: dict[object, Page] = {}  # search → its page


def make(search, market=None) -> Page:
    """The page for a ``ProductSearch``: show it in a cell.

    ``market``: reviews and offers to show beside the products, as ``opening.market_of`` gives them.

    It ranks by what the search was made with. Any retriever with the face of
    ``retriever.Retriever`` does, such as an ``AttributeRetriever``. A search that has a page
    already keeps it.
    """
    page = _pages.get(search)
    if page is None or not page.is_open:
        page = _pages[search] = Page(search, market)
    return page
