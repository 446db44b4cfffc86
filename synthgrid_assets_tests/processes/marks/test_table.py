"""What marks depend on: one message per mistake, with the key path and what is allowed."""

from __future__ import annotations

import pytest

from synthgrid_assets.processes.marks.table import drawing_order, mark_mistakes, rasters_of
from synthgrid_assets_tests.processes.marks.examples import EVERY_LAW, marks

KIND = "kind = { choice = { tea = 3, coffee = 7 } }\n"
TIME = "opened = { timestamp = { start = 2026-01-01, end = 2027-01-01 } }\n"


def by(source, rest="", law="normal = {{ mean = {}, sd = 1 }}"):
    return f"it = {{ {law.format(f'{{ by = {source!r}{rest} }}')} }}\n".replace("'", '"')


POSITIVE = "normal = {{ mean = 0, sd = {} }}"
# what is declared, the key path of the one mistake, words of its message
WRONG = {
    "unknown name": (KIND + by("kinf"), ".it.normal.mean", "did you mean kind?"),
    "unknown raster": (by("peeple"), ".it.normal.mean", "did you mean people?"),
    "an input without values": (by("land"), ".it.normal.mean", "labels or numbers, or a raster"),
    "a time": (TIME + by("opened"), ".it.normal.mean", "labels or numbers, or a raster"),
    "a missing label": (KIND + by("kind", ", tea = 3"), ".it.normal.mean", "no value for coffee"),
    "an unknown label": (
        KIND + by("kind", ", tea = 3, cofee = 4"),
        ".it.normal.mean",
        "'cofee'; did you mean coffee?",
    ),
    "scaling a label": (KIND + by("kind", ", scale = 3"), ".it.normal.mean", "no label 'scale'"),
    "labels of a raster": (by("people", ", tea = 3"), ".it.normal.mean", "unknown key 'tea'"),
    "a negative sd": (by("people", law=POSITIVE), ".it.normal.sd", "0 where people = 0"),
    "a label out of bounds": (
        KIND + by("kind", ", tea = 3, coffee = 0", POSITIVE),
        ".it.normal.sd",
        "0 where kind = coffee; it must be greater than 0",
    ),
    "a mean of counts": (
        by("people", ", scale = 70000", "poisson = {{ mean = {} }}"),
        ".it.poisson.mean",
        "70000 where people = 1",
    ),
    "an unbounded mark": (
        "n = { normal = { mean = 0, sd = 1 } }\n" + by("n", law="poisson = {{ mean = {} }}"),
        ".it.poisson.mean",
        "-9.4194 where n",
    ),
    "an interval that may be empty": (
        by("people", ", scale = 3", law="uniform = [{}, 2]"),
        ".it.uniform",
        "could be empty",
    ),
    "an interval that turns": (
        'it = { uniform = [{ by = "people", scale = 3 }, { by = "people", offset = 1 }] }',
        ".it.uniform",
        "could be empty",
    ),
    "no weight left": (
        by("people", law="choice = {{ a = {} }}"),
        ".it.choice",
        "every weight could be 0",
    ),
    "a negative weight": (
        by("people", ", scale = -1", law="choice = {{ a = {}, b = 1 }}"),
        ".it.choice.a",
        "-1 where people = 1",
    ),
    "itself": (by("it"), "", "circle (it -> it)"),
    "a circle": (
        by("b") + 'b = { poisson = { mean = { by = "c", a = 1 } } }\n'
        'c = { choice = { a = { by = "it" } } }',
        "",
        "circle (",
    ),
    "two of one name": (by("people") + "people = { uniform = [0, 1] }", ".it.normal.mean", "both"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_each_mistake_gives_one_message(mistake):
    text, path, words = WRONG[mistake]
    found = list(mark_mistakes(marks(text), ["people"], ["land"]))
    assert [key for key, _ in found] == [path], found
    assert words in found[0][1]


def test_what_may_depend_is_accepted():
    assert list(mark_mistakes(marks(EVERY_LAW), ["people"])) == []


def test_ends_that_follow_one_source_may_overlap_elsewhere():
    ends = '{ by = "people", scale = 9 }, { by = "people", scale = 9, offset = 1 }'
    text = f"it = {{ uniform = [{ends}] }}"
    assert list(mark_mistakes(marks(text), ["people"])) == []


def test_marks_are_drawn_after_what_they_depend_on():
    order = drawing_order(marks(by("kind", ", tea = 1, coffee = 2") + KIND))
    assert order.index("kind") < order.index("it")
    assert rasters_of(marks(EVERY_LAW)) == ("people",)
