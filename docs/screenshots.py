"""Photograph the page into docs/page-*.png, and the bundle's report into docs/report.png.

    python docs/screenshots.py runs/cats-dogs/bundle photos/test    # pictures, laid out as CLASS/picture
    python docs/screenshots.py runs/cats-dogs/bundle                # the report alone

Debian's chromium must be installed. A service of its own is asked, at the pace of people.
"""

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

DOCS = Path(__file__).parent
PORT = 8765
ADDRESS = f"http://127.0.0.1:{PORT}"
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 920}}
DARK: dict[str, Any] = {"viewport": {"width": 1280, "height": 920}, "color_scheme": "dark"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 800},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
REPORT: dict[str, Any] = {"viewport": {"width": 800, "height": 1200}}
HEATED = 2  # cards with a heat map
TRAFFIC = 160  # pictures asked before the charts are photographed, which takes longer than the minute they show
PAUSE_S = 0.4


def main(bundle: Path, folder: Path) -> None:
    """Start the service, ask it, and photograph what the page says."""
    classes = sorted(place for place in folder.iterdir() if place.is_dir())
    by_class = [sorted(path for path in place.iterdir() if path.is_file()) for place in classes]
    pictures = list(chain.from_iterable(zip(*by_class, strict=False)))
    with service(bundle), sync_playwright() as playwright:
        browser = launch(playwright)

        def visit(look: dict[str, Any]) -> Page:
            page = browser.new_page(**look)
            page.goto(ADDRESS)
            return page

        ask(pictures, pause_s=0)  # of which drift has a verdict
        live = visit(DARK)
        live.get_by_role("link", name="Live").click()
        ask(pictures[:TRAFFIC], PAUSE_S)
        photograph(live, "live", whole=True)
        for name, look in (("pictures", WIDE), ("phone", PHONE)):
            page = visit(look)
            show(page, pictures[3:6] if look is WIDE else pictures[3:4])
            photograph(page, name)
        browser.close()


def report(bundle: Path) -> None:
    """The report's confusions, and the first row of its worst mistakes."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(**REPORT)
        page.goto((bundle / "report.html").resolve().as_uri())
        top = page.get_by_role("heading", name="Confusions").bounding_box()
        bottom = page.locator("h2:text('Worst mistakes') ~ .groups > li").first.bounding_box()
        assert top
        assert bottom
        end = bottom["y"] + bottom["height"] + 16
        clip = {"x": 0, "y": top["y"] - 16, "width": REPORT["viewport"]["width"], "height": end - top["y"] + 16}
        save(page.screenshot(full_page=True, clip=clip), DOCS / "report.png")  # type: ignore[arg-type]  # a dict of four numbers
        browser.close()


def ask(pictures: list[Path], pause_s: float) -> None:
    """Ask for each picture, one after another; now and then comes a file that is none."""
    with httpx.Client(base_url=ADDRESS) as client:
        for number, path in enumerate(pictures):
            client.post("/predict", content=path.read_bytes() if number % 30 else b"no picture")
            time.sleep(pause_s * (1 + 0.75 * (number % 20 < 8)))  # so that the charts have hills and valleys to show


def show(page: Page, pictures: list[Path]) -> None:
    """Choose pictures on the page, and look at the heat maps of the first."""
    page.set_input_files("#choose", pictures)
    cards = page.locator("[data-state=answered]")
    expect(cards).to_have_count(len(pictures), timeout=60_000)
    for number in range(min(HEATED, len(pictures))):
        cards.nth(number).get_by_role("button", name="Show where it looked").click()
        expect(cards.nth(number).locator("canvas")).to_be_visible(timeout=60_000)
    page.evaluate("document.activeElement.blur(); scrollTo(0, document.querySelector('.tools').offsetTop - 130)")
    if page.viewport_size and page.viewport_size["width"] >= WIDE["viewport"]["width"]:
        page.evaluate("scrollTo(0, 0)")


def photograph(page: Page, name: str, whole: bool = False) -> None:
    """What is on the screen, or the whole page."""
    page.mouse.move(1, 1)
    save(page.screenshot(full_page=whole), DOCS / f"page-{name}.png")


def save(screenshot: bytes, target: Path) -> None:
    """As small as PNG gets, without transparency."""
    Image.open(io.BytesIO(screenshot)).convert("RGB").save(target, optimize=True)
    print(f"wrote {target}, {target.stat().st_size // 1000} kB")


def launch(playwright: Playwright) -> Browser:
    """Debian's browser."""
    return playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])


@contextmanager
def service(bundle: Path) -> Iterator[None]:
    """A service of the bundle, from when it is ready until the block ends."""
    command = [sys.executable, "-m", "tapetum", "serve", str(bundle), "--port", str(PORT)]
    calm = os.environ | {"TAPETUM_ALERT_FOR_S": "3600"}  # of a machine that computes much else, nothing fires meanwhile
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=calm)
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
            while client.get(f"{ADDRESS}/ready").status_code != httpx.codes.OK:
                time.sleep(0.2)  # between two looks: it has a model to load
        yield
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    report(Path(sys.argv[1]))
    if sys.argv[2:]:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
