"""The search app: a shop page of ipywidgets, for a notebook cell or for Voila.

``make(shop)`` gives the page for a ``ProductSearch``; ``serve.py`` serves it. First come the parts
without a widget: what a query says, what an upload is allowed to be, what a product's card shows.
Whatever comes from a visitor or a catalogue is escaped before it is markup.
"""

import base64
import contextlib
import difflib
import html
import io
import re
import sys
import traceback
from collections import Counter

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
from PIL import Image

from mmtutorial import TutorialError
from mmtutorial.datasets.folder import decode
from mmtutorial.tokens import chinese_words, words

FILTERS = {  # column → what the page calls it
    "article_type": "Article type",
    "brand": "Brand",
    "colour": "Colour",
    "gender": "For",
}
READ = ("article_type", "colour", "gender", "pattern", "usage", "season", "brand")
LONGEST_QUERY = 200  # characters
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_BYTES = 15_000_000  # of an uploaded file: a phone's photo has 3 to 8 million
MAX_PIXELS = 60_000_000  # a small file can unpack to gigabytes: its header tells before it does

# What a query says -----------------------------------------------------------------------------


def partners(left, right, sure, least=3):
    """For each term of ``left`` the term of ``right`` that goes with it: a dict.

    ``left``, ``right``: for each product, its terms. The partner is the one with the highest
    n(l, r) / √(n(l) · n(r)) (Ochiai 1957: the cosine of their columns), n counting products; kept
    if it is above 0.3, at least ``sure`` of the products with l have it, and ``least`` do.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    counted = []
    for terms in (left, right):
        counter = CountVectorizer(analyzer=lambda one: one, binary=True)
        if not any(terms):
            return {}
        counted.append((counter.fit_transform(terms), counter.get_feature_names_out()))
    (a, names), (b, others) = counted
    both = (a.T @ b).tocoo()  # (n_left, n_right): how many products have both
    n_a, n_b = np.asarray(a.sum(axis=0)).ravel(), np.asarray(b.sum(axis=0)).ravel()
    likeness = both.data / np.sqrt(n_a[both.row] * n_b[both.col])
    good = (likeness > 0.3) & (both.data >= sure * n_a[both.row]) & (both.data >= least)
    best = np.flatnonzero(good)[np.argsort(likeness[good], kind="stable")]  # the last one wins
    return {names[both.row[place]]: others[both.col[place]] for place in best}


class QueryReader:
    """Reads a query by what the catalogue itself says: attribute values, and Chinese words.

    A value is read where it stands ("track pants"), or where a word stands that titles use for
    it ("tee" for Tshirts). Chinese is turned into the words of the English titles: a product's
    two titles are each other's translation, and that is all the dictionary there is.
    """

    def __init__(self, table):
        columns = [column for column in READ if column in table]
        titles = [title.casefold().split() for title in table["title"]]
        self.known = Counter(word for title in table["title"] for word in words(title))
        self.values = {}  # spelling → (column, value)
        for column in columns:
            for value in table[column][table[column] != ""].value_counts().index:
                self.values.setdefault(_spelling(words(value)), (column, value))
        for column in columns:
            values = [[value] if value else [] for value in table[column]]
            for word, value in partners(titles, values, sure=0.8).items():
                self.values.setdefault(_spelling(words(word)), (column, value))
        self.english = {}
        if "title_zh" in table and (table["title_zh"] != "").any():
            chinese = [chinese_words(title) for title in table["title_zh"]]
            self.english = partners(chinese, titles, sure=0.3)

    def attributes(self, query):
        """The attribute values that a query names: ``[(column, value), …]`` in their order."""
        found, tokens, start = [], words(query), 0
        while start < len(tokens):
            for stop in range(start + 5, start, -1):  # the longest name first: navy blue, blue
                named = self.values.get(_spelling(tokens[start:stop]))
                if named:
                    break
            if named and named not in found:
                found.append(named)
            start = stop if named else start + 1
        return found

    def translated(self, query):
        """A query with Chinese in it, in the words of the English titles; any other as it is."""
        if not self.english or not re.search("[\u4e00-\u9fff]", query):
            return query
        english = [self.english.get(word, word) for word in chinese_words(query)]
        return " ".join(dict.fromkeys(english))  # T恤 is cut in two, both a t-shirt

    def close_to(self, query):
        """For each word of a query that no title has, the commonest of those spelt much like it."""
        close = [
            difflib.get_close_matches(word, self.known, 3, 0.7)
            for word in words(query)
            if word not in self.known
        ]
        return [max(names, key=self.known.get) for names in close if names]


def _spelling(tokens):
    """What a plural and its singular, "t-shirts" and "Tshirt" have in common."""
    from mmtutorial.understanding import stem

    return "".join(stem(token) for token in tokens)


def read_upload(content, name):
    """An uploaded file's bytes → ``(80, 60, 3) uint8``.

    Raises ``TutorialError``, before anything is unpacked, for more than ``MAX_BYTES``, for a file
    that is none of ``FORMATS`` whatever its name says, and for more than ``MAX_PIXELS``.
    """
    if len(content) > MAX_BYTES:
        raise TutorialError(
            f"“{name}” has {len(content) / 1e6:.0f} MB; a photo may have {MAX_BYTES / 1e6:.0f}: "
            "make it smaller, or take another one"
        )
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            pixels = image.width * image.height
    except Image.DecompressionBombError:
        pixels = np.inf
    except Exception:  # Pillow raises many kinds on broken files
        raise TutorialError(
            f"“{name}” is no photo that can be read: take one of {', '.join(FORMATS)}"
        ) from None
    if pixels > MAX_PIXELS:
        raise TutorialError(
            f"“{name}” would unpack to more than {MAX_PIXELS / 1e6:.0f} million pixels: make it "
            "smaller, or take another one"
        )
    try:
        return decode(content)
    except TutorialError as fault:
        raise TutorialError(f"“{name}” cannot be used: {fault}") from fault


# What a page shows ------------------------------------------------------------------------------


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


def why_found(product, score, parts, attributes):
    """Why a product was found, as a ``<details>``: parts of its score, attributes that agree.

    ``parts`` has ``photo`` and ``title``, which add up to ``score``; ``attributes`` are those
    asked for, ``[(column, value), …]``.
    """
    bars = "".join(
        f'<tr><td>its {name}</td><td><i class="{name}-part" style="width: '
        f'{100 * max(0, min(1, parts[name])):.0f}%"></i></td><td>{parts[name]:.2f}</td></tr>'
        for name in ("photo", "title")
    )
    signs = []
    for column, value in attributes:
        has = product[column]
        sign = "–" if has == "" else "✓" if has.casefold() == value.casefold() else "✗"
        said = {"✓": value, "–": f"{value}? not given", "✗": f"{has}, not {value}"}[sign]
        signs.append(f'<li class="{_MEANING[sign]}">{sign} {html.escape(said)}</li>')
    return (
        f"<details><summary>Why? <b>{score:.2f}</b></summary><table>{bars}</table>"
        f"<ul>{''.join(signs)}</ul></details>"
    )


_MEANING = {"✓": "yes", "–": "open", "✗": "no"}


class SearchPage(VBox):
    """The whole page: a widget to show in a cell. ``make`` makes one."""

    def __init__(self, shop, per_page=12):
        super().__init__()
        self.shop, self.per_page = shop, per_page
        self.table, self.photos = shop.catalogue.table, shop.catalogue.photos
        self.reader = QueryReader(self.table)
        self.photo = None  # the visitor's, (80, 60, 3) uint8
        self.like = None  # the row of the product that similar ones are shown of
        self.asked = []  # the attributes read in the query
        self.page, self._quiet = 1, False
        self._build()
        self._warm_up()
        self.refresh()

    def _build(self):
        """Make the widgets and tie them to what they do."""
        self.query = Text(
            placeholder="What are you looking for?", continuous_update=False, layout=_AUTO
        )
        self.go = Button(description="Search", button_style="primary", layout=_AUTO)
        self.upload = FileUpload(accept="image/*", description="Add a photo", icon="", layout=_AUTO)
        self.thumb = HTML()
        self.slider = FloatSlider(
            0.5, min=0, max=1, step=0.05, readout=False, continuous_update=False, layout=_AUTO
        )
        self.remove = Button(description="Remove photo", layout=_AUTO)
        slide = [Label("words"), self.slider, Label("photo")]
        self.mixing = _box("mixing", [self.thumb, _box("slide", slide), self.remove])
        self.message = HTML()
        self.language = ToggleButtons(
            options=[("English", "title"), ("中文", "title_zh")], layout=_AUTO
        )
        self.filters, self.price = self._filters()
        self.reset = Button(description="Clear filters", layout=_AUTO)
        chosen = [*self.filters.values(), *filter(None, [self.price]), self.reset]
        self.unfold = ToggleButton(description="Filters", layout=_AUTO)
        self.side = _box("side", [self.unfold, _box("filters", chosen)])
        self.heading = HTML()
        self.narrow = Button(description="Show only these", layout=_AUTO)
        self.back = Button(description="← Back", layout=_AUTO)
        self.cards = [_Card(self) for _ in range(self.per_page)]
        self.earlier = Button(description="← Previous", layout=_AUTO)
        self.place = HTML()
        self.later = Button(description="Next →", layout=_AUTO)
        top = [HTML(f"<h1>{html.escape(self.shop.catalogue.name)} shop</h1>")]
        if self.reader.english:
            top.append(self.language)
        found = [
            _box("heading", [self.back, self.heading, self.narrow]),
            _box("grid", self.cards),
            _box("pages", [self.earlier, self.place, self.later]),
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

        for control in (self.query, self.slider):
            control.observe(self._asked, "value")
        for control in (*self.filters.values(), *filter(None, [self.price])):
            control.observe(lambda _: self.refresh(), "value")
        self.language.observe(lambda _: self.refresh(self.page), "value")
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
        """A drop-down for each column of ``FILTERS`` that has a choice; a slider for prices."""
        menus = {}
        for column, name in FILTERS.items():
            values = sorted(set(self.table.get(column, ())) - {""})
            if len(values) > 1:
                options = [(f"{name}: any", ""), *((value, value) for value in values)]
                menus[column] = Dropdown(options=options, layout=_AUTO)
        prices = self.table.get("price", pd.Series(dtype=float)).dropna()
        if prices.nunique() < 2:
            return menus, None
        low, high = np.floor(prices.min()), np.ceil(prices.max())
        return menus, FloatRangeSlider(
            value=(low, high), min=low, max=high, step=1, description="Price",
            readout_format=".0f", continuous_update=False, layout=_AUTO,
        )  # fmt: skip

    def _warm_up(self):
        """Call the model once: the first call compiles it, and no visitor should wait for that."""
        some = next((word for word in self.reader.known if self._knows(word)), None)
        query = self.shop.embed_query(some, self.photos[0])
        self.shop.parts(query, range(min(self.per_page, len(self.table))))

    def _knows(self, text):
        return bool(self.shop.retriever.vocabulary.known_words(text))

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

    def _folded(self, change):
        (self.side.add_class if change["new"] else self.side.remove_class)("unfolded")

    def _set_filters(self, wanted):
        self._quiet = True
        for column, menu in self.filters.items():
            menu.value = wanted.get(column, "")
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
        with self._plain_words():
            self._answer(page)
            answered = True
        if not answered:  # no list of an earlier query stays
            self._head("Nothing found")
            self._show([], 0)

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
        query, head = None, {"text": "All products"}
        if self.like is not None:
            product, query = self.table.iloc[self.like], shop.gallery[self.like]
            self.asked = [(column, product[column]) for column in READ if product.get(column)]
            found = shop.similar(self.like, self.per_page, where, self.page)
            head["text"] = f"Similar to “{self._title(product)}”"
            head["before"] = picture(self.photos[self.like])
        elif text or self.photo is not None:
            query, head = self._read(text)
            found = shop.nearest(query, self.per_page, where, self.page)
        else:
            self._say("Type what you are looking for, or add a photo.", "hint")
            rows = fits[self.per_page * (self.page - 1) :][: self.per_page]
            found = self.table.iloc[rows].assign(row=rows)
        products = [product for _, product in found.iterrows()]
        whys = [""] * len(products)
        if query is not None:
            parts = shop.parts(query, found["row"]).to_dict("records")
            whys = [
                why_found(product, product["score"], part, self.asked)
                for product, part in zip(products, parts, strict=True)
            ]
        if not total:
            self._say("No product passes these filters: clear one of them.")
        self._show(list(zip(products, whys, strict=True)), total)
        self._head(**head)  # last: it never stands over another query's list
        can_narrow = any(column in self.filters for column, _ in head.get("attributes", ()))
        self._hide(self.narrow, not can_narrow)

    def _read(self, text):
        """The query vector for the words and the photo, and the heading: what was read in them."""
        if len(text) > LONGEST_QUERY:
            raise TutorialError(
                f"{len(text)} characters are too many: describe it in up to {LONGEST_QUERY}"
            )
        asked = self.reader.translated(text)
        self.asked = self.reader.attributes(asked)
        if text and not self._knows(asked):
            close = self.reader.close_to(asked)
            raise TutorialError(
                f"No title has a word of “{text}”: "
                + (f"did you mean {' '.join(close)}?" if close else "try other words.")
            )
        name = f"“{text}”" if text else "your photo"
        name += " and your photo" if text and self.photo is not None else ""
        head = {"text": f"Results for {name}", "attributes": self.asked}
        if asked != text:
            head["note"] = f"read as: {asked}"
        return self.shop.embed_query(asked or None, self.photo, self.slider.value), head

    def _title(self, product):
        return product[self.language.value] or product["title"]

    def _show(self, products, total):
        for card_, shown in zip(self.cards, [*products, *[None] * self.per_page], strict=False):
            card_.show(shown)
        pages = max(1, -(-total // self.per_page))
        self.place.value = f"{total:,} products, page {self.page} of {pages:,}" if total else ""
        self.earlier.disabled, self.later.disabled = self.page <= 1, self.page >= pages
        self._hide(self.earlier, not total)
        self._hide(self.later, not total)

    def _head(self, text, attributes=(), note="", before=""):
        chips = "".join(
            f'<span class="chip">{html.escape(FILTERS.get(column, column.capitalize()))}: '
            f"<b>{html.escape(value)}</b></span>"
            for column, value in attributes
        )
        note = f'<span class="note">{html.escape(note)}</span>' if note else ""
        self.heading.value = f"{before}<div><h2>{html.escape(text)}</h2>{note}{chips}</div>"

    def _say(self, text, kind="fault"):
        self.message.value = f'<p role="status" class="{kind}">{html.escape(text)}</p>'

    @contextlib.contextmanager
    def _plain_words(self):
        """A visitor reads a sentence, never a traceback; that goes to the terminal."""
        try:
            yield
        except TutorialError as fault:
            self._say(str(fault))
        except Exception:
            traceback.print_exc(file=sys.__stderr__)  # a kernel's sys.stderr is the page itself
            self._say("Something went wrong here. Try again, or ask for something else.")

    def _hide(self, widget, hidden):
        (widget.add_class if hidden else widget.remove_class)("hidden")


class _Card(VBox):
    """One product of the grid; a click anywhere on it shows similar ones."""

    def __init__(self, page):
        self.owner, self.row = page, None
        self.face = HTML()
        self.more = Button(description="Similar", layout=_AUTO)
        super().__init__([self.face, self.more])
        self.add_class("card")
        self.more.on_click(lambda _: page.show_similar(self.row))

    def show(self, shown):
        self.owner._hide(self, shown is None)
        if shown is None:
            return
        product, why = shown
        self.row = int(product["row"])
        title = self.owner._title(product)
        self.more.tooltip = f"Similar to {title}"
        self.face.value = card(product, self.owner.photos[self.row], title, why)


_AUTO = {"width": "auto"}  # ipywidgets' own widths are made for a column of labelled sliders


def _box(name, children):
    box = Box(children)
    box.add_class(name)
    return box


def make(shop, per_page=12):
    """The search page for a ``ProductSearch``: show it in a cell.

    Any retriever with the face of ``contrastive.Retriever`` does (``embed_photos``,
    ``embed_texts``, ``vocabulary.known_words``), such as ``base_model.load_model(folder)``.
    """
    return SearchPage(shop, per_page)


STYLE = """
.shop { --ink: #1f2328; --soft: #656d76; --line: #e3e5e8; --tint: #f5f6f7; --accent: #2f5f8f;
  --photo: #4878a8; --title: #d9a441; color: var(--ink); background: white; overflow: visible;
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC",
  "PingFang SC", "Microsoft YaHei", sans-serif; padding: 0 20px 40px; max-width: 1240px;
  margin: 0 auto; box-sizing: border-box; width: 100%; }
