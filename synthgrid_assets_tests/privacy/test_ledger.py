"""The ledger: a scope's privacy loss is added up exactly and never exceeds its capacity."""

import sqlite3
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import (
    AuditError,
    BudgetExhaustedError,
    PrivacyError,
    SnapshotChangedError,
    SpecError,
    StorageError,
)
from synthgrid_assets.privacy import budget as accounting
from synthgrid_assets.privacy.blocks import Block
from synthgrid_assets.privacy.budget import Budget, format_epsilon
from synthgrid_assets.privacy.ledger import Ledger
from synthgrid_assets.privacy.mechanism import PICO
from synthgrid_assets.privacy.release_record import ReleasedCounts, ReleaseRecord, ReleaseRequest
from synthgrid_assets.privacy.snapshot_guard import Snapshot
from synthgrid_assets.records.hash_chain import Chain, Draft, append
from synthgrid_assets_tests.privacy.test_release_record import tamper

SCOPE = "world/cafes"
ROW = tuple(Block(i, 0) for i in range(6))
SECRET = b"a secret of the data's owner"


def ask(realisation: str = "r1", blocks: tuple[Block, ...] = ROW, epsilon: float = 0.1):
    return ReleaseRequest("world", "cafes", realisation, blocks, epsilon)


def release(path: Path, request: ReleaseRequest, **snapshot: Snapshot) -> ReleasedCounts:
    counts = np.full(len(request.blocks), 100)
    return ReleaseRecord(path).release(request, lambda: counts, **snapshot)


def never() -> np.ndarray:
    pytest.fail("true counts were computed for a refused release")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "releases.sqlite"


@pytest.mark.parametrize(
    "bad", [0, -1, "-0.5", "nan", float("nan"), float("inf"), 1001, "much", "1/0", None, True]
)
def test_a_capacity_out_of_range_is_refused(bad):
    with pytest.raises(SpecError, match="capacity must be a positive number of at most 1000"):
        Budget(SCOPE, bad)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, None])
def test_a_number_of_blocks_that_is_not_positive_and_whole_is_refused(bad):
    with pytest.raises(SpecError, match="blocks_per_unit must be a whole number"):
        Budget(SCOPE, 1, bad)


@pytest.mark.parametrize("bad", ["", None, 3])
def test_a_budget_without_a_scope_is_refused(bad):
    with pytest.raises(SpecError, match="scope must be 'dataset/layer'"):
        Budget(bad, 1)


def test_a_preview_without_a_record_is_refused(path):
    with pytest.raises(StorageError, match="no record"):
        Ledger(path).preview(ask())


def test_a_budget_is_declared_once(path):
    ledger = Ledger(path)
    ledger.declare(Budget(SCOPE, "1.0"))
    ledger.declare(Budget(SCOPE, 1))
    assert ledger.verify().sequence == 1
    for other in (Budget(SCOPE, 2), Budget(SCOPE, "0.5"), Budget(SCOPE, 1, blocks_per_unit=2)):
        with pytest.raises(PrivacyError, match="declared once and kept"):
            ledger.declare(other)
    ledger.declare(Budget("world/trees", 2))


def test_a_budget_below_what_was_released_before_it_is_refused(path):
    release(path, ask(epsilon=0.5))
    with pytest.raises(PrivacyError, match=r"has already cost 0\.5, more than the capacity 0\.4"):
        Ledger(path).declare(Budget(SCOPE, 0.4))
    Ledger(path).declare(Budget(SCOPE, 0.5))
    with pytest.raises(BudgetExhaustedError):
        release(path, ask("r2", epsilon=1e-6))


def test_disjoint_blocks_cost_what_one_block_costs(path):
    Ledger(path).declare(Budget(SCOPE, "0.1"))
    for block in ROW:
        release(path, ask(blocks=(block,)))
    many = tuple(Block(i, 1) for i in range(500))
    assert release(path, ask(blocks=many)).drawn == 500
    assert Ledger(path).preview(ask()).loss_before == PICO // 10


def test_ten_releases_of_a_tenth_fill_a_capacity_of_one_exactly(path):
    Ledger(path).declare(Budget(SCOPE, "1.0"))
    for i in range(10):
        release(path, ask(f"r{i}"))
    assert set(Ledger(path).remaining(ask()).values()) == {0}
    with pytest.raises(BudgetExhaustedError, match=r"from 1 to 1\.000001, beyond the capacity 1;"):
        release(path, ask("r10", epsilon=1e-6))


