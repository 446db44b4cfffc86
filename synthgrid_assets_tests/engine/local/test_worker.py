import copyreg
import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.engine.local.framing import FrameReader, frame
from synthgrid_assets.engine.local.worker import portable
from synthgrid_assets.errors import EngineError, WorkerDiedError
from synthgrid_assets.testing import executor_chores as chores


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 400), max_size=20))
def test_payloads_survive_any_cutting_of_the_stream(payloads, cuts):
    stream = b"".join(map(frame, payloads))
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    reader = FrameReader()
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert [payload for piece in pieces for payload in reader.feed(piece)] == payloads


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize("error", [ValueError("x"), WorkerDiedError("gone"), OSError(28, "full")])
def test_an_error_arrives_as_itself_with_the_traceback_of_its_process(error):
    arrived = pickle.loads(pickle.dumps(portable(raised(error))))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert "test_worker.py" in "".join(arrived.__notes__)


@pytest.mark.parametrize("error", [chores.AwkwardError(3, 4), SystemExit(3), KeyboardInterrupt()])
def test_an_error_that_cannot_travel_becomes_an_engine_error_with_its_text(error, monkeypatch):
    # distributed, which other tests import, teaches pickle to rebuild any exception
    monkeypatch.delitem(copyreg.dispatch_table, type(error), raising=False)
    arrived = pickle.loads(pickle.dumps(portable(raised(error))))
    assert type(arrived) is EngineError
    assert type(error).__name__ in str(arrived)
    assert str(error) in str(arrived)
    assert "test_worker.py" in str(arrived)
