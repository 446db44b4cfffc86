"""Releases of private data sets: registered once, charged, drawn and recorded in one step.

Belongs here: from a question in public terms to its recorded answer, and what follows from that
at no cost. Not here: raw rows (`source`), noise (`strategies`), the accounting itself (`budget`).
"""
