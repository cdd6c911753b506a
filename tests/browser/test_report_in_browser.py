"""The page in a real browser: it asks nothing of the network, reads out every panel, and stays text."""

import json
import re
import struct
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_logs import logs
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import report_histories as made
from report_cluster import drained_run
from report_size import made as hour

from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.history import Note
from reports import SessionFacts, session_of, summarise, write_html
from reports.page.report import SIZE_MOST_BYTES, page, session_page
from reports.page.screenshot import WIDTH_PX, take_picture

Show = Callable[..., Path]
HOSTILE = '</script><script>window.owned=1</script><img src=x onerror="window.owned=1">{{7*7}}'


def readouts(browser: Chrome) -> Any:
    """The words that the page carries for its read-outs."""
    text = browser.find_element(By.ID, "readouts").get_attribute("textContent")
    return json.loads(text or "")


def point(browser: Chrome, panel: str = "rate", *, across: int = 0) -> None:
    """Move the mouse into a panel, `across` pixels from its middle."""
    plot = browser.find_element(By.CSS_SELECTOR, f"#panel-{panel} .plot")
    ActionChains(browser, duration=50).move_to_element_with_offset(plot, across, 0).perform()


def moment(browser: Chrome) -> int:
    """The millisecond that the anchor in the address names."""
    found = re.search(r"#t=([\d.]+)$", browser.current_url)
    assert found, browser.current_url
    return round(float(found[1]) * 1000)


def view(browser: Chrome) -> tuple[float, float]:
    """From and how long the panels show, in milliseconds."""
    box = browser.find_element(By.CSS_SELECTOR, "#panel-rate svg").get_dom_attribute("viewBox") or ""
    left, _, width, _ = map(float, box.split())
    return left, width


def test_nothing_is_asked_of_the_network(browser: Chrome, show: Show) -> None:
    """Opening, pointing and zooming asks for the file itself and nothing else, and the browser has no complaint."""
    path = show(page(summarise(*drained_run())))
    point(browser)
    browser.find_element(By.ID, "stack").send_keys("+")
    asked, complaints = logs(browser)
    assert [address for address in asked if not address.startswith("data:")] == [path.as_uri()]
    assert complaints == []


def test_fetching_is_refused_by_the_page_s_own_policy(browser: Chrome, show: Show) -> None:
    """Code that came into the page by whatever way could still not send anything away."""
    show(page(summarise(*made.good_run())))
    directive = browser.execute_async_script(
        "const done = arguments[0];"
        "document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));"
        "fetch('http://127.0.0.1:9/').catch(() => null);"
    )
    assert directive == "connect-src"


def test_the_crosshair_reads_out_every_panel(browser: Chrome, show: Show) -> None:
    """At the moment under the mouse each panel shows the words that its own data has for that moment."""
    show(page(summarise(*drained_run())))
    point(browser, across=37)
    ActionChains(browser).click().perform()
    at = moment(browser)
    told = readouts(browser)
    assert len(told["panels"]) >= 12
    for name, (times, texts) in told["panels"].items():
        k = bisect_right(times, at) - 1
        shown = browser.find_element(By.CSS_SELECTOR, f"#panel-{name} .read").get_attribute("textContent")
        assert shown == (texts[k] if k >= 0 else ""), name
    assert (browser.find_element(By.ID, "now").text).endswith(" UTC")
    assert browser.find_element(By.ID, "cross").is_displayed()


def test_a_drag_zooms_all_panels_and_a_double_click_shows_all(browser: Chrome, show: Show) -> None:
    """The drawing plane of every panel is the dragged span; the overview says which part of the whole it is."""
    show(page(summarise(*drained_run())))
    whole = view(browser)
    plot = browser.find_element(By.CSS_SELECTOR, "#panel-rate .plot")
    drag = ActionChains(browser, duration=50).move_to_element_with_offset(plot, -100, 0).click_and_hold()
    drag.move_by_offset(200, 0).release().perform()
    left, width = view(browser)
    assert whole[0] < left < left + width < whole[0] + whole[1]
    boxes = {
        one.get_dom_attribute("viewBox").rsplit(" ", 1)[0]
        for one in browser.find_elements(By.CSS_SELECTOR, ".stack svg")
    }
    assert len(boxes) == 1
    assert browser.find_element(By.ID, "view").is_displayed()
    ActionChains(browser).move_to_element(plot).double_click().perform()
    assert view(browser) == whole


