"""The JWST pages in a browser: bands, visits, modes, clicks, keys, player, PNG; nothing asked of a host."""

import json
import time

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser.conftest import started
from builders.jwst_steps import run_steps
from ephemera.jwst.simulate import SCENARIOS, simulate
from unit.jwst.conftest import BANDS

#: Hints of the browser about its speed, which are no errors.
HINTS = ("GPU stall", "willReadFrequently", "GL Driver Message")


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Pages of two detectors with two visits each."""
    root = tmp_path_factory.mktemp("pages")
    simulate(root / "source", SCENARIOS["two_visits"])
    bands = [{"name": "Methane", "start": 3.0, "end": 3.3}, *BANDS[1:]]
    options = {"series": {"bands": bands}, "video": {"frames": 6, "size": [320, 240]}}
    return run_steps(root / "out", root / "source", options) / "pages"


@pytest.fixture(scope="module")
def shared(chromium, tmp_path_factory):
    """One browser for all tests that leave no trace in it."""
    with started(chromium, tmp_path_factory.mktemp("browser")) as found:
        yield found


def wait(browser, script, seconds=40):
    """Value of a script as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = browser.run(script)
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(script)


def opened(browser, pages, name, width=1280, height=900):
    browser.open(pages / f"{name}.html", width, height)
    wait(browser, "return document.body.dataset.ready === 'yes'")
    browser.run(
        "document.querySelectorAll('.tour button').forEach((b) => b.textContent.startsWith('Skip') && b.click())"  # noqa: E501
    )
    return browser


def problems(browser):
    return [message for message in browser.problems() if not any(hint in message for hint in HINTS)]


def press(browser, selector):
    browser.driver.find_element(By.CSS_SELECTOR, selector).click()
    time.sleep(0.4)


def data(browser, plot, expression):
    """Something of each trace of a plot."""
    return browser.run(f"return document.getElementById('{plot}').data.map((t) => {expression})")


@pytest.mark.parametrize("name", ["surface", "heatmap", "combined"])
def test_pages_are_drawn_without_errors_and_ask_nothing(browser, pages, name):
    opened(browser, pages, name)
    plots = {
        "surface": ["surface"],
        "heatmap": ["heatmap"],
        "combined": ["surface", "heatmap", "spectrum", "curve"],
    }
    for plot in plots[name]:
        assert data(browser, plot, "t.type")
    assert problems(browser) == []
    assert browser.requests() == []


@pytest.mark.parametrize("plot", ["surface", "heatmap"])
def test_outside_a_band_everything_is_grey(shared, pages, plot):
    opened(shared, pages, plot)
    assert data(shared, plot, "t.meta") == ["inside", "inside"]
    press(shared, "button[data-band='Methane']")
    grey = shared.run(
        f"return document.getElementById('{plot}').data.filter((t) => t.meta === 'outside').map((t) => [t.opacity, t.colorscale.map((c) => c[1])])"  # noqa: E501
    )
    assert grey == [[0.35, ["#888888", "#888888"]]] * 2
    rows = shared.run(
        f"const t = document.getElementById('{plot}').data; const um = JSON.parse(document.getElementById('meta').textContent).series[0].um;"  # noqa: E501
        "return t[0].z.map((line, r) => [um[r], line.some((v) => v !== null)])"
    )
    assert all(3.0 <= um <= 3.3 for um, shown in rows if shown)
    assert any(shown for _, shown in rows)
    press(shared, "button[data-band='']")
    assert data(shared, plot, "t.meta") == ["inside", "inside"]


def test_several_bands_and_one_without_channels(shared, pages):
    opened(shared, pages, "combined")
    assert shared.run("return document.querySelector(\"button[data-band='Nowhere']\").disabled")
    hostile = shared.run("return [...document.querySelectorAll('#bands button')].map((b) => b.textContent)")
    assert "</script><b>x" in hostile
    press(shared, "button[data-band='Methane']")
    assert (
        shared.run(
            "return document.querySelector(\"button[data-band='Methane']\").getAttribute('aria-pressed')"
        )
        == "true"
    )
    assert "outside the bands" in data(shared, "spectrum", "t.name")
    assert "Methane" in data(shared, "curve", "t.name")
    shapes = shared.run(
        "return document.getElementById('spectrum').layout.shapes.filter((s) => s.type === 'rect').length"
    )
    assert shapes == 1


def test_visits_can_be_hidden(shared, pages):
    opened(shared, pages, "heatmap")
    press(shared, "button[data-visit='0']")
    assert data(shared, "heatmap", "t.name") == ["visit 2"]
    press(shared, "button[data-visit='0']")
    assert data(shared, "heatmap", "t.name") == ["visit 1", "visit 2"]


