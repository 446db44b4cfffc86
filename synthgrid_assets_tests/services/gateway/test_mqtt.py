"""MQTT through a real broker: crashes of the subscriber lose nothing and double nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from synthgrid_assets.errors import SpecError
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.tables import INBOX, job, queue
from synthgrid_assets.services.gateway.mqtt import MqttSubscriber
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets_tests.services.gateway.served import free_port

paho = pytest.importorskip("paho.mqtt.client", reason="the extra `mqtt` is not installed")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
MOSQUITTO = shutil.which("mosquitto", path=PATH)
CONFIG = Path(__file__).parents[3] / "deploy" / "mosquitto.conf"


@pytest.fixture
def broker(tmp_path):
    """The real broker with the file that is shipped, on a port of its own."""
    if MOSQUITTO is None:
        pytest.skip("there is no mosquitto; install it to test MQTT through a real broker")
    port = free_port()
    folder = tmp_path / "broker"
    folder.mkdir(mode=0o777)
    text = CONFIG.read_text().replace("1883", str(port))
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"{text}\npersistence_location {folder}/\nuser root\n")
    with subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        time.sleep(0.5)
        yield port
        process.terminate()


def subscriber(folder, port):
    program = "from synthgrid_assets.cli import main; main()"
    command = [sys.executable, "-c", program, "gateway", "mqtt", f"mqtt://127.0.0.1:{port}"]
    return subprocess.Popen(
        [*command, "--data", str(folder)], stderr=(folder / "log.txt").open("ab")
    )


def survives(folder, port, messages):
    folder.mkdir()
    options = GatewayOptions(str(folder))
    process = subscriber(folder, port)
    log = folder / "log.txt"
    deadline = time.monotonic() + 60
    while "subscribed" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(200)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = []
    for n in range(messages):
        payload = json.dumps({"_type": "location", "tst": 1_700_000_000 + n, "lat": 1, "lon": 2})
        sent.append(client.publish(f"owntracks/ana/d{n % 5}", payload, qos=1))
        if n in (messages // 3, 2 * messages // 3):
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = subscriber(folder, port)
    for info in sent:
        info.wait_for_publish(60)
    with Database(options.database, INBOX) as database:
        count = sa.select(sa.func.count()).select_from(job)
        deadline = time.monotonic() + 60 + messages / 100
        found = -1
        while found != messages and time.monotonic() < deadline:
            time.sleep(0.1)
            with database.reading() as connection:
                found = connection.execute(count).scalar_one()
        with database.reading() as connection:
            queued = connection.execute(sa.select(sa.func.count()).select_from(queue)).scalar_one()
            distinct = connection.execute(
                sa.select(sa.func.count(sa.distinct(job.c.key)))
            ).scalar_one()
    process.terminate()
    assert process.wait(20) == 0
    client.disconnect()
    client.loop_stop()
    assert found == queued == distinct == messages


@pytest.mark.timeout(150)
def test_two_crashes_lose_nothing_and_double_nothing(tmp_path, broker):
    survives(tmp_path / "data", broker, 1500)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_thousand_messages_and_two_crashes(tmp_path, broker):
    survives(tmp_path / "data", broker, 20_000)


@pytest.mark.parametrize("address", ["http://x", "mqtt://", "127.0.0.1:1883"])
def test_what_is_no_brokers_address_is_refused(tmp_path, address):
    with pytest.raises(SpecError, match="mqtt://"):
        MqttSubscriber(GatewayOptions(str(tmp_path)), address)
