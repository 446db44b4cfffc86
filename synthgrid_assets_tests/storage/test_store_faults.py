"""Stores whose disk or network fails at any step: the old file or the new one, and a clear error.

A disk refuses one system call of a commit with each error that disks give. A network loses
requests or answers, or answers with an error, between the client and a real server.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import http.server
import os
import socket
import threading

import pytest

from synthgrid_assets.errors import StorageError
from synthgrid_assets.storage.store import open_store
from synthgrid_assets_tests.s3_server import server_thread, use_server

OLD, NEW = b"old" * 30_000, b"new, and longer" * 10_000
CALLS = ("open", "write", "fsync", "replace", "rename", "link", "mkdir")
FAULTS = ("500", "request lost", "answer lost", "answer cut")
ERRORS = ("ENOSPC", "EIO", "EDQUOT", "EROFS", "ETIMEDOUT", "ESTALE", "EMFILE")


class Disk:
    """Refuses the system call of a number, counted from when it is armed."""

    def __init__(self, monkeypatch):
        self.left, self.code, self.calls = 0, 0, 0
        for name in CALLS:
            monkeypatch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, call):
        def failing(*arguments, **options):
            self.calls += 1
            self.left -= 1
            if self.left == 0:
                raise OSError(self.code, os.strerror(self.code))
            return call(*arguments, **options)

        return failing

    def refuse(self, number, code):
        self.left, self.code = number, code


WRITES = {
    "put": lambda store: store.put("a/b", NEW),
    "batch": lambda store: (store.put("a/b", NEW, durability="batch"), store.sync(["a/b"])),
    "swap": lambda store: store.put_if_unchanged("a/b", NEW, store.stat("a/b").stamp),
    "new": lambda store: store.put_if_absent("a/new", NEW),
}


def some_slow(values, quick):
    return [v if v in quick else pytest.param(v, marks=pytest.mark.slow) for v in values]


@pytest.mark.parametrize("code", some_slow(ERRORS, ("ENOSPC", "EIO")))
@pytest.mark.parametrize("write", WRITES)
def test_a_disk_that_refuses_any_step_leaves_the_old_file_or_the_new_one(
    tmp_path, monkeypatch, write, code
):
    key = "a/new" if write == "new" else "a/b"
    disk, refused = Disk(monkeypatch), []
    for step in range(1, 100):
        store = open_store(tmp_path / f"{step}")
        store.put("a/b", OLD)
        disk.refuse(step, getattr(errno, code))
        try:
            WRITES[write](store)
        except StorageError as error:
            refused.append(error)
        over, disk.left = disk.left > 0, 0
        found = store.get(key) if store.stat(key) else None
        assert found in ({None, NEW} if write == "new" else {OLD, NEW})
        assert set(store.list()) <= {"a/b", "a/new"}
        store.sweep()
        assert not list((tmp_path / f"{step}").rglob("*.partial"))
        if over:
            break
        store.put(key, NEW)  # the next try, once the disk is well
        assert store.get(key) == NEW
    assert over
    assert len(refused) >= 4
    for error in refused:
        assert error.retryable
        assert os.strerror(getattr(errno, code)) in str(error)
        assert str(tmp_path) in str(error)


class Proxy:
    """Passes requests on to a server; some of them it fails, in one way."""

    def __init__(self, server):
        self.server, self.fault, self.left = server, "", 0
        self.faults = 0
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy.next_fault(self.command)
                if fault == "request lost":
                    self.hang_up()
                    return
                if fault == "500":
                    self.answer(500, b"", ())
                    return
                status, data, headers = proxy.passed_on(self.command, self.path, body, self.headers)
                if fault == "answer lost":
                    self.hang_up()
                elif fault == "answer cut":
                    self.answer(status, data, headers, sent=len(data) // 2)
                    self.hang_up()
                else:
                    self.answer(status, data, headers)

            def hang_up(self):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

            def answer(self, status, data, headers, sent=None):
                self.send_response(status)
                skipped = ("transfer-encoding", "connection", "content-length", "server", "date")
                for name, value in headers:
                    if name.lower() not in skipped:
                        self.send_header(name, value)
                length = {n.lower(): v for n, v in headers}.get("content-length")
                head = self.command == "HEAD" and length
                self.send_header("Content-Length", length if head else str(len(data)))
                self.end_headers()
                self.wfile.write(data[:sent])

            def log_message(self, *_):
                pass

            def finish(self):
                with contextlib.suppress(OSError, ValueError):
                    super().finish()

        for verb in ("GET", "PUT", "HEAD", "DELETE", "POST"):
            setattr(Handler, f"do_{verb}", Handler.handle_any)
        self.listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.listener.daemon_threads = True
        self.thread = threading.Thread(target=self.listener.serve_forever, daemon=True)
        self.thread.start()

    @property
    def address(self):
        return "http://{}:{}".format(*self.listener.server_address)

    def fail(self, fault, times):
        self.fault, self.left = fault, times

    def next_fault(self, command):
        if self.left and command in ("PUT", "GET"):
            self.left -= 1
            self.faults += 1
            return self.fault
        return ""

    def passed_on(self, command, path, body, headers):
        connection = http.client.HTTPConnection(self.server.removeprefix("http://"), timeout=30)
        try:
            connection.request(command, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheaders()
        finally:
            connection.close()

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()
        self.thread.join(30)


@pytest.fixture(scope="module")
def proxy():
    pytest.importorskip("obstore", reason="the extra `objects` is not installed")
    with server_thread() as address:
        made = Proxy(address)
        yield made
        made.close()


@pytest.mark.parametrize("fault", some_slow(FAULTS, ("answer lost",)))
@pytest.mark.parametrize("write", WRITES)
def test_a_network_that_loses_requests_or_answers_is_tried_again_and_nothing_is_called_lost(
    proxy, monkeypatch, write, fault
):
    """A lost answer of a write that was made looks like a conflict: it is none."""
    use_server(monkeypatch, proxy.address)
    store = open_store(f"s3://tiles/{write}-{fault.replace(' ', '-')}")
    store.put("a/b", OLD)
    key, before = "a/new" if write == "new" else "a/b", proxy.faults
    proxy.fail(fault, times=1)
    done = WRITES[write](store)
    assert done is not False
    assert store.get(key) == NEW
    proxy.fail(fault, times=2)
    assert store.get(key) == NEW
    assert proxy.faults == before + 3
