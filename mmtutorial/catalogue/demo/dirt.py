"""The dirt: values missing, misspelt or wrong, and photos spoilt, in exact numbers."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from mmtutorial.catalogue.demo.studio import jpeg
from mmtutorial.catalogue.demo.vocabulary import (
    CASE_COLUMNS,
    COLOURS,
    CORRUPT_PHOTOS,
    GREY_PHOTOS,
    HTML,
    MISSING,
    MISSING_COLUMNS,
    ODD_SIZES,
    WRONG_CASE,
    WRONG_COLOUR,
    count,
)  # fmt: skip
from mmtutorial.catalogue.reading import HEIGHT, WIDTH


def _deal(rng, n, **shares):
    """Disjoint random rows for each name: ``_deal(rng, n, missing=0.1)["missing"]``."""
    rows, start = rng.permutation(n).tolist(), 0
    dealt = {}
    for name, share in shares.items():
        end = start + count(share, n)
        dealt[name] = rows[start:end]
        start = end
    return dealt


def _misspell(text, rng):
    """The same letters in another case, or with stray spaces."""
    spaced = text.replace(" ", "  ", 1) if " " in text else f" {text} "
    return [text.upper(), text.lower(), spaced, f"{text}  ", f" {text.lower()}"][rng.integers(5)]


def _mark_up(text, rng):
    """The same text with HTML left in."""
    escaped = text.replace("&", "&amp;")
    return [
        f"<b>{escaped}</b>",
        f"<p>{escaped}</p>",
        f"{escaped} <br/>",
        escaped.replace(" ", "&nbsp;", 1),
        f'<span class="name">{escaped}</span> ',
    ][rng.integers(5)]


def _another(colour, rng):
    names = list(COLOURS)
    return names[(names.index(colour) + rng.integers(1, len(names))) % len(names)]


def soil(truth: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, list[list[str]]]:
    """A dirty copy of the clean table, and for each row the list of what was done to it."""
    table, n = truth.drop(columns=["said", "twin_of"]).copy(), len(truth)
    dirt: list[list[str]] = [[] for _ in range(n)]

    def change(column, rows, name, spoil):
        values = table[column].tolist()
        for row in rows:
            values[row] = spoil(values[row])
            dirt[row].append(f"{name}:{column}")
        table[column] = values

    for column in dict.fromkeys(MISSING_COLUMNS + CASE_COLUMNS):
        dealt = _deal(
            rng,
            n,
            missing=MISSING if column in MISSING_COLUMNS else 0,
            case=WRONG_CASE if column in CASE_COLUMNS else 0,
            wrong=WRONG_COLOUR if column == "colour" else 0,
        )
        absent = [float("nan")] if column == "price" else ["", "NA"]
        change(column, dealt["missing"], "missing", lambda _, a=absent: a[rng.integers(len(a))])
        change(column, dealt["case"], "case", lambda text: _misspell(text, rng))
        change(column, dealt["wrong"], "wrong", lambda colour: _another(colour, rng))
    dealt = _deal(rng, n, case=WRONG_CASE, html=HTML)
    change("title", dealt["case"], "case", lambda text: _misspell(text, rng))
    change("title", dealt["html"], "html", lambda text: _mark_up(text, rng))
    dealt = _deal(rng, n, html=HTML)
    change("description", dealt["html"], "html", lambda text: _mark_up(text, rng))
    for row in np.flatnonzero(truth["title"].duplicated(keep=False)):
        dirt[row].append("duplicate_title")
    return table, dirt


def soil_photos(
    photos: list[np.ndarray],
    truth: pd.DataFrame,
    dirt: list[list[str]],
    rng: np.random.Generator,
) -> list[bytes]:
    """JPEG bytes a product; the faults are dealt among products that are no twins."""
    twins = set(truth["twin_of"]) | set(truth["id"][truth["twin_of"] != ""])
    single = [row for row, name in enumerate(truth["id"]) if name not in twins]
    n = len(truth)
    counts = [count(share, n) for share in (CORRUPT_PHOTOS, GREY_PHOTOS, ODD_SIZES)]
    rows = [single[k] for k in rng.permutation(len(single))]
    corrupt, grey, odd = (set(rows[sum(counts[:k]) : sum(counts[: k + 1])]) for k in range(3))
    images = []
    for row, photo in enumerate(photos):
        if row in grey:
            dirt[row].append("grey_photo")
            images.append(jpeg(np.asarray(Image.fromarray(photo).convert("L"))))
        elif row in odd:
            dirt[row].append("odd_size")
            width, height = [(90, 120), (48, 64), (60, 72), (75, 100)][rng.integers(4)]
            size = (width, round(width * HEIGHT / WIDTH))
            other = Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC)
            images.append(jpeg(np.asarray(other)[:height]))
        else:
            images.append(jpeg(photo))
        if row in corrupt:
            dirt[row].append("corrupt_photo")
            images[-1] = images[-1][: len(images[-1]) * 2 // 5]
    place = {name: row for row, name in enumerate(truth["id"])}
    for row, twin in enumerate(truth["twin_of"]):
        if twin:
            images[row] = images[place[twin]]
            dirt[row].append("twin_photo")
    return images


def soil_large(photo: np.ndarray, image: bytes) -> bytes:
    """JPEG bytes of a product drawn large, as spoilt as ``image`` is: grey, or cut off below."""
    with Image.open(io.BytesIO(image)) as shown:
        height = round(photo.shape[1] * shown.height / shown.width)
        grey = shown.mode == "L"
    photo = photo[:height]
    return jpeg(np.asarray(Image.fromarray(photo).convert("L")) if grey else photo)
