"""The search app: a shop page of ipywidgets, for a notebook cell or for Voila.

``make(shop)`` gives the page for a ``ProductSearch``; ``serve.py`` serves it. First come the parts
without a widget: what a query says, what an upload is allowed to be, what a product's card shows.
Whatever comes from a visitor or a catalogue is escaped before it is markup.
"""

import contextlib
import html
import re
import sys
import traceback
from importlib import resources

import numpy as np
import pandas as pd
from ipywidgets import (
    HTML,
    Box,
    Button,
    Dropdown,
    FileUpload,
    FloatRangeSlider,
    FloatSlider,
    Label,
    Text,
    ToggleButton,
    ToggleButtons,
    VBox,
)

from mmtutorial import TutorialError
from mmtutorial.encoders.tokenisers import words
from mmtutorial.search.query_reader import QUERY_ATTRIBUTES
from mmtutorial.search.scorers import Query
from mmtutorial.shop.cards import card, picture, spoken_part, why_found
from mmtutorial.shop.language import CHINESE, ENGLISH, Said, say
from mmtutorial.shop.uploads import MAX_BYTES, read_upload

FILTERS = ("article_type", "brand", "colour", "gender")
MOST_VALUES = 50  # of a filter's menu, the commonest: nobody reads hundreds
LONGEST_QUERY = 200  # characters


