"""What every form of lineage tells of a world: its assets, runs, inputs and checks.

Belongs here: gathering, from spec, journal and audit log. Not here: any form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pyproj import Transformer

from synthgrid_assets.audit.log import AuditRecord, world_logs
from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.product import Column, Product
from synthgrid_assets.products.region_tests.committed_tiles import committed_tiles
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.region_checks import claim_of, region_checks
from synthgrid_assets.storage.digest import add_digests, digest_from_hex, digest_hex
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import WorldSpec

PROGRAM = "synthgrid_assets"
HOME = "https://pypi.org/project/synthgrid-assets/"  # names the program in forms that want a URL


@dataclass(frozen=True)
class Check:
    """A named check of an asset.

    Parameters
    ----------
    name, claim : str
    verdict : Verdict
    """

    name: str
    claim: str
    verdict: Verdict


@dataclass(frozen=True)
class AssetRun:
    """What one run made of an asset, as the audit log has it.

    Parameters
    ----------
    run : str
        Id of the run.
    began, ended : str
        UTC, of the first task and the last.
    files : tuple of str
        Keys of the tiles' files.
    """

    run: str
    began: str
    ended: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class AssetFacts:
    """A product of a layer, as it is committed.

    Parameters
    ----------
    world, layer, name, description : str
    columns : tuple of Column
    code_version, realisation : str
    upstream : tuple of str
        Products of the same layer that it is derived from.
    inputs : tuple of (str, str)
        Names and data versions of the world's inputs behind the layer.
    receipts : tuple of Receipt
        Of its committed tiles, in the order of their files.
    bounds : tuple of float
        West, south, east, north in degrees (WGS 84).
    checks : tuple of Check
        Empty where none were asked for.
    runs : tuple of AssetRun
    """

    world: str
    layer: str
    name: str
    description: str
    columns: tuple[Column, ...]
    code_version: str
    realisation: str
    upstream: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    receipts: tuple[Receipt, ...]
    bounds: tuple[float, float, float, float]
    checks: tuple[Check, ...] = ()
    runs: tuple[AssetRun, ...] = ()

    @property
    def key(self) -> str:
        """Its name among all assets."""
        return f"{self.world}/{self.layer}/{self.name}"

    @property
    def rows(self) -> int:
        """Of all tiles."""
        return sum(receipt.rows for receipt in self.receipts)

    @property
    def size(self) -> int:
        """Bytes of all tiles."""
        return sum(receipt.size for receipt in self.receipts)

    @property
    def digest(self) -> str:
        """Content digest: the same on any tiling."""
        return digest_hex(add_digests(digest_from_hex(r.digest) for r in self.receipts))

    @property
    def folder(self) -> str:
        """What the keys of its files begin with."""
        return self.receipts[0].path.rpartition("/")[0]

    @property
    def file_list(self) -> str:
        """A line for each file, as ``sha256sum`` writes it, in the order of their names."""
        return "".join(f"{r.sha256}  {r.path}\n" for r in self.receipts)

    @property
    def files_digest(self) -> str:
        """SHA-256 of `file_list`: what Go's dirhash and in-toto's ``dirHash`` compute."""
        return hashlib.sha256(self.file_list.encode()).hexdigest()

    @property
    def last_ended(self) -> str:
        """When its newest tile was finished, in UTC."""
        return max((run.ended for run in self.runs), default="1970-01-01T00:00:00.000Z")


@dataclass(frozen=True)
class WorldFacts:
    """A world as it is committed.

    Parameters
    ----------
    spec : WorldSpec
    world_file : Path
    dataset_id : str or None
    assets : tuple of AssetFacts
        Those with at least one tile.
    version : str
        Of the program.
    """

    spec: WorldSpec
    world_file: Path
    dataset_id: str | None
    assets: tuple[AssetFacts, ...]
    version: str = field(default_factory=lambda: version(PROGRAM))

    @property
    def name(self) -> str:
        """The world's."""
        return self.spec.world.name

    @property
    def inputs(self) -> dict[str, str]:
        """Data versions of inputs, by name."""
        return {name: found for asset in self.assets for name, found in asset.inputs}

    @property
    def last_ended(self) -> str:
        """When the newest tile of all was finished, in UTC."""
        return max(asset.last_ended for asset in self.assets)

    def asset(self, layer: str, name: str) -> AssetFacts | None:
        """An asset by its names, if it has tiles."""
        return next((a for a in self.assets if (a.layer, a.name) == (layer, name)), None)