def test_flux_and_variability_switch_without_reload(shared, pages):
    opened(shared, pages, "combined")
    shared.run("window.stayed = true")
    before = data(shared, "heatmap", "t.z[5][5]")[0]
    press(shared, "button[data-mode='flux']")
    after = data(shared, "heatmap", "t.z[5][5]")[0]
    meta = shared.run(
        "const m = JSON.parse(document.getElementById('meta').textContent); const b = atob(document.getElementById('L0').textContent);"  # noqa: E501
        "const f = new Float32Array(Uint8Array.from(b, (c) => c.charCodeAt(0)).buffer); return f[5]"
    )
    assert after == pytest.approx(meta * (1 + before / 100), rel=1e-5)
    assert shared.run("return window.stayed") is True
    assert "Jy" in shared.run(
        "return document.getElementById('heatmap').layout.coloraxis.colorbar.title.text"
    )


def test_colours_and_limits(shared, pages):
    opened(shared, pages, "heatmap")
    names = shared.run("return [...document.getElementById('scale').options].map((o) => o.value)")
    assert names == [
        "Viridis",
        "Plasma",
        "Inferno",
        "Magma",
        "Cividis",
        "Turbo",
        "Hot",
        "Spectral",
        "RdYlBu",
        "Picnic",
    ]
    for name in names:
        shared.run(
            f"const s = document.getElementById('scale'); s.value = '{name}'; s.dispatchEvent(new Event('change'))"  # noqa: E501
        )
    axis = "return document.getElementById('heatmap').layout.coloraxis"
    assert shared.run(axis)["cmin"] == -shared.run(axis)["cmax"]
    shared.run(
        "const z = document.getElementById('zmin'); z.value = '-9'; z.dispatchEvent(new Event('change'))"
    )
    assert shared.run(axis)["cmin"] == -9
    shared.run(
        "const z = document.getElementById('zmin'); z.value = '900'; z.dispatchEvent(new Event('change'))"
    )
    assert "below" in shared.run("return document.getElementById('zerror').textContent")
    press(shared, "#zauto")
    assert shared.run(axis)["cmin"] > -9
    press(shared, "#reverse")
    assert shared.run(axis)["reversescale"] is True
    assert problems(shared) == []


def test_a_click_opens_spectrum_and_light_curve(shared, pages):
    opened(shared, pages, "combined")
    before = shared.run("return document.getElementById('readout').textContent")
    plot = shared.driver.find_element(By.CSS_SELECTOR, "#heatmap .nsewdrag")
    shared.run("document.getElementById('heatmap').scrollIntoView({block: 'center'})")
    size = plot.size
    ActionChains(shared.driver).move_to_element_with_offset(
        plot, int(-0.4 * size["width"]), int(0.3 * size["height"])
    ).pause(0.3).click().perform()
    after = wait(
        shared,
        f"const t = document.getElementById('readout').textContent; return t !== {json.dumps(before)} && t",
    )
    assert "BJD_TDB" in after
    assert "1 integration binned" in after
    hours = float(after.split(" h")[0])
    shapes = shared.run("return document.getElementById('heatmap').layout.shapes.map((s) => s.x0)")
    assert shapes[0] == pytest.approx(hours, abs=1e-3)


def test_surface_click_is_heard(shared, pages):
    opened(shared, pages, "combined")
    shared.run("document.getElementById('surface').emit('plotly_click', {points: [{x: 0.0, y: 2.87}]})")
    assert shared.run("return document.getElementById('readout').textContent").startswith("0.0000 h")


def test_hover_tells_everything(shared, pages):
    opened(shared, pages, "heatmap")
    shared.run(
        "document.getElementById('heatmap').emit('plotly_hover', {points: [{x: 0.5, y: 3.1}], event: {clientX: 50, clientY: 50}})"  # noqa: E501
    )
    text = shared.run("const t = document.querySelector('.tip'); return t.hidden ? '' : t.textContent")
    for part in (" h, ", "BJD_TDB", "µm", "Variability", "±", "binned"):
        assert part in text


def test_keyboard_alone(shared, pages):
    opened(shared, pages, "combined")
    reached = set()
    for _ in range(50):
        ActionChains(shared.driver).send_keys(Keys.TAB).perform()
        reached.add(shared.run("const a = document.activeElement; return a.id || a.textContent"))
    wanted = {"scale", "zmin", "reset", "surface", "heatmap", "play", "Full spectrum", "Flux", "Save as PNG"}
    assert wanted <= reached
    shared.run("document.getElementById('heatmap').focus()")
    active = shared.driver.switch_to.active_element
    text = "return document.getElementById('readout').textContent"
    before = shared.run(text)
    active.send_keys(Keys.ARROW_RIGHT)
    right = shared.run(text)
    active.send_keys(Keys.ARROW_UP)
    assert len({before, right, shared.run(text)}) == 3


