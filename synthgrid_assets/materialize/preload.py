"""What workers share: modules that are loaded once, before the first of them is forked.

Belongs here: their names, which cost nothing to know. Not here: loading them (`engine.local`).
"""

PRELOAD = ("synthgrid_assets.materialize.work_units",)
