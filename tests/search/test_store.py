"""The store in a file and behind a server on loopback: the same code, the same answers."""

import re
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.catalogue.catalogue import Catalogue
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.search.filters import spelling
from mmtutorial.search.product_search import ProductSearch

pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")

from mmtutorial.search.store import VectorStore

DIM = 8
HOSTILE = ['red"', "it's", "a\\b", 'x" or price > 0 or colour == "', "红", "", "a\nb", "{}%_"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a Milvus Lite server of our own, on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder)]
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log
        )
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, (folder / "log.txt").read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture(scope="module", params=["file", pytest.param("server", marks=pytest.mark.slow)])
def address(request, tmp_path_factory):
    if request.param == "server":
        return request.getfixturevalue("server")
    return str(tmp_path_factory.mktemp("file") / "shop.db")


def products(n=300, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "id": [f"p{number:04d}" for number in rng.permutation(n)],
            "colour": rng.choice(["Red", "Blue", *HOSTILE], n),
            "gender": rng.choice(["Men", "Women"], n),
            "price": np.where(rng.random(n) < 0.1, np.nan, rng.integers(5, 100, n) + 0.5),
        }
    )
    return table, unit_length(rng.normal(size=(n, DIM)))


def brute_force(queries, k, table, vectors, keep):
    rows = np.flatnonzero(keep)
    scores = queries @ vectors[rows].T
    ids = table["id"].to_numpy()[rows]
    order = [np.lexsort((ids, -each))[:k] for each in scores]
    return [dict(zip(ids[o], each[o], strict=True)) for o, each in zip(order, scores, strict=True)]


def same(found, expected):
    assert [list(each) for each in found] == [list(each) for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(list(one.values()), list(other.values()), atol=1e-5)


def opened(address, name, attributes=("colour", "gender")):
    return VectorStore(address, DIM, attributes, name=name)


@pytest.fixture(scope="module")
def filled(address):
    table, vectors = products()
    with opened(address, "filled") as store:
        store.add(table["id"], vectors, table)
        yield store, table, vectors


QUERIES = unit_length(np.random.default_rng(5).normal(size=(4, DIM)))


@pytest.mark.parametrize(
    ("where", "price"),
    [
        ({}, None),
        ({"gender": "Women"}, None),
        ({"gender": "Men", "colour": ["Red", "Blue"]}, (20, 60)),
        ({}, (None, 30)),
        ({"gender": ["Women"]}, (95.5, None)),
        ({"colour": "  RED "}, (0, np.inf)),
        ({"gender": "women", "colour": ["blue", "Red"], "price": (None, 50)}, None),
        ({}, (None, None)),
        *(({"colour": value}, None) for value in HOSTILE),
    ],
)
def test_a_filtered_search_is_brute_force_over_what_passes(filled, where, price):
    store, table, vectors = filled
    keep = np.ones(len(table), dtype=bool)
    for attribute, values in where.items():
        if attribute == "price":
            price = values
            continue
        values = [spelling(each) for each in ([values] if isinstance(values, str) else values)]
        keep &= table[attribute].map(spelling).isin(values).to_numpy()
    if price and price != (None, None):
        least, most = (-np.inf if price[0] is None else price[0]), price[1] or np.inf
        keep &= table["price"].between(least, most).to_numpy()
    found = store.search(QUERIES, 7, where=where, price=price)
    same(found, brute_force(QUERIES, 7, table, vectors, keep))


@given(st.lists(st.tuples(st.sampled_from(["add", "update", "delete"]), st.integers(0, 10**6))))
@settings(deadline=None, max_examples=15)
def test_adding_updating_and_deleting_leave_what_a_table_would_hold(address, steps):
    """A model beside the store: a dictionary id → vector, price."""
    held = {}
    with opened(address, "changing", ()) as store:
        for action, seed in steps:
            rng = np.random.default_rng(seed)
            pool = sorted(held) if action != "add" else [f"q{n}" for n in range(30)]
            ids = [i for i in pool if rng.random() < 0.3 and (action != "add" or i not in held)]
            if not ids:
                continue
            if action == "delete":
                store.delete(ids)
                held = {i: held[i] for i in held if i not in ids}
                continue
            vectors = unit_length(rng.normal(size=(len(ids), DIM)))
            table = pd.DataFrame({"price": rng.integers(1, 50, len(ids))})
            getattr(store, action)(ids, vectors, table)
            held |= {i: (v, p) for i, v, p in zip(ids, vectors, table["price"], strict=True)}
        try:
            assert len(store) == len(held)
            if held:
                table = pd.DataFrame({"id": list(held)})
                vectors = np.array([vector for vector, _ in held.values()])
                cheap = np.array([price <= 25 for _, price in held.values()])
                expected = brute_force(QUERIES, 30, table, vectors, cheap)
                same(store.search(QUERIES, 30, price=(None, 25)), expected)
        finally:
            if held:
                store.delete(list(held))


def test_a_file_and_a_server_give_the_same(server, tmp_path):
    table, vectors = products(500, seed=3)
    answers = []
    for address in (str(tmp_path / "shop.db"), server):
        with opened(address, "both") as store:
            store.add(table["id"], vectors, table)
            store.update(table["id"][:50], vectors[::-1][:50], table[:50])
            store.delete(table["id"][100:150])
            answers.append(store.search(QUERIES, 20, where={"gender": "Men"}, price=(10, 80)))
    assert len(answers[0][0]) == 20
    same(*answers)


@pytest.mark.slow
def test_what_was_written_is_there_when_the_file_is_opened_again(tmp_path):
    table, vectors = products(20)
    with opened(tmp_path / "shop.db", "kept") as store:
        store.add(table["id"], vectors, table)
    script = (
        "import sys; from mmtutorial.search.store import VectorStore\n"
        f"with VectorStore(sys.argv[1], {DIM}, ('colour', 'gender'), 'kept') as store:\n"
        "    print(len(store))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "shop.db"], capture_output=True, text=True
    )
    assert done.stdout.strip() == "20", done.stderr


def test_two_stores_of_one_process_share_a_file_until_both_are_closed(tmp_path):
    table, vectors = products(20)
    with opened(tmp_path / "shop.db", "one") as one:
        with opened(tmp_path / "shop.db", "two") as two:
            two.add(table["id"], vectors, table)
        one.add(table["id"][:5], vectors[:5], table[:5])  # still open
        assert len(one) == 5


@pytest.mark.slow
def test_a_file_that_another_process_has_is_named(tmp_path):
    path = tmp_path / "shop.db"
    script = (
        "import sys; from mmtutorial.search.store import VectorStore\n"
        f"store = VectorStore(sys.argv[1], {DIM}); print('open', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline().strip() == b"open"
    with pytest.raises(TutorialError, match=r"only one process at a time.*start a server"):
        VectorStore(path, DIM)
    other.communicate(timeout=30)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("shop", "no address of a store.*ends in .db"),
        ("http://127.0.0.1:1", "cannot open the store .*is the server running"),
        ("no/such/folder/shop.db", "cannot open the store .*its folder must exist"),
    ],
)
def test_an_address_that_does_not_answer_is_named(address, message):
    with pytest.raises(TutorialError, match=message):
        VectorStore(address, DIM)


