"""``python -m lakebench`` is the command ``lakebench``."""

from lakebench.cli import main

main()
