"""MQTT: OwnTracks messages from a broker, acknowledged only when they are on disk.

Belongs here: the subscriber. Not here: what becomes of messages (`landing`).

Messages are put into the inbox in groups of at most twenty, the number that a broker has in
flight by default, and acknowledged after the commit. A crash in between brings them again, with
the same content and so the same key: each lands once. An exception in the client's own callback
would end its thread silently, so that one does nothing but pass messages on.
"""

from __future__ import annotations

import hashlib
import queue
import signal
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.deliveries import Delivery, new_id
from synthgrid_assets.services.gateway.inbox.intake import Intake
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.log import tell
from synthgrid_assets.services.gateway.options import GatewayOptions

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

TOPIC = "owntracks/+/+"
_GROUP = 20
_QOS = 1
_PAUSE = 1.0  # seconds before a group is tried again that could not be kept
_PORT = 1883


class MqttSubscriber:
    """A lasting subscription whose messages go into an inbox.

    Parameters
    ----------
    options : GatewayOptions
        Of the gateway whose inbox it is.
    broker : str
        ``mqtt://[user:password@]host[:port]``.
    topic : str
        What to subscribe to.
    client : str
        Client whose devices they are.

    Raises
    ------
    SpecError
        If the address is none, or the extra ``mqtt`` is not installed.
    """

    def __init__(
        self, options: GatewayOptions, broker: str, *, topic: str = TOPIC, client: str = ""
    ) -> None:
        self._database = Database(options.database, INBOX, private=True)
        self._intake = Intake(self._database)
        self._topic = topic
        self._client_name = client
        self._waiting: queue.SimpleQueue[MQTTMessage] = queue.SimpleQueue()
        self._asked = False
        self._client, self._address = _connection(broker, f"synthgrid-{client or 'gateway'}")
        self._client.on_connect = self._subscribe
        self._client.on_message = self._pass_on

    def run(self) -> None:
        """Take in until SIGTERM or SIGINT.

        Raises
        ------
        StorageError
            If the client's thread ended: then nothing would come any more.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        self._client.connect_async(*self._address)
        self._client.loop_start()
        thread = self._client._thread
        while not self._asked:
            if thread is not None and not thread.is_alive():
                raise StorageError("the connection to the broker ended for good; start it again")
            if group := self._group():
                self._keep(group)
        self._client.disconnect()
        self._client.loop_stop()
        self._database.close()

    def _ask(self, number: int, frame: object) -> None:
        self._asked = True

    def _subscribe(self, client: Client, *args: Any) -> None:
        client.subscribe(self._topic, _QOS)
        tell("subscribed", topic=self._topic)

    def _pass_on(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        self._waiting.put(message)

    def _group(self) -> list[MQTTMessage]:
        group = []
        try:
            group.append(self._waiting.get(timeout=0.2))
            while len(group) < _GROUP:
                group.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return group

    def _keep(self, group: list[MQTTMessage]) -> None:
        """Put a group on disk and acknowledge it; what cannot be kept stays unacknowledged."""
        kept = [_delivery(message, self._client_name) for message in group if message.payload]
        while not self._asked:
            try:
                if kept:
                    self._intake.put(kept)
                break
            except StorageError as error:
                tell("cannot keep messages", error=str(error))
                time.sleep(_PAUSE)
        else:
            return
        for message in group:
            self._client.ack(message.mid, message.qos)
        tell("messages", count=len(group), empty=len(group) - len(kept))


def _connection(broker: str, name: str) -> tuple[Client, tuple[str, int]]:
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise SpecError("MQTT needs the extra: pip install 'synthgrid_assets[mqtt]'") from error
    parts = urlsplit(broker)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise SpecError("a broker's address is mqtt://host:port, or mqtts:// with TLS")
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, manual_ack=True
    )
    if parts.username:
        client.username_pw_set(parts.username, parts.password)
    if parts.scheme == "mqtts":
        client.tls_set()
    return client, (parts.hostname, parts.port or _PORT)


def _delivery(message: MQTTMessage, client: str) -> Delivery:
    payload = bytes(message.payload)
    levels = message.topic.split("/")
    device = "/".join(levels[1:3]) if len(levels) >= 3 else message.topic
    digest = hashlib.sha256(payload).hexdigest()
    place = hashlib.sha256(device.encode()).hexdigest()
    job_id = new_id()
    return Delivery(
        id=job_id,
        key=f"{client}|telemetry||{place}|{digest}",  # as over HTTP: a message of both ways is one
        kind="telemetry",
        collection="",
        client=client,
        content_type="application/json",
        encoding="",
        sha256=digest,
        size=len(payload),
        data=payload,
        path="",
        correlation=job_id,
        callback="",
        received=time.time(),
        device=device,
    )
