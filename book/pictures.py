"""Make the pictures of README.md: ``make pictures``.

Three figures come from executed lessons on the drawn shop, one is a screenshot of the shop page in
headless Chromium. They lie in ``book/pictures/``, each below 150 kB, and are the only pictures in
the repository. Nothing of a real catalogue is in them.
"""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

from mmtutorial.course.runner import run

HERE = Path(__file__).resolve().parent / "pictures"
FIGURES = {  # picture → lesson, heading above the figure in the lesson
    "both.jpg": ("00", "Search by both"),
    "missing.png": ("08", "Missing and wrong parts"),
    "index.png": ("11", "Five indexes by name"),
}
QUERY = "black hat"
WIDEST = 1000  # pixels


def main():
    HERE.mkdir(exist_ok=True)
    lessons = sorted({lesson for lesson, _ in FIGURES.values()})
    results = HERE.parent.parent / "results"
    for metrics in run(lessons, results=results):
        if metrics["status"] != "passed":
            sys.exit(f"{metrics['lesson']} failed: {metrics['error']}")
        folder = results / "demo-quick" / metrics["lesson"]
        for name, (lesson, heading) in FIGURES.items():
            if metrics["lesson"].startswith(lesson):
                found = [one["file"] for one in metrics["figures"] if one["caption"] == heading]
                if not found:
                    captions = sorted({one["caption"] for one in metrics["figures"]})
                    sys.exit(f"lesson {lesson} has no figure under {heading!r}, but: {captions}")
                save(Image.open(folder / found[-1]), name)
    shop_page("shop.jpg")


def save(image, name):
    """At most ``WIDEST`` pixels wide; photos as JPEG, curves as PNG."""
    image = image.convert("RGB")
    image.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
    image.save(HERE / name, optimize=True, quality=85)
    print(f"{name}: {image.width} × {image.height}, {(HERE / name).stat().st_size / 1000:.0f} kB")


def shop_page(name):
    """Serve the drawn shop, search it, take a picture."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        sys.exit("the picture of the shop page needs Chromium: apt install chromium")
    program = Path(sys.executable).with_name("mmtutorial")
    command = [str(program), "app", "--no-browser", "--port", "8899"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            opened = (line for line in server.stdout if "The shop is open" in line)
            address = re.search(r"http://[\d.:]+", next(opened)).group()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox"]
                )
                page = browser.new_page(viewport={"width": 1280, "height": 860})
                page.goto(address)
                page.wait_for_selector("#grid img", timeout=120_000)
                page.fill("#words", QUERY)
                page.keyboard.press("Enter")
                page.wait_for_selector(f"#heading:has-text('{QUERY}')")
                page.wait_for_timeout(1500)
                picture = page.screenshot()
                browser.close()
        finally:
            server.terminate()
    save(Image.open(io.BytesIO(picture)), name)


if __name__ == "__main__":
    main()
