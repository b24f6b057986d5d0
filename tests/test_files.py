"""Files: what is damaged is refused by name, what is written is whole, a full disk says so."""

import errno
import importlib.util
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtutorial import TutorialError
from mmtutorial.files import (
    DamagedFile,
    checkpoint_key,
    intact,
    read_array,
    read_arrays,
    read_json,
    replacing,
    writing,
)

KEYS = {"share": float, "n": int, "names": list}


class Spy:
    """Unpickling it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "JSONDecodeError"),
        ("[1]", "no JSON object"),
        ('{"share": 1, "n": 2}', "lacks 'names'"),
        ('{"share": 1, "n": 2, "names": [], "more": 3}', "knows no 'more'"),
        ('{"share": NaN, "n": 2, "names": []}', "'share' is nan, not float"),
        ('{"share": true, "n": 2, "names": []}', "'share' is True"),
        ('{"share": "x", "n": 2, "names": []}', "'share' is 'x'"),
        ('{"share": 1, "n": 2.0, "names": []}', "'n' is 2.0, not int"),
        pytest.param('{"a":' * 100_000, "RecursionError", id="deep"),
    ],
)
def test_json_of_another_form_is_refused_by_name(tmp_path, text, reason):
    file = tmp_path / "some.json"
    file.write_text(text)
    with pytest.raises(DamagedFile, match=rf"some\.json cannot be read.*{reason}.*; make it again"):
        read_json(file, "make it again", KEYS)


def test_json_of_the_right_form_is_read(tmp_path):
    content = {"share": 1, "n": 2, "names": ["größe"]}
    (tmp_path / "some.json").write_text(json.dumps(content))
    assert read_json(tmp_path / "some.json", "", KEYS) == content


def test_a_missing_file_is_named(tmp_path):
    for read in (read_json, lambda path, remedy: read_array(path, remedy, (3,), np.floating)):
        with pytest.raises(DamagedFile, match=r"there is no .*gone; make it"):
            read(tmp_path / "gone", "make it")


@given(st.integers(0, 700))
def test_a_cut_array_is_refused(tmp_path_factory, length):
    file = tmp_path_factory.mktemp("cut") / "a.npy"
    np.save(file, np.ones((10, 8)))
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(DamagedFile, match=r"a\.npy"):
        read_array(file, "", (10, 8), np.floating)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.ones((10, 7)), "10 × 7, expected any × 8"),
        (np.ones(8), "is 8, expected"),
        (np.ones((10, 8), "uint8"), "holds uint8"),
        (np.full((10, 8), np.nan), "not finite"),
        (np.full((10, 8), -np.inf, "float16"), "not finite"),
    ],
)
def test_an_array_of_another_kind_is_refused(tmp_path, array, reason):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DamagedFile, match=reason):
        read_array(tmp_path / "a.npy", "", (None, 8), np.floating)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("n", [0, 3])
def test_an_array_is_read_as_it_was_saved(tmp_path, mapped, n):
    np.save(tmp_path / "a.npy", np.arange(n * 2.0).reshape(n, 2))
    found = read_array(tmp_path / "a.npy", "", (None, 2), np.floating, mapped)
    assert np.array_equal(found, np.arange(n * 2.0).reshape(n, 2))
    assert isinstance(found, np.memmap) == mapped


def test_a_shape_that_no_memory_could_hold_is_refused(tmp_path):
    """A header of a petabyte over eight bytes."""
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**9, 125_000)}
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(8))
    with pytest.raises(DamagedFile):
        read_array(tmp_path / "a.npy", "", (None, None), np.floating)


LIKE = {"w0": np.zeros((3, 4), "float32"), "w1": np.zeros((), "int64")}


def test_arrays_are_read_in_any_precision(tmp_path):
    np.savez(tmp_path / "w.npz", w0=np.ones((3, 4), "float16"), w1=np.int32(7))
    found = read_arrays(tmp_path / "w.npz", "", LIKE)
    assert found["w0"].sum() == 12 and found["w1"] == 7


@given(st.integers(0, 639), st.integers(1, 255))
def test_one_changed_byte_in_the_numbers_is_noticed(tmp_path_factory, place, change):
    file = tmp_path_factory.mktemp("byte") / "w.npz"
    np.savez(file, w0=np.arange(160, dtype="float32").reshape(4, 40), w1=np.int64(7))
    content = bytearray(file.read_bytes())
    start = bytes(content).index(np.arange(160, dtype="float32").tobytes())
    content[start + place] ^= change
    file.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"BadZipFile: Bad CRC"):
        read_arrays(file, "", {**LIKE, "w0": np.zeros((4, 40))})


def test_arrays_that_are_not_those_expected_are_refused(tmp_path):
    file = tmp_path / "w.npz"
    right = {"w0": np.ones((3, 4)), "w1": np.int64(1)}
    for wrong, reason in (
        ({"w0": right["w0"]}, "holds 1 arrays"),
        ({**right, "w2": np.ones(2)}, "holds 3 arrays"),
        ({**right, "w0": np.ones((4, 3))}, "w0 is 4 × 3, expected 3 × 4"),
        ({**right, "w1": np.float32(1)}, "w1 holds float32"),
        ({**right, "w0": np.full((3, 4), np.inf)}, "w0 is not finite"),
    ):
        np.savez(file, **wrong)
        with pytest.raises(DamagedFile, match=reason):
            read_arrays(file, "", LIKE)
    for content in (b"", b"PK nothing"):
        file.write_bytes(content)
        with pytest.raises(DamagedFile, match="not a zip file"):
            read_arrays(file, "", LIKE)


def test_what_unfolds_to_more_than_its_file_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "w.npz", w0=np.zeros((3000, 400)), w1=np.int64(1))
    with pytest.raises(DamagedFile, match="compressed, and larger than its file"):
        read_arrays(tmp_path / "w.npz", "", LIKE)


def test_no_pickle_is_opened(tmp_path):
    """A foreign array of objects, a pickle with an array's name, a pickle in an archive."""
    spied = tmp_path / "spied"
    objects = np.array([Spy(spied)], dtype=object)
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Spy(spied)))
    np.savez(tmp_path / "objects.npz", w0=objects, w1=np.int64(1))
    with zipfile.ZipFile(tmp_path / "pickle.npz", "w") as archive:
        for name in ("w0", "w1"):
            archive.writestr(name, pickle.dumps(Spy(spied)))
    for name in ("objects.npy", "pickle.npy"):
        with pytest.raises(DamagedFile):
            read_array(tmp_path / name, "", (1,), np.floating)
    for name in ("objects.npz", "pickle.npz"):
        with pytest.raises(DamagedFile):
            read_arrays(tmp_path / name, "", LIKE)
    assert not spied.exists()
    pickle.loads((tmp_path / "pickle.npy").read_bytes()).close()
    assert spied.exists()  # so it would have been seen


