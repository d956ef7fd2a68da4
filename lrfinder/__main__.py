"""`python -m lrfinder` is the `lrfinder` command."""

import sys

from lrfinder.cli import main

if __name__ == "__main__":
    sys.exit(main())
