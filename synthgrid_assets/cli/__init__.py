"""``synthgrid``: the command line, a thin face of the same functions as UI and Python.

Belongs here: arguments, printed tables, progress and exit codes. Not here: anything that
another face would have to write again. A group of commands is one module, registered in `command`.
"""

from synthgrid_assets.cli.command import app, main

__all__ = ["app", "main"]
