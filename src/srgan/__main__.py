"""The program: ``srgan photo.jpg``, ``srgan train …``; ``python -m srgan`` is the same."""

import sys

from srgan.commands import run

if __name__ == "__main__":
    sys.exit(run())