def test_a_refused_release_counts_draws_and_charges_nothing(path):
    ledger = Ledger(path)
    ledger.declare(Budget(SCOPE, "0.25"))
    release(path, ask("r1", epsilon=0.2))
    head = ledger.verify()
    with pytest.raises(BudgetExhaustedError, match="nothing was drawn or charged"):
        ReleaseRecord(path).release(ask("r2"), never)
    assert ledger.verify() == head


def test_a_release_is_refused_whole_if_one_of_its_blocks_cannot_pay(path):
    Ledger(path).declare(Budget(SCOPE, "0.15"))
    release(path, ask("r1", ROW[3:4]))
    with pytest.raises(BudgetExhaustedError):
        ReleaseRecord(path).release(ask("r2"), never)
    assert release(path, ask("r2", ROW[:3] + ROW[4:])).drawn == 5


def test_a_capacity_that_ran_out_while_counting_is_respected(path):
    Ledger(path).declare(Budget(SCOPE, "0.1"))

    def count_while_another_releases() -> np.ndarray:
        release(path, ask("r2"))
        return np.full(6, 100)

    with pytest.raises(BudgetExhaustedError):
        ReleaseRecord(path).release(ask("r1"), count_while_another_releases)
    assert Ledger(path).verify().sequence == 1 + len(ROW)


def test_what_is_recorded_stays_free_when_nothing_is_left(path):
    Ledger(path).declare(Budget(SCOPE, "0.1"))
    first = release(path, ask())
    head = Ledger(path).verify()
    for _ in range(5):
        np.testing.assert_array_equal(ReleaseRecord(path).release(ask(), never).noisy, first.noisy)
    assert Ledger(path).verify() == head


def test_another_scope_has_its_own_budget(path):
    Ledger(path).declare(Budget(SCOPE, "0.1"))
    release(path, ask())
    other = ReleaseRequest("world", "trees", "r1", ROW, 0.1)
    assert release(path, other).drawn == 6


def test_a_preview_says_what_the_release_then_costs(path):
    ledger = Ledger(path)
    ledger.declare(Budget(SCOPE, "0.5"))
    release(path, ask("r1", ROW[:2], epsilon=0.2))
    preview = ledger.preview(ask("r1", epsilon=0.2))
    assert (preview.drawn, preview.allowed) == (4, True)
    assert preview.loss_before == preview.loss_after == PICO // 5
    too_much = ledger.preview(ask("r2", epsilon=0.4))
    assert (too_much.loss_after, too_much.allowed) == (6 * PICO // 10, False)
    assert too_much.capacity_pico_epsilon == PICO // 2
    release(path, ask("r1", epsilon=0.2))
    assert ledger.preview(ask("r1", epsilon=0.2)).drawn == 0
    assert ledger.preview(ReleaseRequest("world", "trees", "r1", ROW, 9.0)).allowed
    assert ledger.remaining(ReleaseRequest("world", "trees", "r1", ROW, 9.0)) == {}


charges = st.lists(
    st.tuples(st.sets(st.integers(0, 5), min_size=1, max_size=4), st.integers(1, 40)), max_size=8
)


@settings(max_examples=40)
@given(charges=charges, k=st.integers(1, 7), capacity=st.integers(1, 150))
def test_the_loss_is_the_sum_over_the_dearest_blocks(tmp_path_factory, charges, k, capacity):
    """Against sums made here; `remaining` is the largest charge that is then admitted."""
    chain = Chain(tmp_path_factory.mktemp("ledger") / "record")
    budget = Budget(SCOPE, format_epsilon(capacity), k)
    sums = dict.fromkeys("abcdef", 0)
    with chain.writing() as connection:
        accounting.declare(connection, budget)
        for number, (places, cost) in enumerate(charges):
            blocks = ["abcdef"[i] for i in sorted(places)]
            after = {b: sums[b] + cost * (b in blocks) for b in sums}
            expected = sum(sorted(after.values(), reverse=True)[:k])
            assert accounting.loss(connection, SCOPE, k, blocks, cost) == expected
            if expected > capacity:
                with pytest.raises(BudgetExhaustedError):
                    accounting.admit(connection, SCOPE, blocks, cost)
                continue
            accounting.admit(connection, SCOPE, blocks, cost)
            drafts = [Draft("release", SCOPE, b, cost, f"{number} {b}", "[0]") for b in blocks]
            append(connection, drafts)
            sums = after
        for block, left in accounting.remaining(connection, budget, list(sums)).items():
            accounting.admit(connection, SCOPE, [block], left)
            with pytest.raises(BudgetExhaustedError):
                accounting.admit(connection, SCOPE, [block], left + 1)


@given(st.integers(0, 10**16))
def test_amounts_are_spelled_exactly(pico):
    assert Fraction(format_epsilon(pico)) * PICO == pico
    if 0 < pico <= 1000 * PICO:
        budget = Budget(SCOPE, format_epsilon(pico), 3)
        assert budget.capacity_pico_epsilon == pico
        assert Budget.from_body(budget.body).body == budget.body


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE spent SET pico_epsilon = 1 WHERE block = '+00002_+00000'", "sum for block"),
        ("DELETE FROM spent WHERE block = '+00002_+00000'", r"\+00002_\+00000 .* is None"),
        ("INSERT INTO spent VALUES ('world/cafes', 'more', 5)", "sum for block more"),
        ("UPDATE entry SET body = replace(body, ':1', ':9') WHERE kind = 'budget'", "entry 1 "),
        ("UPDATE entry SET cost_pico_epsilon = 0 WHERE sequence = 4", "entry 4 "),
    ],
)
def test_a_changed_sum_capacity_or_charge_is_found(path, statement, message):
    Ledger(path).declare(Budget(SCOPE, "1.0"))
    release(path, ask())
    Ledger(path).verify()
    tamper(path, statement)
    with pytest.raises(AuditError, match=message):
        Ledger(path).verify()


