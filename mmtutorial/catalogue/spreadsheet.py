"""CSV files and prices as spreadsheets write them (lesson 01).

Excel writes the CSV of its user's country: commas, or semicolons where the comma is the decimal
sign; with a byte order mark or in UTF-16, by the menu entry. The separator can be read off the
first line. The encoding cannot be guessed safely, so a file that names none must be UTF-8.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mmtutorial import TutorialError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_csv(file: Path) -> tuple[pd.DataFrame, str]:
    """A CSV file as a table of text, and the name of the separator that its first line uses.

    Lines without any value are left out; a line that is too short is filled with ``""``. Raises
    ``TutorialError`` with the number of the line for bytes that are not UTF-8, a line with more
    values than columns, or a quote that is not closed.
    """
    text = _read_text(file)
    separator = max(SEPARATORS, key=lambda each: _count_columns(text, each))  # ties: the comma
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names: list[str] = []
    rows, line = [], 1
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                pass
            elif not names:
                names = [name.strip() for name in row]
            elif any(cell.strip() for cell in row[len(names) :]):
                raise TutorialError(
                    f"{file}, line {line}: {len(row)} values for {len(names)} columns, with "
                    f"{SEPARATORS[separator]} between them as in the first line. Put a value "
                    f"that holds the separator itself into double quotes, as "
                    f'"Red cap{separator.strip() or " "} large"'
                )
            else:
                rows.append((row + [""] * len(names))[: len(names)])
            line = reader.line_num + 1  # where the next row starts: a quoted value may hold lines
    except csv.Error as fault:
        raise TutorialError(
            f"{file}, line {line}: {fault}. A value in double quotes has to end with a double "
            'quote before the next separator; a quote within it is doubled: "a 12"" screen"'
        ) from fault
    if not names:
        raise TutorialError(f"{file} is empty: it needs a line of column names")
    return pd.DataFrame(rows, columns=names, dtype=object), SEPARATORS[separator]


def _read_text(file):
    try:
        content = file.read_bytes()
    except OSError as fault:
        raise TutorialError(f"cannot read {file}: {fault}; make that file readable") from fault
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        near = content[max(0, fault.start - 20) : fault.start + 20].splitlines()
        raise TutorialError(
            f"{file}, line {line}: no {'UTF-16' if marked else 'UTF-8'} text near {near}. Save it "
            "as UTF-8 (Excel: Save As, 'CSV UTF-8'; LibreOffice: Save As, 'Edit filter settings', "
            "character set 'Unicode (UTF-8)')"
        ) from fault


def _count_columns(text, separator):
    first = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=separator)
    try:
        return len(next(first, []))
    except csv.Error:
        return 0


# Prices ---------------------------------------------------------------------------------------


def as_prices(texts: Iterable[str]) -> np.ndarray:
    """Texts as numbers, ``(N,) float64``; ``NaN`` for what is no number.

    A currency of up to three letters or one sign may stand before or after: ``"€ 19,90"`` is
    19.9. The column decides what ``1.234`` means: if some price ends in a comma and one or two
    digits, its comma is the decimal sign and ``1.234`` is a thousand and more.

    >>> as_prices(["€ 19,90", "1.234", "on request"]).tolist()
    [19.9, 1234.0, nan]
    >>> as_prices(["$19.90", "1.234"]).tolist()
    [19.9, 1.234]
    """
    texts = [text.strip() for text in texts]
    comma = any(re.search(r",\d\d?\D*$", text) for text in texts)
    return np.array([_as_price(text, (",.", ".,") if comma else (".,", ",.")) for text in texts])


_CURRENCY = r"[^\d\s.,'’+-]{0,3}\.?"


def _as_price(text, conventions):
    for decimal, thousands in conventions:
        apart = rf"[{thousands}\s'’]"
        number = rf"[+-]?(?:\d{{1,3}}(?:{apart}\d{{3}})+|\d+)(?:\{decimal}\d+)?"
        if match := re.fullmatch(rf"{_CURRENCY}\s*({number})\s*{_CURRENCY}", text):
            return float(re.sub(apart, "", match[1]).replace(decimal, "."))
    try:
        number = float(text)  # as 1e3
    except ValueError:
        return np.nan
    return number if np.isfinite(number) else np.nan
