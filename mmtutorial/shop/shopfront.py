"""What the shop page answers: searches, suggestions, one product; plain dicts, no HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmtutorial.shop.language import CHINESE, ENGLISH, SAYS


@dataclass(frozen=True)
class Request:
    """What a visitor asks for; all of it stands in the page's URL."""

    words: str = ""
    photo: np.ndarray | None = None
    like: str | None = None
    weight: float = 0.5
    sort: str = "best"
    page: int = 1
    size: int = 24
    filters: Mapping = field(default_factory=dict)
    off: Sequence[tuple[str, str]] = ()
    rank: tuple[str, ...] | None = None
    language: str = "en"


class Shopfront:
    """The answers of the shop page over a ``ProductSearch``: the products alone."""

    def __init__(self, search):
        self.search_ = search

    def data(self):
        """What the page is told once."""
        languages = {"en": ENGLISH, "zh": CHINESE}
        says = {each: {key: said[n] for key, said in SAYS.items()} for each, n in languages.items()}
        catalogue = self.search_.catalogue
        return {"name": catalogue.name, "products": len(catalogue.table), "says": says}

    def search(self, request):
        """One page of products."""
        found = self.search_.search(
            request.words or None, request.photo, request.size, request.weight,
            request.filters, request.page,
        )  # fmt: skip
        products = found[["id", "title"]].to_dict("records")
        return {"total": len(found), "products": products}
