"""The Arrow schema of fixes.

Belongs here: columns and their types; units are those of `fixes.Fix`. Not here: conversion.
"""

from __future__ import annotations

import pyarrow as pa

FIX_SCHEMA = pa.schema(
    [
        pa.field("device", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("lon", pa.float64(), nullable=False),
        pa.field("lat", pa.float64(), nullable=False),
        pa.field("accuracy", pa.float64()),
        pa.field("altitude", pa.float64()),
        pa.field("speed", pa.float64()),
        pa.field("course", pa.float64()),
        pa.field("attributes", pa.string()),
    ]
)
