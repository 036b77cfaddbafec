"""`python -m ml`: the engine on the command line, without a server."""

import sys

from ml.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
