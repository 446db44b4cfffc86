"""From the map: drag a rectangle, launch, watch tiles turn green, open one, follow its link."""

from __future__ import annotations

import threading
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

from synthgrid_assets.materialize.tile_state import TileState
from synthgrid_assets.services.viewer.dagster_link import DagsterLink
from synthgrid_assets_tests.browser.chromium import axe_script, chromium, serious_faults
from synthgrid_assets_tests.dagster.served import serving
from synthgrid_assets_tests.services.viewer.served import ServedViewer
from synthgrid_assets_tests.small_world import SMALL, small_spec, write_small_world

REGION = {"x0": 1, "x1": 3, "y0": 2, "y1": 4}
INSIDE = [13, 14, 19, 20]  # places of its four tiles in a world of six columns
# window coordinates of the corners of a region, a little inside of it
CORNERS = """
const map = synthgridMap, [west, south, east, north] = map.grid.boxOf(arguments[0]);
const frame = document.getElementById("map").getBoundingClientRect();
const place = (x, y) => {
  const found = map.map.latLngToContainerPoint([y, x]);
  return [found.x + frame.x, found.y + frame.y];
};
const [left, bottom] = place(west, south), [right, top] = place(east, north);
return [[left + 6, bottom - 6], [right - 6, top + 6]];
"""
STATES = "return synthgridMap.states"
FILL = "synthgridMap.setFeatures('points', []); synthgridMap.setStates(...arguments)"
# whether places of a tile are green, from below
GREEN = """
const map = synthgridMap, [west, south, east, north] = map.grid.box(21);
const canvas = document.querySelector(".leaflet-tiles-pane canvas");
const copy = document.createElement("canvas");
[copy.width, copy.height] = [canvas.width, canvas.height];
const pen = copy.getContext("2d", { willReadFrequently: true });
pen.drawImage(canvas, 0, 0);
const frame = canvas.getBoundingClientRect(), ratio = canvas.width / frame.width;
const whole = map.map.getContainer().getBoundingClientRect();
return [0.1, 0.2, 0.4, 0.9].map((part) => {
  const at = map.map.latLngToContainerPoint([south + part * (north - south), west]);
  const x = (at.x + 4 + whole.x - frame.x) * ratio, y = (at.y + whole.y - frame.y) * ratio;
  const [red, green, blue] = pen.getImageData(x, y, 1, 1).data;
  return green > blue && green > red;
});
"""
# whether anything is drawn where the tiles are
DRAWN = """
const canvas = document.querySelector(".leaflet-tiles-pane canvas");
const copy = document.createElement("canvas");
[copy.width, copy.height] = [canvas.width, canvas.height];
const pen = copy.getContext("2d", { willReadFrequently: true });
pen.drawImage(canvas, 0, 0);
const { data } = pen.getImageData(0, 0, copy.width, copy.height);
return data.some((value) => value > 0);
"""
CENTRE = "const c = synthgridMap.map.getCenter(); return [c.lng, c.lat]"


@pytest.fixture
def viewer(tmp_path):
    with ServedViewer(world=str(write_small_world(tmp_path)), data=tmp_path / "data") as served:
        yield served


def materialise(browser, viewer):
    """Drag the rectangle, press the button, and wait for the run's end."""
    start, end = browser.run(CORNERS, REGION)
    browser.find("#draw").click()
    browser.drag(start, end)
    assert {key: int(browser.find(f"#{key}").get_attribute("value")) for key in REGION} == REGION
    assert "4 missing" in browser.text("#region-told")
    browser.find("#run-buttons .primary").click()
    browser.until(lambda: browser.run(STATES).count("R") == 4)
    browser.until(lambda: "passed" in browser.text("#runs"))
    states = browser.run(STATES)
    green = [place for place, state in enumerate(states) if state in "FQ"]
    assert green == INSIDE
    assert states.count(TileState.MISSING) == 32
    world = viewer.viewer.live("small").world
    assert len(list(viewer.viewer.runs.of(world))) == 1


def quarter_filled(browser):
    """Where a tile is green whose run has made a quarter of its assets."""
    browser.run(FILL, "R" * 36, [0.25] * 36)
    return browser.run(GREEN)


def open_tile(browser, place):
    """Click into the middle of a tile."""
    column, row = place % 6, place // 6
    tile = {"x0": column, "x1": column + 1, "y0": row, "y1": row + 1}
    (left, bottom), (right, top) = browser.run(CORNERS, tile)
    middle = (left + right) / 2, (bottom + top) / 2
    browser.drag(middle, middle)
    browser.until(lambda: browser.find("#column").get_attribute("value") == str(column))
    browser.until(lambda: f"Column {column}, row {row}" in browser.text("#tile"))


