"""Endpoints: what the gateway answers to which address.

Belongs here: HTTP in, HTTP out. Not here: how bodies are received (`receiving`), kept
(`inbox`) and read (`geojson`, `telemetry`, `geofence`).
"""
