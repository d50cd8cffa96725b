"""The doctor as a program: ``python -m srgan.data.doctor`` is ``srgan doctor``."""

import sys

from srgan.commands.doctor import main

if __name__ == "__main__":
    sys.exit(main())
