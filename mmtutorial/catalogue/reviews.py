"""Reviews of others: ratings and texts in English and Chinese, aspects of sentences (lesson 13)."""

import io
import re
import zipfile
from typing import NamedTuple

import pandas as pd

from mmtutorial.catalogue import real_sets
from mmtutorial.catalogue.rows import Rows, check_names, sift
from mmtutorial.files import intact

LONGEST = 20_000  # characters of a review; a longer one is no review
ENGLISH = {
    "Clothing ID": "product",
    "Age": "age",
    "Title": "title",
    "Review Text": "text",
    "Rating": "rating",
    "Recommended IND": "recommended",
    "Positive Feedback Count": "helpful",
    "Department Name": "department",
    "Class Name": "class",
}
POLARITY = {"0": "negative", "1": "neutral", "2": "positive"}


def read_reviews() -> Rows:
    """Women's clothing (Kaggle, nicapotato): a row a review.

    ``product`` (text), ``age``, ``title``, ``text``, ``rating`` (1 to 5), ``recommended`` (bool),
    ``helpful`` (votes), ``department``, ``class``. Set aside: a review without a text, one longer
    than ``LONGEST`` characters, a rating outside 1 to 5.
    """
    folder = real_sets.find("reviews")
    table = _csv_in(
        folder / "womens-ecommerce-clothing-reviews.zip", "Clothing E-Commerce Reviews.csv"
    )
    check_names(table, list(ENGLISH), str(folder))
    table = table.rename(columns=ENGLISH)[list(ENGLISH.values())]
    numbers = {
        name: pd.to_numeric(table[name], errors="coerce") for name in ("age", "rating", "helpful")
    }
    table = table.assign(recommended=table["recommended"] == "1", **numbers)
    return usable(table, str(folder))


def read_reviews_zh() -> Rows:
    """Chinese shop reviews (ChineseNlpCorpus): ``category``, ``text``, ``positive`` (bool)."""
    folder = real_sets.find("reviews_zh")
    table = _csv_in(folder / "online_shopping_10_cats.zip", "online_shopping_10_cats.csv")
    check_names(table, ["cat", "label", "review"], str(folder))
    table = table.rename(columns={"cat": "category", "review": "text"})
    table = table.assign(text=table["text"].str.lstrip("\ufeff"), positive=table["label"] == "1")
    return usable(table[["category", "text", "positive"]], str(folder))


def usable(table: pd.DataFrame, what: str) -> Rows:
    """Reviews with a text, and a rating of 1 to 5 where there is a column ``rating``.

    >>> table = pd.DataFrame({"text": ["good", " ", "bad"], "rating": [5, 4, 9]})
    >>> kept, aside = usable(table, "reviews.csv")
    >>> kept["text"].tolist(), aside["reason"].tolist()
    (['good'], ['no text', 'rating outside 1 to 5'])
    """
    text = table["text"].fillna("").astype(str).str.strip()
    faults = {
        "no text": (text == "").to_numpy(),
        f"longer than {LONGEST:,} characters": (text.str.len() > LONGEST).to_numpy(),
    }
    if "rating" in table:
        faults["rating outside 1 to 5"] = ~table["rating"].between(1, 5).to_numpy()
    return sift(table.assign(text=text), faults, what)


class Opinion(NamedTuple):
    """What a sentence says of one aspect.

    ``aspect`` and ``opinion`` are the places of their words, ``(start, stop)``, None where the
    sentence says it without a word for it.
    """

    category: str
    polarity: str
    aspect: tuple[int, int] | None
    opinion: tuple[int, int] | None


def read_aspects(part: str = "train") -> list[tuple[list[str], list[Opinion]]]:
    """Sentences of laptop reviews with their opinions (Laptop-ACOS; H. Cai et al., ACL 2021).

    ``part``: "train", "dev" or "test". Each is ``(words, opinions)``. Raises ``TutorialError``
    where the set is not there, or a line has another form.
    """
    file = real_sets.find("aspects") / f"laptop_quad_{part}.tsv"
    with intact(file, "run `mmtutorial data get aspects` again"):
        return [opinions(line) for line in file.read_text(encoding="utf-8").splitlines() if line]


def opinions(line: str) -> tuple[list[str], list[Opinion]]:
    """One line of the set: the words, and for each quadruple an ``Opinion``.

    >>> words, found = opinions("it is fast\\t-1,-1 LAPTOP#PERFORMANCE 2 2,3")
    >>> words, found[0].polarity, found[0].aspect, found[0].opinion
    (['it', 'is', 'fast'], 'positive', None, (2, 3))
    """
    text, *quadruples = line.split("\t")
    found = []
    for quadruple in quadruples:
        match = re.fullmatch(r"(-?\d+),(-?\d+) (\S+) ([012]) (-?\d+),(-?\d+)", quadruple.strip())
        if not match:
            raise ValueError(f"{quadruple!r:.60} is no aspect, category, polarity and opinion")
        a, b, category, polarity, c, d = match.groups()
        places = [(int(x), int(y)) if int(x) >= 0 else None for x, y in ((a, b), (c, d))]
        found.append(Opinion(category, POLARITY[polarity], *places))
    return text.split(), found


def _csv_in(file, name):
    """The table of texts in a zip file's member whose name ends in ``name``."""
    with intact(file, "remove it and download the set again"), zipfile.ZipFile(file) as archive:
        (member,) = (each for each in archive.namelist() if each.endswith(name))
        content = archive.read(member)
    return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
