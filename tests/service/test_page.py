"""The page at `/` in a real browser, against a real service: what people do with it, and that everyone can."""

import io
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import encode
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, FilePayload, Locator, Page, expect, sync_playwright
from running import Service, ask_beyond_the_limit, frozen, post, running, serve_command
from tools import program

LIMIT = 3  # of pictures, which is also as many as the page sends at once
KEY = "an-api-key-of-the-shop"
WITHIN_MS = 30_000
BROWSER = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True},
}
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def service(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker, and room for three pictures; none is forgotten while it is looked at."""
    limits = {
        "TAPETUM_WORKERS": "1",
        "TAPETUM_MAX_PENDING": str(LIMIT),
        "TAPETUM_REQUEST_TIMEOUT_S": "60",
        "TAPETUM_WINDOW_S": "3600",
    }
    log = tmp_path_factory.mktemp("service") / "log"
    with running(serve_command(bundle_path), log, **limits) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = program("chromium")
    expect.set_options(timeout=WITHIN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Open]:
    """Open the page of a service; nothing may go wrong in it, and it may ask no other host."""
    wrong: list[str] = []
    contexts = []

    def heard(message: ConsoleMessage) -> None:
        # Chromium tells of each refusal of the service as well, which the page shows.
        is_refusal = "Failed to load resource" in message.text and "/page/" not in message.location["url"]
        if message.type in {"error", "warning"} and not is_refusal:
            wrong.append(message.text)

    def open_page(served: Service = service, **look: object) -> Page:
        address = str(served.client.base_url)
        context = browser.new_context(base_url=address, **({"reduced_motion": "reduce"} | look))
        context.set_default_timeout(WITHIN_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: wrong.append(asked.url) if is_elsewhere(asked.url, address) else None)
        page.goto("/")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def is_elsewhere(url: str, address: str) -> bool:
    return urlsplit(url).scheme in {"http", "https"} and urlsplit(url).netloc != urlsplit(address).netloc


def picture(content: bytes, name: str = "picture.png") -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def choose(page: Page, *pictures: FilePayload) -> None:
    page.get_by_label("Choose pictures").set_input_files(pictures)


def cards(page: Page, state: str) -> Locator:
    return page.locator(f"[data-state={state}]")


def answered(page: Page, count: int = 1) -> Locator:
    found = cards(page, "answered")
    expect(found).to_have_count(count)
    return found


def test_a_picture_is_answered_as_the_service_answers(visit, service, bright):
    said = post(service, bright).json()
    page = visit()

    choose(page, picture(bright, "tom.png"))

    card = answered(page)
    expect(card.get_by_role("heading")).to_have_text("tom.png")
    expect(card.locator(".answer")).to_contain_text(said["prediction"])
    shares = [f"{label}{share(p)}" for label, p in sorted(said["probabilities"].items(), key=lambda pair: -pair[1])]
    expect(card.get_by_role("listitem")).to_have_text(shares)
    expect(card).to_contain_text(re.compile(r"\d ms in the model, \d+(\.\d)? m?s there and back"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Show it a picture")
    expect(page).to_have_title("pictures · Tapetum")


def share(probability: float) -> str:
    """As the page writes it."""
    rounded = f"{100 * probability:.1f} %"
    return {"100.0 %": "> 99.9 %", "0.0 %": "< 0.1 %"}.get(rounded, rounded)


def test_many_at_once_are_all_answered_and_a_bad_one_is_refused_in_plain_words(visit, photos, jpeg):
    page = visit()
    files = [picture(photos[number % 3], f"{number}.png") for number in range(8)]

    choose(page, *files[:4], picture(b"dear diary", "diary.txt"), *files[4:], picture(jpeg[:-200], "half.jpg"))

    expect(page.get_by_text("10 pictures: 8 answered, 2 refused")).to_be_visible()
    diary, half = (cards(page, "refused").filter(has_text=name) for name in ("diary.txt", "half.jpg"))
    expect(diary).to_contain_text("This is not a picture")
    expect(diary).to_contain_text("Choose a JPEG, PNG, WebP, GIF, BMP or TIFF file.")
    expect(half).to_contain_text("The picture is damaged")
    names = page.locator("#cards").get_by_role("heading").all_inner_texts()
    assert names == ["0.png", "1.png", "2.png", "3.png", "diary.txt", *(f"{n}.png" for n in range(4, 8)), "half.jpg"]

    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_role("article")).to_have_count(0)


def test_a_pasted_picture_is_answered(visit, bright):
    page = visit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async (bytes) => {
            const blob = new Blob([new Uint8Array(bytes)], { type: "image/png" });
            await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        list(bright),
    )

    page.keyboard.press("ControlOrMeta+V")

    expect(answered(page).locator(".answer")).to_contain_text("bright")


def test_a_dropped_picture_is_answered_in_whatever_view(visit, bright):
    page = visit()
    page.get_by_role("link", name="Model").click()
    dropped = page.evaluate_handle(
        """(bytes) => {
            const dropped = new DataTransfer();
            dropped.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
            return dropped;
        }""",
        list(bright),
    )

    page.dispatch_event("main", "drop", {"dataTransfer": dropped})

    expect(answered(page)).to_contain_text("dropped.png")
    expect(page.get_by_role("link", name="Pictures")).to_have_attribute("aria-current", "page")


def test_a_full_service_is_asked_again_after_a_countdown(visit, service, bright):
    page = visit()
    with ThreadPoolExecutor(LIMIT + 2) as callers:
        with frozen(service.workers()):
            waiting = ask_beyond_the_limit(callers, lambda: post(service, bright, "60"), LIMIT)
            choose(page, picture(bright))
            expect(cards(page, "waiting")).to_contain_text(re.compile(r"The service is full. Trying again in \d+ s."))
        assert [future.result().status_code for future in waiting] == [200] * LIMIT

    answered(page)


def test_a_heat_map_is_shown_faded_asked_of_another_class_and_hidden(visit, bright):
    page = visit()
    explained: list[str] = []
    page.on("request", lambda asked: explained.append(asked.url) if "/explain" in asked.url else None)
    choose(page, picture(bright))
    card = answered(page)
    assert explained == []
    toggle = card.get_by_role("button", name="Show where it looked")

    toggle.click()

    heat = card.locator("canvas")
    expect(heat).to_be_visible()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    painted = Image.open(io.BytesIO(heat.screenshot()))
    assert len(painted.getcolors(painted.width * painted.height)) > 50
    card.get_by_label("Strength").fill("20")
    expect(heat).to_have_css("opacity", "0.2")
    card.get_by_label("What speaks for").select_option("dark")
    expect(card).to_contain_text("Yellow is what speaks most for dark in this picture.")
    card.get_by_label("What speaks for").select_option("bright")
    expect(card).to_contain_text("speaks most for bright")
    toggle.click()
    expect(heat).to_have_count(0)
    assert [url.rpartition("class=")[2].partition("&")[0] for url in explained] == ["bright", "dark"]


def test_charts_follow_what_the_service_is_asked(visit, service, photos):
    page = visit()
    page.get_by_role("status").get_by_role("link").click()
    classes = page.get_by_role("figure").filter(has=page.get_by_role("heading", name="Classes"))
    classes.get_by_text("Figures").click()
    before = service.client.get("/model-stats").json()["predictions"]

    for content in photos:
        post(service, content)

    expect(page.locator("#looked")).to_contain_text(f"{before + 3} predictions in the last")
    told = service.client.get("/model-stats").json()["classes"]
    for label in ("bright", "dark"):
        row = classes.get_by_role("row").filter(has=page.get_by_role("rowheader", name=label, exact=True))
        expect(row).to_contain_text(str(told[label]["count"]))
    for name in ("Traffic", "Errors", "Latency", "Confidence", "Machine"):
        chart = page.get_by_role("figure").filter(has=page.get_by_role("heading", name=name))
        expect(chart.locator("svg rect.column, svg path[d^=M]").first).to_be_attached()
    expect(page.get_by_role("row").filter(has_text="High Error Rate")).to_contain_text("fires above 5 %")


def test_a_challenger_is_told_of_where_there_is_one(visit, service):
    page = visit()
    page.get_by_role("link", name="Live").click()
    challenger = page.get_by_role("figure").filter(has=page.get_by_role("heading", name="Challenger"))
    expect(page.locator("#looked")).to_contain_text("in the last")
    expect(challenger).to_be_hidden()
    times = {"champion": {"p50": 4.0, "p95": 8.0}, "challenger": {"p50": 2.0, "p95": 3.0}}
    figures = {"agreement": 0.75, "compared": 20, "skipped": 3, "latency_ms": times, "trouble": None}
    told = service.client.get("/model-stats").json() | {"shadow": figures | {"model": {"version": "gloomy"}}}

    page.route("/model-stats", lambda route: route.fulfill(json=told))

    expect(challenger).to_contain_text("75.0 %")
    expect(challenger).to_contain_text("gloomy")
    expect(challenger.get_by_role("listitem").filter(has_text="p95 challenger")).to_contain_text("3.0 ms")


def test_the_model_card_is_told_and_the_report_opens_confined(visit, service):
    page = visit()
    told = service.client.get("/model-card").json()
    page.get_by_role("link", name="Model").click()

    expect(page.locator("#card")).to_contain_text(told["model"]["version"])
    expect(page.get_by_role("heading", name="Limits")).to_be_visible()
    recall = told["scores"]["classes"]["bright"]["recall"]["value"]
    expect(page.get_by_role("figure").filter(has_text="Recall")).to_contain_text(f"{100 * recall:.1f} %")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the report of its run").click()
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("pictures")
    assert opened.value.evaluate("origin") == "null"


def test_a_key_is_asked_for_kept_in_the_tab_and_forgotten(visit, start, bright, tmp_path):
    """Of a service of its own, which nobody has asked yet, and which ends while it is looked at."""
    keys = tmp_path / "keys"
    keys.write_text(KEY)
    closed = start(TAPETUM_API_KEYS_FILE=str(keys), TAPETUM_WORKERS="1")
    page = visit(closed)
    dialog, field = page.get_by_role("dialog"), page.get_by_label("Key", exact=True)

    choose(page, picture(bright))
    field.fill("a-key-that-nobody-gave-out")
    page.get_by_role("button", name="Use this key").click()
    expect(dialog).to_contain_text("That key does not open this service.")
    page.get_by_role("button", name="Not now").click()
    expect(cards(page, "refused")).to_contain_text("A key is needed")
    page.get_by_role("button", name="Clear all").click()
    page.get_by_role("link", name="Live").click()
    page.locator("#live-notice").get_by_role("button", name="Enter a key").click()
    field.fill(KEY)
    field.press("Enter")

    expect(dialog).to_be_hidden()
    expect(page.get_by_text("No data yet: no picture in the last minute.").first).to_be_visible()
    kept = "[JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie, location.href]"
    assert [KEY in place for place in page.evaluate(kept)] == [True, False, False, False]
    page.reload()
    choose(page, picture(bright))
    answered(page)
    page.get_by_role("link", name="Model").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the report of its run").click()
    assert "<h1>pictures</h1>" in saved.value.path().read_text()
    page.get_by_role("button", name="Change key").click()
    page.get_by_role("button", name="Forget it").click()
    expect(page.locator("#card").get_by_text("This service answers those who have a key.")).to_be_visible()
    assert KEY not in closed.log.read_text()

    closed.process.kill()
    expect(page.get_by_role("alert").filter(has_text="The service has not answered since")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Service away")).to_be_visible()


def test_a_wrong_answer_can_be_corrected_where_the_service_takes_that(visit, bright):
    page = visit()
    choose(page, picture(bright))
    expect(answered(page).get_by_text("Is this right?")).to_have_count(0)
    sent = []
    page.route("/", lambda route: route.fulfill(response=(got := route.fetch()), body=offering(got.text())))
    page.route("/feedback", lambda route: (sent.append(route.request.post_data_json), route.fulfill(json={})))
    page.reload()
    choose(page, picture(bright))

    answered(page).get_by_text("Is this right?").click()
    page.get_by_label("It shows").select_option("dark")
    page.get_by_role("button", name="Tell the service").click()

    expect(page.get_by_text("Noted as dark. Thank you.")).to_be_visible()
    assert [said.keys() for said in sent] == [{"request_id", "label"}]
    assert sent[0]["label"] == "dark"


def offering(html: str) -> str:
    """The page of a service that takes feedback."""
    assert 'name="offered" content=""' in html
    return html.replace('name="offered" content=""', 'name="offered" content="/feedback"')


def test_the_keyboard_is_enough(visit, bright):
    page = visit()
    chosen = [picture(bright, "first.png"), picture(bright, "second.png")]
    page.on("filechooser", lambda chooser: chooser.set_files(chosen))

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Choose pictures")).to_be_focused()
    page.keyboard.press("Enter")
    first = answered(page, 2).first
    reach(page, first.get_by_role("button", name="Show where it looked"))
    page.keyboard.press("Space")
    expect(first.locator("canvas")).to_be_visible()
    reach(page, first.get_by_label("Strength"))
    page.keyboard.press("ArrowLeft")
    expect(first.locator("canvas")).to_have_css("opacity", "0.74")
    reach(page, page.get_by_role("button", name="Remove second.png"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove first.png")).to_be_focused()
    reach(page, page.get_by_role("link", name="Live"), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Live", exact=True)).to_be_focused()


def reach(page: Page, place: Locator, key: str = "Tab") -> None:
    """Move the focus by one key until it is there."""
    for _ in range(30):
        page.keyboard.press(key)
        if place.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{place} cannot be reached")


def test_what_is_unlike_the_training_data_is_said_to_be(visit, bright):
    page = visit()
    page.route("/predict", lambda route: route.fulfill(json=route.fetch().json() | {"unlike_training": True}))

    choose(page, picture(bright))

    expect(answered(page)).to_contain_text(
        "Unlike the pictures that the model learnt from: do not rely on this answer."
    )


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_bars_anyone(visit, service, photos, look):
    """Every rule of axe-core, WCAG 2 A and AA among them, on each view; nor does a phone scroll sideways."""
    page = visit(**LOOKS[look])
    post(service, photos[0])
    choose(
        page,
        picture(photos[0]),
        picture(photos[1]),
        picture(b"dear diary", "a-name-" + "as-long-as-" * 9 + "it-gets.txt"),
    )
    answered(page, 2).first.get_by_role("button", name="Show where it looked").click()
    expect(page.locator("canvas")).to_be_visible()
    expect(cards(page, "refused")).to_have_count(1)

    for view in ("Pictures", "Live", "Model"):
        page.get_by_role("link", name=view, exact=True).click()
        expect(page.locator(f"#view-{view.lower()}")).to_be_visible()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view


def test_a_large_photograph_has_its_heat_where_it_is(visit, service):
    """The drawing covers the picture as it is shown, not the room around it."""
    page = visit()
    choose(page, picture(encode(np.full((300, 900, 3), 200, np.uint8)), "wide.jpg"))
    card = answered(page)
    card.get_by_role("button", name="Show where it looked").click()
    expect(card.locator("canvas")).to_be_visible()

    shown, heat = card.get_by_role("img").bounding_box(), card.locator("canvas").bounding_box()

    assert heat == pytest.approx(shown, abs=1)
    assert shown["width"] / shown["height"] == pytest.approx(3, rel=0.02)
