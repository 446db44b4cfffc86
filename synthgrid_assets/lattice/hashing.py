"""Canonical JSON and version hashes: what a component, an asset, a realisation are made of.

Belongs here: canonical hashing and the rule of what enters which hash. Not here: data
digests (`storage.digest`) and stream keys (`seeding`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HASH_BYTES = 16
# made once: `json.dumps` with options makes one for each call
_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
)


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value, in ASCII: equal values give equal text.

    Whatever is hashed, chained or stored as metadata is written by this function.

    Parameters
    ----------
    value : JSON value

    Raises
    ------
    ValueError
        For NaN and infinities, which are not JSON.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [0.1, "x"]})
    '{"a":[0.1,"x"],"b":1}'
    """
    return _CANONICAL.encode(value)


def version_hash(content: Any) -> str:
    """BLAKE2b-128 over canonical JSON, in hex.

    Parameters
    ----------
    content : JSON value
        Dicts with string keys, lists, strings, numbers, booleans, None.

    Examples
    --------
    >>> version_hash({"a": 1, "b": 2}) == version_hash({"b": 2, "a": 1})
    True
    """
    text = canonical_json(content).encode()
    return hashlib.blake2b(text, digest_size=HASH_BYTES, person=b"synthgrid.ver").hexdigest()


@dataclass(frozen=True)
class Component:
    """One part of a layer that draws from its own stream: process, thinning, a mark.

    Parameters
    ----------
    name : str
        ``process``, ``thin/<input>``, ``mark/<name>`` ...
    version : str
        Hash of exactly the parameters that define it and of its algorithm's version.
    """

    name: str
    version: str

    @classmethod
    def of(cls, name: str, parameters: Mapping[str, Any], algorithm_version: int) -> Component:
        """The component that `parameters` and an algorithm's version define."""
        return cls(name, version_hash([name, dict(parameters), algorithm_version]))


@dataclass(frozen=True)
class AssetVersion:
    """What an asset of one layer is made of.

    Parameters
    ----------
    base : str
        Hash of lattice, CRS, world seed and layer name.
    components : tuple of Component
        Exactly the components that the asset uses.
    own : str
        Hash of the asset's own parameters and algorithm version.
    """

    base: str
    components: tuple[Component, ...]
    own: str

    @property
    def code_version(self) -> str:
        """The asset's version: its Dagster ``code_version``."""
        parts = [[component.name, component.version] for component in self.components]
        return version_hash(["asset", self.base, parts, self.own])

    def realisation(self, inputs: Mapping[str, str]) -> str:
        """The realisation id: the version plus the data versions of what it reads.

        Parameters
        ----------
        inputs : mapping of str to str
            Data version of each surface, mask or layer that the components read.
        """
        return version_hash(["realisation", self.code_version, dict(inputs)])