def test_the_keyboard_alone_moves_zooms_and_jumps(browser: Chrome, show: Show) -> None:
    """Arrow keys move the line, plus zooms, n goes to the next event, Escape shows all."""
    report = summarise(*drained_run())
    show(page(report))
    whole, stack = view(browser), browser.find_element(By.ID, "stack")
    stack.send_keys(Keys.HOME)
    stack.send_keys("n")
    first = browser.find_element(By.ID, "now").text
    assert first == "12:00:05.000 UTC", "the first event is the begin of the baseline, 2 s after the trial's"
    stack.send_keys(Keys.ARROW_RIGHT)
    assert browser.find_element(By.ID, "now").text > first
    stack.send_keys("+")
    assert view(browser)[1] < whole[1]
    stack.send_keys(Keys.ESCAPE)
    assert view(browser) == whole


@pytest.mark.parametrize(("anchor", "shown"), [("#t=20.5", "12:00:23.500 UTC"), ("#t=10..20", "12:00:13.000 UTC")])
def test_an_anchor_leads_to_its_moment(browser: Chrome, show: Show, anchor: str, shown: str) -> None:
    """A link with `#t=` opens the page with the line at that moment, and a span is zoomed to."""
    show(page(summarise(*drained_run())), anchor)
    assert browser.find_element(By.ID, "now").text == shown
    if ".." in anchor:
        assert view(browser)[1] == 20_000


def test_times_switch_between_utc_local_and_since_the_begin(browser: Chrome, show: Show) -> None:
    """The button goes round three clocks; the zone stands by the axis, and the evidence follows."""
    browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
    show(page(summarise(*made.good_run())), "#t=25.1")
    button, zone = browser.find_element(By.ID, "zone"), browser.find_element(By.CSS_SELECTOR, ".zone")
    seen = []
    for _ in range(3):
        when = browser.find_element(By.CSS_SELECTOR, ".windows .when").text
        seen.append((zone.text, browser.find_element(By.ID, "now").text, when))
        button.click()
    (utc, now_utc, when_utc), (local, now_local, when_local), (since, now_since, when_since) = seen
    assert (utc, now_utc, when_utc) == ("UTC", "12:00:28.100 UTC", "12:00:03.0")
    assert local == "Asia/Calcutta (UTC+05:30)"
    assert (now_local, when_local) == (f"17:30:28.100 {local}", "17:30:03.0")
    assert (since, now_since, when_since) == ("T+ from 12:00:03 UTC", "T+25.10 s", "T+0.0 s")


def test_the_page_reads_without_its_scripts(browser: Chrome, show: Show) -> None:
    """With every script cut out the verdict, the findings, the drawings and the tables are all there."""
    bare = re.sub(r"<script.*?</script>", "", page(summarise(*made.bad_run())), flags=re.DOTALL)
    show(bare)
    assert browser.find_element(By.CSS_SELECTOR, ".verdict .word").text == "FAIL"
    assert all(one.is_displayed() for one in browser.find_elements(By.CSS_SELECTOR, ".findings td.answer"))
    assert all(one.rect["width"] > 300 for one in browser.find_elements(By.CSS_SELECTOR, ".stack .row svg"))
    assert not any(one.is_displayed() for one in browser.find_elements(By.CSS_SELECTOR, ".js-only"))
    browser.find_element(By.CSS_SELECTOR, "#panel-rate summary").click()
    assert browser.find_element(By.CSS_SELECTOR, "#panel-rate table").is_displayed()


