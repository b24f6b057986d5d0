"""Queries with known answers: composed from attributes, or titles; the exam of a catalogue.

A search by words finds a title by copying it, so a query that *is* a title proves nothing where
titles are searched (lesson 04). ``Catalogue.exam`` gives queries that are no copies wherever the
catalogue allows it, and says where they come from. Lessons 00, 04, 06 to 09, 11 and 24 use it;
lesson 09 shows the steps.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from mmtutorial import TutorialError
from mmtutorial.catalogue.cleaning import normalise_title
from mmtutorial.catalogue.groups import connected_groups, title_queries

if TYPE_CHECKING:
    from mmtutorial.catalogue.catalogue import Catalogue, Split

KINDS = ("article_type", "subcategory", "category")  # what a product is; the finest that is filled
KIND = KINDS[0]
ASKED = ("brand", "gender", "usage", "season", "colour", "pattern")  # in a title's order


class Exam(NamedTuple):
    """Queries to be measured with.

    ``qrels``: ``{query: {product id: grade}}``, relevant products alone, at least one a query.
    ``source``: where the queries come from, for a protocol line. ``copied``: they are titles of
    the catalogue, so a search by words finds them by copying; a number measured on them is no
    claim about a search that reads titles.
    """

    qrels: dict[str, dict[str, int]]
    source: str
    copied: bool


def make_exam(
    catalogue: "Catalogue", parts: "Split", n: int = 400, min_queries: int = 20, seed: int = 0
) -> Exam:
    """The exam of ``catalogue``, split into ``parts``: see ``Catalogue.exam``."""
    titles = set(catalogue.table["title"].map(normalise_title))

    def copied(query):
        return normalise_title(query) in titles

    judged = relevant_only(catalogue.queries)
    own = {query: answers for query, answers in judged.items() if not copied(query)}
    if len(own) > len(judged) / 2:
        return Exam(own, "the catalogue's own queries", False)
    composed = _composed(catalogue, parts, n, seed)
    composed = {query: answers for query, answers in composed.items() if not copied(query)}
    if len(composed) >= min_queries:
        chosen = dict(list(composed.items())[:n])
        return Exam(chosen, "queries composed from test products' attributes", False)
    if judged:
        return Exam(judged, "the catalogue's own queries, copies of titles", True)
    asked = list(title_queries(parts.test).items())
    order = np.random.default_rng(seed).permutation(len(asked))[:n]
    if not len(order):
        raise TutorialError(
            f"{catalogue!r} has no test product with a title, so nothing can be asked: take more "
            "products, or bring queries of your own (queries.json beside the products)"
        )
    return Exam({asked[row][0]: asked[row][1] for row in order}, "titles of test products", True)


def relevant_only(qrels: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """The qrels without products of grade 0 and without queries that have no others.

    >>> relevant_only({"red bag": {"b1": 2, "s7": 0}, "hat": {"b1": 0}})
    {'red bag': {'b1': 2}}
    """
    kept = {q: {id_: grade for id_, grade in a.items() if grade > 0} for q, a in qrels.items()}
    return {query: answers for query, answers in kept.items() if answers}


def _composed(catalogue, parts, n, seed):
    """Qrels composed from test products; no other product answers them, and at most ten do."""
    table, spoken = parts.test.table, spoken_types(parts.train.table)
    try:
        made = attribute_queries(table, 4 * n, spoken, seed)
    except TutorialError:
        return {}
    facts = catalogue.table if catalogue.truth is None else catalogue.truth
    made, grades = _answered_by(parts.test, made, facts)
    ids = facts["id"].to_numpy()
    return {
        text: dict.fromkeys(ids[line == 2], 1)
        for text, line in zip(made.texts, grades, strict=True)
    }


def _answered_by(part, made, facts):
    """Those of the queries that one to ten products answer, all of them in ``part``."""
    grades = attribute_grades(made.wanted, facts)  # (queries, products)
    inside = facts["id"].isin(part.table["id"]).to_numpy()
    answers = (grades == 2).sum(axis=1)
    fit = (answers >= 1) & (answers <= 10) & (grades[:, ~inside].max(axis=1, initial=0) < 2)
    return made.keep(fit), grades[fit]


class AttributeQueries(NamedTuple):
    """Queries whose wishes are known.

    ``texts``: n strings. ``wanted``: n rows, the column of the type first, then ``ASKED``, ``""``
    where a query does not ask. ``anchors``: ``(n,) int``, the row of the product each was made of.
    """

    texts: list[str]
    wanted: pd.DataFrame
    anchors: np.ndarray

    def keep(self, chosen: np.ndarray) -> "AttributeQueries":
        """Those where the bool mask ``chosen``, ``(n,)``, says so."""
        texts = [text for text, kept in zip(self.texts, chosen, strict=True) if kept]
        wanted = self.wanted[chosen].reset_index(drop=True)
        return AttributeQueries(texts, wanted, self.anchors[chosen])


def kind_column(table: pd.DataFrame) -> str:
    """The column that says what a product is: the finest of ``KINDS`` that is filled.

    >>> kind_column(pd.DataFrame({"article_type": [""], "subcategory": [""], "category": ["Hats"]}))
    'category'
    """
    return next((name for name in KINDS if (table[name] != "").any()), KIND)


def attribute_queries(
    table: pd.DataFrame, n: int, spoken: Mapping[str, list[str]], seed: int = 0
) -> AttributeQueries:
    """Up to ``n`` different queries that products of ``table`` answer: "winter navy dotted tee".

    The template: draw a product; ask for its article type and two to four of its attributes in
    ``ASKED``; say these in that order in lower case, then a word of ``spoken`` for the type
    (``spoken_types``). Products with fewer than two of them (one, where the table fills but one
    of these columns), or of another type, are not asked for. The type stands in ``kind_column``.
    Returns ``AttributeQueries``. Defined in lesson 09.

    Raises ``TutorialError`` where no product can be asked for.

    >>> table = pd.DataFrame({"title": ["Acme Blue Tee"], **dict.fromkeys((*KINDS, *ASKED), "")})
    >>> table = table.assign(article_type="Tshirts", brand="Acme", colour="Blue")
    >>> attribute_queries(table, 1, {"Tshirts": ["tee"]}).texts
    ['acme blue tee']
    """
    rng, kind = np.random.default_rng(seed), kind_column(table)
    values = table[list(ASKED)].to_numpy()
    kinds = table[kind].to_numpy()
    min_known = min(2, (values != "").any(axis=0).sum())
    able = (values != "").sum(axis=1) >= max(1, min_known)
    able = np.flatnonzero(table[kind].isin(spoken) & able)
    if not len(able):
        raise TutorialError(
            "no product has a type that titles name and an attribute more: fill the columns "
            f"{kind} and some of {', '.join(ASKED)}"
        )
    found: dict[str, tuple[dict, int]] = {}  # text → the query's wishes and its anchor
    for row in rng.choice(able, size=4 * n):  # some come twice
        known = np.flatnonzero(values[row] != "")
        size = min(int(rng.integers(2, 5)), len(known))
        chosen = np.sort(rng.choice(known, size=size, replace=False))
        text = " ".join([*values[row, chosen], str(rng.choice(spoken[kinds[row]]))]).lower()
        wishes = dict.fromkeys(ASKED, "") | {ASKED[name]: values[row, name] for name in chosen}
        found.setdefault(text, ({kind: kinds[row]} | wishes, row))
        if len(found) == n:
            break
    wanted, anchors = zip(*found.values(), strict=True)
    return AttributeQueries(list(found), pd.DataFrame(wanted), np.array(anchors))


def title_halves(table: pd.DataFrame, n: int, seed: int = 0) -> AttributeQueries:
    """Up to ``n`` queries from titles alone: "acme blue" of "Acme Kids Blue Tee", half its words.

    For a catalogue without attributes. The words keep their order; a title of one word asks for
    nothing. Returns ``AttributeQueries`` whose only wish is the title. Used in lesson 09.

    >>> table = pd.DataFrame({"title": ["Acme Kids Blue Tee", "Hat"]})
    >>> halves = title_halves(table, 2)
    >>> [len(text.split()) for text in halves.texts], halves.anchors.tolist()
    ([2], [0])
    """
    rng = np.random.default_rng(seed)
    titles = table["title"].map(normalise_title).to_numpy()
    found: dict[str, int] = {}  # text → its anchor
    for row in rng.permutation(len(titles)):
        words = titles[row].split()
        if len(words) > 1 and len(found) < n:
            kept = np.sort(rng.choice(len(words), size=len(words) // 2, replace=False))
            found.setdefault(" ".join(words[place] for place in kept), row)
    anchors = np.fromiter(found.values(), dtype=np.int64)
    wanted = pd.DataFrame({"title": table["title"].to_numpy()[anchors]})
    return AttributeQueries(list(found), wanted, anchors)


def training_queries(
    table: pd.DataFrame, n: int, spoken: Mapping[str, list[str]], seed: int = 0
) -> AttributeQueries:
    """``attribute_queries``; where nothing can be asked for so, ``title_halves``.

    Raises ``TutorialError`` for a table without attributes and without titles of two words.

    >>> table = pd.DataFrame({"title": ["Acme Tee"], **dict.fromkeys((*KINDS, *ASKED), "")})
    >>> queries = training_queries(table, 1, spoken={})  # no attribute: half a title
    >>> list(queries.wanted.columns), len(queries.texts)
    (['title'], 1)
    """
    try:
        return attribute_queries(table, n, spoken, seed)
    except TutorialError as fault:
        halves_of_titles = title_halves(table, n, seed)
        if not halves_of_titles.texts:
            raise TutorialError(f"{fault}; and no title has two words to ask with") from fault
        return halves_of_titles


def held_out_queries(
    part: "Catalogue",
    n: int,
    spoken: Mapping[str, list[str]],
    facts: pd.DataFrame,
    seed: int = 0,
    min_queries: int = 20,
) -> tuple[AttributeQueries, np.ndarray]:
    """Queries for a model that has seen all products but those of ``part``; with their grades.

    ``training_queries`` that one to ten products of ``facts`` answer fully, all of them in the
    catalogue ``part``; if those are fewer than ``min_queries``, ``title_halves`` of the same kind.
    ``facts`` is a table of all products, ``part``'s among them.

    Returns ``AttributeQueries`` and grades, ``(n_queries, len(facts)) int8``, as from
    ``attribute_grades``. Both are empty where nothing can be asked for. Used in lesson 09.
    """
    made = training_queries(part.table, n, spoken, seed)
    found = _answered_by(part, made, facts)
    if len(found[0].texts) >= min_queries:
        return found
    return _answered_by(part, title_halves(part.table, n, seed), facts)


def spoken_types(table: pd.DataFrame, min_share: float = 0.15) -> dict[str, list[str]]:
    """What titles call each type: the words in which at least ``min_share`` of its titles end.

    Returns ``{type: [word, …]}``, without the types whose titles end in no such word; where the
    ends of titles do not tell the types apart, each type's own name. The type stands in
    ``kind_column``. Read it off training titles.

    >>> table = pd.DataFrame({"article_type": ["Tshirts"] * 2, "subcategory": "", "category": ""})
    >>> spoken_types(table.assign(title=["Acme Blue Tee", "Bolt Red Shirt"]))
    {'Tshirts': ['tee', 'shirt']}
    """
    kind = kind_column(table)
    last = table["title"].str.lower().str.extract(r"\b([a-z][a-z-]+)$")[0]
    shares = last.groupby(table[kind]).value_counts(normalize=True)
    spoken: dict[str, list[str]] = {}
    for name, word, share in shares.reset_index().itertuples(index=False, name=None):
        if name and share >= min_share:
            spoken.setdefault(name, []).append(word)
    words = {word for of_type in spoken.values() for word in of_type}
    most_are_called = table[kind].isin(spoken).sum() >= (table[kind] != "").sum() / 2
    if most_are_called and len(words) >= len(spoken) / 2:
        return spoken
    return {name: [name.lower()] for name in set(table[kind]) - {""}}


def attribute_grades(wanted: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Relevance made from attributes: ``(n_queries, n_products) int8``.

    2 where a product has the article type and all that the query asks for, 1 where it has the
    type and misses one of the others, else 0. What the catalogue does not know (``""``) is
    missed. A rule, not a shopper's judgement: say so beside every number that rests on it.

    ``wanted``: as in ``AttributeQueries``. Defined in lesson 09.

    >>> types, colours = ["Bags", "Bags", "Hats"], ["Red", "Blue", "Red"]
    >>> table = pd.DataFrame({"article_type": types, "colour": colours})
    >>> attribute_grades(table.iloc[[0]], table).tolist()  # who asks for a red bag
    [[2, 1, 0]]
    """
    misses = np.zeros((len(wanted), len(table)), dtype="int8")
    kind = wanted.columns[0]
    for name in wanted.columns:
        codes, _ = pd.factorize(pd.concat([wanted[name], table[name]]))  # numbers compare faster
        differs = codes[: len(wanted), None] != codes[None, len(wanted) :]
        wished = (wanted[name] != "").to_numpy()[:, None]
        misses += (differs & wished) * np.int8(2 if name == kind else 1)
    return np.maximum(2 - misses, 0).astype("int8")


