"""Run the command `steeldefect` as `python -m steeldefect COMMAND`."""

import sys

from steeldefect.cli import main

sys.exit(main())
