"""Odd world files: refused at check time, quickly, in words that are safe to print."""

import os
import time

import pytest

from synthgrid_assets.world.validation import check_world
from synthgrid_assets.world.world_text import MAX_BYTES, printable
from synthgrid_assets_tests.inputs.broken_inputs import WORLD

PLAIN = WORLD.format(table="constant = 0.5", use="")


def problems(folder, text, name="odd.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    begun = time.monotonic()
    found = [str(problem) for problem in check_world(path, contents=True)[1]]
    assert time.monotonic() - begun < 20  # milliseconds on an idle machine
    return found


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (
            "100.0",
            "1e-320",
            r"points.points_per_km2: .*with points_per_km2 = 1e-320; use",
        ),
        (
            "100.0",
            "9" * 5000,
            "an integer of more than 4,300 digits; no key takes one$",
        ),
        ("500000.0", "9" * 4000, "world.origin.0: "),
        ("100.0", "[" * 5000 + "]" * 5000, "5000 brackets within each other"),
        ("100.0", "{a=" * 5000 + "1" + "}" * 5000, "5000 brackets within each other"),
        (
            "points_per_km2 = 100.0",
            f"points_per_km2 = 1.0\n{'k' * 100_000} = 2",
            r"layers.points.k{186} \.\.\.: unknown key; allowed",
        ),
        ("[layers.points]", f"[layers.{'k' * 100_000}]", r"layers.k{193} \.\.\.: "),
        ('"poisson"', f'"{"k" * 100_000}"', r"unknown process 'k{199} \.\.\. allowed: \w+, \w+"),
        ('"poisson"', f'"{"k " * 100_000}"', r"unknown process '(k ){500,599}k? ?\.\.\.$"),
        ("points_per_km2", ".".join("a" * 50_000), "a dotted key of more than 64 parts"),
        ("points_per_km2", " . ".join(["'a b'"] * 50_000), "a dotted key of more than 64 parts"),
        ("[inputs.it]", "[" + ".".join("a" * 50_000) + "]", "a dotted key of more than 64"),
        ("cell = 64.0", "cell = 1e-9", "world.cell: .*steps of 2.38e-16 m"),
        ("500000.0", "1e300", "world.cell: .*an origin nearer to 0"),
        ("EPSG:32633", "x" * 100_000, r"world.crs: 'x{199} \.\.\.: not a CRS"),
        ("100.0", "100.0\nrelease = { epsilon = 1e-9 }", "layers.points.release.epsilon: 1e-09"),
        ("poisson", "\\u001b[31mred\\u0007", r"unknown process '\\x1b\[31mred\\x07'"),
        ("points_per_km2", '"k\\u001b[2Jey"', r"layers.points.k\\x1b\[2Jey: unknown key"),
    ],
    ids=lambda value: value[:20],
)
def test_an_odd_file_is_refused_by_name(tmp_path, old, new, word):
    import re

    found = problems(tmp_path, PLAIN.replace(old, new, 1))
    assert any(re.search(word, line) for line in found), found
    assert all(line.isprintable() and len(line) < 1500 for line in found)


def test_a_cell_that_is_no_size_is_told_once(tmp_path):
    (told,) = problems(tmp_path, PLAIN.replace("cell = 64.0", "cell = 1e-320"))
    assert "world.cell: cells of 1e-320 m" in told


@pytest.mark.parametrize(
    ("encoding", "line", "byte"), [("latin-1", 3, "0xf6"), ("utf-16", 1, "0xff")]
)
def test_another_encoding_is_told_with_its_line(tmp_path, encoding, line, byte):
    path = tmp_path / "odd.toml"
    path.write_bytes(PLAIN.replace('seed = "s"', 'seed = "Größe"').encode(encoding))
    (problem,) = check_world(path)[1]
    assert f"line {line} holds the byte {byte}" in problem.message
    assert "save the file as UTF-8" in problem.message


def test_dots_and_brackets_in_texts_are_no_keys(tmp_path):
    text = PLAIN.replace('seed = "s"', f'seed = "{".".join("a" * 200)}{"[" * 200}"')
    assert not problems(tmp_path, text + "# " + ".".join("a" * 200) + "[" * 200 + "\n")


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    assert not problems(tmp_path, f"\ufeff{PLAIN}")


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    with (tmp_path / "large.toml").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (tmp_path / "folder.toml").mkdir()
    for name, word in (
        ("pipe", "a named pipe"),
        ("zero", "a named pipe, device or socket"),
        ("large", "16 MiB"),
        ("folder", "a folder"),
        ("gone", "no such world file"),
    ):
        (problem,) = check_world(tmp_path / f"{name}.toml")[1]
        assert word in problem.message


def test_printable_keeps_lines_and_letters():
    assert printable("Größe\nzwei\x9b\u202e") == "Größe\nzwei\\x9b\\u202e"