class SearchPage(VBox):
    """The whole page: a widget to show in a cell. ``make`` makes one."""

    def __init__(self, shop, per_page=12):
        super().__init__()
        self.shop, self.per_page = shop, per_page
        self.table, self.photos = shop.catalogue.table, shop.catalogue.photos
        self.reader = shop.reader
        self.photo = None  # the visitor's, (80, 60, 3) uint8
        self.like = None  # the row of the product that similar ones are shown of
        self.asked = []  # the attributes read in the query
        self.page, self._quiet = 1, False
        self._build()
        self._warm_up()
        self.refresh()

    def _build(self):
        """Make the widgets and tie them to what they do."""
        self.query = Text(continuous_update=False, layout=_AUTO)
        self.go = Button(button_style="primary", layout=_AUTO)
        self.upload = FileUpload(accept="image/*", icon="", layout=_AUTO)
        self.thumb = HTML()
        self.slider = FloatSlider(
            0.5, min=0, max=1, step=0.05, readout=False, continuous_update=False, layout=_AUTO
        )
        self.remove = Button(layout=_AUTO)
        ends = [Label(), Label()]
        slide = [ends[0], self.slider, ends[1]]
        self.mixing = _box("mixing", [self.thumb, _box("slide", slide), self.remove])
        self.message, self.heading, self.place, self.name = HTML(), HTML(), HTML(), HTML()
        self.ranking = HTML()
        self.language = ToggleButtons(
            options=[("English", "title"), ("中文", "title_zh")], layout=_AUTO
        )
        self.filters, self.notes, self.price = self._filters()
        self.reset = Button(layout=_AUTO)
        chosen = [
            one for column in self.filters for one in (self.filters[column], self.notes[column])
        ]
        chosen += [*filter(None, [self.price]), self.reset]
        self.unfold = ToggleButton(layout=_AUTO)
        self.side = _box("side", [self.unfold, _box("filters", chosen)])
        self.narrow = Button(layout=_AUTO)
        self.back = Button(layout=_AUTO)
        self.cards = [_Card(self) for _ in range(self.per_page)]
        self.earlier = Button(layout=_AUTO)
        self.later = Button(layout=_AUTO)
        top = [self.name, self.language] if self.reader.english else [self.name]
        found = [
            _box("heading", [self.back, self.heading, self.narrow]),
            _box("grid", self.cards),
            _box("pages", [self.earlier, self.place, self.later]),
            _box("ranking", [self.ranking]),
        ]
        self.children = [
            HTML(f"<style>{STYLE}</style>"),
            _box("top", top),
            _box("bar", [self.query, self.go, self.upload]),
            self.mixing,
            self.message,
            _box("body", [self.side, _box("found", found)]),
        ]
        self.add_class("shop")
        if self.price is not None:
            self.add_class("priced")
        self.labels = [  # widget, key of SAYS
            (self.query, "search"), (self.go, "search"), (self.upload, "add photo"),
            (self.slider, "mixing"), (self.remove, "remove photo"), (self.language, "language"),
            (self.reset, "clear"), (self.unfold, "filters"), (self.narrow, "narrow"),
            (self.back, "back"), (self.earlier, "previous"), (self.later, "next"),
            *((menu, column) for column, menu in self.filters.items()),
            *((one.more, "similar") for one in self.cards),
            *((price, "price") for price in filter(None, [self.price])),
        ]  # fmt: skip
        self.ends = ends
        self._label()

        for control in (self.query, self.slider):
            control.observe(self._asked, "value")
        for control in (*self.filters.values(), *filter(None, [self.price])):
            control.observe(lambda _: self.refresh(), "value")
        self.language.observe(self._spoken, "value")
        self.upload.observe(self._uploaded, "value")
        self.unfold.observe(self._folded, "value")
        self.go.on_click(self._asked)
        self.remove.on_click(self._removed)
        self.reset.on_click(lambda _: self._set_filters({}))
        self.narrow.on_click(lambda _: self._set_filters(dict(self.asked)))
        self.back.on_click(self._asked)
        self.earlier.on_click(lambda _: self.refresh(self.page - 1))
        self.later.on_click(lambda _: self.refresh(self.page + 1))

    def _filters(self):
        """A drop-down, and a note below, for each of ``FILTERS`` with a choice; a price slider."""
        menus, self.counts = {}, {}
        for column in FILTERS:
            values = pd.Series(self.table.get(column, ()), dtype=str)
            counts = values[values != ""].value_counts()
            if len(counts) > 1:
                self.counts[column] = dict(
                    sorted(counts.items(), key=lambda one: (-one[1], one[0]))
                )
                menus[column] = Dropdown(options=[("", "")], layout=_AUTO)
        notes = {column: HTML() for column in menus}
        prices = self.table.get("price", pd.Series(dtype=float)).dropna()
        if prices.nunique() < 2:
            return menus, notes, None
        low, high = np.floor(prices.min()), np.ceil(prices.max())
        return menus, notes, FloatRangeSlider(
            value=(low, high), min=low, max=high, step=1,
            readout_format=".0f", continuous_update=False, layout=_AUTO,
        )  # fmt: skip

    def _label(self):
        """Write on every control what it says in the visitor's language."""
        for widget, key in self.labels:
            widget.description = self.says(key)
        self.query.placeholder = self.says("ask")
        for end, key in zip(self.ends, ("words", "photo"), strict=True):
            end.value = self.says(key)
        name = html.escape(self.says("shop", name=self.shop.catalogue.name))
        self.name.value = f"<h1>{name}</h1>"
        self.ranking.value = f'<p class="note">{html.escape(self._ranked_by())}</p>'
        for column, menu in self.filters.items():
            self._fill(column, menu.value)
        (self.add_class if self._language() == CHINESE else self.remove_class)("zh")

    def _fill(self, column, chosen):
        """A filter's menu: its commonest values with their counts, and ``chosen`` in any case."""
        counts, name = self.counts[column], self.says(column)
        shown = dict.fromkeys([*list(counts)[:MOST_VALUES], *filter(None, [chosen])])
        options = [(self.says("any", name=name), "")]
        options += [(f"{value} ({counts[value]:,})", value) for value in shown]
        quiet, self._quiet = self._quiet, True  # new options choose the first of them
        self.filters[column].options = options
        self.filters[column].value = chosen
        self._quiet = quiet
        note = ""
        if len(counts) > MOST_VALUES:
            note = self.says("commonest", name=name, most=MOST_VALUES, total=len(counts))
        self.notes[column].value = f'<span class="note">{html.escape(note)}</span>' if note else ""

    def _ranked_by(self):
        """One sentence: what products are ranked by, and how much each of it counts."""
        weights = {name: weight for name, weight in self.shop.weights.items() if weight}
        counted = (
            f"{spoken_part(name, self._language())} ({weight / sum(weights.values()):.0%})"
            for name, weight in weights.items()
        )
        return self.says("ranked by", how=", ".join(counted))

    def _language(self):
        return CHINESE if self.language.value == "title_zh" else ENGLISH

    def says(self, key, **values):
        """``say`` in the visitor's language."""
        return say(key, self._language(), **values)

    def _warm_up(self):
        """Call the model once: the first call compiles it, and no visitor should wait for that."""
        some = next((word for word in self.reader.known if self._knows(word)), None)
        self.shop.find(self.shop.query(some, self.photos[0]), self.per_page)

    def _knows(self, text):
        return bool(self.shop.retriever.tokeniser.known_words(text))

    # What visitors do

    def _asked(self, _):
        self.like = None
        self.refresh()

    def _uploaded(self, change):
        if not change["new"]:
            return
        (file,) = change["new"]
        self.upload.value = ()  # so that the same file can be sent again
        with self._plain_words():
            self.photo, self.like = read_upload(bytes(file["content"]), file["name"]), None
            self.refresh()

    def _removed(self, _):
        self.photo = self.like = None
        self.refresh()

    def _spoken(self, _):
        self._label()
        self.refresh(self.page)

    def _folded(self, change):
        (self.side.add_class if change["new"] else self.side.remove_class)("unfolded")

    def _set_filters(self, wanted):
        self._quiet = True
        for column in self.filters:
            self._fill(column, wanted.get(column, ""))
        if self.price is not None and not wanted:
            self.price.value = (self.price.min, self.price.max)
        self._quiet = False
        self.refresh()

    def show_similar(self, row):
        """Show the products most like the one at ``row``."""
        self.like = row
        self.refresh()

    # What the page answers

    def where(self):
        """The chosen filters, as ``ProductSearch`` takes them."""
        where = {column: menu.value for column, menu in self.filters.items() if menu.value}
        if self.price is not None and self.price.value != (self.price.min, self.price.max):
            where["price"] = self.price.value
        return where

    def refresh(self, page=1):
        """Answer what the controls say now."""
        if self._quiet:
            return
        self.asked, answered = [], False
        self._say("")
        what = self._what(self.query.value.strip()) if self.like is None else ""
        self.add_class("busy")  # the earlier list turns pale, and loses its heading
        self._head(self.says("searching for", what=what) if what else self.says("searching"))
        with self._plain_words():
            self._answer(page)
            answered = True
        if not answered:  # no list of an earlier query stays
            self._head(self.says("nothing"))
            self._show([], 0)
        self.remove_class("busy")

    def _what(self, text):
        """What is searched by, for a heading; "" if it is nothing."""
        shown = text if len(text) <= LONGEST_QUERY else f"{text[:LONGEST_QUERY]}…"
        name = f"“{shown}”" if text else ""
        if self.photo is None:
            return name
        return self.says("both", words=name) if text else self.says("your photo")

    def _answer(self, page):
        text, shop, where = self.query.value.strip(), self.shop, self.where()
        self._hide(self.back, self.like is None)
        self._hide(self.mixing, self.photo is None)
        self._hide(self.narrow, True)
        self.slider.disabled = not text
        if self.photo is not None:
            self.thumb.value = picture(self.photo, "your photo")
        fits = shop.fits(where)
        total = len(fits) - (self.like in fits)
        self.page = max(1, min(page, -(-total // self.per_page)))
        query, head = None, {"text": self.says("all products")}
        if self.like is not None:
            product, query = self.table.iloc[self.like], Query(shop.gallery[self.like])
            self.asked = [
                (column, product[column]) for column in QUERY_ATTRIBUTES if product.get(column)
            ]
            head["text"] = self.says("similar to", title=f"“{self._title(product)}”")
            head["before"] = picture(self.photos[self.like])
        elif text or self.photo is not None:
            query, head = self._read(text)
        else:
            self._say(self.says("hint"), "hint")
            rows = fits[self.per_page * (self.page - 1) :][: self.per_page]
            found = self.table.iloc[rows].assign(row=rows)
        if query is not None:
            found, parts = shop.find(query, self.per_page, where, self.page, without=self.like)
        products = [product for _, product in found.iterrows()]
        whys = [""] * len(products)
        if query is not None:
            whys = [
                why_found(product, product["score"], part, self.asked, self._language())
                for product, part in zip(products, parts.to_dict("records"), strict=True)
            ]
        if not total:
            self._say(self.says("none passes"))
        self._show(list(zip(products, whys, strict=True)), total)
        self._head(**head)  # last: it never stands over another query's list
        can_narrow = any(column in self.filters for column, _ in head.get("attributes", ()))
        self._hide(self.narrow, not can_narrow)

    def _read(self, text):
        """The query of the words and the photo, and the heading: what was read in them."""
        if len(text) > LONGEST_QUERY:
            raise Said("too long", length=len(text), most=LONGEST_QUERY)
        asked = self.reader.translated(text)
        self.asked = self.reader.attributes(asked)
        unknown = self.reader.unknown(asked)
        strange = re.search("<[^>]*>", text) and len(unknown) == len(set(words(asked)))
        if text and (strange or not self._knows(asked)):
            close = " ".join(filter(None, unknown.values()))
            raise Said("no word, close" if close else "no word", text=text, close=close)
        self._say(" ".join(
            self.says("unknown, close" if close else "unknown", word=word, close=close)
            for word, close in unknown.items()
        ))  # fmt: skip
        head = {"text": self.says("results", what=self._what(text)), "attributes": self.asked}
        if asked != text:
            head["note"] = self.says("read as", words=asked)
        return self.shop.query(asked or None, self.photo, self.slider.value), head

    def _title(self, product):
        return product[self.language.value] or product["title"]

    def _show(self, products, total):
        for card_, shown in zip(self.cards, [*products, *[None] * self.per_page], strict=False):
            card_.show(shown)
        pages = max(1, -(-total // self.per_page))
        place = self.says("place", total=total, page=self.page, pages=pages)
        self.place.value = place if total else ""
        self.earlier.disabled, self.later.disabled = self.page <= 1, self.page >= pages
        self._hide(self.earlier, not total)
        self._hide(self.later, not total)

    def _head(self, text, attributes=(), note="", before=""):
        chips = "".join(
            f'<span class="chip">{html.escape(self.says(column))}: '
            f"<b>{html.escape(value)}</b></span>"
            for column, value in attributes
        )
        note = f'<span class="note">{html.escape(note)}</span>' if note else ""
        self.heading.value = f"{before}<div><h2>{html.escape(text)}</h2>{note}{chips}</div>"

    def _say(self, text, kind="fault"):
        """Show a sentence; beside it lies what the page's own script has to say."""
        data = {
            "large": self.says("large", name="{name}", size="{size}", most=MAX_BYTES // 1_000_000),
            "silent": self.says("silent"),
            "from": self.says("from", name="{name}"),
            "to": self.says("to", name="{name}"),
        }
        data = " ".join(f'data-{key}="{html.escape(value)}"' for key, value in data.items())
        self.message.value = f'<p role="status" class="{kind}" {data}>{html.escape(text)}</p>'

    @contextlib.contextmanager
    def _plain_words(self):
        """A visitor reads a sentence, never a traceback; that goes to the terminal."""
        try:
            yield
        except Said as fault:
            self._say(self.says(fault.key, **fault.values))
        except TutorialError as fault:
            self._say(str(fault))
        except Exception:
            traceback.print_exc(file=sys.__stderr__)  # a kernel's sys.stderr is the page itself
            self._say(self.says("trouble"))

    def _hide(self, widget, hidden):
        (widget.add_class if hidden else widget.remove_class)("hidden")


class _Card(VBox):
    """One product of the grid; a click anywhere on it shows similar ones."""

    def __init__(self, page):
        self.owner, self.row = page, None
        self.face = HTML()
        self.more = Button(layout=_AUTO)
        super().__init__([self.face, self.more])
        self.add_class("card")
        self.more.on_click(lambda _: page.show_similar(self.row))

    def show(self, shown):
        self.owner._hide(self, shown is None)
        if shown is None:
            self.face.value = self.more.tooltip = ""
            return
        product, why = shown
        self.row = int(product["row"])
        title = self.owner._title(product)
        self.more.tooltip = self.owner.says("similar to", title=title)
        self.face.value = card(product, self.owner.photos[self.row], title, why)


_AUTO = {"width": "auto"}  # ipywidgets' own widths are made for a column of labelled sliders


def _box(name, children):
    box = Box(children)
    box.add_class(name)
    return box


def make(shop, per_page=12):
    """The search page for a ``ProductSearch``: show it in a cell.

    It ranks by what the search was made with, and says so below the products. Any retriever with
    the face of ``retriever.Retriever`` does (``embed_photos``,
    ``embed_texts``, ``tokeniser.known_words``), such as an ``AttributeRetriever``.
    """
    return SearchPage(shop, per_page)


# A button that browsers fill themselves cannot be labelled by a widget: its label is a style.
STYLE = resources.files("mmtutorial.shop").joinpath("style.css").read_text("utf-8") + "".join(
    f'{where} {{ --add-photo: "{say("add photo", language)}"; }}\n'
    for where, language in ((".shop", ENGLISH), (".shop.zh", CHINESE))
)
