"""Fates of points in a Gibbs process, decided by their clans of ancestors.

Belongs here: which births are accepted, as a function of the noise alone. Not here: the
noise itself (`space_time`), the process and its law (`strauss`).

A birth is killed by each accepted point that is alive and within the radius at that time
with probability ``1 - gamma``, independently; so it is accepted with probability ``gamma``
to the power of its accepted neighbours. Who *could* kill it is known without knowing who is
accepted: these are its parents in the clan, older than itself. On average there are at most
``beta (1 - gamma) pi R^2`` of them, so a clan is finite where that is below 1.

Ferrari, Fernandez and Garcia (2002), Perfect simulation for interacting point processes,
loss networks and Ising models, Stochastic Processes and their Applications 102.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synthgrid_assets.lattice.seeding import INTERACTION, Key, philox
from synthgrid_assets.processes.gibbs.space_time import (
    ACCEPTED,
    BIRTH,
    BORN,
    DIED,
    FATE,
    OLDEST,
    REJECTED,
    START,
    STOP,
    TIME_BITS,
    UNDECIDED,
    X,
    Y,
    draw,
    kernel,
)

# what stopped the search before all fates were known, and how to go on
DONE, DEEPER, WIDER, ROOMIER, LONGER = range(5)


class Rule(NamedTuple):
    """How points act on each other, and where they come from.

    Attributes
    ----------
    radius : int
        Of interaction, in quanta.
    spared : uint64
        ``2**64 gamma``: a pair whose word is below it does not interact.
    bits : int
        A patch is a square of ``2**bits`` quanta.
    key : tuple of two uint64
        Stream key.
    """

    radius: int
    spared: np.uint64
    bits: int
    key: Key


@kernel
def settle(points, drawn, used, table, stack, found, corner, rule, window):
    """Decide the fate of every point alive now in a window of quanta.

    Parameters
    ----------
    points, drawn, used, corner
        The columns of `space_time.Past`.
    table : ndarray of uint64
        Inversion table of the points of a patch and layer.
    stack : ndarray of int64, shape (depth, 3)
        Room for the search, depth first: each generation's point, and the part of `found`
        that is still to be looked at.
    found : ndarray of int64, shape (room,)
        Those who could kill each of the points in the stack, one list after another.
    rule : Rule
    window : tuple of int
        ``(x0, y0, x1, y1)``, half-open.

    Returns
    -------
    int
        DONE, or what there was too little of. The search can then be called again with
        more, and goes on with what is decided already.
    """
    bits = rule.bits
    for row in range((window[1] >> bits) - corner[1], ((window[3] - 1) >> bits) - corner[1] + 1):
        for column in range(
            (window[0] >> bits) - corner[0], ((window[2] - 1) >> bits) - corner[0] + 1
        ):
            at = (0, row, column)
            if drawn[0, row, column, START] < 0 and not draw(
                points, drawn, used, table, at, corner, rule.bits, rule.key
            ):
                return ROOMIER
            for i in range(drawn[0, row, column, START], drawn[0, row, column, STOP]):
                within = window[0] <= points[i, X] < window[2]
                within &= window[1] <= points[i, Y] < window[3]
                if within and points[i, FATE] == UNDECIDED:
                    status = _decide(i, points, drawn, used, table, stack, found, corner, rule)
                    if status != DONE:
                        return status
    return DONE


@kernel
def _decide(target, points, drawn, used, table, stack, found, corner, rule):
    """Decide the fate of a point, and of as many of its clan as that takes."""
    depth, i, begin = 0, target, 0
    while True:
        # a generation further back
        if depth == stack.shape[0]:
            return LONGER
        status, end = _could_kill(i, begin, points, drawn, used, table, found, corner, rule)
        if status != DONE:
            return status
        stack[depth, 0], stack[depth, 1], stack[depth, 2] = i, begin, end
        # towards the present again, as far as fates are known
        while depth >= 0:
            unknown = _judge(depth, points, stack, found)
            if unknown >= 0:
                i, begin = unknown, stack[depth, 2]
                break
            depth -= 1
        if depth < 0:
            return DONE
        depth += 1


@kernel
def _judge(depth, points, stack, found):
    """Decide a point by those who could kill it: the first of unknown fate that matters, or -1."""
    i = stack[depth, 0]
    for at in range(stack[depth, 1], stack[depth, 2]):
        other = found[at]
        if points[other, FATE] == UNDECIDED:
            stack[depth, 1] = at
            return other
        if points[other, FATE] == ACCEPTED:
            points[i, FATE] = REJECTED
            return -1
    points[i, FATE] = ACCEPTED
    return -1


@kernel
def _could_kill(i, n, points, drawn, used, table, found, corner, rule):
    """List who could kill point i, from place n on: what was lacking, and the list's end."""
    x, y, born = points[i, X], points[i, Y], points[i, BORN]
    radius, bits = rule.radius, rule.bits
    left, right = ((x - radius) >> bits) - corner[0], ((x + radius) >> bits) - corner[0]
    below, above = ((y - radius) >> bits) - corner[1], ((y + radius) >> bits) - corner[1]
    last = (born >> TIME_BITS) + 1  # what is in later layers died before the birth
    if last >= drawn.shape[0]:
        return DEEPER, n
    if left < 0 or below < 0 or above >= drawn.shape[1] or right >= drawn.shape[2]:
        return WIDER, n
    for layer in range(last + 1):
        for row in range(below, above + 1):
            for column in range(left, right + 1):
                at = (layer, row, column)
                if drawn[layer, row, column, START] < 0 and not draw(
                    points, drawn, used, table, at, corner, rule.bits, rule.key
                ):
                    return ROOMIER, n
                if drawn[layer, row, column, OLDEST] < born:
                    continue
                for j in range(drawn[layer, row, column, START], drawn[layer, row, column, STOP]):
                    if not _meet(j, i, points, radius):
                        continue
                    if not _interact(j, i, points, rule.spared, rule.key):
                        continue
                    if n == found.size:
                        return LONGER, n
                    found[n] = j
                    n += 1
    return DONE, n


@kernel
def _meet(j, i, points, radius):
    """Whether j is near, and alive when i is born."""
    dx, dy = points[j, X] - points[i, X], points[j, Y] - points[i, Y]
    if dx * dx + dy * dy > radius * radius:
        return False
    if points[j, DIED] > points[i, BORN]:
        return False
    if points[j, BORN] == points[i, BORN]:  # born at once: the words decide who is older
        return points[j, BIRTH] > points[i, BIRTH]
    return points[j, BORN] > points[i, BORN]


@kernel
def _interact(j, i, points, spared, key):
    """Whether the word of a pair that meets lets j kill i."""
    if spared == 0:
        return True
    # the address is the pair's: both birth words, and the way from one to the other
    dx, dy = points[j, X] - points[i, X], points[j, Y] - points[i, Y]
    way = ((dx + (1 << 30)) << 32) | (dy + (1 << 30))
    one = np.int64(points[i, BIRTH]).view(np.uint64)
    other = np.int64(points[j, BIRTH]).view(np.uint64)
    return philox(one, other, np.uint64(way), INTERACTION, key[0], key[1])[0] >= spared
