"""Pages of a run in headless Chromium with the network cut: requests, errors, accessibility, controls, print."""

import re
import shutil
from contextlib import contextmanager

import nbformat
import pandas as pd
import pytest

from crm_utils.report.headlines import MIME, make_headline
from crm_utils.report.overview import render_overview
from crm_utils.report.render import render_page
from crm_utils.report.run import run_report
from crm_utils.tables import table_html

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the path")

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-default-apps"),
    *("--disable-background-networking", "--disable-component-update", "--disable-domain-reliability"),
)
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
PAGES = ("index", "00_getting_started", "03_value", "everything", "sweep")
OPEN_ALL = "document.querySelectorAll('details').forEach(details => { details.open = true; })"

TABLE = pd.DataFrame(
    {
        "product id": ["=1+1", "-5", "@x", 'a "b", c', "客户"],
        "amount": [-1234.5678, 0.1 + 0.2, float("nan"), 20.0, 3.0],
        "first seen": pd.to_datetime(["2025-03-01", "2024-12-31", None, "2025-01-15", "2025-02-01"]),
    }
)
CSV = (
    "\ufeffproduct id,amount,first seen\r\n"
    "'=1+1,-1234.5678,2025-03-01\r\n"
    "'-5,0.30000000000000004,2024-12-31\r\n"
    "'@x,,\r\n"
    '"a ""b"", c",20.0,2025-01-15\r\n'
    "客户,3.0,2025-02-01\r\n"
)


def everything():
    """One of each kind that a page can hold."""
    output, display = nbformat.v4.new_output, lambda data: nbformat.v4.new_output("display_data", data)
    cards = [
        make_headline("Revenue", 110, unit="CNY", better="higher", low=100, high=120, previous=100),
        make_headline("Churn", 0.2, unit="share", better="lower", previous=0.1, previous_label="2024"),
        make_headline("Orders", float("nan")),
    ]
    long_code = f"numbers = [{', '.join(map(str, range(80)))}]  # a comment\nname = 'text'"
    cells = [
        nbformat.v4.new_markdown_cell("# 99 · Everything (一切)\n\n> A quotation of $x^2$.", id="title"),
        nbformat.v4.new_code_cell(long_code, id="cards", outputs=[display({MIME: card}) for card in cards]),
        nbformat.v4.new_markdown_cell("## Tables\n\n| a | b |\n|---|--:|\n| 1 | 2 |", id="tables"),
        nbformat.v4.new_code_cell(
            "table",
            id="table",
            outputs=[
                display({"text/html": table_html(TABLE, caption="Some <b> products")}),
                display({"text/html": table_html(pd.DataFrame({"n": range(30)}), caption="Many rows", max_rows=3)}),
                display({"text/html": TABLE[["amount"]].head(2).to_html(index=False)}),
                display({"text/html": table_html(pd.DataFrame([range(100_000, 100_040)]), caption="Wide")}),
            ],
        ),
        nbformat.v4.new_markdown_cell("## Messages\n\n### Deep\n\n#### Deeper", id="messages"),
        nbformat.v4.new_code_cell(
            "1 / 0",
            id="fails",
            outputs=[
                output("stream", name="stdout", text="printed " * 40),
                output("stream", name="stderr", text="UserWarning: beware"),
                display({"text/latex": "$$\\sum_i x_i$$"}),
                output("error", ename="ZeroDivisionError", evalue="division by zero", traceback=["line " * 60]),
            ],
        ),
    ]
    page = {
        "title": "99 · Everything",
        "company": {
            "name": '"</style><b>Tea</b>',
            "period": "2025-01-01 to 2025-03-01",
            "is_demo": False,
            "tables": ["order_lines"],
            "data_hash": "0123456789abcdef",
            "set_aside_html": table_html(pd.DataFrame({"table": ["order_lines"], "rows": [3]})),
        },
        "as_of": "2025-03-02",
        "parameters": [{"name": "top", "value": "x" * 300, "default": "–", "help": "share", "changed": True}],
        "outcome": {
            "status": "failed",
            "reason": "A cell failed.",
            "cell": 3,
            "source": "1 / 0",
            "error": "ZeroDivisionError",
            "message": "division by zero",
        },
        "versions": {"Python": "3.11"},
        "notebook_file": "everything.ipynb",
    }
    return render_page(nbformat.v4.new_notebook(cells=cells), page, notebook_folder="")


