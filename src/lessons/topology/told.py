"""What the system tells in files."""

from __future__ import annotations

from pathlib import Path


def told(path: Path) -> str:
    """Return what stands in a file, without the white space around it; an empty text where it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""
