"""Cleaning a product table: one spelling, no markup, no hole that can be filled (lesson 01).

Each function takes a table (the columns of ``COLUMNS``) and returns ``(table, changes)``: a new
table, and one row a changed cell with ``id``, ``column``, ``before``, ``after`` and ``rule``. All
that a rule knows it learnt from the table it was given.
"""

import html
import re
import unicodedata
from collections import Counter, defaultdict
from functools import lru_cache

import numpy as np
import pandas as pd

from mmtutorial.catalogue.attribute_reader import read_values, stem
from mmtutorial.catalogue.reading import ATTRIBUTES

TRUSTED = 0.9  # how often an imputing rule must be right on known cells
MIN_CHECKED = 10  # on at least so many of them

Cleaned = tuple[pd.DataFrame, pd.DataFrame]  # the new table, the cells that changed
NO_CHANGES = pd.DataFrame(columns=["id", "column", "before", "after", "rule"], dtype=str)


def _plain(text: str) -> str:
    """HTML unescaped and its tags gone, letters in one form (NFKC), single spaces."""
    text = re.sub(r"</?[a-zA-Z][^<>]*>", " ", html.unescape(text))
    return " ".join(unicodedata.normalize("NFKC", text).split())


@lru_cache(maxsize=2**17)  # the same titles are asked for again and again
def normalise_title(title: str) -> str:
    """The title without what two copies of it may differ in: markup, letter forms, case, spaces.

    Two products with the same normalised title count as one when the catalogue is split.
    Normalising again changes nothing. Defined in lesson 01.

    >>> normalise_title("<b>RED</b>&nbsp;Shirt ")
    'red shirt'
    """
    while (after := _plain(title).casefold()) != title:
        title = after
    return title


def clean_text(table: pd.DataFrame) -> Cleaned:
    """Take markup, odd letter forms and superfluous spaces out of titles and descriptions.

    A title all in capitals or all in small letters gets, word by word, the spelling that the word
    has most often in the other titles.

    >>> table = pd.DataFrame({"id": ["a", "b"], "title": ["ACME <b>RED</b> HAT", "Acme Red Cap"]})
    >>> table = table.assign(description="", title_zh="")
    >>> clean_text(table)[0]["title"].tolist()
    ['Acme Red HAT', 'Acme Red Cap']
    """
    table, plain = _rewrite(
        table, ["title", "description", "title_zh"], lambda _: _plain, "plain text"
    )
    table, cased = _rewrite(table, ["title"], _usual_case, "usual case")
    return table, pd.concat([plain, cased], ignore_index=True)


def _one_case(title):
    return title.isupper() or title.islower()


def _usual_case(titles):
    counts = Counter(
        word for title in sorted(titles) if not _one_case(title) for word in title.split()
    )
    usual = {}
    for word, _ in counts.most_common():
        usual.setdefault(word.casefold(), word)

    def rewrite(title):
        if not _one_case(title):
            return title
        return " ".join(usual.get(word.casefold(), word) for word in title.split())

    return rewrite


def clean_attributes(table: pd.DataFrame) -> Cleaned:
    """Give every attribute value one spelling: ``" navy  BLUE"`` becomes ``"Navy Blue"``.

    Values that differ only in case, spaces or punctuation are one value; its most frequent
    spelling wins. Between digits punctuation counts: 1.5 is not 15. A value of punctuation alone
    (``"-"``, ``"?"``) says nothing: it becomes ``""``. A value of several, ``"Black/White"``,
    stays one value: black and white is another colour than black.

    >>> table = pd.DataFrame({"id": list("abc"), **dict.fromkeys(ATTRIBUTES, "")})
    >>> table["colour"] = ["Navy Blue", " navy  BLUE", "-"]
    >>> clean_attributes(table.iloc[[0, 0, 1, 2]])[0]["colour"].tolist()
    ['Navy Blue', 'Navy Blue', 'Navy Blue', '']
    """

    def fit(values):
        spellings = defaultdict(Counter)
        for value, count in values.value_counts().sort_index().items():
            spellings[_key(_plain(value))][_plain(value)] += count
        best = {key: counts.most_common(1)[0][0] for key, counts in spellings.items() if key}
        return lambda value: best.get(_key(_plain(value)), "")

    return _rewrite(table, ATTRIBUTES, fit, "one spelling")


