"""Lineage as other tools read it: OpenLineage, in-toto, PROV, STAC, RO-Crate, Croissant.

Belongs here: the same facts of a world, told once in each form, as plain JSON. Not here: where
facts come from (`facts` asks journal, audit log and spec), signatures (`audit`).
"""
