"""The search app: a shop page of ipywidgets, for a notebook cell or for Voila.

``make(shop)`` gives the page for a ``ProductSearch``; ``serve.py`` serves it. First come the parts
without a widget: what a query says, what an upload is allowed to be, what a product's card shows.
Whatever comes from a visitor or a catalogue is escaped before it is markup.
"""

import base64
import contextlib
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
from mmtutorial.datasets.folder import MAX_PIXELS, decode
from mmtutorial.tokens import chinese_words, words

FILTERS = ("article_type", "brand", "colour", "gender")
MOST_VALUES = 50  # of a filter's menu, the commonest: nobody reads hundreds
READ = ("article_type", "colour", "gender", "pattern", "usage", "season", "brand")
LONGEST_QUERY = 200  # characters
CHINESE_LETTER = "[\u4e00-\u9fff]"
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_BYTES = 15_000_000  # of an uploaded file: a phone's photo has 3 to 8 million

FUNCTION_WORDS = frozenset(  # they say nothing about a product, whatever is spelt like them
    re.findall(r"\w+", "a an and any at by for from i in is it me my of on or some the to with")
)

# What the page says ----------------------------------------------------------------------------

SAYS = {  # English, Chinese; what belongs to a catalogue (titles, values) stays as it is there
    "shop": ("{name} shop", "{name} 商店"),
    "ask": ("What are you looking for?", "您想找什么？"),
    "search": ("Search", "搜索"),
    "add photo": ("Add a photo", "添加照片"),
    "remove photo": ("Remove photo", "移除照片"),
    "words": ("words", "文字"),
    "photo": ("photo", "照片"),
    "mixing": ("More words or more photo", "文字与照片的比重"),
    "language": ("Language", "语言"),
    "filters": ("Filters", "筛选"),
    "any": ("{name}: any", "{name}：不限"),
    "commonest": (
        "{name}: the {most} commonest of {total:,}; type any other in the search.",
        "{name}：仅列出最常见的 {most} 个（共 {total:,} 个），其他的请输入搜索框。",
    ),
    "clear": ("Clear filters", "清除筛选"),
    "article_type": ("Article type", "商品类型"),
    "brand": ("Brand", "品牌"),
    "colour": ("Colour", "颜色"),
    "gender": ("For", "适用人群"),
    "pattern": ("Pattern", "图案"),
    "usage": ("Usage", "场合"),
    "season": ("Season", "季节"),
    "price": ("Price", "价格"),
    "from": ("{name}, from", "{name}，最低"),
    "to": ("{name}, to", "{name}，最高"),
    "narrow": ("Show only these", "只看这些"),
    "back": ("← Back", "← 返回"),
    "previous": ("← Previous", "← 上一页"),
    "next": ("Next →", "下一页 →"),
    "place": (
        "{total:,} products, page {page} of {pages:,}",
        "{total:,} 件商品，第 {page}/{pages:,} 页",
    ),
    "similar": ("Similar", "相似商品"),
    "similar to": ("Similar to {title}", "与 {title} 相似"),
    "why": ("Why?", "为什么？"),
    "its photo": ("its photo", "照片"),
    "its title": ("its title", "标题"),
    "not given": ("{value}? not given", "{value}？未注明"),
    "other": ("{has}, not {value}", "{has}，不是 {value}"),
    "all products": ("All products", "全部商品"),
    "searching": ("Searching …", "正在搜索……"),
    "searching for": ("Searching for {what} …", "正在搜索{what}……"),
    "results": ("Results for {what}", "{what}的搜索结果"),
    "your photo": ("your photo", "您的照片"),
    "both": ("{words} and your photo", "{words}和您的照片"),
    "read as": ("read as: {words}", "理解为：{words}"),
    "nothing": ("Nothing found", "没有找到商品"),
    "hint": (
        "Type what you are looking for, or add a photo.",
        "请输入想找的商品，或添加一张照片。",
    ),
    "none passes": (
        "No product passes these filters: clear one of them.",
        "没有符合筛选条件的商品：请清除一个条件。",
    ),
    "no word": (
        "No title has a word of “{text}”: try other words.",
        "没有标题含有“{text}”中的词：请换别的词。",
    ),
    "no word, close": (
        "No title has a word of “{text}”: did you mean {close}?",
        "没有标题含有“{text}”中的词：您是不是要找 {close}？",
    ),
    "unknown": ("No title has “{word}”.", "没有标题含有“{word}”。"),
    "unknown, close": (
        "No title has “{word}”: did you mean {close}?",
        "没有标题含有“{word}”：您是不是要找 {close}？",
    ),
    "too long": (
        "{length} characters are too many: describe it in up to {most}",
        "{length} 个字符太多了：请用不超过 {most} 个字符描述",
    ),
    "trouble": (
        "Something went wrong here. Try again, or ask for something else.",
        "出了点问题。请重试，或搜索别的商品。",
    ),
    "large": (
        "“{name}” has {size} MB; a photo may have {most}: make it smaller, or take another one",
        "“{name}”有 {size} MB，照片最多 {most} MB：请缩小它，或换一张",
    ),
    "no photo": (
        "“{name}” is no photo that can be read: take one of {formats}",
        "“{name}”不是可以读取的照片：请选择 {formats} 格式",
    ),
    "many pixels": (
        "“{name}” would unpack to more than {most} million pixels: make it smaller, or take "
        "another one",
        "“{name}”展开后超过 {most} 百万像素：请缩小它，或换一张",
    ),
    "silent": (
        "There is no answer: this page was left for too long, or the shop is closed. Load the "
        "page again.",
        "没有回应：页面闲置太久，或商店已关闭。请重新加载页面。",
    ),
    "full": (
        "The shop is full: every place for a visitor is taken. Try again in a minute.",
        "商店已满，请一分钟后再试。",
    ),
    "foreign": (
        "Another site's page asked for the shop. The shop opens only when you ask for it yourself.",
        "这个请求来自其他网站的页面。请您自己打开商店。",
    ),
    "open": ("Open the shop", "打开商店"),
    "unusable": ("“{name}” cannot be used: {why}", "“{name}”无法使用：{why}"),
}
ENGLISH, CHINESE = 0, 1


