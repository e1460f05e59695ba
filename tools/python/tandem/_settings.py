"""Python's arguments as the settings that tandem declares, in the text that a command line would have."""
from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, Iterable):
        return ",".join(_text(item) for item in value)
    return str(value)


def texts(settings: dict[str, Any]) -> dict[str, str]:
    """The given ones: None stands for not given."""
    return {name: _text(value) for name, value in settings.items() if value is not None}


def table(described: list[tuple[str, str, str, str]]) -> str:
    """For docstrings: every setting with its values, default and help."""
    lines = []
    for name, expected, default, text in described:
        default = "None" if default == "null" else default
        lines.append(f"    {name}: {expected} [{default}]\n        {text}")
    return "\n".join(lines)