def _key(value):
    apart = re.sub(r"(?<=\d)[\W_]+(?=\d)", "\0", value.casefold())
    return "".join(letter for letter in apart if letter.isalnum() or letter == "\0")


def _rewrite(table, columns, fit, rule):
    """Replace every value of ``columns`` by ``fit(values)(value)``."""
    after = {}
    for column in columns:
        function = fit(table[column])
        after[column] = table[column].map({old: function(old) for old in table[column].unique()})
    return _replace(table, after, rule)


def _replace(table, after, rule):
    """The table with the columns of ``after``, and the list of cells in which they differ."""
    changes = []
    for column, values in after.items():
        cells = (table[column] != values).to_numpy()
        changes.append(
            pd.DataFrame(
                {
                    "id": table["id"][cells],
                    "column": column,
                    "before": table[column][cells],
                    "after": values[cells],
                    "rule": rule,
                }
            )
        )
    return table.assign(**after), pd.concat(changes, ignore_index=True)


def impute(table: pd.DataFrame) -> Cleaned:
    """Fill missing attributes from the products with the same photo, the same title, then words.

    - same photo, same title: the value that all the other products with it agree on;
    - word of the title: the one known value of the column that stands in the title.

    A rule is used for a column only if it has earned it: applied to the cells whose value is
    known, as if each were missing, it gives that value in at least ``TRUSTED`` of them. What no
    trusted rule fills stays ``""``: no value is better than a wrong one.

    >>> table = pd.DataFrame({"id": range(12), **dict.fromkeys(ATTRIBUTES, "")}).astype({"id": str})
    >>> table = table.assign(title="Tee", photo_hash="p", brand=["Acme"] * 11 + [""])
    >>> impute(table)[1].to_numpy().tolist()  # one cell was missing; its copies agree on it
    [['11', 'brand', '', 'Acme', 'same photo']]
    """
    titles = table["title"].map(normalise_title)
    rules = {
        "same photo": lambda column: _from_copies(table[column], table["photo_hash"]),
        "same title": lambda column: _from_copies(table[column], titles),
        "word of the title": lambda column: _from_words(table[column], titles),
    }
    changes = []
    for column in ATTRIBUTES:
        known = table[column] != ""
        if known.all() or not known.any():
            continue
        for rule, guess in rules.items():
            guesses = guess(column)
            checked = known & (guesses != "")
            if checked.sum() < MIN_CHECKED:
                continue
            if (guesses == table[column])[checked].mean() >= TRUSTED:
                after = {column: table[column].where(known, guesses)}
                table, changed = _replace(table, after, rule)
                known = table[column] != ""
                changes.append(changed)
    return table, pd.concat([NO_CHANGES, *changes], ignore_index=True)


def _from_copies(values, keys):
    """For each row, the value that all other rows of its key agree on; ``""`` where there is none.

    ``values``, ``keys``: ``(N,)`` text; rows with an empty key share nothing.
    """
    index, values, keys = values.index, values.tolist(), keys.tolist()
    votes = defaultdict(Counter)
    for value, key in zip(values, keys, strict=True):
        if value and key:
            votes[key][value] += 1
    guesses = []
    for value, key in zip(values, keys, strict=True):
        # Its own vote does not count: a value that no other row has is no second opinion.
        others = [other for other, count in votes[key].items() if count > (other == value)]
        guesses.append(others[0] if len(others) == 1 else "")
    return pd.Series(guesses, index=index, dtype=str)