def test_a_rectangle_is_dragged_and_its_tiles_turn_green(viewer):
    with chromium() as browser:
        browser.open(f"{viewer.url}/worlds/small?layer=cafes&asset=points")
        browser.until(lambda: "36 missing" in browser.text("#status"))
        materialise(browser, viewer)
        open_tile(browser, INSIDE[0])
        assert "points do not depend on the tile" in browser.text("#tile")
        link = urlsplit(browser.find("#tile details a").get_attribute("href"))
        assert unquote(link.path) == "/assets/small/cafes/points"
        key = parse_qs(link.query)["partition"]
        tile = list(small_spec(viewer.options.data.parent).world.tiling)[INSIDE[0]]
        assert key == [tile.key]
        browser.until(lambda: quarter_filled(browser) == [True, True, False, False])
        before = browser.run(CENTRE)
        browser.run("document.getElementById('map').focus()")
        browser.press(Keys.ARROW_RIGHT)
        browser.until(lambda: browser.run(CENTRE)[0] > before[0])
        browser.press(Keys.ENTER)  # the tile in the middle, without a mouse
        browser.until(lambda: f"Column {INSIDE[0] % 6}, " not in browser.text("#tile"))
        browser.open(f"{viewer.url}/worlds/small", width=390, height=844)
        browser.until(lambda: "36 tiles" in browser.text("#status"))
        assert browser.overflow() == 0
        assert browser.troubles() == []


def test_no_tile_is_called_missing_before_the_states_are_there(viewer, monkeypatch):
    live, asked, free = viewer.viewer.live("small"), threading.Event(), threading.Event()
    take = live.snapshot

    def snapshot():
        asked.set()
        assert free.wait(60)
        return take()

    monkeypatch.setattr(live, "snapshot", snapshot)
    with chromium() as browser:
        try:
            browser.open(f"{viewer.url}/worlds/small")
            assert asked.wait(60)
            browser.find("#all").click()
            browser.run("synthgridMap.layers.tiles._draw()")
            assert browser.text("#status") == "loading …"
            assert "36 tiles of all layers, all assets: loading" in browser.text("#region-told")
            assert "0" not in browser.text("#legend")
            assert not browser.run(DRAWN)
        finally:
            free.set()
        browser.until(lambda: "36 tiles: 36 missing" in browser.text("#status"))
        browser.until(lambda: browser.run(DRAWN))
        assert "36 missing" in browser.text("#region-told")
        assert browser.troubles() == []


@pytest.mark.slow
def test_an_accessibility_checker_finds_nothing_serious(viewer, tmp_path):
    axe = axe_script(tmp_path)
    with chromium() as browser:
        for width in (1280, 390):
            browser.open(f"{viewer.url}/worlds/small?layer=cafes&asset=points", width=width)
            browser.until(lambda: "36 tiles" in browser.text("#status"))
            if width == 1280:
                materialise(browser, viewer)
                open_tile(browser, INSIDE[0])
            assert serious_faults(browser, axe) == []
        browser.open(f"{viewer.url}/worlds/elsewhere")
        assert serious_faults(browser, axe) == []


def test_addresses_of_dagster_are_quoted():
    link = DagsterLink("http://127.0.0.1:3000")
    page = link.tile_page(("small", "a b", "points"), "+0000000_8|+0000008_8")
    assert page == (
        "http://127.0.0.1:3000/assets/small/a%20b/points"
        "?view=partitions&partition=%2B0000000_8%7C%2B0000008_8"
    )
    assert DagsterLink("").tile_page(("small",), "x") == ""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tile_of_the_map_leads_into_dagster_and_back(tmp_path, monkeypatch):
    """With a real `dagster dev`: launch, follow the tile's link, and come back by its metadata."""
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served", {"small": SMALL}) as server:
        dagster = f"http://127.0.0.1:{server.port}"
        monkeypatch.setenv("DAGSTER_HOME", str(server.folder))
        monkeypatch.setenv("SYNTHGRID_DATA", str(server.data))
        world = str(server.worlds / "small.toml")
        with (
            ServedViewer(world=world, data=server.data, dagster=dagster) as viewer,
            chromium() as browser,
        ):
            monkeypatch.setenv("SYNTHGRID_VIEWER_URL", viewer.url)
            browser.open(f"{viewer.url}/worlds/small?layer=cafes&asset=points")
            browser.until(lambda: "36 missing" in browser.text("#status"))
            materialise(browser, viewer)
            open_tile(browser, INSIDE[0])
            links = browser.driver.find_elements("css selector", "#tile details a")
            partition, run = (link.get_attribute("href") for link in links)
            assert run.startswith(f"{dagster}/runs/")
            browser.open(partition)
            browser.until(lambda: viewer.url in browser.driver.page_source, 120)
            back = browser.run(
                "return [...document.querySelectorAll('a')].map((a) => a.href)"
                ".find((href) => href.startsWith(arguments[0]) && href.includes('tile='))",
                viewer.url,
            )
            browser.open(back)
            browser.until(lambda: "points do not depend on the tile" in browser.text("#tile"))
            column, row = INSIDE[0] % 6, INSIDE[0] // 6
            assert f"Column {column}, row {row}" in browser.text("#tile")
