"""The gateway: heavy geometries, telemetry and geofence questions in, partitions out.

Belongs here: receiving (`receiving`), the queue (`inbox`), landing (`landing`), reading what
comes (`geojson`, `telemetry`) and zones (`geofence`). Not here: assets (`dagster`).
"""
