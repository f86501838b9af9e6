"""``python -m lessons COMMAND`` is ``lessons COMMAND``, where no folder of scripts is on the PATH."""

import sys


def main() -> int:
    """Run the command line, and end in a word where Ctrl-C comes before its own modules are there."""
    try:
        from lessons import cli

        return cli.main()
    except KeyboardInterrupt:
        print("lessons: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
