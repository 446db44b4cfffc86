"""Assets: one module per kind of asset."""
