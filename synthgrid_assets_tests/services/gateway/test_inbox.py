"""The inbox: each key once, each job ended by one lease, nothing lost on the way."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from synthgrid_assets.errors import GatewayError, StorageError
from synthgrid_assets.services.gateway.inbox.bodies import Bodies, Inflater, open_body
from synthgrid_assets.services.gateway.inbox.deliveries import (
    DeadLetter,
    Lease,
    Outcome,
    StagedFile,
    Suspect,
)
from synthgrid_assets.services.gateway.inbox.group_commit import GroupCommit
from synthgrid_assets.services.gateway.inbox.work_queue import RetryPolicy, owner_name
from synthgrid_assets_tests.services.gateway.deliveries import OpenInbox, delivery


@pytest.fixture
def inbox(address):
    opened = OpenInbox(address)
    yield opened
    opened.database.close()


def at(inbox, key, **changes):
    """A delivery received now, as the inbox's clock says."""
    return delivery(key, received=inbox.clock.now, **changes)


def outcome(lease, state="successful", **changes):
    return Outcome(lease, state, "{}", **changes)


def staged(name):
    return StagedFile("geometries", "parcels", "0-0-0", f".staging/{name}", name, 1, 1, "0" * 64)


def letter(ordinal):
    return DeadLetter(ordinal, '"a"', 10, 5, 12, "syntax", "no comma", b"{oops")


def test_of_one_key_the_first_wins_and_other_bytes_conflict(inbox):
    first, again, other = (delivery("k", body) for body in (b"1", b"1", b"2"))
    answers = inbox.put(first, again, other)
    assert [answer.novelty for answer in answers] == ["new", "duplicate", "conflict"]
    assert {answer.id for answer in answers} == {first.id}
    assert [answer.novelty for answer in inbox.put(again, other)] == ["duplicate", "conflict"]
    assert inbox.queue.depth().total == 1


def test_a_key_is_known_after_its_job_ended(inbox):
    first = at(inbox, "k", data=b"1")
    inbox.put(first)
    assert inbox.ledger.finish([outcome(inbox.claim()[0])], [], "b")
    assert inbox.put(at(inbox, "k", data=b"1"))[0].novelty == "duplicate"
    assert inbox.claim() == []


