"""The asset ``release_report``: a world, its evidence and its map in one HTML file.

Belongs here: the asset. Not here: the report (`reports.release_report`).
"""

import dagster as dg

from synthgrid_assets.dagster.keys import common, layer_key, release_report_key
from synthgrid_assets.dagster.resources import DataRoot
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.release_report.page import report
from synthgrid_assets.settings import viewer_url
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.spec import WorldSpec


def release_report_asset(spec: WorldSpec) -> dg.AssetsDefinition:
    """The report of a world, made when somebody asks for it."""
    world = spec.world.name

    @dg.asset(
        key=release_report_key(world),
        deps=[
            layer_key(world, layer, name)
            for layer, table in spec.layers.items()
            for name in (*(product.name for product in products_of(table)), "quality")
        ],
        description="One HTML file for whoever signs off a release: map, laws beside what was "
        "observed, all checks with their false-alarm rates, private releases, lineage. Every "
        "check is evaluated again when it is made.",
        kinds={"python", "html"},
        **common(world),
    )
    def release_report(data: DataRoot) -> dg.MaterializeResult[None]:
        layout = Layout(data.path)
        content = report(spec, data.path).encode()
        key = layout.release_report(world)
        layout.store.put(key, content)
        return dg.MaterializeResult(
            metadata={
                "report": dg.MetadataValue.url(f"{viewer_url()}/worlds/{world}/report"),
                "path": dg.MetadataValue.path(layout.store.address(key)),
                "size_bytes": str(len(content)),
            }
        )

    return release_report
