"""The map of a world's tiles that a browser draws: shared by the report and the viewer."""
