"""Records: SQL databases and hash chains that only grow."""