def test_hostile_names_and_answers_stay_text(browser: Chrome, show: Show) -> None:
    """A pod's name and a model's answer that are markup make no element and run nothing, wherever they are shown."""
    plan = made.PodPlan(f"model-{HOSTILE}", "n1", -1, None, terminating_s=30.0, gone_s=31.0)
    finding = Finding("slo-met", Answer.FAIL, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    history = made.history(
        60, (plan, *made.INITIAL[2:]), made.Asked().ask(0, 60, 10, outcome="failed", share=0.1, error=HOSTILE), 10,
        traffic_s=(0, 60), notes=(Note(made.at(4), f"answered: {HOSTILE}"),), faults=(made.fault(30, 40, plan),),
    )  # fmt: skip
    show(page(summarise(history, Verdict.of((finding,)))))
    point(browser, "pods")
    browser.find_element(By.CSS_SELECTOR, "#panel-pods summary").click()
    assert browser.execute_script("return [window.owned, document.images.length, document.scripts.length]") == [
        None,
        0,
        3,
    ]
    cells = browser.find_elements(By.CSS_SELECTOR, "#panel-pods td")
    assert any(cell.get_attribute("textContent") == f"model-{HOSTILE}" for cell in cells)
    assert logs(browser)[1] == []


@pytest.mark.parametrize("run", [made.good_run, made.unknown_run, drained_run], ids=lambda run: run.__name__)
def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Chrome, show: Show, run: Any) -> None:
    """On a screen as narrow as a phone the page is as wide as the screen."""
    browser.set_window_size(500, 900)
    show(page(summarise(*run())))
    wide, screen = browser.execute_script("return [document.scrollingElement.scrollWidth, innerWidth]")
    assert wide <= screen


def test_print_shows_all_panels_and_no_controls(browser: Chrome, show: Show) -> None:
    """On paper there are the drawings, as wide as the paper, and nothing to press."""
    show(page(summarise(*made.good_run())))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not any(one.is_displayed() for one in browser.find_elements(By.CSS_SELECTOR, ".js-only, .panel summary"))
    assert all(one.rect["width"] > 300 for one in browser.find_elements(By.CSS_SELECTOR, ".stack .row svg"))
    assert browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]


def test_the_session_s_page_opens_quietly(browser: Chrome, show: Show, tmp_path: Path) -> None:
    """The page of a session asks for nothing and runs nothing."""
    reports = [summarise(*run()) for run in (made.good_run, made.bad_run)]
    facts = SessionFacts("s", made.at(0), made.at(300), 7, "on the lab", "pytest scenarios", ("a", "b"), ())
    path = show(session_page(session_of(tmp_path, facts, reports)))
    asked, complaints = logs(browser)
    assert (asked, complaints) == ([path.as_uri()], [])
    assert browser.find_element(By.CSS_SELECTOR, ".verdict .word").text == "FAIL"


def test_a_picture_holds_the_whole_timeline(browser: Chrome, show: Show, tmp_path: Path) -> None:
    """The PNG is as high as the page in its `#picture` form, which has the verdict and the panels and no controls."""
    path = show(page(summarise(*drained_run())), "#picture")
    assert not any(one.is_displayed() for one in browser.find_elements(By.CSS_SELECTOR, "button, .findings, summary"))
    picture = take_picture(path, tmp_path / "timeline.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    assert width == WIDTH_PX
    foot = browser.execute_script(
        "return document.querySelector('.axis.foot').getBoundingClientRect().bottom + scrollY"
    )
    assert height >= foot > 900


def test_an_hour_of_a_million_requests_is_there_at_once(browser: Chrome, tmp_path: Path) -> None:
    """Summed and written within 10 s, under 4 MB, painted within 2 s, and the line follows the mouse."""
    whole = hour(1_000_000, 10_000)
    wall, cpu = time.perf_counter(), time.process_time()
    report = summarise(whole, Verdict(()))
    path = tmp_path / "report.html"
    write_html(report, path)
    # A machine that does something else besides makes the clock run on, not the work more.
    assert min(time.perf_counter() - wall, time.process_time() - cpu) < 10
    assert path.stat().st_size < SIZE_MOST_BYTES == 4_000_000
    browser.get(path.as_uri())
    paints = "return performance.getEntriesByType('paint').map((p) => p.startTime)"
    first = WebDriverWait(browser, 10).until(lambda chrome: chrome.execute_script(paints))
    assert 0 < min(first) < 2000
    point(browser)
    assert re.match(r"offered [\d,.]+/s", browser.find_element(By.CSS_SELECTOR, "#panel-rate .read").text)
    assert view(browser) == (0, 3_600_000)
