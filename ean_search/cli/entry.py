"""The command `ean-search`: it ends in one line even if it is stopped while it imports."""

import sys


def main() -> int:
    """Run the command line, and return its exit code."""
    try:
        from ean_search.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        return 130
