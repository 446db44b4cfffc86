"""Charts, maps and patterns of a region as small PNGs, without a plotting library.

Belongs here: sheets, axes and colours. Not here: what is drawn (`reports`), pictures of single
tiles (`products.pictures`).
"""