def sweep():
    """An overview of two runs, one of them in trouble."""
    good = {
        **dict.fromkeys(("cell", "source", "error", "message", "reason"), ""),
        "name": "03_value",
        "title": "03 · Value (客户区分)",
        "status": "ok",
        "page": "03_value.html",
        "headlines": [make_headline("Gini of revenue", 0.61234, low=0.6, high=0.63)],
    }
    bad = {**good, "status": "failed", "reason": "Code cell 5 failed.", "error": "ValueError", "headlines": []}
    combinations = [
        {"folder": folder, "values": {"region": folder}, "results": [result]}
        for folder, result in (("north", good), ("south", bad))
    ]
    return render_overview(combinations, company="Tea")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    run = run_report(["00", "03"], parameters={"n_boot": 100}, out=out)
    assert run.ok
    for name, page in (("everything", everything()), ("sweep", sweep())):
        (out / f"{name}.html").write_text(page, encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, folder):
    """Open pages; when they are closed, fail on any console message, error or request for anything but the pages."""

    @contextmanager
    def opened(name, *, width=1280, height=900, before="", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **options)
        context.route(
            "**/*", lambda route: route.continue_() if route.request.url.startswith("file://") else route.abort()
        )
        trouble, requested = [], []
        context.on("console", lambda message: trouble.append(message.text))
        context.on("weberror", lambda error: trouble.append(str(error.error)))
        context.on("request", lambda request: requested.append(request.url))
        if before:
            context.add_init_script(before)
        page = context.new_page()
        page.goto((folder / f"{name}.html").as_uri())
        yield page
        context.close()
        assert trouble == []
        assert {url for url in requested if not url.startswith("data:")} <= {
            (folder / f"{page}.html").as_uri() for page in PAGES
        }

    return opened


def colour(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_pages_ask_for_nothing_and_break_no_rule_of_accessibility(visit, name, theme):
    with visit(name, color_scheme=theme) as page:
        assert (colour(page) == "rgb(255, 255, 255)") is (theme == "light")
        page.evaluate(OPEN_ALL)
        found = axe_api.Axe().run(page, options={"runOnly": list(RULES), "resultTypes": ["violations"]})
        violations = [
            (rule["id"], node["target"], node["failureSummary"])
            for rule in found.response["violations"]
            for node in rule["nodes"]
        ]
        assert violations == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_needs_no_sideways_scroll(visit, name):
    with visit(name, width=390, height=800, is_mobile=True, has_touch=True) as page:
        page.evaluate(OPEN_ALL)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_network_is_really_cut_and_foreign_scripts_do_not_run(browser, folder, tmp_path):
    forged = (folder / "index.html").read_text(encoding="utf-8")
    forged = forged.replace(
        "</main>", '<img src="https://example.org/x.png"><script>document.title = "run"</script></main>'
    )
    (tmp_path / "forged.html").write_text(forged, encoding="utf-8")
    page = browser.new_page()
    blocked = []
    page.on("console", lambda message: blocked.append(message.text))
    page.goto((tmp_path / "forged.html").as_uri())
    assert page.title() != "run"
    assert sum("Content Security Policy" in message for message in blocked) == 2
    page.close()


def test_the_contents_lead_to_sections_and_mark_the_current_one(visit):
    with visit("03_value") as page:
        links = page.locator(".toc a")
        for position in (4, 1, links.count() - 1):
            links.nth(position).click()
            heading = page.locator(f"[id='{links.nth(position).get_attribute('href').removeprefix('#')}']")
            assert 0 <= heading.bounding_box()["y"] < 900 / 4
            sync_api.expect(links.nth(position)).to_have_attribute("aria-current", "location")
            assert page.locator(".toc a[aria-current]").count() == 1
        assert page.locator(".toc").bounding_box()["y"] == 0  # it has come along
        # A jump into the middle of a section, with no heading in sight of the reader's line.
        page.evaluate(
            "scrollTo(0, scrollY + document.querySelectorAll('main h2')[3].getBoundingClientRect().top + 350)"
        )
        sync_api.expect(links.nth(3)).to_have_attribute("aria-current", "location")


def test_on_a_phone_the_contents_fold_away_and_do_not_cover_the_heading(visit):
    with visit("03_value", width=390, height=800) as page:
        link = page.locator(".toc a").nth(3)
        assert not link.is_visible()
        page.locator(".toc summary").click()
        link.click()
        assert not link.is_visible()
        heading = page.locator("main h2").nth(3)
        bar = page.locator(".toc").bounding_box()
        assert bar["y"] == 0
        assert bar["height"] <= heading.bounding_box()["y"] < 200


def test_code_opens_by_the_cell_and_all_at_once(visit):
    with visit("03_value") as page:
        code = page.locator("details.code")
        opened = page.locator("details.code[open]")
        assert opened.count() == 0
        code.first.locator("summary").focus()
        page.keyboard.press("Enter")
        assert opened.count() == 1
        page.get_by_role("button", name="Show all code").click()
        assert opened.count() == code.count() > 10
        page.get_by_role("button", name="Hide all code").click()
        assert opened.count() == 0


def test_a_table_sorts_by_click_and_keyboard_and_finds_back(visit):
    def column(number):
        return table.locator(f"tbody td:nth-child({number})").all_text_contents()

    with visit("everything") as page:
        table = page.locator("table", has_text="Some <b> products")
        before = column(1)
        table.get_by_role("button", name="amount").click()
        assert column(2) == ["-1,235", "0", "3", "20", "–"]
        assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
        page.keyboard.press("Enter")
        assert column(2) == ["20", "3", "0", "-1,235", "–"]
        assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
        page.keyboard.press("Enter")
        assert column(1) == before
        assert table.locator("th[aria-sort]").count() == 0
        table.get_by_role("button", name="first seen").click()
        assert column(3) == ["2024-12-31", "2025-01-15", "2025-02-01", "2025-03-01", "–"]


def test_a_table_downloads_in_full_precision_and_defused(visit):
    with visit("everything") as page:
        table = page.locator(".scroll", has_text="Some <b> products")
        with page.expect_download() as download:
            table.locator("+ .csv").click()
        assert download.value.suggested_filename == "everything-some-b-products.csv"
        assert download.value.path().read_bytes().decode("utf-8") == CSV
        cut = page.locator(".scroll", has_text="Many rows").locator("+ .csv")
        assert cut.text_content() == "Download these rows as CSV"
        with page.expect_download() as download:
            page.locator(".scroll", has=page.locator(".dataframe")).locator("+ .csv").click()
        frame = pd.read_csv(download.value.path())
        assert frame["amount"].tolist() == [-1234.5678, 0.3]  # a negative number is no formula
    with visit("sweep") as page:
        with page.expect_download() as download:
            page.locator(".csv").click()
        assert download.value.path().read_bytes().decode("utf-8-sig").splitlines()[1] == "Gini of revenue,0.61234,"


def test_the_theme_switch_holds_over_pages_and_returns_to_the_system(visit):
    watch = """new MutationObserver(() => {
        if (document.body && window.first === undefined) window.first = document.documentElement.dataset.theme ?? "";
    }).observe(document, { childList: true, subtree: true });"""
    with visit("index", color_scheme="light", before=watch) as page:
        switch = page.get_by_role("button", name="Dark")
        light = colour(page)
        assert switch.get_attribute("aria-pressed") == "false"
        switch.click()
        assert switch.get_attribute("aria-pressed") == "true"
        dark = colour(page)
        assert dark != light
        page.locator(".statuses a").first.click()
        page.wait_for_url("**/00_getting_started.html")
        assert page.evaluate("window.first") == "dark"  # chosen before anything was painted
        assert colour(page) == dark
        page.get_by_role("button", name="Dark").click()
        assert colour(page) == light
        assert page.evaluate("localStorage.length") == 0
        page.emulate_media(color_scheme="dark")
        assert colour(page) == dark


def test_the_theme_switch_works_where_storage_is_refused(visit):
    refuse = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } });"
    with visit("index", color_scheme="dark", before=refuse) as page:
        page.get_by_role("button", name="Dark").click()
        assert colour(page) == "rgb(255, 255, 255)"


