"""Functions that the executors' tests run in workers: importable, as workers need them.

Belongs here: small calls that succeed, fail, hang, die or tell where they are. Not here:
what is asserted of them (`executor_tests`).
"""

import errno
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synthgrid_assets.engine.stages import COMMIT, spent
from synthgrid_assets.errors import GeometryError, StorageError


class AwkwardError(Exception):
    """Cannot be rebuilt from its pickle: the text is not what the constructor takes."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} against {right}")


def square(n: int) -> int:
    """``n * n``."""
    return n * n


def nap(seconds: float) -> float:
    """Sleep, and say how long."""
    time.sleep(seconds)
    return seconds


def meet(file: str, count: int) -> int:
    """Wait until `count` calls run at once; each leaves its name in a file."""
    with Path(file).open("a") as names:
        names.write(f"{os.getpid()}\n")
    while len(set(Path(file).read_text().split())) < count:
        time.sleep(0.02)
    return count


_STEPS: list[int] = []


def endless_steps() -> Iterator[None]:
    """Never done; `steps_taken` counts."""
    for step in itertools.count():
        _STEPS.append(step)
        yield


def failing_steps() -> Iterator[None]:
    """One step, and then an error."""
    _STEPS.append(0)
    yield
    raise StorageError("a step failed")


def steps_taken() -> int:
    """How many steps of `endless_steps` or `failing_steps` this process knows."""
    return len(_STEPS)


def pid_of_worker() -> int:
    """The process that runs this."""
    return os.getpid()


def environment(name: str) -> str | None:
    """A variable of the worker's environment."""
    return os.environ.get(name)


def knows_main(name: str) -> bool:
    """Whether the worker's ``__main__`` has an attribute."""
    return hasattr(sys.modules["__main__"], name)


def write_and_read(path: str) -> int:
    """Sum of a column that went through a Parquet file, read with threads."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: np.arange(50_000) for name in "abcd"}
    pq.write_table(pa.table(columns), path, row_group_size=5_000)
    return int(pq.read_table(path, use_threads=True)["c"].to_numpy().sum())


def die(sig: int = signal.SIGKILL) -> None:
    """End this process by a signal."""
    os.kill(os.getpid(), sig)
    time.sleep(10)


def leave(code: int) -> None:
    """End this process with an exit code."""
    os._exit(code)


def die_if(n: int, poison: frozenset[int]) -> int:
    """End this process for some numbers; give the others back."""
    time.sleep(0.002)
    if n in poison:
        die()
    return n


def die_in_the_middle_of_the_reply() -> bytes:
    """End while a large result is on its way."""
    threading.Timer(0.02, die).start()
    return bytes(400_000_000)


def fail(kind: str) -> None:
    """Raise an error of a kind."""
    errors: dict[str, BaseException] = {
        "geometry": GeometryError("cell (3, 4) has no area"),
        "storage": StorageError("the disk is full"),
        "awkward": AwkwardError(3, 4),
        "local": type("Local", (Exception,), {})("nobody can import me"),
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt(),
    }
    raise errors[kind]


def return_lock() -> threading.Lock:
    """Something that no pickle can hold."""
    return threading.Lock()


def allocate(size: int) -> int:
    """Fill some bytes of memory."""
    return int(np.ones(size, np.uint8).sum(dtype=np.int64))


def fail_until_marked(folder: str, times: int) -> int:
    """Fail with a retryable error on the first `times` calls."""
    calls = len(list(Path(folder).iterdir()))
    (Path(folder) / str(calls)).touch()
    if calls < times:
        raise StorageError(f"call {calls} of this store fails")
    return calls


def begin_and_end(folder: str, name: str, seconds: float) -> str:
    """Leave ``name.begun`` now and ``name.ended`` after some time."""
    (Path(folder) / f"{name}.begun").write_text(str(os.getpid()))
    time.sleep(seconds)
    (Path(folder) / f"{name}.ended").touch()
    return name


def commit(seconds: float, written: int) -> None:
    """Spend time as if in writing a file."""
    time.sleep(seconds)
    spent(COMMIT, seconds, written)


def leave_a_mark(folder: str, name: str, seconds: float) -> int:
    """How many calls of this function ran at the same time in a folder, this one included."""
    mine = Path(folder) / name
    mine.touch()
    time.sleep(seconds)
    together = len(list(Path(folder).iterdir()))
    mine.unlink()
    return together


def spin(seconds: float) -> None:
    """Keep a core busy by this process's own CPU time."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


_KEPT: list[bytes] = []


def keep(size: int) -> None:
    """Fill some bytes of memory and never let go of them."""
    _KEPT.append(b"x" * size)


def want_memory(kind: str) -> None:
    """Fail as libraries do that get no memory: ``loader``, ``enomem``, ``wrapped``, ``abort``."""
    if kind == "loader":
        raise ImportError("/lib/_context.so: failed to map segment from shared object")
    if kind == "enomem":
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    if kind == "abort":
        os.kill(os.getpid(), signal.SIGABRT)
    if kind == "import":
        raise ImportError("no such thing")
    try:
        np.ones(1 << 50, np.uint8)
    except MemoryError as error:
        raise GeometryError("no triangles") from error
