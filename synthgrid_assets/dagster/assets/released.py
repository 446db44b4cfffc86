"""The assets ``counts_release`` and ``released_surface`` of a layer that is drawn from a release.

Belongs here: their definitions and what they show. Not here: charging and drawing
(`privacy.releases`), the points that are drawn from them (`tiled`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.assets.made_inputs import made_input
from synthgrid_assets.dagster.keys import RELEASE, common, input_key, layer_key, world_key
from synthgrid_assets.dagster.metadata import rows_table
from synthgrid_assets.dagster.resources import DataRoot
from synthgrid_assets.errors import SynthGridError
from synthgrid_assets.inputs.kinds.input import Record
from synthgrid_assets.privacy.releases.marginal_files import COLUMNS as MARGINAL_COLUMNS
from synthgrid_assets.privacy.releases.marginal_files import read_bins
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.releases.published import COLUMNS, find_published
from synthgrid_assets.privacy.releases.statements import budget_lines, preview
from synthgrid_assets.reports.releases import released_quality
from synthgrid_assets.settings import privacy_ledger
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import input_version, make_input
from synthgrid_assets.world.private_inputs import data_set
from synthgrid_assets.world.releases.questions import ask_of
from synthgrid_assets.world.spec import WorldSpec, marginals_of, release_of

MOST_SHOWN = 64  # bins in the metadata


def release_assets(spec: WorldSpec, layer: str) -> list[dg.AssetsDefinition]:
    """The assets of a layer with the process `released`, but for its marginals."""
    return [_counts_release(spec, layer), _released_surface(spec, layer)]


def marginals_asset(spec: WorldSpec, layer: str) -> dg.AssetsDefinition:
    """The marginals that released marks of a layer are drawn from."""
    world, name = spec.world.name, marginals_of(layer)

    def shown(made: Record) -> dict[str, Any]:
        found = find_published(made.path)
        assert found is not None  # made just now
        return {"marginals": rows_table(read_bins(found)[:MOST_SHOWN])}

    return _published(
        spec,
        layer,
        name,
        shown,
        key=input_key(world, name),
        deps=[layer_key(world, layer, RELEASE)],
        description="Counts of private points by label or by bin, with noise, that marks are drawn "
        "from: charged together with counts_release, each at its own loss, and recorded once. Each "
        "estimate has its standard deviation and a 95 % interval.",
        metadata=_schema(MARGINAL_COLUMNS),
    )


def _counts_release(spec: WorldSpec, layer: str) -> dg.AssetsDefinition:
    world = spec.world.name
    return _published(
        spec,
        layer,
        release_of(layer),
        lambda made: _statement(spec, layer),
        key=layer_key(world, layer, RELEASE),
        deps=[world_key(world)],
        description="Counts of private points per block, with noise: charged to the data set's "
        "budget, drawn and recorded in one step, once. The same question, from whatever world or "
        "layer, is answered from the ledger at no cost. Each estimate has its standard deviation "
        "and a 95 % interval; a file holds 64 x 64 blocks.",
        metadata=_schema(COLUMNS),
    )


def _published(
    spec: WorldSpec,
    layer: str,
    name: str,
    shown: Callable[[Record], dict[str, Any]],
    **terms: Any,
) -> dg.AssetsDefinition:
    """An asset whose folder is published from the ledger: charged and drawn if it is not yet.

    Parameters
    ----------
    spec : WorldSpec
    layer : str
    name : str
        Of the made input.
    shown : callable
        Further metadata of what was made: public terms and released numbers alone.
    **terms
        The asset's own, as for `dagster.asset`.
    """

    @dg.asset(
        code_version=input_version(spec, name),
        kinds={"python", "opendp", "parquet"},
        **terms,
        **common(spec.world.name, layer),
    )
    def published(data: DataRoot) -> dg.MaterializeResult[None]:
        made = make_input(spec, name, Layout(data.path))
        path = dg.MetadataValue.path(str(made.path))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(made.data_version),
            metadata={**made.facts, "path": path, **shown(made)},
        )

    return published


def _schema(columns: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    described = [dg.TableColumn(*column) for column in columns]
    return {"dagster/column_schema": dg.TableSchema(columns=described)}


def _statement(spec: WorldSpec, layer: str) -> dict[str, Any]:
    """The data set's budget and the release's errors as tables: public terms alone."""
    ledger = PrivateLedger(privacy_ledger())
    ask = ask_of(spec, layer)
    name = data_set(spec, spec.layers[layer].parameters["source"])
    lines = [
        {**asdict(line), "snapshots": ", ".join(line.snapshots)}
        for line in budget_lines(ledger, [name])
    ]
    errors = [asdict(line) for line in preview(ledger, ask).errors]
    shown = {"expected_error": rows_table(errors)}
    return {**shown, "budget": rows_table(lines)} if lines else shown


def beside_private(spec: WorldSpec, layer: str, root: Path) -> dict[str, Any]:
    """How near the layer's points are to the private ones, where a look at these was charged.

    Nothing is charged here: without a recorded look the metadata say so.
    """
    if layer not in spec.released_layers:
        return {}
    try:
        found = released_quality(spec, root, layer)
    except SynthGridError as error:  # as where the ledger is not: the points need it no more
        return {"beside_private_data": f"not compared: {error}"}
    if found is None:
        return {
            "beside_private_data": "not compared: a look at private counts costs a part of the "
            "budget (synthgrid privacy quality WORLD --spend)"
        }
    return {
        "beside_private_data": rows_table([asdict(line) for line in found.ranges]),
        **{
            name: value
            for name in ("histogram_distance", "k_distance")
            if (value := getattr(found, name)) is not None
        },
    }


def _released_surface(spec: WorldSpec, layer: str) -> dg.AssetsDefinition:
    world, name = spec.world.name, release_of(layer)

    @dg.asset(
        key=input_key(world, name),
        deps=[layer_key(world, layer, RELEASE)],
        description="Expected points per block, non-negative and consistent, that follow from the "
        "release alone: what the layer's synthetic points are drawn from.",
        code_version=input_version(spec, name),
        kinds={"python", "zarr"},
        **common(world, layer),
    )
    def released_surface(data: DataRoot) -> dg.MaterializeResult[None]:
        data_version, shown = made_input(spec, name, Layout(data.path))
        return dg.MaterializeResult(data_version=dg.DataVersion(data_version), metadata=shown)

    return released_surface
