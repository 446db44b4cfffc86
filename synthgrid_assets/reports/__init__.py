"""Reports: what is read from committed tiles: status, digests, exports, checks of a region."""
