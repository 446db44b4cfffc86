"""Random zones: stars with holes and overlaps, boxes on one lattice, slivers."""

from __future__ import annotations

import numpy as np
import shapely


def star(r, centre, radius, count, hole):
    angle = np.sort(r.uniform(0, 2 * np.pi, count))
    size = radius * r.uniform(0.5, 1, count)
    around = np.column_stack([np.cos(angle), np.sin(angle)])
    holes = [centre + 0.4 * radius * around] if hole else []
    return shapely.Polygon(centre + size[:, None] * around, holes)


def random_zones(r, count, scale=1.0, offset=(0.0, 0.0), largest=0.7):
    """Valid polygons and multipolygons of all sizes within about 10 units of the offset.

    Radii lie between 10**-3 and 10**largest, evenly by their logarithm.
    """
    found = []
    for k in range(count):
        centre = r.uniform(-10, 10, 2)
        radius = 10 ** r.uniform(-3, largest)
        found.append(star(r, centre, radius, int(r.integers(4, 60)), k % 3 == 0))
    found += [shapely.box(x, y, x + 2, y + 1) for x in range(-4, 4) for y in range(-4, 4)]
    found += [shapely.Polygon([(-9, y), (9, y + 1e-7), (9, y + 2e-7)]) for y in (-3.0, 0.25, 7.1)]
    found += [shapely.MultiPolygon([found[0], shapely.box(20, 20, 21, 21)])]
    shapes = shapely.make_valid(np.array(found), method="structure", keep_collapsed=False)
    shapes = shapely.transform(shapes, lambda xy: xy * scale + np.asarray(offset))
    shapes = shapely.make_valid(shapes, method="structure", keep_collapsed=False)
    return shapes[np.isin(shapely.get_type_id(shapes), (3, 6)) & ~shapely.is_empty(shapes)]


def hard_points(r, shapes, count):
    """Random points, vertices, points on edges, and points a few roundings beside them."""
    west, south, east, north = shapely.total_bounds(shapes)
    vertices = shapely.get_coordinates(shapes)
    anywhere = r.uniform((west, south), (east, north), (count, 2))
    on_vertex = vertices[r.integers(0, len(vertices), count)]
    first = r.integers(0, len(vertices) - 1, count)
    share = r.uniform(0, 1, (count, 1))
    on_edge = vertices[first] * share + vertices[first + 1] * (1 - share)
    beside = np.concatenate([on_vertex, on_edge])
    beside = beside + r.normal(0, 1, beside.shape) * np.spacing(np.abs(beside)) * 4
    level = np.column_stack([anywhere[:, 0], on_vertex[:, 1]])  # at the height of a vertex
    outside = r.uniform((west - 5, south - 5), (east + 5, north + 5), (count, 2))
    odd = np.array([[np.nan, 0], [np.inf, 0], [west, south], [east, north], [0.0, -0.0]])
    return np.concatenate([anywhere, on_vertex, on_edge, beside, level, outside, odd])


def by_geos(shapes, xy):
    """(point, zone) pairs by shapely's tree, as one sorted array of numbers."""
    points = shapely.points(xy)
    found = shapely.STRtree(shapes).query(points, predicate="intersects")
    return np.sort(found[0] * len(shapes) + found[1])


def as_numbers(matches, count):
    points = np.repeat(np.arange(matches.starts.size - 1), np.diff(matches.starts))
    return points * count + matches.zones
