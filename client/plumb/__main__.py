"""`python -m plumb`, the same as the command `plumb`."""

import sys

from plumb.cli import main

sys.exit(main())
