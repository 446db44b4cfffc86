"""A process that releases counts, for tests that race such processes or kill them.

``python release_worker.py MODE PATH ARGUMENT`` with the modes ``once SEED`` (one release),
``forever SEED`` (release after release), ``spend SEED`` (100 releases of one of four blocks
under one of 60 names) and ``die POINT`` (kill itself at a point of a release). All but the
last say ``ready`` and wait for a line on standard input. Every count that a release hands out
goes to standard output at once, as ``block noisy drawn`` lines; so does ``refused``.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import event
from sqlalchemy.pool import Pool

from synthgrid_assets.errors import BudgetExhaustedError
from synthgrid_assets.privacy import release_record
from synthgrid_assets.privacy.blocks import Block
from synthgrid_assets.privacy.mechanism import laplace_measurement
from synthgrid_assets.privacy.release_record import ReleaseRecord, ReleaseRequest

BLOCKS = tuple(Block(i % 20, i // 20) for i in range(400))
TRUE_COUNT = 500


def request(blocks: tuple[Block, ...]) -> ReleaseRequest:
    return ReleaseRequest("world", "cafes", "r1", blocks, epsilon=0.1)


def counts(blocks: tuple[Block, ...]) -> np.ndarray:
    return np.full(len(blocks), TRUE_COUNT)


def release(path: Path, blocks: tuple[Block, ...]) -> None:
    released = ReleaseRecord(path).release(request(blocks), lambda: counts(blocks))
    rows = zip(blocks, released.noisy, strict=True)
    say("".join(f"{block.name} {noisy} {released.drawn}\n" for block, noisy in rows))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(point: str, path: Path) -> None:
    """Release eight blocks and be killed at `point` on the way."""
    inserts = 0

    def watch(statement: str) -> None:
        nonlocal inserts
        inserts += statement.startswith("INSERT INTO entry")
        begun = point == "begin" and statement == "BEGIN IMMEDIATE"
        inserting = point == "insert" and inserts == 5
        committing = point == "commit" and statement == "COMMIT" and inserts
        if begun or inserting or committing:
            die()

    @event.listens_for(Pool, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.set_trace_callback(watch)

    def draw(*arguments: object) -> object:
        noisy = draw_as_ever(*arguments)
        if point == "draw":
            die()
        return noisy

    def count() -> np.ndarray:
        if point == "count":
            die()
        return counts(BLOCKS[:8])

    draw_as_ever = release_record.noisy_counts
    release_record.noisy_counts = draw
    ReleaseRecord(path).release(request(BLOCKS[:8]), count)
    die()  # released and recorded, but nobody was told


def spend(path: Path, choice: random.Random) -> None:
    for _ in range(100):
        name, block = choice.randrange(60), choice.choice(BLOCKS[:4])
        wanted = ReleaseRequest("world", "cafes", f"r{name}", (block,), epsilon=0.125)
        try:
            released = ReleaseRecord(path).release(wanted, lambda: counts(BLOCKS[:1]))
            say(f"{block.name} {released.noisy[0]} {released.drawn}\n")
        except BudgetExhaustedError:
            say("refused\n")


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main(mode: str, path: Path, argument: str) -> None:
    if mode == "die":
        die_at(argument, path)
    choice = random.Random(int(argument))
    laplace_measurement(request(()).law)  # so that all of them start at the same time
    say("ready\n")
    sys.stdin.readline()
    if mode == "spend":
        spend(path, choice)
    elif mode == "once":
        release(path, tuple(choice.sample(BLOCKS[:40], 20)))
    while mode == "forever":
        release(path, tuple(choice.sample(BLOCKS, 5)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