def test_racing_threads_claim_each_job_once(inbox):
    inbox.put(*(at(inbox, str(n)) for n in range(120)))
    claimed, guard = [], threading.Lock()

    def work(name):
        while leases := inbox.claim(name, most=3):
            with guard:
                claimed.extend(lease.id for lease in leases)

    workers = [threading.Thread(target=work, args=(str(n),)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(claimed) == len(set(claimed)) == 120


def test_an_expired_lease_cannot_end_its_job(inbox):
    inbox.put(at(inbox, "k"))
    (old,) = inbox.claim("slow")
    inbox.clock.now += 11
    (new,) = inbox.claim("fast")
    assert (new.id, new.fence, new.attempts) == (old.id, old.fence + 1, 2)
    assert not inbox.ledger.finish([outcome(old)], [staged("old")], "b1")
    assert inbox.queue.extend([old], 10) is False
    assert inbox.ledger.status(old.id).state == "running"
    assert inbox.ledger.finish([outcome(new)], [staged("new")], "b2")
    assert not inbox.ledger.finish([outcome(new)], [staged("again")], "b3")
    assert [path for _, _, path in inbox.ledger.unpublished()] == ["new"]


def test_a_batch_with_one_lost_lease_is_not_ended_at_all(inbox):
    inbox.put(at(inbox, "a"), at(inbox, "b"))
    leases = inbox.claim(seconds=10)
    lost = replace(leases[1], fence=leases[1].fence - 1)
    assert not inbox.ledger.finish([outcome(leases[0]), outcome(lost)], [staged("x")], "b")
    assert inbox.queue.depth().total == 2
    assert inbox.ledger.unpublished() == []
    assert inbox.ledger.finish([outcome(lease) for lease in leases], [staged("y")], "b")


def test_a_retry_waits_less_than_its_bound_and_not_always_the_same(inbox):
    policy = RetryPolicy(first=1.0, limit=10.0)
    waits = [policy.wait(2) for _ in range(200)]
    assert 0 <= min(waits) < 2 < max(waits) <= 4  # each misses by chance below 2**-200
    assert max(policy.wait(50) for _ in range(50)) <= 10
    inbox.put(at(inbox, "k"))
    inbox.queue.retry(inbox.claim())
    inbox.clock.now += 61
    assert inbox.claim()[0].attempts == 2


def test_large_and_failed_jobs_come_alone(inbox):
    inbox.put(*(at(inbox, key) for key in "ab"), at(inbox, "other", kind="telemetry"))
    inbox.clock.now += 1
    inbox.put(at(inbox, "large", size=2 << 20))
    together = inbox.claim()
    assert {lease.correlation for lease in together} == {"a", "b"}
    assert [lease.correlation for lease in inbox.claim()] == ["large"]
    inbox.queue.retry(together, soon=True)
    assert [len(inbox.claim()) for _ in range(3)] == [1, 1, 0]
    assert [lease.kind for lease in inbox.claim(kinds=("telemetry",))] == ["telemetry"]


def test_the_oldest_comes_first(inbox):
    for n in range(5):
        inbox.put(delivery(str(n), received=inbox.clock.now - n))
    assert [inbox.claim(most=1)[0].correlation for _ in range(5)] == list("43210")


def test_leases_of_an_ended_process_are_free_at_once(inbox):
    inbox.put(at(inbox, "a"), at(inbox, "b"))
    program = (
        "from synthgrid_assets.services.gateway.inbox.work_queue import owner_name;"
        "print(owner_name())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert len(inbox.claim(ended, most=1) + inbox.claim(owner_name(), most=1)) == 2
    assert inbox.queue.release_dead_owners() == 1
    assert len(inbox.claim()) == 1


def test_narrowing_gives_attempts_back_and_repeating_does_not(inbox):
    inbox.put(at(inbox, "k"))
    lease = inbox.claim()[0]
    assert not inbox.queue.has_due(("geometries",))
    for _ in range(3):
        inbox.clock.now += 11
        lease = inbox.claim()[0]
    inbox.queue.accuse(lease.id, 0, 4096, "timed_out")
    inbox.clock.now += 11
    assert inbox.queue.has_due(("geometries",))
    assert inbox.claim()[0].attempts == 2
    inbox.queue.accuse(lease.id, 256, 256, "timed_out")
    assert inbox.queue.suspects(lease.id) == [Suspect(256, 256, "timed_out", 1)]
    inbox.clock.now += 11
    assert inbox.claim()[0].attempts == 2
    inbox.queue.accuse(lease.id, 256, 256, "timed_out")
    assert inbox.queue.suspects(lease.id) == [Suspect(256, 256, "timed_out", 2)]
    inbox.clock.now += 11
    assert inbox.claim()[0].attempts == 3


def test_dead_letters_count_when_their_attempt_ends_the_job(inbox):
    inbox.put(at(inbox, "k"))
    (old,) = inbox.claim()
    inbox.ledger.reject(old, [letter(0), letter(1)])
    inbox.clock.now += 11
    (new,) = inbox.claim()
    inbox.ledger.reject(new, [letter(1)])
    assert inbox.ledger.dead_letters() == []
    inbox.ledger.finish([outcome(new)], [], "b")
    assert inbox.ledger.dead_letters() == [(new.id, letter(1))]
    assert inbox.ledger.counts()["dead_letters"] == 1


def test_fragments_are_told_in_order_up_to_the_first_that_is_not_in_place(inbox):
    for n in range(3):
        inbox.put(at(inbox, str(n)))
        inbox.ledger.finish([outcome(inbox.claim()[0])], [staged(str(n))], str(n))
    sequences = [sequence for sequence, _, _ in inbox.ledger.unpublished()]
    inbox.ledger.published([sequences[0], sequences[2]])
    assert [row["path"] for row in inbox.ledger.fragments()] == ["0"]
    inbox.ledger.published([sequences[1]])
    told = inbox.ledger.fragments(after=sequences[0])
    assert [row["path"] for row in told] == ["1", "2"]
    assert told[0]["correlations"] == ["1"]


def test_status_follows_a_job(inbox):
    first = at(inbox, "k")
    assert inbox.ledger.status(first.id) is None
    inbox.put(first)
    assert inbox.ledger.status(first.id).state == "accepted"
    (lease,) = inbox.claim()
    assert inbox.ledger.status(first.id).state == "running"
    inbox.ledger.finish([Outcome(lease, "failed", '{"rejected": 1}', "cut off")], [], "b")
    status = inbox.ledger.status(first.id)
    assert (status.state, status.error, status.result) == ("failed", "cut off", {"rejected": 1})


def test_group_commit_answers_every_task(inbox):
    sizes = []

    async def many():
        group = GroupCommit(inbox.intake, sizes.append)
        keys = [str(n % 150) for n in range(300)]
        answers = await asyncio.gather(*(group.put(delivery(key)) for key in keys))
        group.close()
        return answers

    answers = asyncio.run(many())
    assert sum(answer.novelty == "new" for answer in answers) == 150
    assert sum(sizes) == 300
    assert len(sizes) < 20  # it did group
    assert inbox.queue.depth().total == 150


def test_a_record_that_cannot_be_written_is_told_to_every_task(inbox):
    class Broken:
        def put(self, group):
            raise StorageError("the disk is full")

    async def many():
        group = GroupCommit(Broken())
        found = await asyncio.gather(
            *(group.put(delivery(str(n))) for n in range(5)), return_exceptions=True
        )
        group.close()
        return found

    assert [str(error) for error in asyncio.run(many())] == ["the disk is full"] * 5


def test_bodies_that_no_job_names_are_swept_when_they_are_old(inbox, tmp_path):
    bodies = Bodies(tmp_path / "bodies", inbox.database)
    names = {}
    for name in ("kept", "orphan", "partial", "fresh"):
        file = bodies.start(name)
        file.write(b"x")
        if name != "partial":
            file.commit()
        names[name] = file.path if name != "partial" else file.path.with_suffix(".part")
    inbox.put(at(inbox, "k", data=None, path=str(names["kept"])))
    for name in ("kept", "orphan", "partial"):
        os.utime(names[name], (time.time() - 7200,) * 2)
    assert bodies.sweep() == 2
    assert {name for name, path in names.items() if path.exists()} == {"kept", "fresh"}


def read(lease, most=1 << 30):
    with open_body(lease, most=most) as stream:
        return stream.read()


def compressed(data):
    """A lease of a compressed body, as a worker gets it."""
    return Lease(
        "id", 1, 1, "geometries", "parcels", "", "", "gzip", "", "", len(data), data, "", 0.0
    )


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_a_compressed_body_is_read_as_it_was(size):
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    assert read(compressed(gzip.compress(data, mtime=0))) == data
    assert read(compressed(gzip.compress(data[:100]) + gzip.compress(data[100:]))) == data


def test_a_compressed_body_is_refused_past_its_limit_without_being_unpacked():
    inflater = Inflater(most=3 << 20)
    packed = gzip.compress(bytes(200 << 20))
    with pytest.raises(GatewayError, match="passes 3145728 bytes"):
        for _ in inflater.feed(packed):
            pass
    assert inflater.size <= 4 << 20
    with pytest.raises(GatewayError, match="passes 1000 bytes"):
        read(compressed(gzip.compress(bytes(1001))), most=1000)
    assert len(read(compressed(gzip.compress(bytes(1000))), most=1000)) == 1000


@pytest.mark.parametrize(
    "data", [b"", b"plain", gzip.compress(b"x" * 1000, mtime=0)[:-1], b"\x1f\x8b"]
)
def test_what_is_not_whole_gzip_is_refused(data):
    with pytest.raises(GatewayError, match=r"not gzip|cut off"):
        read(compressed(data))
