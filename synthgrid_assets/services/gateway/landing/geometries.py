"""Landing features: a body's chunks through the rules of GeoJSON and GEOS into partitions.

Belongs here: one delivery of geometries, feature by feature. Not here: leases and files of a
batch (`batch`), the rules themselves (`geojson`, `geometry`).

A fault of the body itself (cut off, not JSON, text behind its end) ends the whole delivery:
half of a collection is no collection, and its sender will send it again. A fault of a feature
is that feature's alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import CrsAfterFeaturesError, GatewayError
from synthgrid_assets.inputs.landed import UNLOCATED
from synthgrid_assets.services.gateway.geojson import (
    NO_GEOJSON,
    FeatureBatch,
    FeatureReader,
    Reason,
    Rejection,
    is_sequence,
)
from synthgrid_assets.services.gateway.geometry import Landed, Normalizer, find_duplicates
from synthgrid_assets.services.gateway.inbox.bodies import open_body
from synthgrid_assets.services.gateway.inbox.deliveries import DeadLetter, Lease, Suspect
from synthgrid_assets.services.gateway.landing.collections import Collection
from synthgrid_assets.services.gateway.landing.grids import Grid
from synthgrid_assets.services.gateway.landing.processes.chunks import ChunkSize, next_chunk
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.reports import Report, dead_letter
from synthgrid_assets.services.gateway.landing.rows import FeatureRows

STRIKES = 2  # times that a worker was ended at one feature before it is a dead letter
WINDOW = 100_000  # features of a delivery among which equal ones are looked for
Held = tuple[list[str], FeatureRows]  # partitions of rows, and the rows
Add = Callable[[str, list[str], FeatureRows], None]
Reject = Callable[[list[DeadLetter]], None]


@dataclass(frozen=True)
class Sink:
    """Where the features of one delivery go.

    Attributes
    ----------
    add : callable
        Takes the reference system, partitions and rows.
    reject : callable
        Takes dead letters.
    restart : callable
        Takes back everything of this delivery.
    alive : callable
        Called between chunks: prolongs the lease, or raises if it is lost.
    """

    add: Add
    reject: Reject
    restart: Callable[[], None]
    alive: Callable[[], None]


@dataclass
class _Delivery:
    """A delivery on its way."""

    lease: Lease
    suspects: Sequence[Suspect]
    sink: Sink
    report: Report = field(default_factory=Report)
    held: list[Held] = field(default_factory=list)


class GeometryLanding:
    """Lands deliveries into one collection.

    Parameters
    ----------
    collection : Collection
        How.
    progress : Progress
        Told what is worked on.
    chunk : ChunkSize
        How many features at once.
    most : int
        Bytes of a decompressed body.
    """

    def __init__(
        self, collection: Collection, progress: Progress, chunk: ChunkSize, *, most: int
    ) -> None:
        self._collection = collection
        self._grid: Grid = collection.open_grid()
        self._progress = progress
        self._chunk = chunk
        self._most = most
        self._normalizers: dict[str, Normalizer] = {}

    def land(self, lease: Lease, suspects: Sequence[Suspect], sink: Sink) -> tuple[Report, str]:
        """Land a delivery; its report, and the fault of its body if there is one."""
        crs = self._collection.crs
        for _ in range(2):
            try:
                return self._land(_Delivery(lease, suspects, sink), crs)
            except CrsAfterFeaturesError as error:
                sink.restart()
                crs = error.crs
        raise GatewayError(f"the body of job {lease.id} names its reference system twice")

    def _land(self, delivery: _Delivery, crs: str | None) -> tuple[Report, str]:
        lease, report = delivery.lease, delivery.report
        sequence = is_sequence(lease.content_type)
        with open_body(lease, most=self._most) as stream:
            reader = FeatureReader(stream, sequence=sequence, crs=crs, chunk=1)
            for batch in self._batches(delivery, reader):
                found = (item for item in batch.rejections if _of_body(item, reader, sequence))
                fault = next(found, None)
                if fault is not None:
                    return self._failed(delivery, fault)
                self._take(delivery, reader.crs, batch)
                self._progress.done(features=len(batch))
        self._land_held(delivery)
        if report.features == 0 and not sequence:
            report.more["message"] = "the body holds no features"
        return report, ""

    def _batches(self, delivery: _Delivery, reader: FeatureReader) -> Iterator[FeatureBatch]:
        """Chunks, smaller where a worker was ended; each is timed from its reading on."""
        ordinal = 0
        batches = iter(reader)
        while True:
            delivery.sink.alive()
            reader.chunk = next_chunk(ordinal, delivery.suspects, self._chunk.features)
            self._progress.begin(delivery.lease.id, ordinal, reader.chunk)
            began = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                return
            yield batch
            if not delivery.suspects and len(batch):
                self._chunk.update(time.perf_counter() - began, len(batch))
            last = [item.ordinal for item in batch.rejections] + batch.ordinals[-1:].tolist()
            ordinal = max([ordinal - 1, *last]) + 1

    def _failed(self, delivery: _Delivery, fault: Rejection) -> tuple[Report, str]:
        features = delivery.report.features + sum(len(rows.ordinals) for _, rows in delivery.held)
        delivery.sink.restart()
        delivery.sink.reject([replace(dead_letter(fault), ordinal=-1)])
        failed = Report(rejected=features or 1)
        failed.more["fault"] = {"at": fault.at, "reason": str(fault.reason)}
        return failed, f"{fault.reason} at byte {fault.at}: {fault.detail}"

    def _take(self, delivery: _Delivery, crs: str, batch: FeatureBatch) -> None:
        report = delivery.report
        letters = [dead_letter(rejection) for rejection in batch.rejections]
        batch, accused = _without_accused(batch, delivery.suspects)
        letters += accused
        batch, outside = self._in_box(batch, crs)
        report.outside += outside
        if len(batch):
            landed = self._normalizer(crs)(batch)
            letters += [dead_letter(rejection) for rejection in landed.rejections]
            self._add(delivery, batch, landed)
        if letters:
            delivery.sink.reject(letters)
            report.rejected += len(letters)
            report.cut |= any(letter.length > len(letter.data) for letter in letters)

    def _add(self, delivery: _Delivery, batch: FeatureBatch, landed: Landed) -> None:
        geometry, rows = landed.geometry, landed.rows
        bounds = shapely.bounds(geometry)
        kept = self._meets_box(bounds)
        delivery.report.outside += int((~kept).sum())
        geometry, rows, bounds = geometry[kept], rows[kept], bounds[kept]
        partitions = self._grid.partitions((bounds[:, :2] + bounds[:, 2:]) / 2)
        repaired = [reason for reason, keep in zip(landed.repaired, kept, strict=True) if keep]
        unlocated = np.asarray(landed.unlocated, np.int64)
        every = np.concatenate([rows, unlocated])
        features = FeatureRows(
            job=delivery.lease.id,
            ordinals=batch.ordinals[every],
            offsets=batch.offsets[every],
            ids=batch.ids.take(pa.array(every)),
            properties=batch.properties.take(pa.array(every)),
            geometry=np.concatenate([geometry, np.full(len(unlocated), None, object)]),
            repaired=[*repaired, *([None] * len(unlocated))],
            received=delivery.lease.received,
        )
        delivery.held.append((partitions + [UNLOCATED] * len(unlocated), features))
        held = sum(len(rows.ordinals) for _, rows in delivery.held)
        if self._collection.deduplicate is None or held >= WINDOW:
            self._land_held(delivery)

    def _land_held(self, delivery: _Delivery) -> None:
        """Pass on what is held, without those that equal another of it."""
        held, delivery.held = delivery.held, []
        report = delivery.report
        for partitions, rows in self._deduplicated(held, report):
            if len(rows.ordinals):
                delivery.sink.add(self._grid.crs, partitions, rows)
            report.landed += len(rows.ordinals)
            report.unlocated += partitions.count(UNLOCATED)
            report.repaired += sum(reason is not None for reason in rows.repaired)
            report.partitions += Counter(partitions)

    def _deduplicated(self, held: list[Held], report: Report) -> list[Held]:
        rule = self._collection.deduplicate
        if rule is None or not held:
            return held
        geometry = np.concatenate([rows.geometry for _, rows in held])
        located = np.flatnonzero([shape is not None for shape in geometry])
        dropped = find_duplicates(geometry[located], rule.tolerance, rule.keep).dropped
        kept = np.ones(len(geometry), bool)
        kept[located[dropped]] = False
        report.duplicates += len(dropped)
        ends = np.cumsum([len(rows.ordinals) for _, rows in held])[:-1]
        return [
            ([name for name, keep in zip(partitions, mask, strict=True) if keep], rows.filter(mask))
            for (partitions, rows), mask in zip(held, np.split(kept, ends), strict=True)
        ]

    def _normalizer(self, crs: str) -> Normalizer:
        found = self._normalizers.get(crs)
        if found is None:
            found = self._normalizers[crs] = Normalizer(
                crs,
                self._grid.crs,
                antimeridian=self._collection.antimeridian,
                repair=self._collection.repair,
            )
        return found

    def _in_box(self, batch: FeatureBatch, crs: str) -> tuple[FeatureBatch, int]:
        """Leave out early what is wholly outside, where that can be told before PROJ."""
        if self._collection.bbox is None or crs != self._grid.crs:
            return batch, 0
        kept = self._meets_box(batch.bounds)
        return (batch, 0) if kept.all() else (_rows_of(batch, kept), int((~kept).sum()))

    def _meets_box(self, bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
        if self._collection.bbox is None:
            return np.ones(len(bounds), bool)
        west, south, east, north = self._collection.bbox
        apart = (bounds[:, 0] > east) | (bounds[:, 2] < west)
        apart |= (bounds[:, 1] > north) | (bounds[:, 3] < south)
        return ~apart  # without a geometry nothing is apart


def _of_body(rejection: Rejection, reader: FeatureReader, sequence: bool) -> bool:
    """Whether a fault is the body's: also of a feature that is cut off, but in a sequence, and
    of the only text of a body that is no GeoJSON."""
    if rejection.ordinal < 0:
        return True
    if reader.single:
        return rejection.reason in NO_GEOJSON
    return rejection.reason == Reason.TRUNCATED and not sequence


def _without_accused(
    batch: FeatureBatch, suspects: Sequence[Suspect]
) -> tuple[FeatureBatch, list[DeadLetter]]:
    """Take out single features that ended a worker again and again."""
    guilty = {item.first: item for item in suspects if item.size == 1 and item.strikes >= STRIKES}
    hit = np.isin(batch.ordinals, list(guilty))
    if not hit.any():
        return batch, []
    letters = []
    for row in np.flatnonzero(hit).tolist():
        ordinal = int(batch.ordinals[row])
        item = guilty[ordinal]
        text = batch.ids[row].as_py()
        offset, length = int(batch.offsets[row]), int(batch.lengths[row])
        detail = f"{item.strikes} workers were ended at this feature alone"
        letters.append(DeadLetter(ordinal, text, offset, length, offset, item.reason, detail, b""))
    return _rows_of(batch, ~hit), letters


def _rows_of(batch: FeatureBatch, kept: NDArray[np.bool_]) -> FeatureBatch:
    mask = pa.array(kept)
    return replace(
        batch,
        ordinals=batch.ordinals[kept],
        offsets=batch.offsets[kept],
        lengths=batch.lengths[kept],
        ids=batch.ids.filter(mask),
        geometry=batch.geometry.filter(mask),
        properties=batch.properties.filter(mask),
        bounds=batch.bounds[kept],
        notes=batch.notes[kept],
    )
