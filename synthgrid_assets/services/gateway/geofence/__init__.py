"""Geofences: which zones hold a point now, how far the next ones are, and how exact that is.

Belongs here: zones compiled to cells, questions to them, how exact an answer may be under
load. Not here: HTTP (`endpoints`), what devices send (`telemetry`), visits (`visits`).
"""
