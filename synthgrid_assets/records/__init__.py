"""Records: what is written in SQL, on SQLite beside the data or on PostgreSQL.

Belongs here: connections, transactions, schema versions and what every record shares. Not
here: what a record means (`storage`, `privacy`, `services`).
"""
