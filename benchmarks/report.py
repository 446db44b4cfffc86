"""The report of all benchmarks: one section each in RESULTS.md, with date and machine."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = ("numpy", "numba", "scipy", "shapely", "pyarrow", "zarr", "dagster", "opendp")
HEAD = """# Benchmark results

Each section is written by the script of its name (`python benchmarks/NAME.py --write`). Timings on
a small shared machine vary from run to run: trust the ratios, which come from one run each.
"""


def machine() -> str:
    """Date, machine size and versions, in two lines."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.date.today()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n{versions}"
    )


def write_section(name: str, body: str) -> None:
    """Put a section into RESULTS.md, in place of the one of that name."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEAD
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    section = f"{begin}\n## {name}\n\n{machine()}\n\n{body}\n{end}"
    if begin in text and end in text:
        before, rest = text.split(begin, 1)
        text = before + section + rest.split(end, 1)[1]
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    RESULTS.write_text(text, encoding="utf-8")
