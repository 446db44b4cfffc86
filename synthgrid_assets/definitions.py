"""What Dagster loads: every world of the worlds folder."""

from synthgrid_assets.loading import loading

with loading():
    from synthgrid_assets.dagster.build import build_definitions

    defs = build_definitions()
