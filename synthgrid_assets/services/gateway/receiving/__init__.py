"""Receiving: who sends, whether it is what they signed, how much of it, and when to stop.

Belongs here: everything between a socket and a durable delivery. Not here: the queue
(`inbox`) and what is in a body (`geojson`, `telemetry`).
"""
