"""Calibration of the checks of newer processes, surfaces and products.

    python benchmarks/calibration_newer.py [--tiles 2000] [--worlds 40] [--write]

Size and power of processes as in `calibration.py`. The rest in whole worlds: each is made under
seeds of its own, tile by tile as a run makes them, and judged by the product's own tests; then
faults are planted into rows, and counted is in which share of tiles each test finds them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely
from calibration import size_table
from calibration_judge import NEWER
from calibration_power import power_table
from calibration_tails import tail_table
from report import write_section

from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.reports.region_checks import region_checks
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.verdict import TILE_ALPHA
from synthgrid_assets.world.validation import load_spec

STREETS = Path(__file__).parents[1] / "worlds" / "riverton_streets.geojson"
WORLD = f"""
[world]
name = "calibration"
seed = "calibration"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [176, 176, 208, 208]
tile = 8

[inputs.streets]
vector = "{STREETS}"

[inputs.hill]
gradient = {{ kind = "gaussian", centre = [512300, 5412300], sd = 400.0 }}

[inputs.valley]
gradient = {{ kind = "ridge", from = [511300, 5411300], to = [513300, 5413000], sd = 150.0, low = 0.05 }}

[layers.gaussian]
process = "poisson"
points_per_km2 = 4000.0
intensity = "hill"

[layers.ridge]
process = "poisson"
points_per_km2 = 3000.0
intensity = "valley"

[layers.on_lines]
process = "on_lines"
lines = "streets"
points_per_km = 60.0

[layers.on_lines_clusters]
process = "on_lines"
lines = "streets"
points_per_km = 60.0
clusters = {{ mean_offspring = 6.0, sigma = 80.0 }}

[layers.footprints]
process = "matern_ii"
candidates_per_km2 = 900.0
radius = 18.0

[layers.footprints.footprint]
shape = "rectangle"
width = [8.0, 13.0]
depth = 9.0
overlap = "none"
along = {{ input = "streets", within = 100.0 }}

[layers.parcels]
process = "poisson"
points_per_km2 = 10.0
parcels = {{ block = 2, area = 900.0 }}

[layers.tracks]
process = "poisson"
points_per_km2 = 40.0

[layers.tracks.tracks]
start = 2026-01-05T08:00:00Z
duration = 3600
every = 30
range = 900
noise = {{ white = 3.0, drift = 4.0, outliers = 0.02, clock = 1.0 }}
"""  # noqa: E501
Rows = Callable[[pa.Table, np.random.Generator], pa.Table]


@dataclass
class Found:
    """What the tests said of healthy or damaged tiles."""

    tiles: int = 0
    judged: Counter[str] = field(default_factory=Counter)
    red: Counter[str] = field(default_factory=Counter)
    p_values: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def _without(share: float) -> Rows:
    return lambda rows, rng: rows.filter(pa.array(rng.random(rows.num_rows) >= share))


def _shifted(metres: float) -> Rows:
    """One geometry moved to the east."""

    def damaged(rows: pa.Table, rng: np.random.Generator) -> pa.Table:
        geometry = rows["geometry"].to_numpy(zero_copy_only=False).copy()
        chosen = rng.integers(rows.num_rows)
        moved = shapely.affinity.translate(shapely.from_wkb(geometry[chosen]), metres)
        geometry[chosen] = shapely.to_wkb(moved)
        return _with(rows, "geometry", geometry)

    return damaged


def _added(name: str, least: float) -> Rows:
    """One number of a column enlarged."""

    def damaged(rows: pa.Table, rng: np.random.Generator) -> pa.Table:
        values = rows[name].to_numpy(zero_copy_only=False).copy()
        values[rng.integers(rows.num_rows)] += least
        return _with(rows, name, values)

    return damaged


def _turned(rows: pa.Table, rng: np.random.Generator) -> pa.Table:
    """All polygons turned by 3 degrees."""
    shapes = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    turned = [shapely.affinity.rotate(shape, 3.0) for shape in shapes]
    return _with(rows, "geometry", shapely.to_wkb(turned))


def _noisier(rows: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Every reported position with twice its error."""
    xy = shapely.get_coordinates(shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False)))
    true = np.column_stack([rows[name].to_numpy() for name in ("true_x", "true_y")])
    return _with(rows, "geometry", shapely.to_wkb(shapely.points(2 * xy - true)))


def _with(rows: pa.Table, name: str, values: object) -> pa.Table:
    where = rows.column_names.index(name)
    return rows.set_column(where, name, pa.array(values, rows.schema.field(name).type))


