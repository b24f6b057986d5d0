"""A small server that answers the shop page as the shop does, from a catalogue of 160 products.

The page's own tests run on it: it opens in a second, as nothing is trained. It is strict where the
shop is: each request for data must carry ``X-Shop``, a language, and only parameters that the
interface has; what is wrong is refused, and kept in ``faults``.
"""

import difflib
import hashlib
import io
import json
import re
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from PIL import Image

from mmtutorial.catalogue.demo.records import sample_truth
from mmtutorial.catalogue.demo.silhouettes import ARTICLES
from mmtutorial.catalogue.demo.studio import draw_photo
from mmtutorial.catalogue.demo.vocabulary import COLOURS
from mmtutorial.shop.language import SAYS

VALUES = ("article_type", "brand", "colour", "gender", "pattern", "season", "usage")
SCORERS = {"vectors": 0.6, "bm25": 0.3, "attributes": 0.1}
SORTS = ("best", "price", "-price", "newest")
LIMITS = {"words": 200, "bytes": 2_000_000}
QUERY = {"q", "photo", "like", "weight", "off", "rank", "lang"}
LIST = QUERY | {"sort", "page", "size"}
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'self'; "
    "object-src 'none'"
)


class Refused(Exception):
    """``(status, sentence)``: what the server does not answer."""


CHINESE = {chinese: ("colour", name) for name, (_, _, chinese, _) in COLOURS.items()} | {
    article.chinese: ("article_type", name) for name, article in ARTICLES.items()
}
WORD = re.compile("|".join([*sorted(CHINESE, key=len, reverse=True), r"[a-z0-9-]+", r"\w"]))


def tokens(text):
    return WORD.findall(text.lower())


