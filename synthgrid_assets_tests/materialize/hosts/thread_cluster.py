"""A cluster in this process: each host is a thread, which can be killed or frozen at a tile.

Its own small face on purpose: `Cluster` says what a cluster is, and this one is a second one.
"""

from __future__ import annotations

import queue
import threading

from synthgrid_assets.errors import WorkerDiedError
from synthgrid_assets.materialize.hosts.block import make_block
from synthgrid_assets.materialize.hosts.cluster import Ended, Hosts


class ThreadCluster:
    """Hosts as threads, over one queue each, with a scheduler that gives blocks in turn."""

    def __init__(self, hosts=2):
        self.queues = {f"host-{n}": queue.Queue() for n in range(hosts)}
        self.silent, self.dead = set(), set()
        self.avoided = []
        self.twice = False  # whether every block runs twice, as after a lost result
        self._arrived = queue.Queue()
        self._blocks, self._results, self._at = {}, {}, {}
        self._turn = 0
        self._threads = [
            threading.Thread(target=self._work, args=(name,), daemon=True) for name in self.queues
        ]
        for thread in self._threads:
            thread.start()

    @property
    def places(self):
        return len(self.queues)

    def submit(self, key, block, avoid=()):
        assert key not in self._blocks, "a key was used twice"
        self.avoided += avoid
        names = [name for name in self.queues if name not in self.dead | set(avoid)]
        self._turn += 1
        name = names[self._turn % len(names)]
        self._blocks[key], self._at[key] = block, name
        self.queues[name].put(key)

    def _work(self, name):
        while (key := self.queues[name].get()) is not None:
            for _ in range(1 + self.twice):
                try:
                    self._results[key] = make_block(self._blocks[key], name)
                except Exception as error:
                    self._results[key] = error
            if name in self.dead:
                self._results[key] = WorkerDiedError("killed")
            self._arrived.put(key)

    def ended(self, seconds):
        try:
            key = self._arrived.get(timeout=seconds)
        except queue.Empty:
            return []
        return [Ended(key, lambda: self._report(key))]

    def _report(self, key):
        result = self._results[key]
        if isinstance(result, Exception):
            raise result
        return result

    def hosts(self, silent_after):
        return Hosts(frozenset(self.queues.keys() - self.dead), frozenset(self.silent))

    def on(self, hosts):
        return {key for key, name in self._at.items() if name in hosts}

    def forget(self, key):
        self._blocks.pop(key, None)

    def close(self):
        for waiting in self.queues.values():
            waiting.put(None)
        for thread in self._threads:
            thread.join(60)