def test_a_collection_with_other_attributes_or_width_is_not_touched(filled, address):
    with pytest.raises(TutorialError, match="attributes colour, gender, not 8 and colour"):
        opened(address, "filled", ("colour",))
    with pytest.raises(TutorialError, match=r"8 dimensions .*, not 9 and"):
        VectorStore(address, 9, ("colour", "gender"), name="filled")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, t, v: s.add(t["id"][:3], v[:3], t[:3]), "3 of 3 products are in the store al"),
        (lambda s, t, v: s.update(["new"], v[:1], t[:1]), "1 of 1 products are not in the store"),
        (lambda s, t, v: s.delete([t["id"][0], "new"]), "the first is 'new'"),
        (lambda s, t, v: s.add(["x", "x"], v[:2], t[:2]), "an id comes twice"),
        (lambda s, t, v: s.add(["x"], v[:2], t[:2]), "1 ids, 2 vectors, 2 rows"),
        (lambda s, t, v: s.add(["x"], v[:1, :5], t[:1]), "store of 8 dimensions"),
        (lambda s, t, v: s.add(["x"], np.nan * v[:1], t[:1]), "without NaN"),
        (lambda s, t, v: s.add(["x"], v[:1], t[["id", "colour"]][:1]), "no column gender"),
        (lambda s, t, v: s.search(v[:1], 0), "k=0.*from 1 to"),
        (lambda s, t, v: s.add(["a\0b"], v[:1], t[:1]), "no id for a store"),
        (lambda s, t, v: s.add(["é" * 129], v[:1], t[:1]), "1 to 256 bytes"),
        (lambda s, t, v: s.add([""], v[:1], t[:1]), "1 to 256 bytes"),
        (lambda s, t, v: s.add(["x"], v[:1], t[:1].assign(price=np.inf)), "'x' is infinite"),
        (lambda s, t, v: s.add(["x"], v[:1], t[:1].assign(price="12 €")), "not all numbers"),
        (lambda s, t, v: s.search(v[:1], 2.0), "k has to be a whole number, not 2.0"),
    ],
)
def test_what_the_store_cannot_do_says_why_and_changes_nothing(filled, call, message):
    store, table, vectors = filled
    with pytest.raises(TutorialError, match=message):
        call(store, table, vectors)
    assert len(store) == len(table)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"size": "M"}, "no column 'size' to filter by; there are price, colour, gender"),
        ({"gender": "womn"}, "no product has the gender 'womn': the nearest values are 'women'"),
        ({"gender": ["women", "kids"]}, "no product has the gender 'kids': its values are"),
        ({"gender": None}, "'gender': None is no value to filter by"),
        ({"gender": [np.nan]}, "is no value to filter by"),
        ({"gender": []}, "one or more, or leave the filter out"),
        ({"gender": ("men", "women")}, "no range of numbers, and the column holds text"),
        ({"price": (40, 10)}, "no range of numbers.*the smaller number first"),
        ({"price": (0, np.nan)}, "no range of numbers"),
        ({"price": ("0", "10")}, "no range of numbers"),
        ({"price": None}, "no range of numbers"),
        ("women", "where='women': give a dictionary"),
    ],
)
def test_a_store_and_a_product_search_refuse_the_same_filters(filled, where, message):
    store, table, vectors = filled
    shop = ProductSearch(
        None, Catalogue("shop", table.assign(title=""), None), vectors=(vectors, vectors)
    )
    for search in (store.search, shop.nearest):
        with pytest.raises(TutorialError) as refused:
            search(vectors[0], 5, where=where)
        text = str(refused.value)
        assert re.search(message, text if search == store.search else lowered(text)), text


