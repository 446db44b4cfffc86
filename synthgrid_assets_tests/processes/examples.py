"""One example of every registered process, on cells of 64 m, for the tests that run on all."""

from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.protocol import Process
from synthgrid_assets.processes.registry import REGISTRY, process

CELL_METRES = 64.0
PER_CELL = 1e6 / CELL_METRES**2  # per km2 for one per cell

PARAMETERS: dict[str, dict[str, object]] = {
    "poisson": {"points_per_km2": 8 * PER_CELL},
    "thomas": {"parents_per_km2": PER_CELL / 2, "mean_offspring": 8.0, "sigma": 45.0},
    "hierarchical_thomas": {
        "parents_per_km2": PER_CELL / 8,
        "mean_clusters": 4.0,
        "mean_offspring": 8.0,
        "spread": 60.0,
        "sigma": 20.0,
        "pareto": 1.5,
        "doublings": 2,
    },
    "cascade": {"points_per_km2": 8 * PER_CELL, "shares": [0.4, 0.3, 0.2, 0.1], "levels": 3},
    "sierpinski": {"points_per_km2": 8 * PER_CELL, "levels": 2},
    "matern_cluster": {"parents_per_km2": PER_CELL / 2, "mean_offspring": 8.0, "radius": 40.0},
    "matern_i": {"candidates_per_km2": 8 * PER_CELL, "radius": 8.0},
    "matern_ii": {"candidates_per_km2": 8 * PER_CELL, "radius": 16.0},
    "lgcp": {
        "points_per_km2": 8 * PER_CELL,
        "scales": [{"sd": 0.5, "range": 70.0}, {"sd": 0.4, "range": 34.0}],
    },
    "strauss": {"beta_per_km2": 6 * PER_CELL, "gamma": 0.4, "radius": 12.0},
    "hard_core": {"beta_per_km2": 6 * PER_CELL, "radius": 10.0},
    "grid": {"points_per_cell": 4},
    "jittered": {"points_per_cell": 4},
}


def example(name: str, twin: int = 0) -> Process:
    """The example of a family under its own key; twins are independent."""
    family = REGISTRY[name]
    return family.build(
        process(name, PARAMETERS[name]), stream_key("example", name, twin), CELL_METRES
    )
