"""What several test files share: a browser, and which tests are slow for what they stand on."""

import shutil

import pytest

# Each of these fixtures starts kernels or servers: a test that uses one is slow, also unmarked.
SLOW_FIXTURES = {
    "course_run", "swept", "lab", "server", "hub", "on_the_demo_shop", "on_a_sample_of_fashion",
}  # fmt: skip
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items):
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by playwright; without them the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