def test_too_little_memory_does_not_blame_the_file(tmp_path):
    with pytest.raises(MemoryError), intact(tmp_path, ""):
        raise MemoryError


# Writing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, interruption):
    file = tmp_path / "a.txt"
    with replacing(file) as arriving:
        arriving.write_text("old")
    with pytest.raises(interruption), replacing(file) as arriving:
        arriving.write_text("half of the n")
        raise interruption
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]  # what arrived in part takes no place


def of_tensorflow(folder):
    """What TensorFlow raises as its writer meets a full disk: no OSError, no number."""
    raise RuntimeError(f"{folder}/x; No space left on device")


def of_hdf5(folder):
    try:
        raise OSError("file write failed: errno = 28, error message = 'No space left on device'")
    except OSError:
        raise RuntimeError("Can't decrement id ref count") from None


def of_the_system(folder):
    with open("/dev/full", "wb") as full:
        full.write(b"x")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
@pytest.mark.parametrize("fault", [of_tensorflow, of_hdf5, of_the_system])
def test_a_full_disk_is_told_with_the_folder_and_the_remedy(tmp_path, fault):
    state = tmp_path / "state.npz"
    with (
        pytest.raises(TutorialError, match=r"no space left.*free some, or go elsewhere") as caught,
        writing(tmp_path, "go elsewhere", state),
    ):
        fault(tmp_path)
    assert str(tmp_path) in str(caught.value) and "is kept" not in str(caught.value)
    state.touch()
    kept = "trained so far is kept in .*state.npz: the same call goes on"
    with pytest.raises(TutorialError, match=kept), writing(tmp_path, "go elsewhere", state):
        fault(tmp_path)


def test_a_refusal_to_write_is_told_and_other_faults_stay_as_they_are(tmp_path):
    for number in (errno.EACCES, errno.EROFS):
        reason = rf"cannot write into .*{os.strerror(number)}.*make it writable, or go elsewhere"
        with pytest.raises(TutorialError, match=reason), writing(tmp_path, "go elsewhere"):
            raise OSError(number, os.strerror(number))
    for other in (ZeroDivisionError, KeyboardInterrupt, DamagedFile):
        with pytest.raises(other), writing(tmp_path, "go elsewhere"):
            raise other("as it is")


# Names in the cache -----------------------------------------------------------------------------


def test_all_that_shapes_a_checkpoint_is_in_its_name():
    photos = np.arange(12, dtype="uint8").reshape(3, 4)
    given = [1, {"a": 1, "b": 2}, ["ab", "c", photos], (json, read_json)]
    names = [checkpoint_key(*given)]
    for place, other in (
        (0, 2),
        (1, {"a": 1, "b": 3}),
        (2, ["a", "bc", photos]),
        (2, ["ab", "c", photos + 1]),
        (3, (json,)),
        (3, (json, intact)),
    ):
        names.append(
            checkpoint_key(*[other if n == place else each for n, each in enumerate(given)])
        )
    assert len(set(names)) == len(names)
    given[1] = {"b": 2, "a": 1}
    assert checkpoint_key(*given) == names[0]


def test_a_module_s_text_counts_and_not_its_place(tmp_path):
    def name(place, text):
        file = tmp_path / place
        file.write_text(text)
        spec = importlib.util.spec_from_file_location(file.stem, file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return checkpoint_key(1, {}, [], (module,))

    assert name("here.py", "a = 1") == name("moved.py", "a = 1") != name("other.py", "a = 2")
    with pytest.raises(TutorialError, match="write it with def"):
        checkpoint_key(1, {}, [], (len,))
