"""The pages in a real browser. Pictures of them are left in ``build/pages``."""

from __future__ import annotations

import csv
import html
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.project.test_notebook import NOTEBOOKS
from tests.support import ROOT
from tests.support.pages import PAGES, SECTIONS, first_index, index, page, plan

pytestmark = pytest.mark.system
PICTURES = ROOT / "build" / "pages"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as files, the role's in its own folder."""
    made = tmp_path_factory.mktemp("pages")
    (made / "roles").mkdir()
    for name in PAGES:
        place = made / (f"{name}.html" if "index" in name else f"roles/{name}.html").replace(" ", "-")
        place.write_text(page(name), "utf-8")
    return made


class Visit:
    """A page in a browser, and whatever it did that it should not have done."""

    def __init__(self, browser: Any, folder: Path, name: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on(
            "dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        self.requests: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.address = (
            folder / f"{'' if 'index' in name else 'roles/'}{name.replace(' ', '-')}.html"
        ).as_uri()
        self.page.goto(self.address)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


OUTSIDE = """width => [...document.querySelectorAll("#role-table > tbody > tr > *")]
    .filter(cell => cell.scrollWidth > cell.clientWidth + 1 || cell.getBoundingClientRect().right > width
        || !cell.offsetParent)
    .map(cell => cell.innerText)"""
"""The cells of the index that a reader sees only by scrolling, or not at all."""
LOOKS = [("light", 1280), ("dark", 390), ("dark", 1280), ("light", 390)]


@pytest.mark.parametrize("name", ["role", "everything", "index", "index of two accounts"])
def test_a_page_is_quiet_fits_and_is_accessible_in_both_schemes(
    chromium: Any, folder: Path, name: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    PICTURES.mkdir(parents=True, exist_ok=True)
    for scheme, width in LOOKS[: 2 if name == "everything" else 4]:
        with Visit(
            chromium, folder, name, viewport={"width": width, "height": 900}, color_scheme=scheme
        ) as visit:
            assert visit.page.evaluate("document.documentElement.scrollWidth") == width
            assert visit.page.evaluate(OUTSIDE, width) == []
            if name != "everything":
                visit.page.screenshot(path=PICTURES / f"{name}-{scheme}-{width}.png", full_page=True)
            if (scheme, width) != ("light", 390):
                assert [
                    (one["id"], one["nodes"][0]["html"]) for one in axe.run(visit.page).response["violations"]
                ] == []
            assert visit.wrong == []
            assert visit.requests == [visit.address]


def test_a_page_is_complete_without_scripts(chromium: Any, folder: Path) -> None:
    with Visit(chromium, folder, "everything", java_script_enabled=False) as visit:
        for name in ["glance", *SECTIONS]:
            assert visit.page.locator(f"#{name}").is_visible(), name
        for control in ("#changes .filter", "#policies .copy"):
            assert not visit.page.locator(control).first.is_visible()
        shown = visit.page.locator("#change-table > tbody > tr")
        assert all(shown.nth(i).is_visible() for i in range(0, shown.count(), 7))
        assert visit.wrong == []


def visible(visit: Visit, table: str) -> list[str]:
    found: list[str] = visit.page.eval_on_selector_all(
        f"#{table} > tbody > tr", "rows => rows.filter(row => row.offsetParent).map(row => row.innerText)"
    )
    return found


def choose(visit: Visit, what: str, value: str) -> None:
    """Chooses a value, whatever number its label has."""
    box = visit.page.get_by_label(what)
    token = box.evaluate("(one, text) => [...one.options].find((each) => each.text === text).value", value)
    box.select_option(value=token)


def test_the_tables_are_filtered_and_sorted_with_the_keyboard_alone(chromium: Any, folder: Path) -> None:
    with Visit(chromium, folder, "index") as visit:
        keys, focused = visit.page.keyboard, visit.page.locator(":focus")
        keys.press("Tab")
        assert focused.inner_text() == "Skip to the content"
        assert focused.bounding_box()["x"] >= 0  # it can be seen
        while focused.evaluate("one => one.type") != "search":
            keys.press("Tab")
        assert focused.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
        keys.type("CONSUMER-3")
        assert {row.split()[0] for row in visible(visit, "role-table")} == {
            f"payments-stream-consumer-{i}" for i in (3, *range(30, 40))
        }
        assert visit.page.locator("#choose [role=status]").inner_text() == "11 of 40 rows"
        keys.press("Tab")
        keys.type("yes")
        assert [row.split()[0] for row in visible(visit, "role-table")] == ["payments-stream-consumer-35"]
        keys.press("Home")
        keys.press("Shift+Tab")
        keys.press("Control+A")
        keys.press("Delete")
        assert len(visible(visit, "role-table")) == 40
        while focused.inner_text() != "Now":
            keys.press("Tab")
        keys.press("Enter")
        keys.press("Enter")
        assert visit.page.locator("#role-table [aria-sort]").get_attribute("aria-sort") == "descending"
        assert visible(visit, "role-table")[0].split()[0] == "payments-stream-consumer-39"
        keys.press("Enter")
        assert visible(visit, "role-table")[0].split()[0] == "payments-stream-consumer-0"
        assert visit.wrong == []


def test_the_address_keeps_the_filters_of_the_index(chromium: Any, folder: Path) -> None:
    with Visit(chromium, folder, "index") as visit:
        tables = lambda: len(visible(visit, "role-table"))  # noqa: E731
        assert "#" not in visit.page.url
        labels = "one => [...one.options].map((each) => each.label)"
        assert "team=orders (13)" in visit.page.get_by_label("Tag").evaluate(labels)
        choose(visit, "Tag", "team=orders")
        assert tables() == 13
        choose(visit, "Used by", "lambda")
        visit.page.get_by_label("Find").fill("consumer-1")
        left = visible(visit, "role-table")
        assert [row.split()[0][-2:] for row in left] == ["10", "16"]
        assert visit.page.url.endswith("index.html#find=consumer-1&tag=team%3Dorders&runs=lambda")
        link = visit.page.url
        visit.page.goto("about:blank")
        visit.page.goto(link)
        assert visible(visit, "role-table") == left
        assert visit.page.get_by_label("Tag").input_value() != ""
        visit.page.get_by_role("button", name="Show all").click()
        assert tables() == 40
        visit.page.goto(f"{visit.address}#owner=(none)")
        assert tables() == 13  # nobody owns them
        for unknown in ("tag=nobody", "answer=no+such", "rooms=blue&tag=team%3Dorders"):
            visit.page.goto(f"{visit.address}#{unknown}")
            assert tables() == 0  # a link of another batch: no row has what it asks for
            assert visit.page.locator("#choose [role=status]").inner_text() == "0 of 40 rows"
        assert visit.page.get_by_label("Rooms").evaluate("one => one.selectedOptions[0].label") == "blue (0)"
        visit.page.get_by_role("button", name="Show all").click()
        assert tables() == 40
        visit.page.goto(f"{visit.address}#answer=look+first")
        assert {row.split("\t")[1] for row in visible(visit, "role-table")} == {"look first"}
        assert visit.wrong == []


def test_the_questions_are_those_of_the_roles_that_are_shown(chromium: Any, folder: Path) -> None:
    with Visit(chromium, folder, "index") as visit:
        status = visit.page.locator("#questions [role=status]")
        numbers = lambda: visit.page.locator("#question-table strong:visible").all_inner_texts()  # noqa: E731
        places = lambda: visit.page.locator("#question-table tr:visible > td:nth-child(2)").all_inner_texts()  # noqa: E731
        everyones = visit.page.locator("#data-events")
        assert everyones.is_visible()
        assert status.inner_text() == "6 of 9 questions"
        assert numbers() == ["40 roles", "20 roles", "14 roles", "10 roles", "8 roles", "7 roles"]
        before = places()
        visit.page.get_by_role("button", name="Show 3 more").click()
        assert (status.inner_text(), len(numbers())) == ("9 of 9 questions", 9)
        visit.page.get_by_role("button", name="Show fewer").click()
        visit.page.get_by_label("Find").fill("consumer-35")
        assert (
            numbers() == ["1 role"] * 2
        )  # the first question is everybody's, the fifth that of each fifth role
        assert {place.strip() for place in places()} == {"payments-stream-consumer-35"}
        assert status.inner_text() == "2 of 2 questions of these roles"
        visit.page.get_by_label("Find").fill("consumer-2")
        assert status.inner_text() == "6 of 9 questions of these roles"
        visit.page.get_by_label("Find").fill("consumer-20")
        assert status.inner_text() == "5 of 5 questions of these roles"
        visit.page.get_by_label("Find").fill("")
        choose(visit, "Owner", "orders")
        assert numbers()[0] == f"{len(visible(visit, 'role-table'))} roles"
        assert status.inner_text() == "6 of 6 questions of these roles"
        assert not everyones.is_visible()  # the command is about the services of all roles
        visit.page.get_by_role("button", name="Show all").click()
        assert (places(), numbers()[0]) == (before, "40 roles")
        assert visit.wrong == []


def test_what_is_filtered_is_saved_as_csv(chromium: Any, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "index.html"
    bad = index(1, role="=HYPERLINK(1)", reason='so "that"; =1', path="/", owner="", plan="")
    place.write_text(first_index([*index(12), *bad]), "utf-8")
    with Visit(chromium, tmp_path, "index", accept_downloads=True) as visit:
        with visit.page.expect_download() as download:
            visit.page.get_by_role("button", name="Save as CSV").click()
        assert download.value.suggested_filename == "roles-filtered.csv"
        with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
            head, *lines = csv.reader(file)
        assert head == ["Role", "ARN", "Account", "Path", "Owner", "Safe to apply?", "Last call", "Now", "Needed",
                        "Unverified", "Reasons", "Questions", "Paths", "Days", "Replay", "Why", "Trust policy",
                        "Trust rule", "Tag", "Uses", "Used by"]  # fmt: skip
        cells = dict(zip(head, lines[1], strict=True))
        arn = "arn:aws:iam::111122223333:role/service-role/payments-stream-consumer-1"
        assert (cells["Role"], cells["ARN"], cells["Account"]) == (
            arn.rpartition("/")[2],
            arn,
            "111122223333",
        )
        assert (cells["Path"], cells["Owner"], cells["Tag"]) == (
            "/service-role/",
            "orders",
            "stage=prod, team=orders",
        )
        assert (cells["Safe to apply?"], cells["Now"], cells["Uses"]) == (
            "look first",
            "9413",
            "dynamodb, kms",
        )
        cells = dict(zip(head, lines[-1], strict=True))
        assert (cells["Role"], cells["Owner"], cells["Why"]) == ("'=HYPERLINK(1)", "", 'so "that";\' =1')
        assert cells["ARN"] == bad[0].arn  # as the account has it, though the name is another
        choose(visit, "Owner", "orders")
        with visit.page.expect_download() as download:
            visit.page.get_by_role("button", name="Save as CSV").click()
        shown = Path(download.value.path()).read_text("utf-8").splitlines()
        assert len(shown) == 1 + len(visible(visit, "role-table")) == 5
        assert visit.wrong == []


@pytest.mark.parametrize("width", [800, 1280])
def test_the_head_of_the_index_stays_in_sight(chromium: Any, folder: Path, width: int) -> None:
    screen = {"viewport": {"width": width, "height": 900}, "reduced_motion": "reduce"}
    with Visit(chromium, folder, "index", **screen) as visit:
        # On a narrow screen the table scrolls in a box of its own, which is lower than the screen.
        scrolled = "document.querySelector('.stuck').scrollTop = 600" if width < 1000 else "scrollBy(0, 600)"
        visit.page.evaluate(f"document.querySelector('.stuck').scrollIntoView(); {scrolled}")
        first, head = (
            visit.page.locator(f"#role-table {part}").first.bounding_box()
            for part in ("tbody tr", "thead th")
        )
        assert first is not None
        assert head is not None
        assert first["y"] < -100
        assert 0 <= head["y"] < 200


def test_a_cell_of_the_heat_map_says_its_number_when_it_is_pointed_at(chromium: Any, folder: Path) -> None:
    with Visit(chromium, folder, "role") as visit:
        strip = visit.page.locator("svg.strip").nth(1)
        before = strip.screenshot()
        strip.hover()
        (calendar,) = (row for row in plan().calendar.rows if row.service == "kms")
        days = plan().calendar.days
        tips = strip.locator("title").all_text_contents()
        assert tips == [f"{day}: {number}" for day, number in zip(days, calendar.events, strict=True)]
        pointed = "document.elementsFromPoint({x}, {y})[0].querySelector('title').textContent"
        box = strip.bounding_box()
        assert box is not None
        for i, tip in enumerate(tips):
            place = {"x": box["x"] + box["width"] * (i + 0.5) / len(tips), "y": box["y"] + box["height"] / 2}
            assert visit.page.evaluate(pointed.format(**place)) == tip
        visit.page.mouse.move(0, 0)
        assert strip.screenshot() == before
        assert visit.wrong == []


def test_a_policy_is_copied_whole(chromium: Any, folder: Path) -> None:
    with Visit(chromium, folder, "role", permissions=["clipboard-read", "clipboard-write"]) as visit:
        button = visit.page.locator("#policies .copy").first
        button.focus()
        visit.page.keyboard.press("Enter")
        visit.page.get_by_text("Copied", exact=False).first.wait_for()
        copied = visit.page.evaluate("navigator.clipboard.readText()")
        assert json.loads(copied) == plan().policies[0].document
        assert visit.wrong == []


def test_the_ramp_leads_from_the_ground_to_the_darkest_or_brightest_in_both_schemes(
    chromium: Any, folder: Path
) -> None:
    for scheme in ("light", "dark"):
        with Visit(chromium, folder, "role", color_scheme=scheme) as visit:
            colours = visit.page.evaluate(
                "['ground','zero','h1','h2','h3','h4','h5'].map(name => {"
                "const probe = document.createElementNS('http://www.w3.org/2000/svg', 'rect');"
                "document.querySelector('svg.strip').append(probe);"
                "probe.setAttribute('fill', getComputedStyle(document.documentElement).getPropertyValue('--' + name));"
                "return getComputedStyle(probe).fill.match(/\\d+/g).map(Number)})"
            )
        lights = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in colours]
        steps = [abs(light - lights[0]) for light in lights]
        assert steps == sorted(steps), scheme
        assert min(b - a for a, b in pairwise(steps)) > 8, (scheme, lights)


def test_a_page_prints(chromium: Any, folder: Path) -> None:
    with Visit(chromium, folder, "role", color_scheme="dark") as visit:
        data = visit.page.pdf(format="A4")
        assert data.startswith(b"%PDF")
        visit.page.emulate_media(media="print", color_scheme="dark")
        assert not visit.page.locator("nav.toc").is_visible()
        ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(255, 255, 255)"  # paper, whatever the screen's scheme


@pytest.mark.parametrize("notebook", ["orders_api", "account", "window"])
def test_what_a_notebook_shows_is_quiet_fits_and_is_accessible_in_both_schemes(
    chromium: Any, tmp_path: Path, notebook: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    shown = [
        "".join(out.get("data", {}).get("text/html", "")) for cell in cells for out in cell.get("outputs", ())
    ]
    frames = [one for one in shown if one.startswith("<iframe sandbox ")]
    assert frames
    PICTURES.mkdir(parents=True, exist_ok=True)
    (tmp_path / "roles").mkdir()
    for number, frame in enumerate(frames):
        inner = re.search(r'srcdoc="([^"]*)"', frame)
        assert inner
        name = f"{notebook}-{number}"
        (tmp_path / "roles" / f"{name}.html").write_text(html.unescape(inner[1]), "utf-8")
        for scheme, width in LOOKS[:2]:
            size = {"width": width, "height": 500}
            with Visit(chromium, tmp_path, name, viewport=size, color_scheme=scheme) as visit:
                assert visit.page.evaluate("document.documentElement.scrollWidth") == width
                visit.page.screenshot(path=PICTURES / f"notebook-{name}-{scheme}.png", full_page=True)
                found = axe.run(visit.page).response["violations"]
                assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
                assert visit.wrong == []
                assert visit.requests == [visit.address]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebooks as pages, by the command that the guide for analysts shows."""
    nbconvert = pytest.importorskip("nbconvert.nbconvertapp", reason="nbconvert is not installed")
    guide = (ROOT / "docs" / "guides" / "analyst.md").read_text("utf-8")
    (command,) = re.findall(r"^jupyter nbconvert (.*)$", guide, re.M)
    made = tmp_path_factory.mktemp("exported")
    app = nbconvert.NbConvertApp(log_level="ERROR")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        app.initialize([*shlex.split(command)[:-1], "notebooks/*.ipynb", f"--output-dir={made / 'roles'}"])
        app.start()
    return made


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_an_exported_notebook_is_quiet_fits_and_is_accessible_in_both_schemes(
    chromium: Any, exported: Path, notebook: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    for scheme, width in LOOKS[:2]:
        size = {"width": width, "height": 900}
        with Visit(chromium, exported, notebook, viewport=size, color_scheme=scheme) as visit:
            assert visit.page.evaluate("document.documentElement.scrollWidth") == width
            found = axe.run(visit.page).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
            assert visit.wrong == []
            assert {url for url in visit.requests if not url.startswith("about:")} == {visit.address}
