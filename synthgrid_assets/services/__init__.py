"""Services: programs that stay up and answer over the network, without Dagster.

Belongs here: one sub-package a service. Not here: what a service computes with (`world`,
`inputs`) and keeps (`storage`, `records`).
"""
