"""R's spatstat.random as a peer: one R process that samples on demand, so runs interleave."""

from __future__ import annotations

import shutil
import subprocess
from types import TracebackType

# spatstat's call for the same law in a window W of side L; perfect simulation where it has it
CALLS = {
    "poisson": "rpoispp(8, win=W)",
    "thomas": "rThomas(1, 0.25, 8, win=W)",
    "matern_cluster": "rMatClust(1, 0.6, 8, win=W)",
    "matern_i": "rMaternI(8, 0.15, win=W)",
    "matern_ii": "rMaternII(8, 0.25, win=W)",
    "strauss": "rStrauss(8, 0.5, 0.15, W)",
    "hard_core": "rHardcore(4, 0.25, W)",
    "grid": "rsyst(W, nx=2 * L)",
    "jittered": "rstrat(W, nx=2 * L)",
}
# R's clock ticks in milliseconds: one rate is taken over at least a fifth of a second
_SERVER = """
if (!requireNamespace("spatstat.random", quietly = TRUE)) quit(status = 77)
suppressMessages(library(spatstat.random))
set.seed(1)
cpu <- function() sum(proc.time()[1:2])
calls <- list({calls})
requests <- file("stdin", "r")
cat("ready\\n")
while (length(line <- readLines(requests, 1)) > 0) {{
  name <- strsplit(line, " ")[[1]][1]
  L <- as.numeric(strsplit(line, " ")[[1]][2])
  W <- owin(c(0, L), c(0, L))
  n <- 0
  begin <- cpu()
  while ((spent <- cpu() - begin) < 0.2) n <- n + npoints(calls[[name]](W, L))
  cat(n / spent, "\\n")
}}
"""


class Spatstat:
    """An R process; `installed` is False where R or spatstat.random is missing."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.installed = False

    def __enter__(self) -> Spatstat:
        if shutil.which("Rscript") is None:
            return self
        calls = ", ".join(f"{name} = function(W, L) {call}" for name, call in CALLS.items())
        self._process = subprocess.Popen(
            ["Rscript", "--vanilla", "-e", _SERVER.format(calls=calls)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._process.stdout is not None
        self.installed = self._process.stdout.readline().strip() == "ready"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.communicate()

    def rate(self, name: str, side: int) -> float:
        """Points in a second of CPU time, over at least a fifth of a second."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name} {side}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"spatstat did not sample {name} on a window of side {side}")
        return float(answer)