def split_queries(qrels: Mapping[str, Mapping]) -> tuple[dict, dict]:
    """Two halves of ``{query: {id: grade}}``, as even as can be, that share no product.

    One is for choosing settings, the other for measuring: a product that is asked for in both
    would be tuned on and tested with. Queries that share one go together; the second half is empty
    where all do. Used in lessons 04, 11 and 24.

    >>> qrels = {"red": {"b1": 1}, "bag": {"b1": 1, "b2": 1}, "hat": {"h1": 1}, "cap": {"c1": 1}}
    >>> tuning, measuring = split_queries(qrels)
    >>> list(tuning), list(measuring)
    (['red', 'bag'], ['hat', 'cap'])
    """
    asked = [len(answers) for answers in qrels.values()]
    products = [product for answers in qrels.values() for product in answers]
    groups = connected_groups(len(qrels), np.repeat(np.arange(len(qrels)), asked), products)
    sizes = np.bincount(groups)
    side, total = np.zeros(len(sizes), dtype=int), [0, 0]
    for group in np.argsort(-sizes, kind="stable"):  # the largest first, to the smaller half
        side[group] = total[1] < total[0]
        total[side[group]] += sizes[group]
    both = list(zip(qrels.items(), side[groups], strict=True))
    first, second = (
        {query: answers for (query, answers), s in both if s == half} for half in (0, 1)
    )
    return first, second
