"""Landing: worker processes that turn deliveries into partitions, and who looks after them.

Belongs here: leases to files, limits of workers, callbacks. Not here: receiving
(`receiving`), reading bodies (`geojson`, `telemetry`) and assets.
"""
