"""``python -m langchain_streamkit``: the command ``streamkit``."""

import sys

from langchain_streamkit.cli import main

sys.exit(main())
