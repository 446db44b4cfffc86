"""Geofences: which zones hold a point now, and which ones a device entered, left or stayed in.

Belongs here: zones compiled to cells, questions to them, how exact an answer may be under
load, visits by event time. Not here: HTTP (`endpoints`), what devices send (`telemetry`).
"""
