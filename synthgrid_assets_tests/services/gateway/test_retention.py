"""Old jobs go, by time and by number; dead letters, callbacks, sums and files stay."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from synthgrid_assets.services.gateway.inbox.deliveries import DeadLetter, Outcome, StagedFile
from synthgrid_assets.services.gateway.inbox.retention import Retention, RetentionPolicy
from synthgrid_assets.services.gateway.inbox.tables import body, job, notice, rejection
from synthgrid_assets.services.gateway.landing.verification import account
from synthgrid_assets_tests.databases import postgres_address
from synthgrid_assets_tests.services.gateway.deliveries import OpenInbox, delivery


@pytest.fixture(params=["sqlite", "postgres"])
def inbox(request, tmp_path):
    if request.param == "sqlite":
        yield OpenInbox(tmp_path / "inbox.sqlite")
        return
    address = postgres_address()
    opened = OpenInbox(next(address))
    yield opened
    opened.database.close()
    list(address)


LETTER = DeadLetter(0, None, 0, 2, 0, "syntax", "a fault", b"{}")


def end(inbox, key, rejected=0, event="", keep_body=False):
    """A job that lands three features and ends now."""
    (accepted,) = inbox.put(delivery(key, received=inbox.clock.now))
    (lease,) = inbox.claim()
    if rejected:
        inbox.ledger.reject(lease, [LETTER])
    counts = {"features": 3 + rejected, "landed": 3, "rejected": rejected}
    outcome = Outcome(lease, "successful", json.dumps({"counts": counts}), "", event, keep_body)
    path = f"landed/parcels/6-0-0/{key}.parquet"
    file = StagedFile("geometries", "parcels", "6-0-0", f"s/{key}", path, 3, 9, "0" * 64)
    assert inbox.ledger.finish([outcome], [file], key)
    return accepted.id


def kept(inbox):
    with inbox.database.reading() as connection:
        return set(connection.execute(sa.select(job.c.id)).scalars())


def test_jobs_go_by_time_but_not_what_is_open(inbox):
    retention = Retention(inbox.database, RetentionPolicy(seconds=100.0), inbox.clock)
    plain = [end(inbox, f"plain{k}") for k in range(3)]
    letter = end(inbox, "letter", rejected=1)
    told = end(inbox, "told", event="{}")
    (waiting,) = (one.id for one in inbox.put(delivery("waiting", received=inbox.clock.now)))
    before = account(inbox.database, "geometries")
    assert (before.jobs, before.features, before.balanced) == (5, 16, True)
    inbox.clock.now += 99.0
    assert retention.remove_old() == 0
    inbox.clock.now += 2.0
    young = end_after(inbox, waiting)
    assert retention.remove_old() == 3
    assert kept(inbox) == {letter, told, young}
    assert not kept(inbox) & set(plain)
    after = account(inbox.database, "geometries")
    assert (after.features - 3, after.balanced) == (before.features, True)
    assert inbox.ledger.counts()["jobs_removed"] == 3
    with inbox.database.writing() as connection:  # replayed, and heard
        connection.execute(sa.update(rejection).values(replayed="x"))
        connection.execute(sa.update(notice).values(state="delivered"))
    assert retention.remove_old() == 2
    assert kept(inbox) == {young}
    with inbox.database.reading() as connection:
        for table in (rejection, notice, body):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0
    assert account(inbox.database, "geometries").balanced
    assert inbox.put(delivery("plain0"))[0].novelty == "new"  # its key went along


def end_after(inbox, waiting):
    """The job that waited lands now; its neighbours ended long ago."""
    (lease,) = inbox.claim()
    assert lease.id == waiting
    counts = {"features": 3, "landed": 3}
    file = StagedFile("geometries", "parcels", "6-0-0", "s/w", "landed/w.parquet", 3, 9, "0" * 64)
    outcome = Outcome(lease, "successful", json.dumps({"counts": counts}))
    assert inbox.ledger.finish([outcome], [file], "w")
    return waiting


def test_jobs_go_by_number_the_oldest_first(inbox):
    ids = []
    for k in range(7):
        inbox.clock.now += 1.0
        ids.append(end(inbox, f"k{k}"))
    retention = Retention(inbox.database, RetentionPolicy(seconds=1e6, jobs=4), inbox.clock)
    assert retention.remove_old() == 3
    assert kept(inbox) == set(ids[3:])
    assert retention.remove_old() == 0


def test_of_jobs_that_ended_together_as_many_stay_as_are_kept(inbox):
    """The jobs of a batch have one end."""
    ids = [end(inbox, f"k{k}") for k in range(9)]
    retention = Retention(inbox.database, RetentionPolicy(seconds=1e6, jobs=4), inbox.clock)
    assert retention.remove_old() == 5
    assert kept(inbox) == set(sorted(ids)[5:])
    assert retention.remove_old() == 0
    inbox.clock.now += 1.0
    late = end(inbox, "late")
    assert retention.remove_old() == 1
    assert kept(inbox) == {*sorted(ids)[6:], late}
