"""``python -m lessons COMMAND`` is ``lessons COMMAND``, where no folder of scripts is on the PATH."""

import sys

from lessons.cli import main

if __name__ == "__main__":
    sys.exit(main())