class Shop:
    """The catalogue, and answers as the interface has them."""

    def __init__(self, n=160):
        self.rows = sample_truth(n).to_dict("records")
        self.photos = np.array([draw_photo(row, 0, i) for i, row in enumerate(self.rows)])
        self.place = {row["id"]: i for i, row in enumerate(self.rows)}
        self.rows[3]["title"] = '<img src=x onerror="alert(1)"> ' + self.rows[3]["title"]
        self.values = {}  # spelling → (column, value)
        for column in VALUES:
            for value in {row[column] for row in self.rows}:
                self.values[value.lower()] = (column, value)
        for name, article in ARTICLES.items():
            for word in article.words:
                self.values.setdefault(word.lower(), ("article_type", name))
        self.values |= CHINESE
        self.words = {word for row in self.rows for word in tokens(self._text(row))}
        self.kept = {}  # token → photo

    def _text(self, row):
        return " ".join([row["title"], row["title_zh"], *(row[column] for column in VALUES)])

    def data(self):
        columns = [{"name": name, "kind": "values"} for name in VALUES]
        columns.insert(2, {"name": "price", "kind": "range"})
        return {
            "name": "stand-in",
            "products": len(self.rows),
            "languages": ["en", "zh"],
            "columns": columns,
            "sorts": SORTS,
            "scorers": [{"name": name, "weight": weight} for name, weight in SCORERS.items()],
            "scale": {"small": 200, "large": 500},
            "limits": LIMITS,
            "says": {
                "en": {key: pair[0] for key, pair in SAYS.items()},
                "zh": {key: pair[1] for key, pair in SAYS.items()},
            },
        }

    # Photos

    def size(self, i):
        return (60, 80) if i % 4 == 0 else (375, 500) if i % 4 < 3 else (500, 500)

    @cache  # noqa: B019
    def jpeg(self, i, small):
        width, height = self.size(i)
        image = Image.fromarray(self.photos[i])
        if (width, height) == (500, 500):
            square = Image.new("RGB", (80, 80), (250, 250, 250))
            square.paste(image, (10, 0))
            image = square
        image = image.resize((width, height), Image.Resampling.LANCZOS)
        if small:
            image.thumbnail((200, 200))
        return encoded(image)

    def keep(self, content):
        try:
            image = Image.open(io.BytesIO(content)).convert("RGB")
        except OSError:
            raise Refused(400, "“that file” is no photo that can be read") from None
        token = hashlib.sha256(content).hexdigest()[:16]
        self.kept[token] = image
        return {"token": token, "width": image.width, "height": image.height}

    def kept_photo(self, token, language):
        if token not in self.kept:
            raise Refused(
                410, ("This photo is not kept any more.", "这张照片已不再保留。")[language]
            )
        return self.kept[token]

    # Answers

    def read(self, given):
        words, found, left = tokens(given.get("q", [""])[0]), [], []
        at = 0
        while at < len(words):
            for stop in range(min(len(words), at + 3), at, -1):
                named = self.values.get(" ".join(words[at:stop]))
                if named:
                    found.append(named)
                    at = stop
                    break
            else:
                left.append(words[at])
                at += 1
        off = given.get("off", [])
        read = [
            {"column": c, "value": v, "off": f"{c}:{v}" in off} for c, v in dict.fromkeys(found)
        ]
        return words, read, left

    def scores(self, given, language):
        """``(parts, scores)`` of all products; None where nothing is asked for."""
        if "like" in given:
            (like,) = given["like"]
            if like not in self.place:
                raise Refused(404, "no such product")
            photo, words, read = self.photos[self.place[like]], [], []
        else:
            words, read, _ = self.read(given)
            photo = None
            if "photo" in given:
                kept = self.kept_photo(given["photo"][0], language)
                photo = np.asarray(kept.resize((60, 80)))
        if not words and photo is None:
            return None
        weight = float(given.get("weight", ["0.5"])[0]) if words and photo is not None else 0.0
        weight = 1.0 if not words else weight
        counted = [one for one in read if not one["off"]]
        parts = {name: np.zeros(len(self.rows)) for name in SCORERS}
        for i, row in enumerate(self.rows):
            title, everything = tokens(row["title"]), tokens(self._text(row))
            has = [row[one["column"]] == one["value"] for one in counted]
            agrees = sum(has) / len(has) if has else 0.0
            said = sum(word in everything for word in words) / max(1, len(words))
            parts["bm25"][i] = (
                (1 - weight) * sum(word in title for word in words) / max(1, len(words))
            )
            parts["attributes"][i] = (1 - weight) * agrees
            parts["vectors"][i] = (1 - weight) * max(said, agrees)
            if photo is not None:
                far = np.abs(photo.astype(float) - self.photos[i]).mean() / 255
                parts["vectors"][i] += weight * max(0.0, 1 - 3 * far)
        if "like" in given:
            parts["vectors"][self.place[given["like"][0]]] = -1
        return {name: SCORERS[name] * part for name, part in parts.items()}

    def passes(self, given, without=None):
        keep = np.ones(len(self.rows), bool)
        for name, values in given.items():
            kind, _, column = name.partition(".")
            if column in ("", without):
                continue
            if kind == "f":
                wanted = {value.lower() for value in values}
                keep &= np.array([row[column].lower() in wanted for row in self.rows])
            else:
                price, (end,) = np.array([row[column] for row in self.rows]), map(float, values)
                keep &= price >= end if kind == "min" else price <= end
        return keep

    def product(self, i, score=None, move=None, chance=None):
        row, (width, height) = self.rows[i], self.size(i)
        return {
            "id": row["id"], "row": i, "title": row["title"], "title_zh": row["title_zh"] or None,
            "price": row["price"], "brand": row["brand"], "score": score, "chance": chance,
            "photo": {
                "small": f"/photo/{row['id']}?size=small",
                "large": f"/photo/{row['id']}?size=large",
                "width": width, "height": height,
            },
            "move": move,
        }  # fmt: skip

    def ranked(self, given, language):
        parts = self.scores(given, language)
        if parts is None:
            return None, list(range(len(self.rows))), None, None
        used = given.get("rank", [",".join(SCORERS)])[0].split(",")
        own, total = (sum(parts[name] for name in names) for names in (SCORERS, used))
        order, own_order = (np.argsort(-each, kind="stable") for each in (total, own))
        return parts, order.tolist(), total, np.argsort(own_order, kind="stable")

    def search(self, given, language):
        _, order, total, own_place = self.ranked(given, language)
        keep = self.passes(given)
        words, read, left = self.read(given)
        unknown = [word for word in left if word not in self.words]
        if words and len(unknown) == len(words) and "photo" not in given:
            order = []  # nothing is known of what is asked for
        order = [i for i in order if keep[i] and (total is None or total[i] >= 0)]
        size, page = int(given.get("size", ["24"])[0]), int(given.get("page", ["1"])[0])
        fit = None
        if total is not None:
            fit = sum(total[i] >= 0.75 * max(total.max(), 1e-9) for i in order)
            order = order[: max(fit, size)]
        moves = {}
        if "rank" in given and total is not None:
            own = sorted(order, key=lambda i: own_place[i])
            moves = {i: own.index(i) - place for place, i in enumerate(order)}
        sort = given.get("sort", ["best"])[0]
        place_of = {i: place for place, i in enumerate(order)}
        if sort != "best":
            by = {"price": "price", "-price": "price", "newest": "year"}[sort]
            first = len(order) if fit is None or "rank" in given else int(fit)
            order.sort(key=lambda i: self.rows[i][by], reverse=sort != "price")
            order.sort(key=lambda i: place_of[i] >= first)  # what fits stays in front
        pages = max(1, -(-len(order) // size))
        page = min(page, pages)
        shown = order[size * (page - 1) : size * page]
        chinese = any("\u4e00" <= letter <= "\u9fff" for letter in given.get("q", [""])[0])
        like = given.get("like")
        return {
            "total": int(keep.sum()), "fit": None if fit is None else int(fit),
            "count": len(order), "page": page, "pages": pages,
            "products": [
                self.product(i, None if total is None else float(total[i]), moves.get(i))
                for i in shown
            ],
            "facets": [self.facet(one, given, order) for one in self.data()["columns"]],
            "read": read,
            "translated": " ".join(one["value"] for one in read) if chinese and read else None,
            "unknown": [
                {"word": word, "close": next(iter(difflib.get_close_matches(word, self.words)), "")}
                for word in unknown
            ],
            "similar_to": self.product(self.place[like[0]]) if like else None,
            "milliseconds": 3,
        }  # fmt: skip

    def facet(self, column, given, order):
        name, keep = column["name"], self.passes(given, without=column["name"])
        rows = [row for row, kept in zip(self.rows, keep, strict=True) if kept]
        if column["kind"] == "range":
            prices = [row[name] for row in self.rows]
            bars, _ = np.histogram([r[name] for r in rows], 20, (min(prices), max(prices)))
            return {"column": name, "kind": "range", "least": min(prices), "most": max(prices),
                    "chosen": None, "bars": bars.tolist()}  # fmt: skip
        counts = {}
        for row in rows:
            counts[row[name]] = counts.get(row[name], 0) + 1
        chosen = given.get(f"f.{name}", [])
        values = [{"value": value, "count": count, "chosen": value in chosen}
                  for value, count in sorted(counts.items(), key=lambda one: -one[1])]  # fmt: skip
        return {"column": name, "kind": "values", "values": values}

    def suggest(self, given, language):
        typed = given["q"][0].lower()
        found = []
        for spelling, (column, value) in self.values.items():
            if spelling.startswith(typed):
                count = sum(row[column] == value for row in self.rows)
                found.append({"text": spelling, "kind": "value", "column": column, "count": count})
        return {"suggestions": sorted(found, key=lambda one: -one["count"])[:8]}

    def details(self, name, given, language):
        if name not in self.place:
            raise Refused(404, "no such product")
        i = self.place[name]
        row = self.rows[i]
        parts, order, total, _ = self.ranked(given, language)
        why = None
        if parts is not None:
            words, read, _ = self.read(given)
            why = {
                "score": float(total[i]), "place": order.index(i) + 1,
                "parts": [{"name": n, "share": float(part[i])} for n, part in parts.items()],
                "agrees": [
                    {"column": c, "asked": v, "has": row[c], "agrees": row[c] == v}
                    for c, v in ((one["column"], one["value"]) for one in read)
                ],
                "words": [word for word in dict.fromkeys(words) if word in tokens(row["title"])],
            }  # fmt: skip
        _, alike, _, _ = self.ranked({"like": [name]}, language)
        return {
            "product": self.product(i), "description": row["description"],
            "attributes": [{"column": c, "value": row[c]} for c in VALUES if row[c]],
            "similar": [self.product(j) for j in alike[:8]], "why": why,
        }  # fmt: skip


def encoded(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._answer(b"")

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body):
        asked = urlsplit(self.path)
        given = parse_qs(asked.query, keep_blank_values=True)
        try:
            kind, content = self._content(asked.path.strip("/").split("/"), given, body)
            status = 200
        except Refused as refused:
            status, sentence = refused.args
            if status not in (404, 410):
                self.server.faults.append(f"{self.path}: {sentence}")
            kind, content = "application/json", json.dumps({"error": sentence}).encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(content)

    def _content(self, path, given, body):
        shop = self.server.shop
        language = ("en", "zh").index(given.get("lang", ["en"])[0])
        if path[0] == "photo":
            i = shop.place[unquote(path[1])]
            return "image/jpeg", shop.jpeg(i, given["size"] == ["small"])
        if path[0] != "api":
            name = path[0] or "page.html"
            file = resources.files("mmtutorial.shop") / name
            if len(path) > 1 or not re.fullmatch(r"\w+\.(html|css|js)", name) or not file.is_file():
                raise Refused(404, "no such file")
            text = file.read_text("utf-8")
            if name == "page.html":
                data = json.dumps(shop.data()).replace("<", "\\u003c")
                text = text.replace('id="shop-data">{}<', f'id="shop-data">{data}<')
            return TYPES[name.rpartition(".")[2]], text.encode()
        if self.headers["X-Shop"] != "1" or "lang" not in given:
            raise Refused(403, "no X-Shop or no lang")
        if path[1] == "photo":
            if self.command == "GET":
                return "image/jpeg", encoded(shop.kept_photo(path[2], language))
            self._only(given, {"name", "lang"})
            return "application/json", json.dumps(shop.keep(body)).encode()
        if path[1] == "search":
            self._only(given, LIST, filters=True)
            answer = shop.search(given, language)
        elif path[1] == "suggest":
            self._only(given, {"q", "lang"})
            answer = shop.suggest(given, language)
        else:
            self._only(given, QUERY)
            answer = shop.details(unquote(path[2]), given, language)
        return "application/json", json.dumps(answer).encode()

    def _only(self, given, names, filters=False):
        """Refuse what the interface does not have, and values that it does not take."""
        for name, values in given.items():
            kind, _, column = name.partition(".")
            filter_of = {"f": VALUES, "min": ("price",), "max": ("price",)}.get(kind, ())
            fine = name in names or (filters and column in filter_of)
            if not fine or (len(values) > 1 and name != "off" and kind != "f"):
                raise Refused(400, f"{name} is no parameter, or comes twice")
        for name, test in {
            "sort": SORTS.__contains__,
            "page": str.isdigit,
            "size": str.isdigit,
            "weight": lambda text: 0 <= float(text) <= 1,
            "q": lambda text: len(text) <= LIMITS["words"],
            "off": lambda text: ":" in text,
            "rank": lambda text: set(text.split(",")) <= set(SCORERS),
        }.items():
            if not all(map(test, given.get(name, []))):
                raise Refused(400, f"{name}: {given[name]}")


class StandIn(ThreadingHTTPServer):
    """``with StandIn() as shop: shop.address``; ``shop.faults``: requests that it refused;
    ``shop.marked_up``: the id of a product with markup in its title."""

    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.shop, self.faults = Shop(), []
        self.marked_up = self.shop.rows[3]["id"]
        self.address = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *raised):
        self.shutdown()
        super().__exit__(*raised)


if __name__ == "__main__":
    with StandIn(8877) as standing:
        print(standing.address, flush=True)
        threading.Event().wait()
