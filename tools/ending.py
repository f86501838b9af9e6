"""How a tool ends when it is stopped: in one line and an exit status, as the command line of ``lessons`` does."""

from __future__ import annotations

import sys
from collections.abc import Callable


def in_one_line(name: str, main: Callable[[], int]) -> int:
    """Return what ``main`` returns; 130 after Ctrl-C, and 2 where a file cannot be used, each with a line on stderr.

    Args:
        name: what the line begins with.
        main: the tool.
    """
    try:
        return main()
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except OSError as error:
        what = error.filename or "the system refuses what this needs"
        print(f"\n{name}: {what} ({error.strerror or error}); mend that, and begin again", file=sys.stderr)
        return 2
