"""Functions that the engine's tests run in workers: importable, as workers need them."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

from synthgrid_assets.errors import GeometryError, StorageError


class AwkwardError(Exception):
    """Cannot be rebuilt from its pickle: the text is not what the constructor takes."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} against {right}")


def square(n: int) -> int:
    return n * n


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def meet(file: str, count: int) -> int:
    """Wait until `count` calls run at once; each leaves its name in a file."""
    with Path(file).open("a") as names:
        names.write(f"{os.getpid()}\n")
    while len(set(Path(file).read_text().split())) < count:
        time.sleep(0.02)
    return count


def pid_of_worker() -> int:
    return os.getpid()


def environment(name: str) -> str | None:
    return os.environ.get(name)


def knows_main(name: str) -> bool:
    return hasattr(sys.modules["__main__"], name)


def write_and_read(path: str) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: np.arange(50_000) for name in "abcd"}
    pq.write_table(pa.table(columns), path, row_group_size=5_000)
    return int(pq.read_table(path, use_threads=True)["c"].to_numpy().sum())


def die(sig: int = signal.SIGKILL) -> None:
    os.kill(os.getpid(), sig)
    time.sleep(10)


def leave(code: int) -> None:
    os._exit(code)


def die_if(n: int, poison: frozenset[int]) -> int:
    time.sleep(0.002)
    if n in poison:
        die()
    return n


def die_in_the_middle_of_the_reply() -> bytes:
    threading.Timer(0.02, die).start()
    return bytes(400_000_000)


def fail(kind: str) -> None:
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
    return threading.Lock()


def allocate(size: int) -> int:
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


def refuse_to_warm_up() -> None:
    raise RuntimeError("the kernels do not compile")
