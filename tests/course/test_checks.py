import shutil
from collections import namedtuple
from importlib import metadata

import numpy as np
import psutil
import pytest

from mmtutorial import backends
from mmtutorial.course import checks
from mmtutorial.course.checks import Finding, Report


def only(findings):
    (finding,) = findings
    return finding


def test_the_report_looks_at_everything_and_shows_itself():
    report = checks.report()
    looked_at = {finding.what for finding in report}
    assert looked_at >= {"Python", "Keras backend", "device", "packages", "disk", "memory"}
    assert looked_at >= {"demo catalogue", "fashion catalogue"}
    for finding in report:
        assert finding.found in repr(report)
    assert "<table>" in report._repr_html_()


def test_a_fault_is_shown_with_its_remedy_and_decides():
    fault = Finding("disk", "fault", "1 GB <free>", "free some")
    assert Report([Finding("Python", "ok", "3.12"), Finding("x", "note", "y")]).ok
    report = Report([Finding("Python", "ok", "3.12"), fault])
    assert not report.ok
    assert "✗ disk" in repr(report)
    assert "→ free some" in repr(report)
    assert "Not ready yet; put right: disk." in repr(report)
    assert "1 GB &lt;free&gt;" in report._repr_html_()


@pytest.mark.parametrize(
    ("version", "status"),
    [((3, 9, 18), "fault"), ((3, 10, 0), "ok"), ((3, 13, 5), "ok"), ((3, 14, 0), "fault")],
)
def test_python_from_310_to_313(version, status):
    finding = checks.check_python(version)
    assert finding.status == status
    assert bool(finding.remedy) == (status == "fault")


def test_an_unknown_backend_is_a_fault_that_names_the_valid_ones(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    finding = only(checks.check_backend())
    assert finding.status == "fault"
    assert "'theano'" in finding.found
    assert "tensorflow, jax, torch" in finding.remedy


def test_a_backend_that_is_not_installed_is_a_fault_with_its_extra(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: None)
    finding = only(checks.check_backend())
    assert finding.status == "fault"
    assert "pip install 'mmtutorial[torch]'" in finding.remedy


def test_a_gpu_asked_for_is_there_or_a_fault_with_its_remedy():
    from mmtutorial.devices import has_gpu

    backend, device = checks.check_backend(gpu=True)
    assert backend.status == "ok"
    assert device.status == ("ok" if has_gpu() else "fault")
    if not has_gpu():
        assert "pip install 'mmtutorial[gpu]'" in device.remedy
    assert checks.check_backend()[1].status == "ok"


def test_versions_as_locked(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"# numbers\nnumpy=={np.__version__}\nno-such==1 ; python_version < '3'\n")
    finding = only(checks.check_versions(lock))
    assert (finding.status, finding.found) == ("ok", "1 of 1 as locked")


def test_another_version_is_a_note_that_names_both(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==1.2.3\n")
    finding = only(checks.check_versions(lock))
    assert finding.status == "note"
    assert f"numpy {np.__version__} (lock: 1.2.3)" in finding.found
    assert "pip install -r requirements.lock" in finding.remedy


def test_a_missing_package_is_a_fault_if_the_course_needs_it(tmp_path, monkeypatch):
    lock = tmp_path / "requirements.lock"
    lock.write_text("papermill==2.6\ngensim==4.4\n")
    version = metadata.version

    def without(name):
        if name in ("papermill", "gensim"):
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(checks.metadata, "version", without)
    finding = only(checks.check_versions(lock))
    assert (finding.status, finding.found) == ("fault", "missing: papermill")
    lock.write_text("gensim==4.4\n")
    assert only(checks.check_versions(lock)).status == "ok"


def test_no_lock_to_compare_with(tmp_path):
    assert only(checks.check_versions(tmp_path / "requirements.lock")).status == "note"


def test_the_fashion_catalogue_is_optional_and_its_remedy_is_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_DATA", str(tmp_path))
    finding = checks.check_fashion()
    assert finding.status == "note"
    assert str(tmp_path / "fashion") in finding.found
    assert "mmtutorial data get fashion" in finding.remedy


def test_the_demo_catalogue_is_drawn_or_will_be(tmp_path, monkeypatch):
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path))
    assert "not drawn yet" in checks.check_demo().found
    (tmp_path / "shops" / "demo-0123").mkdir(parents=True)
    assert str(tmp_path) in checks.check_demo().found


def test_a_nearly_full_disk_is_a_fault(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setenv("MMTUTORIAL_CACHE", str(tmp_path / "not" / "there" / "yet"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10e9, 8e9, 2e9))
    finding = checks.check_disk()
    assert finding.status == "fault"
    assert "2.0 GB free" in finding.found
    assert "MMTUTORIAL_CACHE" in finding.remedy
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10e9, 6e9, 4e9))
    assert checks.check_disk().status == "ok"


def test_little_memory_is_a_note(monkeypatch):
    memory = namedtuple("memory", "total available")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(8e9, 1e9))
    assert checks.check_memory().status == "note"
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(8e9, 7e9))
    assert checks.check_memory().status == "ok"
