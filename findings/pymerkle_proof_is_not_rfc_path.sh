#!/usr/bin/env bash
# pymerkle_proof_is_not_rfc_path: roots agree with RFC 6962, inclusion proofs do not
#
# Versions: Python 3.11.7, pymerkle 7.0.0.
#
# For trees of 1 to 8 entries pymerkle has the roots of RFC 6962, byte for byte. Its inclusion proofs are
# something else: the index counts from 1, the path begins with the hash of the leaf itself, and the sides are
# given by a list of flags. The RFC's verification, given the path as it is, refuses every proof; with the
# first hash dropped and the index lowered by one it accepts all.
#
# Output seen:
#     roots equal for 1 to 8 entries; of 36 proofs the RFC verification accepts 0 as given,
#     and 36 without the first hash and with the index lowered by one
#
# Expected: RFC 6962, section 2.1.1, and RFC 9162, section 2.1.3: leaves are numbered from 0, the audit path
# has the siblings only, and the sides follow from index and size. A library whose trees follow the RFC is
# expected to give its proofs, or to say that it does not.
#
# Why it matters: tiles of a release are put into a transparency log, and receivers check one tile with a
# verifier in another language. An index from 1, read as one from 0, points at the next tile.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pymerkle==7.0.0

venv/bin/python -W ignore - <<'PY'
import hashlib

from pymerkle import InmemoryTree


def digest(data):
    return hashlib.sha256(data).digest()


def root_of(leaves):
    """RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return digest(b"\1" + root_of(leaves[:half]) + root_of(leaves[half:]))


def verify(leaf, index, size, path, root):
    """RFC 9162, section 2.1.3.2."""
    last, value = size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            value = digest(b"\1" + sibling + value)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            value = digest(b"\1" + value + sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and value == root


tree, leaves = InmemoryTree(algorithm="sha256"), []
as_given = repaired = total = 0
for size in range(1, 9):
    entry = b"tile %d" % size
    tree.append_entry(entry)
    leaves.append(digest(b"\0" + entry))
    root = root_of(leaves)
    assert tree.get_root() == root
    for index, leaf in enumerate(leaves):
        proof = tree.prove_inclusion(index + 1).serialize()
        path = [bytes.fromhex(text) for text in proof["path"]]
        assert path[0] == leaf and proof["metadata"]["index"] == index + 1
        total += 1
        as_given += verify(leaf, index, size, path, root) or verify(leaf, index + 1, size, path, root)
        repaired += verify(leaf, index, size, path[1:], root)
print(f"roots equal for 1 to 8 entries; of {total} proofs the RFC verification accepts {as_given} as given,")
print(f"and {repaired} without the first hash and with the index lowered by one")
assert (as_given, repaired) == (0, 36) and total == 36
PY
