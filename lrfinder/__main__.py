"""`python -m lrfinder` is the `lrfinder` command."""

import sys

from lrfinder.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
