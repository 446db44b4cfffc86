"""Sources of inputs: what identifies a file, what it refers to, where its values lie."""