def _from_words(values, titles):
    """For each row, the one known value that stands in its title (as words); ``""`` otherwise."""
    known = {_words(value): value for value in sorted(values.unique()) if value}
    longest = max(map(len, known), default=0)

    def in_title(title):
        words = _words(title)
        read = read_values(len(words), lambda start, stop: known.get(words[start:stop]), longest)
        return list(dict.fromkeys(value for _, _, value in read if value))

    found = {title: in_title(title) for title in titles.unique()}
    return titles.map({title: only[0] if len(only) == 1 else "" for title, only in found.items()})


@lru_cache(maxsize=2**17)
def _words(text) -> tuple:
    """The words of a text as they are compared: ``"Men's T-Shirts"`` → ``("men", "tshirt")``."""
    joined = re.sub(r"['’-]", "", normalise_title(text))
    return tuple(map(stem, re.findall(r"\w+", joined)))


def annotate(table: pd.DataFrame) -> Cleaned:
    """Write down what only the title says: the brand and the pattern, where they are missing.

    The brand is what stands before the word for whom it is (``"Puma Men Grey T-shirt"``), if at
    least five titles begin like that. It is no brand if it is a value of another column or a
    pattern: the Grey of ``"Grey Men Shirt"`` is a colour. The pattern is a word such as
    ``striped``, if there is one.

    >>> table = pd.DataFrame({"id": list("abcdef"), **dict.fromkeys(ATTRIBUTES, "")})
    >>> table["title"] = ["Puma Men Tee"] * 5 + ["Puma Striped Cap"]
    >>> annotate(table)[0][["brand", "pattern"]].iloc[-1].tolist()
    ['Puma', 'Striped']
    """
    others = [column for column in ATTRIBUTES if column != "brand"]
    values = pd.unique(table[others].to_numpy(dtype=object).ravel())
    no_brands = {_words(value) for value in values} | {(word,) for word in _PATTERNS}
    starts: Counter[str] = Counter()
    for title in table["title"]:
        if match := _BRAND.match(title):
            starts[match[1].casefold()] += 1
    brands = {
        start for start, count in starts.items() if count >= 5 and _words(start) not in no_brands
    }

    def brand(title):
        words = title.split()[:4]
        starts = (" ".join(words[: end + 1]) for end in range(len(words)))
        return next((start for start in starts if start.casefold() in brands), "")

    def pattern(title):
        found = {_PATTERNS[word] for word in _words(title) if word in _PATTERNS}
        return found.pop() if len(found) == 1 else ""

    changes = []
    for column, read in (("brand", brand), ("pattern", pattern)):
        missing = table[column] == ""
        after = table[column].where(~missing, table["title"][missing].map(read))
        table, changed = _replace(table, {column: after}, "read off the title")
        changes.append(changed)
    return table, pd.concat(changes, ignore_index=True)


_BRAND = re.compile(r"(\S+(?: \S+){0,3}?) (?:men|women|boy|girl|kid|unisex)(?:'?s)?\b", re.I)
_PATTERNS = {
    "solid": "Solid",
    "plain": "Solid",
    "stripe": "Striped",
    "striped": "Striped",
    "check": "Checked",
    "checked": "Checked",
    "dotted": "Dotted",
    "polka": "Dotted",
    "floral": "Floral",
    "print": "Printed",
    "printed": "Printed",
}


def clean(table: pd.DataFrame) -> Cleaned:
    """``clean_text``, ``clean_attributes``, ``impute`` and ``annotate``, in that order.

    >>> table = pd.DataFrame({"id": ["a"], **dict.fromkeys(ATTRIBUTES, ""), "photo_hash": "p"})
    >>> table = table.assign(title="<b>Plain</b> Tee", description="", title_zh="")
    >>> clean(table)[1][["column", "after", "rule"]].to_numpy().tolist()
    [['title', 'Plain Tee', 'plain text'], ['pattern', 'Solid', 'read off the title']]
    """
    changes = []
    for step in (clean_text, clean_attributes, impute, annotate):
        table, changed = step(table)
        changes.append(changed)
    return table, pd.concat(changes, ignore_index=True)