def lowered(text):
    """ProductSearch names values as the table has them, and has more columns to filter by."""
    for value in ("Women", "Men"):
        text = text.replace(value, value.lower())
    return text.replace("there are id, colour, gender, price", "there are price, colour, gender")


def test_a_batch_that_is_refused_leaves_nothing_behind(address, monkeypatch):
    table, vectors = products(1500, seed=9)
    long = table.assign(colour=table["colour"].where(table.index != 1200, "é" * 1025))
    with opened(address, "batches") as store:
        with pytest.raises(TutorialError, match=f"{table['id'][1200]!r} has 2050 bytes"):
            store.add(table["id"], vectors, long)
        assert len(store) == 0
        ask, calls = store._ask, []

        def full_after_one(what, **arguments):
            calls.append(what)
            if calls.count("upsert") == 2 and what == "upsert":
                raise TutorialError("the disk is full")
            return ask(what, **arguments)

        monkeypatch.setattr(store, "_ask", full_after_one)
        with pytest.raises(TutorialError, match="the disk is full"):
            store.add(table["id"], vectors, table)
        monkeypatch.undo()
        assert calls.count("upsert") == 2 and len(store) == 0
        store.add(table["id"], vectors, table)  # nothing of it is in the way
        assert len(store) == 1500


def test_of_many_threads_that_add_one_id_one_succeeds(address):
    outcomes = []

    def add(number):
        try:
            store.add(["one"], QUERIES[:1], pd.DataFrame({"price": [number]}))
            outcomes.append("added")
        except TutorialError as fault:
            outcomes.append(str(fault))

    with opened(address, "threads", ()) as store:
        threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("added") == 1 and len(store) == 1
        assert sum("in the store already" in each for each in outcomes) == 7


def test_a_value_that_went_with_its_last_product_is_not_known_any_more(address):
    table = pd.DataFrame({"colour": ["Red", "Teal"]})
    with opened(address, "gone", ("colour",)) as store:
        store.add(["a", "b"], QUERIES[:2], table)
        assert list(store.search(QUERIES[:1], 5, where={"colour": "teal"})[0]) == ["b"]
        store.delete(["b"])
        with pytest.raises(TutorialError, match=r"no product has the colour 'teal'.*'red'"):
            store.search(QUERIES[:1], 5, where={"colour": "teal"})


@pytest.mark.parametrize(
    "attributes", [("a b",), ('q"',), ("1a",), ("é",), ("In",), ("price",), ("x", "x"), ("",)]
)
def test_attributes_that_no_filter_could_name_are_refused_at_creation(address, attributes):
    with pytest.raises(TutorialError, match="rename the column"):
        VectorStore(address, DIM, attributes, name="unnamed")
