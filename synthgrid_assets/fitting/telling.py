"""What a fit says: a block of a world file, and its curve among those of simulated patterns.

Belongs here: form. Not here: fitting (`fit`).
"""

from __future__ import annotations

from pathlib import Path

from synthgrid_assets.fitting.fit import Fit, flattened
from synthgrid_assets.fitting.surface_regression import INTERCEPT, SurfaceFit

_DIGITS = 6


def layer_block(fit: Fit, name: str) -> str:
    """The layer's table of a world file.

    Examples
    --------
    >>> import numpy as np
    >>> fit = Fit("poisson", {"points_per_km2": 41.25}, {}, {}, 0.5, np.ones(1), np.ones(1), None)
    >>> print(layer_block(fit, "cafes"))
    [layers.cafes]
    process = "poisson"
    points_per_km2 = 41.25
    """
    lines = [f"[layers.{name}]", f'process = "{fit.process}"']
    for key, value in fit.parameters.items():
        if isinstance(value, list):
            tables = ("{ " + ", ".join(_pairs(table)) + " }" for table in value)
            lines.append(f"{key} = [{', '.join(tables)}]")
        else:
            lines += _pairs({key: value})
        if key in fit.intervals:
            low, high = fit.intervals[key]
            lines[-1] += f"  # +- {fit.standard_errors[key]:.3g}, 95 %: {low:.4g} to {high:.4g}"
    return "\n".join(lines)


def surface_block(fit: SurfaceFit, name: str, raster: Path, largest: float) -> str:
    """The input's and the layer's tables of a world file."""
    told = [
        f"# {key}: {value:.6g} +- {fit.standard_errors[key]:.3g}"
        for key, value in fit.coefficients.items()
    ]
    lines = [
        f"# logarithm of points per square metre, {INTERCEPT} and by covariate:",
        *told,
        f"[inputs.{name}_intensity]",
        f'raster = "{raster.name}"',
        f"maximum = {_number(largest)}",
        "",
        f"[layers.{name}]",
        'process = "poisson"',
        f"points_per_km2 = {_number(largest)}",
        f'intensity = "{name}_intensity"',
    ]
    return "\n".join(lines)


def as_json(fit: Fit) -> dict[str, object]:
    """Parameters and their errors in a world file's units, for programs."""
    return {
        "process": fit.process,
        "parameters": fit.parameters,
        "standard_errors": fit.standard_errors,
        "intervals": {name: list(ends) for name, ends in fit.intervals.items()},
        "p_value": None if fit.envelope is None else fit.p_value,
        "notes": list(fit.notes),
    }


def as_rows(fit: Fit) -> list[dict[str, str]]:
    """A row for each parameter, for people."""
    rows = []
    for name, value in flattened(fit.parameters).items():
        error = fit.standard_errors.get(name)
        ends = fit.intervals.get(name)
        rows.append(
            {
                "parameter": name,
                "estimate": f"{value:.6g}",
                "standard error": "-" if error is None else f"{error:.3g}",
                "95 %": "-" if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g}",
            }
        )
    return rows


def draw_fit(fit: Fit, target: Path) -> None:
    """L(r) - r of the points within the global envelope of simulated patterns, as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    r = fit.distances
    if fit.envelope is not None:
        low, high = fit.envelope.low, fit.envelope.high
        axes.fill_between(r, low, high, color="#d7dee6", label="95 % of simulated patterns")
        axes.plot(r, fit.envelope.middle, color="#7a8794", linestyle="--", label="their mean")
    axes.plot(r, fit.observed, color="#b3421b", label="the points")
    axes.axhline(0.0, color="#444444", linewidth=0.6)
    axes.set(xlabel="distance r, metres", ylabel="L(r) - r, metres")
    known = "" if fit.envelope is None else f", goodness of fit p = {fit.p_value:.3g}"
    axes.set_title(f"{fit.process}{known}", fontsize="medium")
    axes.legend(frameon=False)
    figure.savefig(target, dpi=120)


def _pairs(table: dict[str, object]) -> list[str]:
    return [f"{key} = {_number(value)}" for key, value in table.items()]


def _number(value: object) -> str:
    assert isinstance(value, int | float)
    return repr(float(f"{value:.{_DIGITS}g}"))