def say(key, language=ENGLISH, **values):
    """What the page says under ``key`` of ``SAYS``, in that language."""
    return SAYS[key][language].format(**values)


class _Said(TutorialError):
    """A fault that a page can say in its visitor's language; as a text it is English."""

    def __init__(self, key, **values):
        super().__init__(say(key, **values))
        self.key, self.values = key, values


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
        self._spellings = {_spelling([word]) for word in self.known}
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
        return list(dict.fromkeys(named for _, named in self._read(query) if named))

    def _read(self, query):
        """A query's words, in groups that name a value, and alone: ``(words, value or None)``."""
        tokens, start = words(query), 0
        while start < len(tokens):
            for stop in range(start + 5, start, -1):  # the longest name first: navy blue, blue
                named = self._named(tokens[start:stop])
                if named:
                    break
            stop = stop if named else start + 1
            yield tokens[start:stop], named
            start = stop

    def _named(self, tokens):
        """The value that these words name together, or None.

        A function word names no value but one that is spelt exactly so: with a shop's "Fors Work
        lamp" in three colours, "pan for pasta" would ask for a work lamp, as "for" is the singular
        of "fors".
        """
        named = self.values.get(_spelling(tokens))
        if named and FUNCTION_WORDS.issuperset(tokens) and words(named[1]) != tokens:
            return None
        return named

    def translated(self, query):
        """A query with Chinese in it, in the words of the English titles; any other as it is."""
        if not self.english or not re.search(CHINESE_LETTER, query):
            return query
        english = [self.english.get(word, word) for word in chinese_words(query)]
        return " ".join(dict.fromkeys(english))  # T恤 is cut in two, both a t-shirt

    def unknown(self, query):
        """The words of a query that no title and no attribute's value has: word → the one meant.

        The one meant is the title word with the fewest edits, the commonest of several; "" where
        none is near enough: one edit for a word of 4 letters, two from 8 on. Markup has none.
        """
        unknown = [
            word
            for (word, *_), named in self._read(query)
            if not named
            and word not in FUNCTION_WORDS
            and _spelling([word]) not in self._spellings
            and (self.english or not re.search(CHINESE_LETTER, word))  # no words without spaces
        ]
        markup = re.search("<[^>]*>", query)
        return {word: "" if markup else self._nearest(word) for word in unknown}

    def _nearest(self, word):
        most = 0 if len(word) < 4 else 1 if len(word) < 8 else 2
        near = []
        for other, count in self.known.items():
            if len(other) > 2 and abs(len(other) - len(word)) <= most:
                distance = _edits(word, other)
                if distance <= most:
                    near.append((distance, -count, other))
        return min(near)[2] if near else ""


