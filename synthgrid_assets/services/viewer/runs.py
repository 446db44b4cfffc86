"""Runs over rectangles of tiles: those that this viewer started, each a child process.

Belongs here: starting ``synthgrid materialize``, following and ending it. Not here: what the run
does (`dagster.runs`), who may start one (`guard`).

A run is a child and not a request to Dagster's webserver: so it needs no webserver and no daemon,
it is the one run that the command line would make, and it stands in the instance that the UI shows.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.tile_state import CHOICES, TileState, check_choice
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.services.viewer.watched import WatchedWorld
from synthgrid_assets.settings import DATA_VARIABLE
from synthgrid_assets.world.tile_selection import tiles_in

MOST_KEPT = 20  # ended runs that are still told of
END_SECONDS = 20.0  # that a run has to end in once it is asked to
# a shell's background process ignores Ctrl-C and so would its children: a run that is cancelled
# must not
_COMMAND = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from synthgrid_assets.cli import main; main()"
)


@dataclass(frozen=True)
class Request:
    """What a person asks for on the map.

    Parameters
    ----------
    tiles : str
        ``X0:X1,Y0:Y1``, half-open, counted from the world's first tile.
    layer, asset : str or None
        None: all.
    only : str or None
        A choice of `materialize.tile_state.CHOICES`.
    force : bool
        Make sound tiles again.
    """

    tiles: str
    layer: str | None = None
    asset: str | None = None
    only: str | None = None
    force: bool = False

    @classmethod
    def parse(cls, content: object) -> Request:
        """A request as a browser sends it.

        Raises
        ------
        SpecError
            If a key is not known or has another type.
        """
        kinds = {"tiles": str, "layer": str, "asset": str, "only": str, "force": bool}
        if not isinstance(content, dict) or "tiles" not in content:
            raise SpecError('expected a JSON object with "tiles" as X0:X1,Y0:Y1')
        for key, value in content.items():
            if key not in kinds:
                raise SpecError(f"no key {key!r}; valid keys: {list(kinds)}")
            if value is not None and type(value) is not kinds[key]:
                raise SpecError(f"{key}: {value!r} is no {kinds[key].__name__}")
        given = {key: value for key, value in content.items() if value is not None}
        if "tiles" not in given:
            raise SpecError('"tiles" is missing: X0:X1,Y0:Y1')
        return cls(**given)

    def check(self, world: WatchedWorld) -> list[Tile]:
        """The tiles that it names.

        Raises
        ------
        SpecError
            If a name is not known or no tile is named.
        """
        spec = world.spec
        check_choice(self.only)
        if self.layer is not None and self.layer not in spec.layers:
            raise SpecError(f"no layer {self.layer!r}; layers: {list(spec.layers)}")
        known = {product.name for table in spec.layers.values() for product in products_of(table)}
        if self.asset is not None and self.asset not in known:
            raise SpecError(f"no asset {self.asset!r}; assets: {sorted(known)}")
        return tiles_in(spec, self.tiles)

    def names(self, layer: str, asset: str) -> bool:
        """Whether a product takes part."""
        return self.layer in (None, layer) and self.asset in (None, asset)

    def arguments(self) -> list[str]:
        """The options of ``synthgrid materialize``."""
        options = [f"--tiles={self.tiles}", "--json"]
        named = {"layers": self.layer, "assets": self.asset, "only": self.only}
        options += [f"--{name}={value}" for name, value in named.items() if value is not None]
        return [*options, *(["--force"] if self.force else [])]


@dataclass(eq=False)
class ChildRun:
    """One run that was started here.

    Parameters
    ----------
    world : WatchedWorld
    request : Request
    tiles : list of Tile
    process : Popen
    output, errors : binary file
        What the process writes.
    """

    world: WatchedWorld
    request: Request
    tiles: list[Tile]
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    errors: IO[bytes]
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    begun: float = field(default_factory=time.time)
    commits: dict[Any, int] = field(default_factory=dict)
    cancelled: bool = False
    summary: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""
    code: int | None = None

    def poll(self) -> None:
        """Read what it said, once it has ended."""
        if self.code is not None or self.process.poll() is None:
            return
        self.output.seek(0)
        self.errors.seek(0)
        with contextlib.suppress(ValueError):
            self.summary = json.load(self.output)
        told = self.errors.read().decode(errors="replace").strip().splitlines()
        if not self.summary:
            self.trouble = "\n".join(told[-5:])
        self.output.close()
        self.errors.close()
        self.code = self.process.returncode

    @property
    def status(self) -> str:
        """``running``, ``passed``, ``failed`` or ``cancelled``."""
        if self.code is None:
            return "running"
        if self.cancelled:
            return "cancelled"
        return "passed" if self.code == 0 else "failed"

    def cancel(self) -> None:
        """Ask it to end, as Ctrl-C does: what is committed stays."""
        if self.process.poll() is None:
            self.cancelled = True
            self.process.send_signal(signal.SIGINT)


class Runs:
    """The runs of one viewer."""

    def __init__(self) -> None:
        self._runs: list[ChildRun] = []
        self._lock = threading.Lock()

    def start(self, world: WatchedWorld, request: Request) -> ChildRun:
        """Start one run.

        Raises
        ------
        SpecError
            If the request names what there is not, no tile is in the state that it asks for, or
            another run is at work on some of its tiles.
        """
        tiles = request.check(world)
        _refuse_idle(world, request, tiles)
        for run in self.of(world):
            if run.code is None and not set(run.tiles).isdisjoint(tiles):
                raise SpecError("a run is at work on some of these tiles; wait for it or cancel it")
        command = [sys.executable, "-c", _COMMAND, "materialize", str(world.path.resolve())]
        output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(
            [*command, *request.arguments()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, DATA_VARIABLE: str(world.root)},
            start_new_session=True,  # Ctrl-C reaches the viewer alone, which passes it on once
        )
        run = ChildRun(world, request, tiles, process, output, errors)
        run.commits = dict(world.commits)
        with self._lock:
            self._runs.append(run)
            ended = [one for one in self._runs if one.code is not None]
            for old in ended[:-MOST_KEPT]:
                self._runs.remove(old)
        return run

    def of(self, world: WatchedWorld) -> Iterator[ChildRun]:
        """The runs of a world, latest first."""
        with self._lock:
            runs = [run for run in self._runs if run.world is world]
            for run in runs:
                run.poll()
        yield from reversed(runs)

    def find(self, key: str) -> ChildRun | None:
        """The run of a key."""
        with self._lock:
            return next((run for run in self._runs if run.key == key), None)

    def close(self) -> None:
        """End every run and wait for it, a while."""
        with self._lock:
            running = [run for run in self._runs if run.process.poll() is None]
            for run in running:
                run.cancel()
            deadline = time.monotonic() + END_SECONDS
            for run in running:
                try:
                    run.process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    run.process.kill()  # nothing half-written stays: the next run goes on
                    run.process.wait()
            for run in self._runs:
                run.poll()


def _refuse_idle(world: WatchedWorld, request: Request, tiles: list[Tile]) -> None:
    """Refuse a request for tiles in some state where there is none of them."""
    if request.only is None:
        return
    world.refresh()
    wanted = CHOICES[request.only]
    for (layer, asset), states in world.states().items():
        found = (states.get(tile.cells, TileState.MISSING) for tile in tiles)
        if request.names(layer, asset) and any(state in wanted for state in found):
            return
    told = request.only.replace("-", " ")
    raise SpecError(f"none of the {len(tiles)} tiles is {told}: there is nothing to make")
