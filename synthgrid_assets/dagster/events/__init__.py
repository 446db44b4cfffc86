"""Events: what Dagster is told of a tile, and where it keeps it."""