.shop .widget-box, .shop .jupyter-widgets { overflow: visible; margin: 0; font: inherit; }
.shop .hidden { display: none !important; }
.shop .widget-html-content { font: inherit; color: inherit; line-height: inherit; }
.shop p, .shop h1, .shop h2, .shop ul { margin: 0; padding: 0; }
.shop button.jupyter-button { height: 40px; line-height: 1; border-radius: 8px; padding: 0 16px;
  background: var(--tint); color: var(--ink); border: 1px solid var(--line); box-shadow: none; }
.shop button.jupyter-button:hover { background: #ebedef; box-shadow: none; }
.shop button.jupyter-button:focus-visible, .shop summary:focus-visible
  { outline: 2px solid var(--accent); outline-offset: 2px; }
.shop button.jupyter-button.mod-primary { background: var(--accent); color: white; border: 0; }
.shop .top { align-items: center; justify-content: space-between; padding: 18px 0 12px; }
.shop h1 { white-space: nowrap; font-size: 22px; font-weight: 700; letter-spacing: -.01em; }
.shop h1::first-letter { text-transform: uppercase; }
.shop .widget-toggle-buttons > div { flex-wrap: nowrap; }
.shop .widget-toggle-buttons .widget-toggle-button { width: auto; height: 32px; padding: 0 12px;
  border-radius: 0; margin: 0; background: white; font-size: 13px; }
.shop .widget-toggle-buttons .widget-toggle-button.mod-active
  { background: var(--ink); color: white; }
.shop .bar { gap: 8px; }
.shop .bar .widget-text { flex: 1 1 240px; min-width: 0; height: 44px; }
.shop .bar input { height: 44px; font: inherit; font-size: 16px; border-radius: 10px;
  border: 1px solid #c9cdd2; padding: 0 14px; }
.shop .bar button.jupyter-button { height: 44px; border-radius: 10px; }
.shop .bar button.widget-upload { font-size: 0; }  /* it would count its files */
.shop .bar button.widget-upload::before { content: "Add a photo"; font-size: 15px; }
.shop .mixing { align-items: center; gap: 16px; margin-top: 12px; padding: 10px 14px;
  background: var(--tint); border-radius: 10px; }
.shop .mixing img { width: 48px; height: 64px; border-radius: 6px; display: block; }
.shop .slide { align-items: center; gap: 10px; flex: 1; max-width: 460px; }
.shop .slide .widget-label { width: auto; height: auto; color: var(--soft); }
.shop .slide .widget-slider { flex: 1; min-width: 0; }
.shop [role=status] { margin: 12px 0; color: var(--soft); }
.shop [role=status]:empty { margin: 18px 0 0; }
.shop [role=status].fault { color: #8a4b08; }
.shop .noUi-connect { background: var(--accent); }
.shop .filters .jupyter-button { margin-top: 10px; }
.shop .body { gap: 28px; align-items: flex-start; }
.shop .side { flex: 0 0 200px; flex-direction: column; }
.shop .side > .widget-toggle-button { display: none; }
.shop .filters { flex-direction: column; gap: 10px; width: 100%; }
.shop .filters select { height: 38px; font: inherit; font-size: 14px; border-radius: 8px;
  border: 1px solid var(--line); background-color: white; padding: 0 8px; }
.shop .filters .widget-dropdown { height: 38px; width: 100%; }
.shop .filters .widget-hslider { width: 100%; height: auto; flex-wrap: wrap; padding-right: 10px; }
.shop .filters .widget-hslider .widget-label { width: auto; color: var(--soft); font-size: 14px; }
.shop .filters .widget-hslider .widget-readout { order: 2; min-width: 0; margin-left: auto;
  font-size: 14px; border: 0; }
.shop .filters .widget-hslider .slider-container { order: 3; flex: 1 0 100%; margin: 0 8px; }
.shop .found { flex: 1; min-width: 0; flex-direction: column; }
.shop .heading { align-items: center; gap: 12px; flex-wrap: wrap; margin-bottom: 14px; }
.shop .heading .widget-html-content { display: flex; gap: 12px; align-items: center; }
.shop .heading img { width: 45px; height: 60px; border-radius: 6px; }
.shop h2 { font-size: 18px; font-weight: 600; overflow-wrap: anywhere; }
.shop .chip, .shop .note { display: inline-block; font-size: 13px; color: var(--soft);
  margin: 4px 6px 0 0; }
.shop .chip { background: var(--tint); border-radius: 20px; padding: 2px 10px; }
.shop .chip b { color: var(--ink); font-weight: 600; }
.shop .heading button.jupyter-button { height: 32px; padding: 0 12px; font-size: 13px; }
.shop .grid { display: grid; gap: 22px 16px; width: 100%;
  grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); }
.shop .card { position: relative; min-width: 0; }
.shop .card .widget-html { height: auto; }
.shop .frame { background: white; border: 1px solid var(--line); border-radius: 10px;
  overflow: hidden; aspect-ratio: 3 / 4; }
.shop .frame img { width: 100%; height: 100%; object-fit: contain; display: block; }
.shop .card:hover .frame { border-color: #9aa4ae; }
.shop .card .title { margin-top: 8px; font-size: 14px; line-height: 1.35; height: 2.7em;
  display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden; }
.shop .card .price { font-weight: 600; margin-top: 2px; }
.shop.priced .price { min-height: 1.45em; }
.shop .card button.jupyter-button { position: absolute; top: 8px; right: 8px; height: 28px;
  padding: 0 10px; font-size: 12px; background: rgba(255, 255, 255, .92); opacity: 0;
  align-self: auto; }
.shop .card button.jupyter-button::after { content: ""; position: absolute; top: -9px;
  right: -9px; width: var(--wide, 1000px); height: 1000px; }
.shop .card { overflow: clip; }
.shop .card:hover button.jupyter-button, .shop .card button.jupyter-button:focus-visible
  { opacity: 1; }
.shop details { position: relative; z-index: 2; font-size: 13px; color: var(--soft);
  margin-top: 2px; }
.shop summary { cursor: pointer; }
.shop summary b { float: right; font-weight: 400; }
.shop details table { width: 100%; margin: 4px 0; border-spacing: 0; font-size: 12px; }
.shop details td { padding: 1px 6px 1px 0; background: none; text-align: left; }
.shop details td:first-child { white-space: nowrap; }
.shop details td:nth-child(2) { width: 60%; }
.shop details i { display: block; height: 8px; border-radius: 4px; min-width: 1px; }
.shop .photo-part { background: var(--photo); }
.shop .title-part { background: var(--title); }
.shop details ul { list-style: none; }
.shop .yes { color: #2e7d32; }
.shop .no { color: #b3261e; }
.shop .pages { align-items: center; justify-content: center; gap: 16px; margin-top: 28px;
  color: var(--soft); }
@media (max-width: 700px) {
  .shop { padding: 0 12px 32px; }
  .shop .bar { flex-wrap: wrap; }
  .shop .bar .widget-text { flex: 1 0 100%; }
  .shop .bar button.jupyter-button { flex: 1; }
  .shop .mixing { flex-wrap: wrap; gap: 10px; }
  .shop .slide { order: 3; flex: 1 0 100%; max-width: none; }
  .shop .body { flex-direction: column; gap: 14px; align-items: stretch; }
  .shop .side { flex: none; gap: 10px; width: 100%; }
  .shop .side > .widget-toggle-button { display: block; width: 100%; }
  .shop .side:not(.unfolded) .filters { display: none; }
  .shop .found { width: 100%; }
  .shop .grid { grid-template-columns: 1fr 1fr; gap: 18px 12px; }
  .shop.priced .price { min-height: 1.45em; }
.shop .card button.jupyter-button { opacity: 1; }
}
"""
