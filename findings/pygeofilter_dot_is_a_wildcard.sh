#!/usr/bin/env bash
# pygeofilter_dot_is_a_wildcard: one CQL filter finds different tiles in memory and in SQL, and neither set is right
#
# Versions: Python 3.11.7, pygeofilter 0.4.0, lark 1.3.1.
#
# Pattern matching with LIKE takes "." for any one character and "_" for itself, in ECQL, in CQL2 text and in CQL2
# JSON alike. The backend for SQL writes the dot as "_" but leaves a "_" of the pattern as it is, where the
# database takes it for any one character too.
#
# Output seen (the tiles that key LIKE '288_24.parquet' finds):
#     in memory, ecql: 288_24.parquet, 288_24xparquet
#     in SQL, ecql: 288_24.parquet, 288_24xparquet, 288a24.parquet
#     in memory, cql2 text: 288_24.parquet, 288_24xparquet
#     in SQL, cql2 text: 288_24.parquet, 288_24xparquet, 288a24.parquet
#     in memory, cql2 json: 288_24.parquet, 288_24xparquet
#     in SQL, cql2 json: 288_24.parquet, 288_24xparquet, 288a24.parquet
#     SQLite itself: 288_24.parquet, 288a24.parquet
#
# Expected: OGC CQL2 (21-065r2, advanced comparison operators) has the wildcards of SQL, "%" and "_", and no other
# character but the escape character is special; so 288_24.parquet and 288a24.parquet.
#
# Why it matters: names of tiles are full of dots and underscores (column_row.parquet, versions like 1.10). A server
# of OGC API features that filters in memory answers otherwise than one that filters in its database, and a
# client that escapes nothing but "_" selects, or deletes, files that it did not name.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pygeofilter==0.4.0 lark==1.3.1

venv/bin/python -W ignore - <<'PY'
import json
import sqlite3
from types import SimpleNamespace

from pygeofilter.backends.native.evaluate import NativeEvaluator
from pygeofilter.backends.sql.evaluate import to_sql_where
from pygeofilter.parsers import cql2_json, cql2_text, ecql

PATTERN = "288_24.parquet"
keys = ["288_24.parquet", "288_24xparquet", "288a24.parquet"]
base = sqlite3.connect(":memory:")
base.execute("create table tile(key text)")
base.executemany("insert into tile values (?)", [(key,) for key in keys])
filters = {
    "ecql": ecql.parse(f"key LIKE '{PATTERN}'"),
    "cql2 text": cql2_text.parse(f"key LIKE '{PATTERN}'"),
    "cql2 json": cql2_json.parse(json.dumps({"op": "like", "args": [{"property": "key"}, PATTERN]})),
}
for name, tree in filters.items():
    matches = NativeEvaluator().evaluate(tree)
    memory = [key for key in keys if matches(SimpleNamespace(key=key))]
    where = to_sql_where(tree, {"key": "key"})
    sql = [row[0] for row in base.execute(f"select key from tile where {where}")]
    print(f"in memory, {name}: {', '.join(memory)}")
    print(f"in SQL, {name}: {', '.join(sql)}")
    assert memory == keys[:2] and sql == keys
plain = [row[0] for row in base.execute("select key from tile where key like ?", (PATTERN,))]
print(f"SQLite itself: {', '.join(plain)}")
assert plain == [keys[0], keys[2]]
PY
