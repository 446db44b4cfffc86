"""Callbacks: told at least once, signed as the official library verifies, never elsewhere."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import shapely
import sqlalchemy as sa

from synthgrid_assets.services.gateway.geofence.zone_index import compile_zones
from synthgrid_assets.services.gateway.inbox.tables import notice
from synthgrid_assets.services.gateway.landing.callbacks import POLICY, Courier
from synthgrid_assets.services.gateway.landing.reports import Report
from synthgrid_assets.services.gateway.landing.visits import Visits, visits_after
from synthgrid_assets.services.gateway.receiving.clients import Clients, make_key
from synthgrid_assets.services.gateway.telemetry import Fix, Fixes
from synthgrid_assets.services.gateway.visits.rules import VisitRules
from synthgrid_assets_tests.services.gateway.deliveries import OpenInbox, delivery

webhooks = pytest.importorskip("standardwebhooks", reason="the official library is a dev extra")


class Listener:
    """Somebody who is told, and answers as a test says."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.answers = [204]
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                listener.heard.append((self.path, headers, body))
                answers = listener.answers
                self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
                self.send_header("location", "/elsewhere")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def inbox(tmp_path):
    opened = OpenInbox(tmp_path / "inbox.sqlite")
    yield opened
    opened.database.close()


def ended(inbox, url, client="", report=None):
    """A job that ended and wants that told."""
    inbox.put(delivery(url + client, callback=url, client=client, received=inbox.clock.now))
    (lease,) = inbox.claim()
    outcome = (report or Report(landed=2, rejected=1)).outcome(lease)
    assert inbox.ledger.finish([outcome], [], "b")
    return lease.id


def states(inbox):
    with inbox.database.reading() as connection:
        return connection.execute(sa.select(notice.c.state, notice.c.attempts)).all()


def test_the_official_library_verifies_what_is_told(inbox, listener, tmp_path):
    made = make_key(tmp_path / "keys.json", "fleet", callbacks=[listener.url])
    courier = Courier(inbox.database, Clients(tmp_path / "keys.json"))
    job = ended(inbox, f"{listener.url}/done?x=1", "fleet")
    assert courier.deliver_due() == 1
    ((path, headers, body),) = listener.heard
    assert path == "/done?x=1"
    event = webhooks.Webhook(made.secret).verify(body.decode(), headers)
    assert event["specversion"] == "1.0"
    assert (event["subject"], event["type"]) == (job, "synthgrid.gateway.job.successful")
    assert event["data"]["counts"]["landed"] == 2
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert json.loads(body)["id"]
    assert (states(inbox), courier.deliver_due()) == ([("delivered", 1)], 0)


def test_a_hook_is_told_of_every_visit_and_verifies_too(inbox, listener, tmp_path):
    """Also where it does not answer at first: events have ids, so that none counts twice."""
    made = make_key(tmp_path / "keys.json", "fleet", hook=f"{listener.url}/visits")
    clients = Clients(tmp_path / "keys.json")
    compile_zones(
        np.array([shapely.box(8, 47, 9, 48)]), ["square"], tmp_path / "zones", crs="OGC:CRS84"
    )
    visits = Visits(tmp_path / "zones", VisitRules(lateness=0.0), clients, inbox.clock)
    fixes = [Fix(f"d{k % 3}", 60.0 * k, 8.5 + k // 3 % 2, 47.5) for k in range(900)]
    with inbox.database.writing() as connection:
        told = visits.record(connection, "fleet", Fixes.of(fixes))
    listener.answers = [500, 204]
    inbox.clock.now = time.time()  # the official library has this clock
    courier = Courier(inbox.database, clients, inbox.clock)
    while courier.deliver_due():
        inbox.clock.now += 5.0
    heard = {}
    for path, headers, body in listener.heard:
        event = webhooks.Webhook(made.secret).verify(body.decode(), headers)
        assert (path, event["type"]) == ("/visits", "synthgrid.gateway.visits")
        heard |= {item["id"]: item for item in event["data"]["events"]}
    recorded = visits_after(inbox.database, "fleet", 0, 10_000)
    names = ("kind", "device", "zone", "time", "entered", "lon", "lat")
    both = (
        sorted(tuple(item[name] for name in names) for item in items)
        for items in (heard.values(), recorded)
    )
    assert next(both) == next(both)
    assert len(heard) == told > 800
    assert {state for state, _ in states(inbox)} == {"delivered"}


def test_what_is_not_heard_is_told_again_with_a_fresh_signature(inbox, listener, tmp_path):
    made = make_key(tmp_path / "keys.json", "fleet", callbacks=[listener.url])
    clients = Clients(tmp_path / "keys.json")
    listener.answers = [500, 302, 404, 204]
    ended(inbox, f"{listener.url}/", "fleet")
    for _ in range(4):
        Courier(inbox.database, clients, inbox.clock).deliver_due()
        inbox.clock.now += 3600
    assert states(inbox) == [("delivered", 4)]
    assert {path for path, _, _ in listener.heard} == {"/"}  # no redirection was followed
    ids = {headers["webhook-id"] for _, headers, _ in listener.heard}
    times = {headers["webhook-timestamp"] for _, headers, _ in listener.heard}
    assert (len(ids), len(times)) == (1, 4)
    assert made.secret not in str(listener.heard)


def test_a_deaf_listener_is_given_up_and_counted(inbox, tmp_path):
    ended(inbox, "http://127.0.0.1:9/nobody")
    courier = Courier(inbox.database, Clients(None), inbox.clock)
    for _ in range(POLICY.attempts + 3):
        courier.deliver_due()
        inbox.clock.now += POLICY.limit + 1
    assert states(inbox) == [("failed", POLICY.attempts)]
    assert inbox.ledger.counts()["callbacks_failed"] == 1


def test_an_address_that_is_not_registered_any_more_is_not_told(inbox, listener, tmp_path):
    make_key(tmp_path / "keys.json", "fleet", callbacks=["https://elsewhere.example"])
    ended(inbox, f"{listener.url}/", "fleet")
    Courier(inbox.database, Clients(tmp_path / "keys.json")).deliver_due()
    assert listener.heard == []
    assert states(inbox) == [("waiting", 1)]
