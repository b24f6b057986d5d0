"""A product's card on the shop page, as HTML. Whatever comes from a catalogue is escaped.

The markup stands in ``card.html`` and ``why.html``.
"""

import base64
import html
import io
from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np
from jinja2 import Environment, PackageLoader
from PIL import Image

from mmtutorial.shop.language import ENGLISH, SAYS, say

COLOURED = ("photo", "title", "bm25", "attributes")  # parts with a colour of their own


@cache
def _templates():
    templates = Environment(
        loader=PackageLoader("mmtutorial.shop", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["say"] = say
    return templates


def render(name: str, **values) -> str:
    """The markup of the file ``name`` of this folder, with ``values``, which are escaped."""
    return _templates().get_template(name).render(values)


def picture(photo: np.ndarray, alt: str = "") -> str:
    """``(height, width, 3) uint8`` as an ``<img>`` that carries its own pixels."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=92)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/jpeg;base64,{data}">'


def card(product: Mapping, photo: np.ndarray, title: str, why: str = "") -> str:
    """The markup of one product (a row of the catalogue's table) with its photo.

    ``why`` is markup, such as that of ``why_found``.
    """
    price = product.get("price", np.nan)
    price = f"{price:,.2f}" if price > 0 else ""
    image = picture(photo, title)
    return render("card.html", picture=image, title=title, price=price, why=why)


def why_found(
    product: Mapping,
    score: float,
    parts: Mapping[str, float],
    attributes: Iterable[tuple[str, str]],
    language: int = ENGLISH,
) -> str:
    """Why a product was found, as a ``<details>``: parts of its score, attributes that agree.

    ``parts``: name → what it gives; they add up to ``score``, as ``ProductSearch.find`` returns
    them. ``attributes`` are those asked for, ``[(column, value), …]``.
    """
    names = {name: spoken_part(name, language) for name in parts}
    classes = {name: f"{name}-part" if name in COLOURED else "part" for name in parts}
    widths = {name: 100 * max(0, min(1, part)) for name, part in parts.items()}
    signs = [_sign(product[column], value, language) for column, value in attributes]
    return render(
        "why.html",
        score=score,
        parts=parts,
        names=names,
        classes=classes,
        widths=widths,
        signs=signs,
        language=language,
    )


def _sign(has, value, language):
    """``(CSS class, sign, text)``: whether the product has the value that was asked for."""
    if has == "":
        return "open", "–", say("not given", language, value=value)
    if has.casefold() == value.casefold():
        return "yes", "✓", value
    return "no", "✗", say("other", language, has=has, value=value)


def spoken_part(name: str, language: int = ENGLISH) -> str:
    """What a part of a score is called; an own scorer has the name that it gave itself."""
    return say(f"its {name}", language) if f"its {name}" in SAYS else name
