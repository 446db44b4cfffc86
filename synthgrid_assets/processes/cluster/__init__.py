"""Cluster processes: parents and their offspring."""
