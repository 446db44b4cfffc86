"""Examples run as a person runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

JOINS = Path(__file__).parents[1] / "examples" / "joins" / "run.py"


def test_engines_answer_alike():
    """On a tenth of the data, so that it takes seconds."""
    change = ["--set", "layers.trips.mean_clusters=4"]
    done = subprocess.run(
        [sys.executable, str(JOINS), *change], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    assert "all answers are equal in GeoPandas, DuckDB, SedonaDB" in done.stdout
