"""What pydantic finds in a file of ours, in one line.

Belongs here: the words of it. Not here: what is allowed (the models) and where it was read.
"""

from __future__ import annotations

from pydantic import ValidationError

_NOISE = "Value error, "  # pydantic's, before a message of ours


def mistakes(error: ValidationError) -> str:
    """Each mistake with its place; never a value, which may be a secret."""
    return "; ".join(
        f"{'.'.join(str(part) for part in one['loc'])}: {one['msg'].removeprefix(_NOISE)}"
        for one in error.errors(include_input=False)
    )
