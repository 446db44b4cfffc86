"""The processes that a world file may name.

Belongs here: one line per family, and the validation of a layer's parameters. Not here:
any process; a new one is its own module and one line here, or one call of `register`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from synthgrid_assets.errors import SpecError
from synthgrid_assets.processes import cascade, grid, lgcp, matern_hard_core, poisson, released
from synthgrid_assets.processes.cluster import hierarchical_thomas, matern_cluster, thomas
from synthgrid_assets.processes.family import Family, Parameters
from synthgrid_assets.processes.gibbs import strauss
from synthgrid_assets.processes.on_lines import process as on_lines
from synthgrid_assets.processes.on_lines.process import ON_LINES, OnLinesParameters

_FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("poisson", poisson.PoissonParameters, poisson.ALGORITHM_VERSION, poisson.build),
        Family("thomas", thomas.ThomasParameters, thomas.ALGORITHM_VERSION, thomas.build),
        Family(
            "matern_cluster",
            matern_cluster.MaternClusterParameters,
            matern_cluster.ALGORITHM_VERSION,
            matern_cluster.build,
        ),
        Family(
            "matern_i",
            matern_hard_core.MaternHardCoreParameters,
            matern_hard_core.ALGORITHM_VERSION,
            matern_hard_core.build_i,
        ),
        Family(
            "matern_ii",
            matern_hard_core.MaternHardCoreParameters,
            matern_hard_core.ALGORITHM_VERSION,
            matern_hard_core.build_ii,
        ),
        Family(
            "hierarchical_thomas",
            hierarchical_thomas.HierarchicalThomasParameters,
            hierarchical_thomas.ALGORITHM_VERSION,
            hierarchical_thomas.build,
        ),
        Family("cascade", cascade.CascadeParameters, cascade.ALGORITHM_VERSION, cascade.build),
        Family(
            "sierpinski",
            cascade.SierpinskiParameters,
            cascade.ALGORITHM_VERSION,
            cascade.build_sierpinski,
        ),
        Family("lgcp", lgcp.LgcpParameters, lgcp.ALGORITHM_VERSION, lgcp.build),
        Family(
            "strauss",
            strauss.StraussParameters,
            strauss.ALGORITHM_VERSION,
            strauss.build_strauss,
        ),
        Family(
            "hard_core",
            strauss.HardCoreParameters,
            strauss.ALGORITHM_VERSION,
            strauss.build_hard_core,
        ),
        Family("grid", grid.GridParameters, grid.ALGORITHM_VERSION, grid.build_grid),
        Family("jittered", grid.GridParameters, grid.ALGORITHM_VERSION, grid.build_jittered),
    )
}
Families = Mapping[str, Family]
REGISTRY: Families = MappingProxyType(_FAMILIES)
# what is drawn from an input, and so built where inputs are known: parameters and version
OF_INPUTS: Mapping[str, tuple[type[Parameters], int]] = MappingProxyType(
    {
        ON_LINES: (OnLinesParameters, on_lines.ALGORITHM_VERSION),
        "released": (released.ReleasedParameters, released.ALGORITHM_VERSION),
    }
)


def register(family: Family) -> None:
    """Make a family known to world files that are read from now on in this process.

    Workers need no registry: a job tells them the families that it uses.

    Raises
    ------
    SpecError
        If the name is taken.
    """
    if family.name in _FAMILIES:
        raise SpecError(f"process {family.name!r} is registered already")
    _FAMILIES[family.name] = family


def unregister(family: Family) -> None:
    """Forget a family that `register` has made known."""
    del _FAMILIES[family.name]


def process(
    name: str, parameters: Mapping[str, object], families: Families = REGISTRY
) -> Parameters:
    """The validated parameters of a process.

    Parameters
    ----------
    name : str
        A name in `REGISTRY`.
    parameters : mapping
        The process's own keys of a layer, in metres and per km2.
    families : mapping of str to Family, optional
        Where it is looked up.

    Returns
    -------
    Parameters
        An instance of ``families[name].parameters``, to be given to its ``build``.

    Raises
    ------
    SpecError
        If the process or a parameter is unknown, missing or out of range; every fault is
        named, with the nearest known name.

    Examples
    --------
    >>> process("poisson", {"points_per_km2": 40.0})
    PoissonParameters(points_per_km2=40.0)
    """
    if name not in families:
        raise SpecError(f"process {name!r} is not known{_nearest(name, families)}")
    model = families[name].parameters
    try:
        return model.model_validate(dict(parameters))
    except ValidationError as error:
        faults = "; ".join(_fault(model, details) for details in error.errors())
        raise SpecError(f"process {name!r}: {faults}") from None


def _fault(model: type[Parameters], details: Any) -> str:
    path = ".".join(str(step) for step in details["loc"])
    if details["type"] == "extra_forbidden" and len(details["loc"]) == 1:
        return f"parameter {path!r} is not known{_nearest(path, model.model_fields)}"
    if details["type"] == "missing" and len(details["loc"]) == 1:
        return f"parameter {path!r} is missing ({model.model_fields[path].description})"
    return f"parameter {path!r} = {details['input']!r}: {details['msg']}"


def _nearest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f", did you mean {close[0]!r}?" if close else ";"
    return f"{hint} known: {', '.join(sorted(known))}"
