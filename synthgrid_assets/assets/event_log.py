"""The event log's earlier module: instances name it in their `dagster.yaml`, so it stays."""

from synthgrid_assets.dagster.events.event_log import CachedSqliteEventLogStorage

__all__ = ["CachedSqliteEventLogStorage"]
