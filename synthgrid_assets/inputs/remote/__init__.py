"""Sources on other machines: their addresses, their state, and ranges of their bytes."""