def test_an_overspent_scope_and_a_second_budget_are_found(path):
    """Entries chained correctly, but around the checks of a release."""
    Ledger(path).declare(Budget(SCOPE, "0.1"))
    with Chain(path).writing() as connection:
        append(connection, [Draft("release", SCOPE, "b", PICO, "{}", "[0]")])
    with pytest.raises(AuditError, match=r"has cost 1, more than its capacity 0\.1"):
        Ledger(path).verify()
    with Chain(path).writing() as connection:
        append(connection, [Draft("budget", SCOPE, "", 0, Budget(SCOPE, 5).body, "[]")])
    with pytest.raises(AuditError, match="entry 3 of the record declares a second budget"):
        Ledger(path).verify()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE spent SET pico_epsilon = pico_epsilon - 1",
        "UPDATE spent SET block = 'elsewhere'",
        "DELETE FROM spent",
        "UPDATE guard SET code = 'x'",
        "DELETE FROM guard",
    ],
)
def test_the_file_itself_refuses_to_forget_a_charge_or_a_guard(path, statement):
    release(path, ask(), snapshot=Snapshot(b"data", SECRET))
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.DatabaseError, match="append"):
        connection.execute(statement)


@pytest.mark.parametrize(("digest", "secret"), [(b"", SECRET), (b"data", b"too short")])
def test_a_snapshot_without_digest_or_with_a_short_secret_is_refused(digest, secret):
    with pytest.raises(SpecError, match="a secret of at least 16 bytes"):
        Snapshot(digest, secret)


def test_changed_data_under_a_recorded_name_are_refused(path):
    first = release(path, ask(), snapshot=Snapshot(b"data", SECRET))
    again = release(path, ask(), snapshot=Snapshot(b"data", SECRET))
    np.testing.assert_array_equal(again.noisy, first.noisy)
    for changed in (Snapshot(b"other", SECRET), Snapshot(b"data", SECRET + b"?")):
        with pytest.raises(SnapshotChangedError, match="6 of 6 recorded releases"):
            ReleaseRecord(path).release(ask(), never, changed)
    more = (*ROW, Block(0, 9))
    with pytest.raises(SnapshotChangedError):
        ReleaseRecord(path).release(ask(blocks=more), never, Snapshot(b"other", SECRET))
    assert release(path, ask("r2"), snapshot=Snapshot(b"other", SECRET)).drawn == 6
    np.testing.assert_array_equal(ReleaseRecord(path).release(ask(), never).noisy, first.noisy)


def test_a_release_recorded_unguarded_cannot_vouch_for_private_data(path):
    release(path, ask())
    with pytest.raises(SnapshotChangedError, match="unguarded"):
        ReleaseRecord(path).release(ask(), never, Snapshot(b"data", SECRET))


def test_the_record_holds_neither_digest_nor_secret_and_equal_data_cannot_be_linked(path):
    snapshot = Snapshot(b"digest-canary", b"secret-canary-of-the-owner")
    release(path, ask(), snapshot=snapshot)
    files = b"".join(file.read_bytes() for file in path.parent.iterdir())
    for canary in (snapshot.digest, snapshot.secret):
        assert canary not in files
        assert canary.hex().encode() not in files
    assert "canary" not in repr(snapshot)
    with sqlite3.connect(path) as connection:
        codes = [code for (code,) in connection.execute("SELECT code FROM guard")]
    assert len(set(codes)) == len(ROW)
    assert all(code.encode() in files for code in codes)
