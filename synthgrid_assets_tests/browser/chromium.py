"""Chromium without a window and without a network, and what went wrong in a page."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no network but this machine
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OWN = ("http://127.0.0.1:", "file:", "data:", "blob:")  # addresses that need no network
MISSING = (
    "THE BROWSER TESTS ARE SKIPPED: no Chromium and chromedriver on this machine; "
    "`apt-get install chromium chromium-driver` has them"
)


class NoChromiumWarning(UserWarning):
    """What a person reads at the end of a run in which no page was looked at."""


class Browser:
    """One browser window.

    Parameters
    ----------
    driver : selenium.webdriver.Chrome
    """

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str, width: int = 1280, height: int = 900) -> None:
        """A page in a window of some size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(url)

    def find(self, css: str) -> WebElement:
        """The first element of a selector."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def text(self, css: str) -> str:
        """What an element says."""
        return self.find(css).text

    def run(self, script: str, *given: Any) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *given)

    def until(self, true: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Wait for something; fails with what the page says."""
        deadline = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < deadline, self.text("body")
            time.sleep(0.05)
        return found

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag from one place of the window to another."""
        mouse = ActionChains(self.driver, duration=60)
        for act, (x, y) in ((0, start), (1, end)):
            mouse.w3c_actions.pointer_action.move_to_location(int(x), int(y))
            if act == 0:
                mouse.w3c_actions.pointer_action.pointer_down()
        mouse.w3c_actions.pointer_action.pointer_up()
        mouse.w3c_actions.perform()

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return int(
            self.run(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def troubles(self) -> list[str]:
        """The console, failed requests and those to other machines, since the last call."""
        found = [line["message"] for line in self.driver.get_log("browser")]
        asked: dict[
            str, str
        ] = {}  # addresses that pages asked for; not the browser's own first one
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            name, facts = message["method"], message["params"]
            if name == "Network.requestWillBeSent" and facts["documentURL"].startswith(OWN):
                url = asked[facts["requestId"]] = facts["request"]["url"]
                if not url.startswith(OWN):
                    found.append(f"a request to {url}")
            asked_for = asked.get(facts.get("requestId", ""))
            if asked_for is None:
                continue
            if name == "Network.loadingFailed" and not facts.get("canceled"):
                found.append(f"{asked_for} failed: {facts.get('errorText')}")
            if name == "Network.responseReceived" and facts["response"]["status"] >= 400:
                found.append(f"{facts['response']['status']} {asked_for}")
        return found


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a profile of its own; skips the test, loudly, where there is none."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    service = shutil.which("chromedriver")
    if binary is None or service is None:
        warnings.warn(NoChromiumWarning(MISSING), stacklevel=2)
        pytest.skip(MISSING)
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        environment = {**os.environ, "HOME": profile}
        driver = Chrome(options=options, service=Service(service, env=environment))
        try:
            yield Browser(driver)
        finally:
            driver.quit()


def axe_script(folder: Path) -> str:
    """The accessibility checker axe-core, from npm; skips the test, loudly, without it."""
    given = os.environ.get("SYNTHGRID_AXE")
    if given:
        return Path(given).read_text()
    told = (
        "THE ACCESSIBILITY CHECK IS SKIPPED: npm cannot fetch axe-core (name a copy of its "
        "axe.min.js in SYNTHGRID_AXE)"
    )
    npm = shutil.which("npm")
    fetched = npm and subprocess.run(
        [npm, "pack", "--silent", "axe-core@4.14.1"], cwd=folder, capture_output=True, check=False
    )
    if not fetched or fetched.returncode:
        warnings.warn(NoChromiumWarning(told), stacklevel=2)
        pytest.skip(told)
    archive = next(folder.glob("axe-core-*.tgz"))
    shutil.unpack_archive(archive, folder, filter="data")
    return (folder / "package" / "axe.min.js").read_text()


def serious_faults(browser: Browser, axe: str) -> list[str]:
    """What axe-core calls serious or critical in the page that is open."""
    browser.run(axe)
    found = browser.driver.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run().then(done);"
    )
    return [
        f"{fault['id']}: {fault['help']}: {node['html'][:200]}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