CASES: dict[str, tuple[str, dict[str, Rows]]] = {
    "gaussian": ("points", {"a third of the points missing": _without(0.34)}),
    "ridge": ("points", {"a third of the points missing": _without(0.34)}),
    "on_lines": (
        "points",
        {
            "half of the points missing": _without(0.5),
            "one arc a metre longer": _added("arc_m", 1.0),
        },
    ),
    "on_lines_clusters": (
        "points",
        {
            "half of the points missing": _without(0.5),
            "one arc a metre longer": _added("arc_m", 1.0),
        },
    ),
    "footprints": (
        "footprints",
        {"one moved by 1 m": _shifted(1.0), "all turned by 3 degrees": _turned},
    ),
    "parcels": (
        "parcels",
        {"one moved by 1 cm": _shifted(0.01), "one area 1 m2 larger": _added("area_m2", 1.0)},
    ),
    "tracks": (
        "tracks",
        {"errors twice as large": _noisier, "one true place 1 km off": _added("true_x", 1000.0)},
    ),
}


def world_rows(worlds: int) -> Iterator[str]:
    """Size, then power, of each case: a line each."""
    yield "| layer, product | tiles | test | judged | red | p < 0.01 | p < 0.001 |"
    yield "|---|---|---|---|---|---|---|"
    power = ["| layer, product | fault | tiles | found by (share of tiles) |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calibration.toml"
        path.write_text(WORLD, encoding="utf-8")
        for layer, (product, faults) in CASES.items():
            healthy, region, damaged = _judged(path, layer, product, faults, worlds)
            name = layer if layer == product else f"{layer}, {product}"
            yield from _size_lines(name, healthy)
            yield from _region_lines(name, region, worlds)
            for fault, found in damaged.items():
                shares = {test: found.red[test] / max(found.tiles, 1) for test in found.judged}
                told = ", ".join(f"{test} {share:.2f}" for test, share in shares.items() if share)
                power.append(f"| {name} | {fault} | {found.tiles} | {told or 'none'} |")
    yield ""
    yield from power


def _judged(
    path: Path, layer: str, product: str, faults: dict[str, Rows], worlds: int
) -> tuple[Found, Found, dict[str, Found]]:
    (made,) = products_named(product)
    healthy, region = Found(), Found()
    damaged = {fault: Found() for fault in faults}
    rng = np.random.default_rng(7)
    for world in range(worlds):
        spec = load_spec(path, {"world.seed": f"calibration {world}"})
        with tempfile.TemporaryDirectory() as root:
            context = open_layer(spec, layer, Path(root))
            with Journal(context.layout) as journal:
                for tile in spec.world.tiling:
                    journal.record(make_tile(context.job, (made,), tile.key))
                    rows = made.rows(context, tile).table
                    _note(healthy, made.verify(context, tile, rows))
                    if world < 10 and rows.num_rows > 1:
                        for fault, damage in faults.items():
                            _note(damaged[fault], made.verify(context, tile, damage(rows, rng)))
            checks = region_checks(context, made)
            own = made.region_tests(context.table)
            _note(region, [checks[test].verdict for test in own])
    return healthy, region, damaged


def _note(found: Found, verdicts: object) -> None:
    found.tiles += 1
    for verdict in verdicts:  # type: ignore[attr-defined]
        if not verdict.judged:
            continue
        found.judged[verdict.test] += 1
        found.red[verdict.test] += not verdict.passed
        if verdict.p_value is not None:
            found.p_values[verdict.test].append(verdict.p_value)


def _size_lines(name: str, found: Found) -> Iterator[str]:
    for test, judged in found.judged.items():
        p = np.array(found.p_values.get(test, []))
        shares = (
            [f"{np.mean(p < level):.4f}" for level in (0.01, 0.001)] if p.size else ["exact"] * 2
        )
        line = f"| {name} | {found.tiles} | {test} | {judged} | {found.red[test]} |"
        yield f"{line} {' | '.join(shares)} |"


def _region_lines(name: str, found: Found, worlds: int) -> Iterator[str]:
    for line in _size_lines(f"{name}, region", found):
        yield line.replace(f"| {found.tiles} |", f"| {worlds} worlds |", 1)


def report(tiles: int, worlds: int) -> Iterator[str]:
    yield "Columns as in the section *calibration*.\n\n**Size of processes**\n"
    yield from size_table(tiles, NEWER)
    yield "\n**Count tails**\n"
    yield from tail_table(20 * tiles, NEWER)
    regions = tiles // 400
    if regions:
        yield f"\n**Power** (of {regions} regions)\n"
        yield from list(power_table(regions, NEWER))[:-1]
    yield (
        f"\n**Size in whole worlds** ({worlds} worlds of 16 tiles under seeds of their own; a "
        f"test is red below {TILE_ALPHA:g}; exact tests have no p-value)\n"
    )
    yield from world_rows(worlds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, default=2_000, help="healthy tiles per process")
    parser.add_argument("--worlds", type=int, default=40, help="whole worlds per layer")
    parser.add_argument("--write", action="store_true", help="replace the section in RESULTS.md")
    options = parser.parse_args()
    lines = []
    for line in report(options.tiles, options.worlds):
        print(line, flush=True)
        lines.append(line)
    lines.append(
        f"\n`python benchmarks/calibration_newer.py --tiles {options.tiles} "
        f"--worlds {options.worlds}`"
    )
    if options.write:
        write_section("calibration_newer", "\n".join(lines))


if __name__ == "__main__":
    main()
