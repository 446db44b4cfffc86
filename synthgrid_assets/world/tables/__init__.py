"""Tables of a layer that one product each reads: footprints, parcels, tracks."""
