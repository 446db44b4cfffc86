"""Tiers under load, and answers that are the same alone and in a batch."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import shapely

from synthgrid_assets.services.gateway.geofence.batching import MicroBatcher
from synthgrid_assets.services.gateway.geofence.tiers import Tier, TierController, TierLimits
from synthgrid_assets.services.gateway.geofence.zone_index import compile_zones
from synthgrid_assets.services.gateway.geofence.zone_store import ZoneStore
from synthgrid_assets_tests.services.gateway.geofence.zones import random_zones


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def controller(**limits):
    clock = Clock()
    return TierController(TierLimits(**limits), clock), clock


def test_calm_is_exact():
    tiers, _ = controller()
    tiers.observe_lag(0.009)
    tiers.observe_fill(0.79)
    assert [tiers.decide(10**6) for _ in range(5)] == [Tier.EXACT] * 5


def test_pressure_spends_tokens_and_relaxes_late():
    tiers, clock = controller(rate=100.0, burst=250.0)
    tiers.observe_fill(0.8)
    found = [tiers.decide(100) for _ in range(3)]
    assert found == [Tier.EXACT, Tier.EXACT, Tier.BOXES]
    clock.now += 0.5
    assert [tiers.decide(100), tiers.decide(100)] == [Tier.EXACT, Tier.BOXES]
    tiers.observe_fill(0.61)
    assert tiers.decide(100) == Tier.BOXES
    tiers.observe_fill(0.59)
    assert tiers.decide(100) == Tier.EXACT
    assert tiers.counts == {Tier.EXACT: 4, Tier.BOXES: 3}


def test_lag():
    tiers, _ = controller()
    tiers.observe_lag(0.05)
    assert tiers.decide(1) == Tier.BOXES
    tiers.observe_lag(0.08)
    assert tiers.decide(1) == Tier.DEFERRED
    for _ in range(30):
        tiers.observe_lag(0.0)
    assert tiers.lag < 0.001
    assert tiers.decide(1) == Tier.EXACT


def test_the_fullest_queue_counts():
    tiers, _ = controller()
    tiers.observe_fill(1.0, "inbox")
    tiers.observe_fill(0.0, "questions")
    assert tiers.decide(1) == Tier.DEFERRED
    tiers.observe_fill(0.1, "inbox")
    assert tiers.decide(1) == Tier.EXACT


def test_slow_batches_close_the_exact_tier_for_a_while():
    tiers, clock = controller()
    for _ in range(5):
        assert tiers.decide(1) == Tier.EXACT
        tiers.observe_exact(0.1)
    assert tiers.decide(1) == Tier.BOXES
    clock.now += 1.1
    assert tiers.decide(1) == Tier.EXACT  # a trial
    tiers.observe_exact(0.1)
    assert tiers.decide(1) == Tier.BOXES
    clock.now += 1.1
    tiers.observe_exact(0.001)
    for _ in range(4):
        tiers.observe_exact(0.1)
    assert tiers.decide(1) == Tier.EXACT


@pytest.fixture
def store(tmp_path):
    shapes = random_zones(np.random.default_rng(1), 30)
    compile_zones(shapes, [str(k) for k in range(len(shapes))], tmp_path, crs="OGC:CRS84")
    return ZoneStore(tmp_path)


def test_answers_in_batches_are_those_alone(store):
    r = np.random.default_rng(2)
    questions = [r.uniform(-10, 10, (int(n), 2)) for n in r.integers(0, 400, 60)]
    questions.append(r.uniform(-10, 10, (9000, 2)))
    tiers = TierController()
    batcher = MicroBatcher(store, tiers)

    async def ask():
        return await asyncio.gather(*map(batcher.submit, questions))

    answers = asyncio.run(ask())
    for question, answer in zip(questions, answers, strict=True):
        alone = store.current().query(question)
        assert answer.tier == Tier.EXACT
        assert answer.matches.starts.tolist() == alone.starts.tolist()
        assert answer.matches.zones.tolist() == alone.zones.tolist()
    assert tiers.counts.total() < 20  # 61 questions in a few batches


def test_overload_defers_and_loses_nothing(store):
    batcher = MicroBatcher(store, TierController(), capacity=1000)
    question = np.zeros((100, 2))

    async def ask():
        return await asyncio.gather(*(batcher.submit(question) for _ in range(50)))

    answers = asyncio.run(ask())
    assert len(answers) == 50
    assert all(answer.tier == Tier.DEFERRED and answer.matches is None for answer in answers)

    async def ask_again():
        return await batcher.submit(question)

    assert asyncio.run(ask_again()).tier == Tier.EXACT


def test_one_question_that_is_given_up_leaves_the_others(store):
    batcher = MicroBatcher(store, TierController())

    async def ask():
        first = asyncio.ensure_future(batcher.submit(np.zeros((1, 2))))
        second = asyncio.ensure_future(batcher.submit(np.zeros((1, 2))))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(ask()).matches is not None


def test_points_are_asked_in_the_zones_own_plane(tmp_path):
    compile_zones(
        np.array([shapely.box(5e5, 5.2e6, 6e5, 5.3e6)]), ["a"], tmp_path, crs="EPSG:25832"
    )
    batcher = MicroBatcher(ZoneStore(tmp_path), TierController())
    answer = asyncio.run(batcher.submit(np.array([[9.5, 47.5], [9.5, 40.0]])))
    assert answer.matches.starts.tolist() == [0, 1, 1]
