"""``python -m gensample``."""

import sys

from gensample.cli import main

sys.exit(main())
