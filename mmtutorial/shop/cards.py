"""A product's card on the shop page, as HTML. Whatever comes from a catalogue is escaped."""

import base64
import html
import io

import numpy as np
from PIL import Image

from mmtutorial.shop.language import ENGLISH, SAYS, say


def picture(photo, alt=""):
    """``(height, width, 3) uint8`` as an ``<img>`` that carries its own pixels."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=92)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/jpeg;base64,{data}">'


def card(product, photo, title, why=""):
    """The markup of one product (a row of the catalogue's table) with its photo."""
    price = product.get("price", np.nan)
    price = f"{price:,.2f}" if price > 0 else ""
    return (
        f'<div class="frame">{picture(photo, title)}</div>'
        f'<p class="title">{html.escape(title)}</p><p class="price">{price}</p>{why}'
    )


def why_found(product, score, parts, attributes, language=ENGLISH):
    """Why a product was found, as a ``<details>``: parts of its score, attributes that agree.

    ``parts``: name → what it gives; they add up to ``score``, as ``ProductSearch.find`` returns
    them. ``attributes`` are those asked for, ``[(column, value), …]``.
    """
    bars = "".join(
        f'<tr><td>{html.escape(spoken_part(name, language))}</td><td><i class="'
        f'{f"{name}-part" if name in _OWN_COLOUR else "part"}" style="width: '
        f'{100 * max(0, min(1, part)):.0f}%"></i></td><td>{part:.2f}</td></tr>'
        for name, part in parts.items()
    )
    signs = []
    for column, value in attributes:
        has = product[column]
        sign = "–" if has == "" else "✓" if has.casefold() == value.casefold() else "✗"
        said = {
            "✓": value,
            "–": say("not given", language, value=value),
            "✗": say("other", language, has=has, value=value),
        }[sign]
        signs.append(f'<li class="{_MEANING[sign]}">{sign} {html.escape(said)}</li>')
    return (
        f"<details><summary>{say('why', language)} <b>{score:.2f}</b></summary>"
        f"<table>{bars}</table><ul>{''.join(signs)}</ul></details>"
    )


def spoken_part(name, language=ENGLISH):
    """What a part of a score is called; an own scorer has the name that it gave itself."""
    return say(f"its {name}", language) if f"its {name}" in SAYS else name


_OWN_COLOUR = ("photo", "title", "bm25", "attributes")
_MEANING = {"✓": "yes", "–": "open", "✗": "no"}
