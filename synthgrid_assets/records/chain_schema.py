"""The tables of the hash-chained record, which no statement can change or shorten.

Belongs here: tables and triggers on SQLite and PostgreSQL. Not here: entries (`hash_chain`).
"""

from __future__ import annotations

import sqlalchemy as sa

from synthgrid_assets.records.schema import Schema, statements

_SQLITE = """
CREATE TABLE entry(
  sequence INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('release', 'budget')),
  scope TEXT NOT NULL,
  key TEXT NOT NULL UNIQUE,
  block TEXT NOT NULL,
  cost_pico_epsilon INTEGER NOT NULL CHECK (cost_pico_epsilon >= 0),
  body TEXT NOT NULL,
  payload TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  previous TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE
);
CREATE TRIGGER entry_not_updated BEFORE UPDATE ON entry
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER entry_not_deleted BEFORE DELETE ON entry
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
-- INSERT OR REPLACE deletes without firing the trigger above: only the next entry may come
CREATE TRIGGER entry_follows BEFORE INSERT ON entry
  WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM entry)
    OR EXISTS (SELECT 1 FROM entry WHERE key = NEW.key OR hash = NEW.hash)
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;

-- sums of the entries' charges, so that a charge need not add up the whole record
CREATE TABLE spent(
  scope TEXT NOT NULL,
  block TEXT NOT NULL,
  pico_epsilon INTEGER NOT NULL,
  PRIMARY KEY (scope, block)
) WITHOUT ROWID;
CREATE INDEX spent_most ON spent(scope, pico_epsilon DESC);
CREATE TRIGGER spent_charged AFTER INSERT ON entry WHEN NEW.kind = 'release'
  BEGIN
    INSERT INTO spent VALUES (NEW.scope, NEW.block, NEW.cost_pico_epsilon)
    ON CONFLICT(scope, block) DO UPDATE SET pico_epsilon = pico_epsilon + excluded.pico_epsilon;
  END;
CREATE TRIGGER spent_not_lowered BEFORE UPDATE ON spent
  WHEN NEW.pico_epsilon < OLD.pico_epsilon OR NEW.scope <> OLD.scope OR NEW.block <> OLD.block
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER spent_not_deleted BEFORE DELETE ON spent
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;

-- keyed codes of the private data behind a release: never part of what is published
CREATE TABLE guard(key TEXT PRIMARY KEY, code TEXT NOT NULL) WITHOUT ROWID;
CREATE TRIGGER guard_not_updated BEFORE UPDATE ON guard
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER guard_not_deleted BEFORE DELETE ON guard
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""
_POSTGRES = """
CREATE TABLE entry(
  sequence BIGINT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('release', 'budget')),
  scope TEXT NOT NULL,
  key TEXT NOT NULL UNIQUE,
  block TEXT NOT NULL,
  cost_pico_epsilon BIGINT NOT NULL CHECK (cost_pico_epsilon >= 0),
  body TEXT NOT NULL,
  payload TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  previous TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE
);
CREATE TABLE spent(
  scope TEXT NOT NULL,
  block TEXT NOT NULL,
  pico_epsilon BIGINT NOT NULL,
  PRIMARY KEY (scope, block)
);
CREATE INDEX spent_most ON spent(scope, pico_epsilon DESC);
CREATE TABLE guard(key TEXT PRIMARY KEY, code TEXT NOT NULL);
"""
_FUNCTIONS = (
    """
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'append-only'; END $$""",
    """
CREATE FUNCTION entry_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM entry) THEN
    RAISE EXCEPTION 'append-only';
  END IF;
  RETURN NEW;
END $$""",
    """
CREATE FUNCTION spent_charged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO spent VALUES (NEW.scope, NEW.block, NEW.cost_pico_epsilon)
  ON CONFLICT (scope, block)
    DO UPDATE SET pico_epsilon = spent.pico_epsilon + excluded.pico_epsilon;
  RETURN NEW;
END $$""",
    """
CREATE FUNCTION spent_not_lowered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.pico_epsilon < OLD.pico_epsilon OR NEW.scope <> OLD.scope OR NEW.block <> OLD.block THEN
    RAISE EXCEPTION 'append-only';
  END IF;
  RETURN NEW;
END $$""",
    *(
        f"CREATE TRIGGER {table}_kept BEFORE {events} ON {table} "
        f"FOR EACH {each} EXECUTE FUNCTION append_only()"
        for table, events, each in (
            ("entry", "UPDATE OR DELETE OR TRUNCATE", "STATEMENT"),
            ("guard", "UPDATE OR DELETE OR TRUNCATE", "STATEMENT"),
            ("spent", "DELETE OR TRUNCATE", "STATEMENT"),
        )
    ),
    "CREATE TRIGGER entry_follows BEFORE INSERT ON entry "
    "FOR EACH ROW EXECUTE FUNCTION entry_follows()",
    "CREATE TRIGGER spent_charged AFTER INSERT ON entry "
    "FOR EACH ROW WHEN (NEW.kind = 'release') EXECUTE FUNCTION spent_charged()",
    "CREATE TRIGGER spent_not_lowered BEFORE UPDATE ON spent "
    "FOR EACH ROW EXECUTE FUNCTION spent_not_lowered()",
)


def _first(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        for statement in statements(_SQLITE):
            connection.exec_driver_sql(statement)
        return
    for statement in (*statements(_POSTGRES), *_FUNCTIONS):
        connection.exec_driver_sql(statement)


def _second(connection: sa.Connection) -> None:
    """The key of the codes in ``guard``; as private as the data that they stand for."""
    connection.exec_driver_sql("CREATE TABLE secret(name TEXT PRIMARY KEY, value TEXT NOT NULL)")


def _third(connection: sa.Connection) -> None:
    """Entries and codes of a data set are found without reading those of all others."""
    connection.exec_driver_sql("CREATE INDEX entry_of_scope ON entry(scope, kind, sequence)")
    connection.exec_driver_sql("CREATE INDEX guard_of_code ON guard(code)")


CHAIN = Schema(
    "record of releases",
    (_first, _second, _third),
    ("entry", "spent", "guard", "secret"),
    "restore it from a backup before anything is released again",
)
