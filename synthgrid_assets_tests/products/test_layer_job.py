"""A worker is told everything that a world's spec decides: it derives no version and no key."""

from __future__ import annotations

import pickle

import pytest

from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world import stream_keys, versions
from synthgrid_assets.world.inputs import stored_versions
from synthgrid_assets_tests.reports.committed_world import context_of
from synthgrid_assets_tests.world.every_composition import COMPOSED, every_spec


def forbid(monkeypatch):
    """Whoever derives a version or a stream's key from the spec is found."""

    def refuse(*_, **__):
        raise AssertionError("derived in a worker")

    for module in (versions, stream_keys):
        for name in ("version_hash", "stream_key", "component_key", "asset_version", "realisation"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, refuse)


@pytest.mark.parametrize("layer", ["cafes", "trees"])
def test_tiles_of_every_product_are_made_as_told(tmp_path, monkeypatch, layer):
    context = context_of(tmp_path, layer)
    tile = list(context.spec.world.tiling)[14]
    products = products_of(context.table)
    for product in products:
        product.prepare(context, [tile])  # the replicates, which have keys of their own
    job = pickle.loads(pickle.dumps(context.job))
    forbid(monkeypatch)
    receipts = make_tile(job, products, tile.key)
    assert [receipt.asset for receipt in receipts] == [product.name for product in products]
    for receipt in receipts:
        assert receipt.passed, receipt.verdicts
        told = context.assets[receipt.asset]
        assert (receipt.realisation, receipt.code_version) == (told.realisation, told.code_version)


@pytest.mark.parametrize("layer", sorted(COMPOSED))
def test_the_sampler_of_every_composition_is_built_from_what_is_told(tmp_path, monkeypatch, layer):
    spec = every_spec(tmp_path)
    job = pickle.loads(pickle.dumps(open_layer(spec, layer, tmp_path).job))
    forbid(monkeypatch)
    context = job.open()
    assert context.sampler.law
    assert set(context.mark_keys) == set(spec.layers[layer].marks)


def test_a_job_is_the_same_wherever_it_is_asked_for(tmp_path):
    """Equal jobs share a worker's context, so that it is opened once."""
    context = context_of(tmp_path)
    again = open_layer(context.spec, "cafes", context.layout.root)
    assert again.job == context.job
    assert hash(again.job) == hash(pickle.loads(pickle.dumps(context.job)))
    assert dict(context.job.inputs) == stored_versions(context.spec, Layout(context.layout.root))