def world_facts(
    spec: WorldSpec, world_file: Path, root: Path, *, checks: bool = True
) -> WorldFacts:
    """Gather the facts of a world.

    Parameters
    ----------
    spec : WorldSpec
    world_file : Path
    root : Path
        Data root.
    checks : bool
        Whether the named checks of every asset are made; they read the region.

    Raises
    ------
    StorageError
        If nothing of the world is committed.
    """
    runs = _asset_runs(Layout(root), spec.world.name)
    assets, dataset_id = [], None
    for layer, table in spec.layers.items():
        context = open_layer(spec, layer, root)
        dataset_id = context.job.dataset_id or dataset_id
        for product in products_of(table):
            found = _asset_facts(context, product, runs)
            if found is not None:
                told = _checks(context, product) if checks else ()
                assets.append(replace(found, checks=told))
    if not assets:
        raise StorageError(
            f"no tile of {spec.world.name} is committed in {root}; `synthgrid materialize` first"
        )
    return WorldFacts(spec, world_file, dataset_id, tuple(assets))


def _asset_facts(
    context: LayerContext, product: Product, runs: dict[str, list[tuple[str, AuditRecord]]]
) -> AssetFacts | None:
    with Journal(context.layout) as journal:
        receipts = sorted(committed_tiles(journal, context, product.name), key=lambda r: r.path)
    if not receipts:
        return None
    versions = context.assets[product.name]
    paths = {receipt.path for receipt in receipts}
    return AssetFacts(
        context.spec.world.name,
        context.layer,
        product.name,
        " ".join(product.description(context.table).split()),
        tuple(product.columns(context.table)),
        versions.code_version,
        versions.realisation,
        tuple(product.upstream(context.table)),
        context.job.inputs,
        tuple(receipts),
        _degrees(context, receipts),
        runs=tuple(_runs_of(runs, paths)),
    )


def _degrees(context: LayerContext, receipts: list[Receipt]) -> tuple[float, float, float, float]:
    """The bounds of some tiles in degrees."""
    sides = zip(*(receipt.cells for receipt in receipts), strict=True)
    west, south, east, north = sides
    box = context.lattice.bounds(Cells(min(west), min(south), max(east), max(north)))
    to_degrees = Transformer.from_crs(context.lattice.crs, "OGC:CRS84", always_xy=True)
    found = to_degrees.transform_bounds(*box)
    return (float(found[0]), float(found[1]), float(found[2]), float(found[3]))


def _checks(context: LayerContext, product: Product) -> tuple[Check, ...]:
    found = region_checks(context, product)
    return tuple(
        Check(name, claim_of(product, name), check.verdict) for name, check in found.items()
    )


def _asset_runs(layout: Layout, world: str) -> dict[str, list[tuple[str, AuditRecord]]]:
    """By file, the run and the record of its newest making."""
    runs: dict[str, str] = {}
    newest: dict[str, tuple[str, AuditRecord]] = {}
    for log in world_logs(layout, world):
        for record in log.records():
            if record.kind == "layer":
                runs[_digest(record)] = str(record.body.get("run", ""))
            elif record.kind == "tile" and "context" in record.body:
                newest[record.file] = runs.get(str(record.body["context"]), ""), record
    by_folder: dict[str, list[tuple[str, AuditRecord]]] = {}
    for file, found in newest.items():
        by_folder.setdefault(file.rpartition("/")[0], []).append(found)
    return by_folder


def _digest(record: AuditRecord) -> str:
    return hashlib.sha256(record.text.encode()).hexdigest()


def _runs_of(
    by_folder: dict[str, list[tuple[str, AuditRecord]]], paths: set[str]
) -> Iterator[AssetRun]:
    folders = {path.rpartition("/")[0] for path in paths}
    by_run: dict[str, list[dict[str, Any]]] = {}
    for folder in folders:
        for run, record in by_folder.get(folder, ()):
            if run and record.file in paths:
                by_run.setdefault(run, []).append(record.body)
    for run, bodies in sorted(by_run.items()):
        yield AssetRun(
            run,
            min(body["began"] for body in bodies),
            max(body["ended"] for body in bodies),
            tuple(sorted(body["file"] for body in bodies)),
        )
