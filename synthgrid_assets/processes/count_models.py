"""What a law says of the number of points in a rectangle, so that statistics need not guess.

Belongs here: one record for each way in which counts are known. Not here: any law, and the
distributions that statistics make of these (`statistics.laws.count_distribution`).

A law *states* its model (`Law.count_model`). Its attributes say nothing: a Cauchy cluster has
kappa, mu and a scale like a Thomas cluster, and other counts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PoissonModel:
    """Counts are Poisson and independent: the law's intensity says all."""


@dataclass(frozen=True)
class LinePoisson(PoissonModel):
    """As `PoissonModel`, of points on lines: these have no pair correlation in the plane."""


@dataclass(frozen=True)
class LineClusters:
    """Poisson parents on lines with Poisson broods; a tile's shares of clusters are given.

    Parameters
    ----------
    kappa : float
        Parents per quantum of line.
    mu : float
        Mean brood.
    """

    kappa: float
    mu: float


@dataclass(frozen=True)
class GaussianClusters:
    """Poisson parents with Poisson broods, displaced by a symmetric Gaussian (Thomas).

    Parameters
    ----------
    kappa : float
        Parents per cell.
    mu : float
        Mean brood.
    sigma : float
        Standard deviation of a displacement along each axis, in cells.
    """

    kappa: float
    mu: float
    sigma: float


@dataclass(frozen=True)
class DiscClusters:
    """Poisson parents with Poisson broods, uniform in a disc (Matern cluster).

    Parameters
    ----------
    kappa : float
        Parents per cell.
    mu : float
        Mean brood.
    radius : float
        Radius of the disc, in cells.
    """

    kappa: float
    mu: float
    radius: float


@dataclass(frozen=True)
class BoundedModel:
    """No moments are known: counts vary no more than Poisson's, the mean lies between bounds.

    Parameters
    ----------
    low, high : float
        Certified bounds of the intensity, per cell.
    """

    low: float
    high: float


@dataclass(frozen=True)
class RegularModel:
    """Points stand at fixed places: whole cells hold a certain number.

    Thinned unevenly, nothing but bounds is known: a mask's edge runs past all of a cell's
    points or past none.
    """


@dataclass(frozen=True)
class MomentsOnly:
    """No distribution is known in closed form; mean and variance are the law's."""


@dataclass(frozen=True)
class BlockModel:
    """Moments are known, and the intensity jumps at the edges of blocks of whole cells.

    The blocks may end where tiles do, so a jump across a border of tiles is no sign of a seam.
    """


ClusterModel = GaussianClusters | DiscClusters
CountModel = (
    PoissonModel
    | ClusterModel
    | LineClusters
    | BoundedModel
    | RegularModel
    | BlockModel
    | MomentsOnly
)
ON_LINES = (LinePoisson, LineClusters)  # whose points lie on lines
EXACT = (PoissonModel, GaussianClusters, DiscClusters)  # whose distribution has a table
