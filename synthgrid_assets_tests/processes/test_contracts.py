"""The contract of a process, for each that there is and for one that a stranger adds."""

from __future__ import annotations

import pytest

from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.testing.process_tests import ProcessTests
from synthgrid_assets_tests.processes.examples import PARAMETERS
from synthgrid_assets_tests.toys.dust import DUST


class TestAProcessOfOneFile(ProcessTests):
    family = DUST
    parameters = {"points_per_cell": 2.0}  # noqa: RUF012


class TestEveryProcess(ProcessTests):
    @pytest.fixture(autouse=True, params=sorted(REGISTRY))
    def _registered(self, request):
        self.family, self.parameters = REGISTRY[request.param], PARAMETERS[request.param]