def suspect_colours(table: pd.DataFrame, photos: np.ndarray, min_gap: float = 20.0) -> pd.DataFrame:
    """Products whose photo has another colour than the ``colour`` column says.

    A label's usual colour is the median over its products of the mean colour of what stands out
    from the photo's background, in CIELAB, where distances are about as the eye sees them. A
    product is suspect if its own colour is by ``min_gap`` nearer to another label's usual colour
    than to its own label's. Labels with fewer than five
    products are left out.

    ``photos``: ``(N, 80, 60, 3) uint8``, the rows of ``table``. Returns a DataFrame with ``id``,
    ``colour``, ``looks_like`` and ``gap``, the most suspicious first.

    >>> photos = np.full((10, 80, 60, 3), 255, "uint8")  # five red squares, then five blue ones
    >>> photos[:5, 20:60, 20:40], photos[5:, 20:60, 20:40] = (200, 0, 0), (0, 0, 200)
    >>> table = pd.DataFrame({"id": list("abcdefghij"), "colour": ["Red"] * 5 + ["Blue"] * 5})
    >>> photos[4] = photos[9]  # the photo of "e" is blue
    >>> suspect_colours(table, photos)[["id", "colour", "looks_like"]].to_numpy().tolist()
    [['e', 'Red', 'Blue']]
    """
    counts = table["colour"].value_counts()
    labels = [label for label, count in counts.items() if label and count >= 5]
    rows = np.flatnonzero(table["colour"].isin(labels))
    columns = ["id", "colour", "looks_like", "gap"]
    if len(labels) < 2:
        return pd.DataFrame(columns=columns)
    seen = product_colours(photos)[rows]  # (n, 3)
    own = pd.Categorical(table["colour"].iloc[rows], labels).codes
    usual = np.stack([np.median(seen[own == code], axis=0) for code in range(len(labels))])
    distances = np.linalg.norm(seen[:, None] - usual, axis=-1)  # (n, labels)
    to_own = np.take_along_axis(distances, own[:, None].astype(int), axis=1)[:, 0]
    np.put_along_axis(distances, own[:, None].astype(int), np.inf, axis=1)
    found = pd.DataFrame(
        {
            "id": table["id"].to_numpy()[rows],
            "colour": table["colour"].to_numpy()[rows],
            "looks_like": np.array(labels, dtype=object)[distances.argmin(1)],
            "gap": to_own - distances.min(1),
        }
    )
    found = found[found["gap"] > min_gap].sort_values(["gap", "id"], ascending=[False, True])
    return found.reset_index(drop=True)


def product_colours(photos: np.ndarray) -> np.ndarray:
    """The mean colour of each product: ``(N, height, width, 3) uint8`` → ``(N, 3)`` CIELAB (D65).

    The background is taken from the upper corners; what differs from it by more than 40 grey
    levels in a channel is product. A photo with nothing such counts whole.

    >>> photos = np.full((1, 80, 60, 3), 255, np.uint8)
    >>> photos[:, 20:60, 15:45] = [255, 0, 0]
    >>> product_colours(photos).round().tolist()  # pure red: L, a, b
    [[53.0, 80.0, 67.0]]
    """
    from skimage.color import rgb2lab  # a third of a second that only lesson 01 pays

    means = []
    for start in range(0, len(photos), 1024):  # 1024 photos as floats: 60 MB
        chunk = np.asarray(photos[start : start + 1024, ::2, ::2], dtype=np.float32)
        corners = np.concatenate([chunk[:, :2, :2], chunk[:, :2, -2:]], axis=2)
        background = np.median(corners, axis=(1, 2), keepdims=True)
        product = np.abs(chunk - background).max(axis=-1) > 40  # (n, height, width)
        product |= ~product.any(axis=(1, 2), keepdims=True)
        weights = product[..., None].astype(np.float32)
        means.append((chunk * weights).sum((1, 2)) / weights.sum((1, 2)))
    return rgb2lab(np.concatenate(means).astype(float) / 255) if means else np.zeros((0, 3))
