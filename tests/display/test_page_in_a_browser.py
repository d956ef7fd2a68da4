"""The page in a real browser: without a request or an error, its buttons, boxes and heads do what they say."""

import shutil
import warnings
from itertools import product

import pytest
from builders import EDGE, PILOT, result

from lrfinder import Facts
from lrfinder.display.compare import Side
from lrfinder.display.page.comparison import comparison

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
PROGRAMS = [shutil.which(name) for name in ("chromedriver", "chromium")]
pytestmark = pytest.mark.skipif(None in PROGRAMS, reason="there is no chromium with its driver")

SCHEDULES = ("recommended", "cosine", "constant", "stable_decay", "step_decay", "one_cycle")
FACTS = Facts(batch_size=64, betas=(0.9, 0.999), optimizer="AdamW")


def found():
    """A tuning with everything that a page can show."""
    return result(edge_trials=[EDGE], pilots=[PILOT], facts=FACTS)


@pytest.fixture(scope="module")
def browser():
    """One for all tests; what it logs of its console and its network can be read.

    Yields:
        The driver.
    """
    driver, chromium = PROGRAMS
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture(params=[400, 1600])
def page(request, browser, tmp_path):
    """The page of `found`, opened from its file at a width in pixels."""
    size = {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    found().to_html(tmp_path / "lr.html")
    browser.get_log("performance")
    browser.get((tmp_path / "lr.html").as_uri())
    return browser


def test_the_page_opens_without_an_error_or_a_request(page):
    """Its console is empty, and the file itself is all that was loaded."""
    sent = [
        entry["message"] for entry in page.get_log("performance") if 'Network.requestWillBeSent"' in entry["message"]
    ]

    assert page.get_log("browser") == []
    assert [one for one in sent if "http://" in one.replace("http://www.w3.org", "") or "https://" in one] == []
    assert sum("lr.html" in one for one in sent) == len(sent) >= 1


def test_nothing_is_wider_than_the_window(page):
    """The page does not scroll sideways."""
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_a_button_copies_the_very_lines(page):
    """What is pasted afterwards is what stands beside the button, and the button says so."""
    for button in page.find_elements("css selector", "[data-copy]"):
        button.click()
        assert button.text == "Copied"
        page.execute_script("document.body.insertAdjacentHTML('beforeend', '<textarea id=paste></textarea>')")
        paste = page.find_element("id", "paste")
        paste.send_keys(webdriver.Keys.CONTROL, "v")

        assert paste.get_property("value") == page.find_element("id", button.get_attribute("data-copy")).text
        page.execute_script("arguments[0].remove()", paste)


def test_a_box_hides_its_layer(page):
    """Each layer of the chart has one, by which it goes and comes back."""
    boxes = page.find_elements("css selector", "[data-toggle]")
    assert len(boxes) == 7
    for box in boxes:
        layer = page.find_element("css selector", f"[data-layer={box.get_attribute('data-toggle')}]")
        box.click()
        assert not layer.is_displayed()
        box.click()
        assert "off" not in layer.get_attribute("class")


def test_the_arrow_keys_read_the_chart(page):
    """From left to right; what is at hand stands below it."""
    chart, readout = page.find_element("css selector", ".chart"), page.find_element("id", "readout")

    chart.send_keys(webdriver.Keys.ARROW_RIGHT)
    first = readout.text
    chart.send_keys(webdriver.Keys.ARROW_RIGHT)

    assert first.startswith("loss ")
    assert readout.text != first


def test_both_charts_of_a_comparison_are_read_and_fit(page, tmp_path):
    """Each answers the arrow keys below both; at either width nothing is cut off at the side."""
    left, right = (Side(name, found().evidence, found().plan) for name in ("a.json", "b.json"))
    (tmp_path / "both.html").write_text(comparison(left, right), encoding="utf-8")
    page.get((tmp_path / "both.html").as_uri())

    readout = page.find_element("id", "readout")
    for chart in page.find_elements("css selector", ".chart"):
        page.execute_script("document.getElementById('readout').textContent = ''")
        chart.send_keys(webdriver.Keys.ARROW_RIGHT)
        assert readout.text.startswith("loss ")
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert page.get_log("browser") == []


def test_a_head_sorts_the_table(page):
    """By number, in both directions; what exploded comes last in either."""
    head = page.find_elements("css selector", "table.sortable th")[5]
    for direction, order in (
        ("ascending", ["0.4", "0.6", "1", "1.2", "1.5"]),
        ("descending", ["1.5", "1.2", "1", "0.6", "0.4"]),
    ):
        head.find_element("tag name", "button").click()

        cells = page.find_elements("css selector", "table.sortable tbody td:nth-child(6)")
        assert head.get_attribute("aria-sort") == direction
        assert [cell.text for cell in cells] == [*order, "exploded"]


def test_what_the_page_plans_is_what_python_plans(browser, tmp_path):
    """Peak and interval within 1 % for other steps, batches and schedules, and no answer where Python has none."""
    one = found()
    one.to_html(tmp_path / "lr.html")
    browser.get((tmp_path / "lr.html").as_uri())
    for steps, batch, name in product((60, 500, 2000, 300_000), (16, 64, 500, 2_000_000), SCHEDULES):
        got = browser.execute_script("return window.lrfinderWhatIf(...arguments)", steps, batch, name)
        if batch == 64:
            plan = one.recommend(total_steps=steps, schedule=name).plan
        elif batch == 2_000_000:
            assert "nothing supports an answer" in got["why"]
            continue
        else:
            plan = one.recommend(schedule=name).rescale(batch_size=batch, total_steps=steps).plan

        assert [got["lr"], got["low"], got["high"]] == pytest.approx([plan.lr, *plan.interval], rel=0.01)


def test_the_form_plans_anew(page):
    """Another length changes the answer, whose call Python takes; one that is none is said to be so."""
    steps, told = page.find_element("name", "steps"), page.find_element("id", "would")
    assert f"{found().lr:.2e}" in told.text
    steps.clear()
    steps.send_keys("20000")
    again = found().recommend(total_steps=20_000)

    assert f"{again.lr:.2e}" in told.text
    assert "found.recommend(total_steps=20000)" in told.text
    steps.send_keys(webdriver.Keys.END, ".5")
    assert "positive whole number" in told.text