def test_player_steps_and_plays(shared, pages):
    opened(shared, pages, "combined")
    text = "return document.getElementById('readout').textContent"
    first = shared.run(text)
    press(shared, "#next")
    assert shared.run(text) != first
    press(shared, "#previous")
    assert shared.run(text) == first
    shared.run(
        "const r = document.getElementById('rate'); r.value = '99'; r.dispatchEvent(new Event('change'))"
    )
    assert shared.run("return document.getElementById('rate').value") == "10"
    press(shared, "#play")
    time.sleep(1.0)
    press(shared, "#play")
    assert shared.run(text) != first
    wavelength = shared.run(text).split("; ")[1]
    shared.run(
        "const a = document.getElementById('axis'); a.value = 'time'; a.dispatchEvent(new Event('change'))"
    )
    press(shared, "#next")
    assert shared.run(text).split("; ")[1] != wavelength
    with_errors = len(data(shared, "spectrum", "t.name"))
    press(shared, "#ribbon")
    assert len(data(shared, "spectrum", "t.name")) == with_errors - 1
    assert problems(shared) == []


def test_series_can_be_chosen(shared, pages):
    opened(shared, pages, "combined")
    shared.run(
        "const s = document.getElementById('series'); s.value = '1'; s.dispatchEvent(new Event('change'))"
    )
    time.sleep(0.5)
    assert min(data(shared, "heatmap", "t.y[0]")) > 3.7
    assert problems(shared) == []


@pytest.mark.parametrize("plot", ["surface", "heatmap"])
def test_png_button_saves_a_picture(browser, pages, plot):
    opened(browser, pages, plot)
    press(browser, f"button[data-png='{plot}']")
    end = time.monotonic() + 120
    while time.monotonic() < end and not list(browser.downloads.glob("*.png")):
        time.sleep(0.2)
    found = list(browser.downloads.glob("*.png"))
    assert [path.name for path in found] == [f"unit-{plot}.png"]
    assert found[0].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert browser.requests() == []


def test_video_is_inside_and_plays(shared, pages):
    opened(shared, pages, "combined")
    wait(shared, "return document.querySelector('video').readyState >= 1")
    assert shared.run(
        "return [document.querySelector('video').videoWidth, document.querySelector('video').videoHeight]"
    ) == [320, 240]


def test_tour_can_be_followed_skipped_and_is_remembered(browser, pages):
    browser.open(pages / "combined.html")
    wait(browser, "return document.querySelector('.tour') !== null")
    steps = browser.run("return document.querySelector('.tour p').textContent")
    assert steps.startswith("1 of 10.")
    for _ in range(9):
        browser.run("document.querySelectorAll('.tour button')[1].click()")
    assert browser.run("return document.querySelector('.tour p').textContent").startswith("10 of 10.")
    browser.run("document.querySelectorAll('.tour button')[1].click()")
    assert browser.run("return document.querySelector('.tour')") is None
    browser.driver.refresh()
    wait(browser, "return document.body.dataset.ready === 'yes'")
    assert browser.run("return document.querySelector('.tour')") is None
    press(browser, "#tour")
    ActionChains(browser.driver).send_keys(Keys.ESCAPE).perform()
    assert browser.run("return document.querySelector('.tour')") is None


@pytest.mark.parametrize("name", ["heatmap", "combined"])
def test_phone_width_has_no_sideways_scroll(browser, pages, name):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    opened(browser, pages, name)
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    heights = browser.run(
        "return [...document.querySelectorAll('.controls button')].map((b) => b.getBoundingClientRect().height)"  # noqa: E501
    )
    assert min(heights) >= 40


def test_figures_have_texts_and_tables(shared, pages):
    opened(shared, pages, "combined")
    for plot in ("surface", "heatmap", "spectrum", "curve"):
        text = shared.run(
            f"return document.getElementById(document.getElementById('{plot}').getAttribute('aria-describedby')).textContent"  # noqa: E501
        )
        assert len(text) > 40
    assert shared.run(
        "return [...document.querySelectorAll('figure.panel details table')].map((t) => t.rows.length)"
    ) == pytest.approx([481, 481, 80, 160], abs=120)
    assert (
        shared.run(
            "return [...document.querySelectorAll('button, select, input, video')].filter((e) => !(e.textContent.trim() || e.labels?.length || e.getAttribute('aria-label'))).map((e) => e.outerHTML)"  # noqa: E501
        )
        == []
    )
