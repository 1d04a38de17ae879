"""``python -m nasbook``: the command line where ``nasbook`` itself is not on the path."""

import sys

from nasbook.book.cli import main

sys.exit(main())
