"""The report opens from a disk, without a network: nothing fails, the map pans, it fits a phone."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from synthgrid_assets.reports.release_report.write import write_report
from synthgrid_assets_tests.browser.chromium import axe_script, chromium, serious_faults
from synthgrid_assets_tests.reports.committed_world import commit, context_of

CENTRE = "const c = synthgridMap.map.getCenter(); return [c.lng, c.lat]"
PAINTED = """
const canvas = document.querySelector(`.leaflet-${arguments[0]}-pane canvas`);
const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let painted = 0;
for (let i = 3; i < pixels.length; i += 4) painted += pixels[i] > 0;
return painted;
"""


@pytest.fixture
def page(tmp_path):
    context = context_of(tmp_path / "world")
    tiles = list(context.spec.world.tiling)
    commit(context, ("points", "voronoi"), [tiles[i] for i in (0, 1, 6, 7)])
    write_report(context.spec, context.layout.root, tmp_path / "report.html")
    return (tmp_path / "report.html").as_uri()


def test_it_opens_without_a_network_and_its_map_pans(page):
    with chromium() as browser:
        browser.open(page)
        assert browser.run(PAINTED, "tiles") > 1000
        assert browser.run(PAINTED, "points") > 100
        before = browser.run(CENTRE)
        browser.run("document.getElementById('map').focus()")
        browser.press(Keys.ARROW_UP)
        browser.until(lambda: browser.run(CENTRE)[1] > before[1])
        browser.find("#corner").click()
        browser.until(lambda: browser.run(PAINTED, "shapes") > 1000)
        browser.open(page, width=390, height=844)
        assert browser.overflow() == 0
        assert browser.troubles() == []


def test_a_printed_map_is_the_one_on_the_screen_and_fits_the_paper(page):
    with chromium() as browser:
        browser.open(page)
        size = "const b = document.getElementById('map').getBoundingClientRect(); return b.width"
        wide = browser.run(size)
        browser.run("dispatchEvent(new Event('beforeprint'))")
        assert browser.run(size) <= 661 < wide
        assert browser.run(PAINTED, "tiles") > 1000  # nothing is drawn anew: it would be blank
        browser.run("dispatchEvent(new Event('afterprint'))")
        assert browser.run(size) == wide
        browser.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
        assert browser.run(size) == wide
        assert browser.troubles() == []


@pytest.mark.slow
def test_an_accessibility_checker_finds_nothing_serious(page, tmp_path):
    axe = axe_script(tmp_path)
    with chromium() as browser:
        for width in (1280, 390):
            browser.open(page, width=width)
            assert serious_faults(browser, axe) == []
