"""What a step over tiles does: from the engine's outcomes to the events of each tile.

Belongs here: the course of a step. Not here: the definitions of its assets (`tiled`), what
a tile holds (`products`), the anatomy of events (`tile_events`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from synthgrid_assets.dagster.ahead import begin_ahead
from synthgrid_assets.dagster.assets.made_inputs import MissingInputs
from synthgrid_assets.dagster.assets.tile_verification import verify_tiles
from synthgrid_assets.dagster.audit_seal import EVERY, seal_waiting
from synthgrid_assets.dagster.events.engine_figures import StepFigures
from synthgrid_assets.dagster.events.kept import Kept
from synthgrid_assets.dagster.events.tile_events import TileEvents, TileResult
from synthgrid_assets.dagster.metadata import receipt_metadata, verdicts_metadata
from synthgrid_assets.dagster.partitions import step_tiles
from synthgrid_assets.dagster.resources import Engine
from synthgrid_assets.dagster.retelling import tiles_told_otherwise, upstream_keys
from synthgrid_assets.errors import EngineError
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.run import TileFailed, TileMade
from synthgrid_assets.materialize.tile_state import (
    CHOICES,
    ONLY_STALE,
    check_choice,
    chosen_tiles,
)
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.versions import read_inputs

MAX_NAMED = 5  # failed tiles that the error of a step names


class TileStepConfig(dg.Config):
    """How a step makes its tiles."""

    force: bool = Field(default=False, description="Make committed tiles again.")
    only: str | None = Field(
        default=None,
        description=f"Only tiles in some state: {' or '.join(CHOICES)}; all without.",
    )


class TileStep:
    """One execution of a step over the tiles of its run, or over all without any.

    Parameters
    ----------
    context : AssetExecutionContext
    engine : Engine
    spec : WorldSpec
    layer : str
    root : Path
        The data root.
    keys : mapping of str to AssetKey
        All products of the step.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        engine: Engine,
        spec: WorldSpec,
        layer: str,
        root: Path,
        keys: Mapping[str, dg.AssetKey],
    ) -> None:
        self._context, self._engine = context, engine
        self._spec, self._layer, self._root = spec, layer, root
        self._keys = keys
        selected = context.selected_asset_keys
        self._chosen = {name: key for name, key in keys.items() if key in selected}
        self._tiles = step_tiles(context, spec.world.tiling)

    def events(self, *, force: bool, only: str | None = None) -> Iterator[Any]:
        """Events of each tile as it is committed; then the step's end or its failure.

        Where only checks are chosen, as by *Execute all*, nothing is made: the files of
        committed tiles are read and judged.

        Raises
        ------
        EngineError
            If tiles could not be made, or an input of a product.
        SpecError
            If there is no such choice as `only`.
        """
        check_choice(only)
        if not self._chosen:
            yield from verify_tiles(
                self._context, self._open(), self._keys, {tile.key for tile in self._tiles}
            )
            return
        inputs = MissingInputs(self._context, self._spec, Layout(self._root))
        products = products_named(*self._chosen)
        yield from inputs.make(read_inputs(self._spec, self._layer, products))
        useless = {
            product.name: next(name for name in needed if name in inputs.broken)
            for product in products
            if (needed := read_inputs(self._spec, self._layer, [product])) & inputs.broken.keys()
        }
        usable = tuple(product for product in products if product.name not in useless)
        told = [f"{name}: {inputs.broken[needed]}" for name, needed in useless.items()]
        yield from self._make(usable, told, force=force, only=only)

    def _make(
        self,
        products: tuple[Product, ...],
        failures: list[str],
        *,
        force: bool,
        only: str | None,
    ) -> Iterator[Any]:
        opened = layer_context = self._open()
        failed: list[TileFailed] = []
        figures = StepFigures(self._engine.session)
        with contextlib.ExitStack() as stack:
            journal = stack.enter_context(Journal(layer_context.layout))
            otherwise = self._told_otherwise(opened, products) if only == ONLY_STALE else ()
            tiles = chosen_tiles(journal, layer_context, products, self._tiles, only, otherwise)
            events = stack.enter_context(self._tile_events(opened, tiles, products))
            if not events.brief:
                layer_context = layer_context.with_pictures()
            outcomes = (
                self._engine.make_tiles(
                    journal,
                    layer_context,
                    products,
                    tiles,
                    force=force,
                    tell=self._context.log.info,
                )
                if products
                else ()
            )
            for number, outcome in enumerate(outcomes, start=1):
                if number % EVERY == 0:
                    seal_waiting(self._context.log, self._root)
                if isinstance(outcome, TileFailed):
                    failed.append(outcome)
                    self._context.log.error(f"tile {outcome.tile}: {outcome.error}")
                else:
                    yield from self._told(events, outcome, layer_context)
            yield from figures.observation(next(iter(self._chosen.values())))
            if failed:
                failures.append(_failed_tiles(failed, tiles))
            if failures:
                yield from events.tell_kept()
                raise EngineError("\n".join(failures))
            yield from events.close()
        begin_ahead(self._context, self._engine, opened, self._context.op_execution_context.op.name)

    def _told_otherwise(
        self, opened: LayerContext, products: tuple[Product, ...]
    ) -> Container[str]:
        """Keys of tiles that Dagster knows in another version than the declared one."""
        step = self._context
        return tiles_told_otherwise(step.instance, step.assets_def, opened, products, self._tiles)

    def _tile_events(
        self, opened: LayerContext, tiles: Sequence[Tile], products: tuple[Product, ...]
    ) -> TileEvents:
        """Events of the chosen tiles."""
        return TileEvents(
            self._context,
            [tile.key for tile in tiles],
            planned=len(self._tiles),
            settled=upstream_keys(opened, products),
        )

    def _told(
        self, events: TileEvents, made: TileMade, layer_context: LayerContext
    ) -> Iterator[Any]:
        for receipt in made.receipts:
            asset = self._chosen[receipt.asset]
            if made.kept and events.stands(asset, receipt.tile, receipt.digest, receipt.passed):
                kept = Kept(1, receipt.rows, receipt.size, failed_tiles=int(not receipt.passed))
                events.keep(asset, receipt.tile, kept)
                continue
            metadata = receipt_metadata(receipt, layer_context.layout.store, brief=events.brief)
            yield from events.tile(
                TileResult(
                    asset=asset,
                    tile=receipt.tile,
                    data_version=receipt.digest,
                    passed=receipt.passed,
                    metadata={**metadata, "kept": True} if made.kept else metadata,
                    check_metadata=verdicts_metadata(receipt.verdicts, brief=events.brief),
                )
            )

    def _open(self) -> LayerContext:
        return open_layer(self._spec, self._layer, self._root)


def _failed_tiles(failed: list[TileFailed], tiles: list[Tile]) -> str:
    named = "\n".join(f"{tile.tile}: {tile.error}" for tile in failed[:MAX_NAMED])
    more = f"\nand {len(failed) - MAX_NAMED} more" if len(failed) > MAX_NAMED else ""
    return (
        f"{len(failed)} of {len(tiles)} tiles failed, the others are committed; run the same "
        f"tiles again to make only what is missing.\n{named}{more}"
    )
