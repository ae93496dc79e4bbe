"""Runs the demonstration: `python -m stream.demo`."""

import sys

from stream.demo.run import main

if __name__ == "__main__":
    sys.exit(main())
