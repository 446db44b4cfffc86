"""Tables of a layer: what one product each reads, and what must hold of the layer."""
