"""`python -m steeldefect COMMAND` is the command `steeldefect`."""

import sys

from steeldefect.cli import main

sys.exit(main())
