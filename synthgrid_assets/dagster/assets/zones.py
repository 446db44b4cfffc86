"""The asset ``zones``: polygons compiled for geofences, from a file, a world or what landed.

Belongs here: how Dagster is told. Not here: reading layers and compiling
(`services.gateway.geofence`).
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from pydantic import Field

from synthgrid_assets.dagster.keys import OWNERS
from synthgrid_assets.services.gateway.geofence.sources import compile_source
from synthgrid_assets.services.gateway.geofence.verification import wrong_answers

KEY = dg.AssetKey(["gateway", "zones"])
EQUAL = "answers_equal_those_of_geos"


class ZonesConfig(dg.Config):
    """What is compiled, and where to."""

    source: str = Field(
        description="A file of polygons, 'world:NAME/LAYER' for the Voronoi cells of a layer, or "
        "'landed:COLLECTION' for polygons that the gateway took in."
    )
    name: str | None = Field(None, description="Column or property that names the zones.")
    folder: str = Field(
        "", description="Folder of compiled zones; by default gateway/zones below the data root."
    )


def zone_definitions(data: str) -> dg.Definitions:
    """The asset and its check.

    Parameters
    ----------
    data : str
        Data root of the gateway.
    """

    @dg.asset(
        key=KEY,
        group_name="gateway",
        owners=OWNERS,
        kinds={"numpy"},
        description="Polygons compiled to a cell index that a gateway answers geofence questions "
        "with; one that serves the folder takes a new version up at once.",
        check_specs=[
            dg.AssetCheckSpec(
                EQUAL,
                asset=KEY,
                description="Points anywhere, on vertices and on edges: the zones found are those "
                "that GEOS finds. Exact.",
            )
        ],
    )
    def zones(config: ZonesConfig) -> Iterator[dg.MaterializeResult[None]]:
        folder = Path(config.folder or Path(data) / "gateway" / "zones")
        facts = compile_source(config.source, folder, data=data, name=config.name)
        wrong, asked = wrong_answers(folder)
        yield dg.MaterializeResult(
            metadata={
                "source": config.source,
                "folder": str(folder),
                "version": facts.version,
                "crs": facts.crs,
                "dagster/row_count": facts.zones,
                "edges": facts.edges,
                "cells": facts.cells,
            },
            data_version=dg.DataVersion(facts.version),
            check_results=[
                dg.AssetCheckResult(
                    check_name=EQUAL, passed=not wrong, metadata={"asked": asked, "wrong": wrong}
                )
            ],
        )

    return dg.Definitions(assets=[zones])
