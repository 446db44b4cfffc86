"""Trees hash as the RFC's vectors say, whoever stores them; proofs hold for their entry alone."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from synthgrid_assets.audit.hash_tiles import HashTiles, bundle_names, grown, tile_name
from synthgrid_assets.audit.merkle import (
    consistency_path,
    inclusion_path,
    is_consistent,
    leaf_hash,
    root_by_path,
    root_of,
)
from synthgrid_assets.errors import AuditError

# the vectors of RFC 6962's reference implementation
_LONGEST = "606162636465666768696a6b6c6d6e6f"
_HEX = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", _LONGEST]
ENTRIES = [bytes.fromhex(text) for text in _HEX]
ROOTS = """\
6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
"""
INCLUSION = {  # of entry i in the tree of n, from the same vectors
    (0, 8): """96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7
               5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e
               6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4""",
    (5, 8): """bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b
               ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0
               d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7""",
    (2, 3): "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
}


def leaves(count):
    return [leaf_hash(number.to_bytes(8, "big")) for number in range(count)]


def stored(count, chunk):
    """A tree that has grown by chunks, as files by name."""
    files, row = {}, leaves(count)
    for start in range(0, count, chunk):
        files |= grown(HashTiles(files.__getitem__, start), row[start : start + chunk])
    return HashTiles(files.__getitem__, count), files


def direct(row):
    return lambda first, end: root_of(row[first:end])


def test_roots_are_those_of_the_vectors():
    hashes = [leaf_hash(entry) for entry in ENTRIES]
    assert [root_of(hashes[:n]).hex() for n in range(1, 9)] == ROOTS.split()
    assert root_of([]).hex() == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(("place", "path"), INCLUSION.items())
def test_inclusion_paths_are_those_of_the_vectors(place, path):
    hashes = [leaf_hash(entry) for entry in ENTRIES]
    assert [value.hex() for value in inclusion_path(*place, direct(hashes))] == path.split()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 255, 257])
def test_pymerkle_has_the_same_roots(count):
    tree = InmemoryTree(algorithm="sha256")
    for number in range(count):
        tree.append_entry(number.to_bytes(8, "big"))
    assert tree.get_root() == root_of(leaves(count))


@given(st.integers(1, 700), st.data())
def test_a_path_leads_to_the_root_from_its_own_entry_alone(count, data):
    index = data.draw(st.integers(0, count - 1))
    row = leaves(count)
    path = inclusion_path(index, count, direct(row))
    root = root_of(row)
    assert root_by_path(row[index], index, count, path) == root
    other = data.draw(st.integers(0, count + 2).filter(lambda at: at != index))
    assert root_by_path(row[index], other, count, path) != root
    assert root_by_path(leaf_hash(b"another"), index, count, path) != root
    assert root_by_path(row[index], index, count, [*path, root]) is None
    assert not path or root_by_path(row[index], index, count, path[1:]) != root


@given(st.integers(1, 400), st.data())
def test_a_tree_is_consistent_with_each_of_its_beginnings_and_no_other(count, data):
    old, row = data.draw(st.integers(1, count)), leaves(count)
    path = consistency_path(old, count, direct(row))
    root = root_of(row)
    assert is_consistent(old, count, root_of(row[:old]), root, path)
    changed = [*row[: old - 1], leaf_hash(b"another")]
    assert not is_consistent(old, count, root_of(changed), root, path)
    assert old == count or not is_consistent(old, count, root_of(row[:old]), root, path[:-1])


@pytest.mark.parametrize(
    ("count", "chunk"), [(1, 1), (255, 7), (256, 256), (257, 100), (700, 1), (66_000, 40_000)]
)
def test_a_tree_read_from_tiles_is_the_tree_however_it_has_grown(count, chunk):
    tree, _ = stored(count, chunk)
    row = leaves(count)
    assert tree.root() == root_of(row)
    for index in {0, count // 3, count - 1}:
        path = inclusion_path(index, count, tree.subtree)
        assert root_by_path(row[index], index, count, path) == tree.root()


def test_the_tiles_of_a_tree_are_those_that_the_specification_counts():
    # tlog-tiles: "A tree of size 70,000 will be represented by ..."
    _, files = stored(70_000, 70_000)
    full = [name for name in files if ".p/" not in name]
    assert sum(name.startswith("tile/0/") for name in full) == 273
    assert [name for name in full if name.startswith("tile/1/")] == ["tile/1/000"]
    parts = {name for name in files if ".p/" in name}
    assert parts == {"tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"}
    assert {len(files[name]) for name in full} == {8192}


def test_names_are_those_of_the_specification():
    assert tile_name(0, 1234067) == "tile/0/x001/x234/067"
    assert [name for _, name, _ in bundle_names(257)] == [
        "tile/entries/000",
        "tile/entries/001.p/1",
    ]


def test_a_tile_of_another_length_is_refused_by_name():
    with pytest.raises(AuditError, match=r"tile/0/000\.p/3 has 95 bytes, not 96"):
        HashTiles(lambda name: b"x" * 95, 3).root()
