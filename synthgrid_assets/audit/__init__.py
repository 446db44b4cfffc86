"""The audit log: who made which file when, from what; signed, and closed to later changes.

Belongs here: a world's log of committed tiles and decisions, its keys, proofs and
verification. Not here: the records' content (`storage.commit_records`), which the journal
writes down together with the tile.

A log is a transparency log in the formats of C2SP (tlog-tiles, tlog-checkpoint, tlog-proof,
signed-note), so that public tools read it. Whoever wants to know something of a tile asks
`audit.reading`.
"""
