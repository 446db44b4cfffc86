"""The inbox: queue, idempotency, leases, retries, dead letters and status in one record.

Belongs here: what is durable before a sender is answered, and how work is handed out. Not
here: HTTP (`receiving`) and what work is (`landing`).
"""
