"""Visits: who entered, left and stayed in which zone, by event time.

Belongs here: what is declared, and one device's fixes turned into events. Not here: which zones
hold a point (`geofence`), tables and files (`landing`).
"""