def test_the_keyboard_finds_the_content_and_shows_where_it_is(visit):
    with visit("03_value") as page:
        page.keyboard.press("Tab")
        skip = page.locator(":focus")
        assert skip.text_content() == "Skip to the content"
        assert skip.bounding_box()["x"] >= 0
        for _ in range(6):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            page.keyboard.press("Tab")
        assert page.locator("main").count() == 1


def test_figures_lie_on_their_own_plate_and_show_their_numbers(visit):
    with visit("03_value", color_scheme="dark") as page:
        images = page.locator("figure img")
        assert images.count() >= 5
        for image in images.all():
            assert len(image.get_attribute("alt")) > 30
            assert image.evaluate("image => image.complete && image.naturalWidth > 200")
        plate = page.locator(".plate").first.evaluate("plate => getComputedStyle(plate).backgroundColor")
        assert min(map(int, re.findall(r"\d+", plate))) > 200
        numbers = page.locator("figure details").first
        numbers.locator("summary").click()
        assert numbers.locator("tbody tr").count() > 3
        assert numbers.locator("tbody tr").first.is_visible()


@pytest.mark.parametrize("name", ["index", "03_value", "everything"])
def test_print_is_a4_in_light_without_code_and_controls(visit, name):
    with visit(name, color_scheme="dark") as page:
        page.evaluate(OPEN_ALL)
        page.emulate_media(media="print", color_scheme="dark")
        assert colour(page) == "rgb(255, 255, 255)"
        for hidden in ("details.code", ".toc", "button.theme", ".code-buttons", ".csv", ".numbers"):
            assert not any(element.is_visible() for element in page.locator(hidden).all())
        document = page.pdf(prefer_css_page_size=True)
        sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", document)
        assert sizes
        for width, height in sizes:
            assert float(width) == pytest.approx(210 / 25.4 * 72, abs=1)
            assert float(height) == pytest.approx(297 / 25.4 * 72, abs=1)