def _edits(a, b):
    """How many letters to insert, leave out, change, or swap with the next, from ``a`` to ``b``.

    The optimal string alignment distance: Damerau 1964, each letter edited at most once.
    """
    before, row = [], [*range(len(b) + 1)]
    for i, x in enumerate(a, 1):
        before, above, row = row, before, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and (x, y) == (b[j - 2], a[i - 2]):
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]


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
        raise _Said("large", name=name, size=round(len(content) / 1e6), most=round(MAX_BYTES / 1e6))
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            pixels = image.width * image.height
    except Image.DecompressionBombError:
        pixels = np.inf
    except Exception:  # Pillow raises many kinds on broken files
        raise _Said("no photo", name=name, formats=", ".join(FORMATS)) from None
    if pixels > MAX_PIXELS:
        raise _Said("many pixels", name=name, most=round(MAX_PIXELS / 1e6))
    try:
        return decode(content)
    except TutorialError as fault:
        raise _Said("unusable", name=name, why=fault) from fault


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


def why_found(product, score, parts, attributes, language=ENGLISH):
    """Why a product was found, as a ``<details>``: parts of its score, attributes that agree.

    ``parts`` has ``photo`` and ``title``, which add up to ``score``; ``attributes`` are those
    asked for, ``[(column, value), …]``.
    """
    bars = "".join(
        f'<tr><td>{say(f"its {name}", language)}</td><td><i class="{name}-part" style="width: '
        f'{100 * max(0, min(1, parts[name])):.0f}%"></i></td><td>{parts[name]:.2f}</td></tr>'
        for name in ("photo", "title")
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

    def _language(self):
        return CHINESE if self.language.value == "title_zh" else ENGLISH

    def says(self, key, **values):
        """``say`` in the visitor's language."""
        return say(key, self._language(), **values)

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
            product, query = self.table.iloc[self.like], shop.gallery[self.like]
            self.asked = [(column, product[column]) for column in READ if product.get(column)]
            found = shop.similar(self.like, self.per_page, where, self.page)
            head["text"] = self.says("similar to", title=f"“{self._title(product)}”")
            head["before"] = picture(self.photos[self.like])
        elif text or self.photo is not None:
            query, head = self._read(text)
            found = shop.nearest(query, self.per_page, where, self.page)
        else:
            self._say(self.says("hint"), "hint")
            rows = fits[self.per_page * (self.page - 1) :][: self.per_page]
            found = self.table.iloc[rows].assign(row=rows)
        products = [product for _, product in found.iterrows()]
        whys = [""] * len(products)
        if query is not None:
            parts = shop.parts(query, found["row"]).to_dict("records")
            whys = [
                why_found(product, product["score"], part, self.asked, self._language())
                for product, part in zip(products, parts, strict=True)
            ]
        if not total:
            self._say(self.says("none passes"))
        self._show(list(zip(products, whys, strict=True)), total)
        self._head(**head)  # last: it never stands over another query's list
        can_narrow = any(column in self.filters for column, _ in head.get("attributes", ()))
        self._hide(self.narrow, not can_narrow)

    def _read(self, text):
        """The query vector for the words and the photo, and the heading: what was read in them."""
        if len(text) > LONGEST_QUERY:
            raise _Said("too long", length=len(text), most=LONGEST_QUERY)
        asked = self.reader.translated(text)
        self.asked = self.reader.attributes(asked)
        unknown = self.reader.unknown(asked)
        strange = re.search("<[^>]*>", text) and len(unknown) == len(set(words(asked)))
        if text and (strange or not self._knows(asked)):
            close = " ".join(filter(None, unknown.values()))
            raise _Said("no word, close" if close else "no word", text=text, close=close)
        self._say(" ".join(
            self.says("unknown, close" if close else "unknown", word=word, close=close)
            for word, close in unknown.items()
        ))  # fmt: skip
        head = {"text": self.says("results", what=self._what(text)), "attributes": self.asked}
        if asked != text:
            head["note"] = self.says("read as", words=asked)
        return self.shop.embed_query(asked or None, self.photo, self.slider.value), head

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
        except _Said as fault:
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
.shop.busy .grid, .shop.busy .pages { opacity: .25; pointer-events: none; }
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
.shop .bar button.widget-upload::before { content: "ADD_PHOTO_EN"; font-size: 15px; }
.shop.zh .bar button.widget-upload::before { content: "ADD_PHOTO_ZH"; }
.shop .bar .widget-label, .shop .slide .widget-slider .widget-label, .shop .top .widget-label,
.shop .filters .widget-dropdown .widget-label { position: absolute; width: 1px; height: 1px;
  overflow: hidden; clip-path: inset(50%); }  /* for a screen reader */
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
""".replace("ADD_PHOTO_EN", say("add photo")).replace("ADD_PHOTO_ZH", say("add photo", CHINESE))
