"""``synthgrid fit``: parameters of a process from public points.

Belongs here: the command. Not here: fitting (`fitting`).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthgrid_assets.cli.arguments import JsonOption, numbers
from synthgrid_assets.cli.printing import explained, print_json, print_rows, tell, warn
from synthgrid_assets.errors import PrivacyError, SpecError
from synthgrid_assets.settings import world_files

if TYPE_CHECKING:
    from synthgrid_assets.fitting.k_estimate import Observed


@explained
def fit(
    points: Annotated[Path, typer.Argument(help="CSV or vector file of public points.")],
    process: Annotated[
        str, typer.Option(help="poisson, thomas, matern_cluster, lgcp or strauss.")
    ] = "thomas",
    radius: Annotated[float | None, typer.Option(help="Of strauss, in metres.")] = None,
    on: Annotated[
        list[Path] | None,
        typer.Option(metavar="RASTER", help="Covariate of a log-linear intensity; repeatable."),
    ] = None,
    window: Annotated[
        Path | None, typer.Option(help="Vector file of the polygons that were observed.")
    ] = None,
    bbox: Annotated[
        str | None,
        typer.Option(help="The box that was observed: xmin,ymin,xmax,ymax in the points' units."),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a file with several.")] = None,
    columns: Annotated[str, typer.Option(help="Coordinates in a CSV file.")] = "x,y",
    crs: Annotated[str | None, typer.Option(help="Reference system of a CSV file.")] = None,
    to: Annotated[
        str | None, typer.Option(help="Projected reference system to transform to.")
    ] = None,
    name: Annotated[
        str, typer.Option(help="Of the layer in the block that is printed.")
    ] = "fitted",
    simulations: Annotated[
        int,
        typer.Option(
            min=0, help="Simulated patterns, for errors and goodness of fit; 0 or from 39."
        ),
    ] = 99,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated patterns.")] = 1,
    picture: Annotated[
        Path | None, typer.Option(help="PNG of the observed curve in its envelope.")
    ] = None,
    surface: Annotated[
        Path | None, typer.Option(help="With --on: GeoTIFF of the fitted intensity.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a process to points and print its block of a world file.

    The points are taken as public: nothing protects them in what is printed. Private points go
    through a release instead: `private = ...` under [inputs.NAME], see docs/privacy.md.
    """
    from synthgrid_assets.fitting.k_estimate import Observed
    from synthgrid_assets.fitting.reading import bounding_window, read_points, read_window
    from synthgrid_assets.fitting.windows import Window

    _refuse_private(points)
    if (window is not None) + (bbox is not None) == 2:
        raise SpecError("--window and --bbox both say what was observed; give one of them")
    places = [part.strip() for part in columns.split(",")]
    if len(places) != 2:
        raise SpecError(f"--columns {columns!r}: expected two names, as lon,lat")
    read = read_points(points, layer=layer, columns=(places[0], places[1]), crs=crs, to=to)
    if window is not None:
        seen = read_window(window, read.crs)
    elif bbox is not None:
        box = numbers(bbox) or ()
        if len(box) != 4:
            raise SpecError(f"--bbox {bbox!r}: expected four numbers, xmin,ymin,xmax,ymax")
        seen = Window.rectangle(*(read.unit * edge for edge in box))
    else:
        seen = bounding_window(read.xy)
        warn("no --window and no --bbox: the points' own box is taken for what was observed")
    observed = Observed(read.xy, seen)
    if on:
        _fit_surface(observed, read.crs, on, surface, name, as_json)
        return
    if surface is not None:
        raise SpecError("--surface belongs to --on: without covariates there is no surface")
    _fit_process(observed, process, radius, simulations, seed, name, picture, as_json)


def _fit_process(
    observed: Observed,
    process: str,
    radius: float | None,
    simulations: int,
    seed: int,
    name: str,
    picture: Path | None,
    as_json: bool,
) -> None:
    from synthgrid_assets.fitting.fit import fit_process
    from synthgrid_assets.fitting.telling import as_json as told
    from synthgrid_assets.fitting.telling import as_rows, draw_fit, layer_block

    found = fit_process(observed, process, radius=radius, simulations=simulations, seed=seed)
    if picture is not None:
        draw_fit(found, picture)
    if as_json:
        print_json(told(found))
        return
    print_rows(f"{found.process}, {len(observed.xy):,} points", as_rows(found))
    if found.envelope is not None:
        tell(f"goodness of fit: p = {found.p_value:.3g} among {simulations} simulated patterns")
    for note in found.notes:
        warn(f"note: {note}")
    tell("")
    tell(layer_block(found, name))


def _fit_surface(
    observed: Observed, crs: str, on: list[Path], surface: Path | None, name: str, as_json: bool
) -> None:
    from synthgrid_assets.fitting.surface_regression import fit_surface, write_surface
    from synthgrid_assets.fitting.telling import surface_block

    found = fit_surface(observed, crs, on)
    largest = None if surface is None else write_surface(found, on, surface)
    if as_json:
        errors = {"standard_errors": found.standard_errors, "covered": found.covered}
        print_json({"parameters": found.coefficients, **errors})
        return
    if found.covered < 1:
        warn(f"note: the rasters hold values in {found.covered:.1%} of the window")
    rows = [
        {"covariate": key, "coefficient": f"{value:.6g}", "standard error": f"{error:.3g}"}
        for (key, value), error in zip(
            found.coefficients.items(), found.standard_errors.values(), strict=True
        )
    ]
    print_rows(f"log-linear intensity, {len(observed.xy):,} points", rows)
    if surface is not None and largest is not None:
        tell("")
        tell(surface_block(found, name, surface, largest))
    else:
        tell("add --surface FILE.tif for the fitted intensity and its block of a world file")


def _refuse_private(points: Path) -> None:
    """A file that a world declares private is not fitted: what is printed would tell of it."""
    wanted = points.resolve()
    for world in world_files():
        try:
            inputs = tomllib.loads(world.read_text(encoding="utf-8")).get("inputs", {})
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            continue
        for name, table in inputs.items() if isinstance(inputs, dict) else ():
            private = table.get("private") if isinstance(table, dict) else None
            if isinstance(private, str) and (world.parent / private).resolve() == wanted:
                raise PrivacyError(
                    f"{points}: {world.name} declares it private (inputs.{name}); a fit would tell "
                    'of it. Release it: process = "released", see docs/privacy.md'
                )
