"""What Dagster loads: every world of the worlds folder."""

from synthgrid_assets.assets.build import build_definitions

defs = build_definitions()
