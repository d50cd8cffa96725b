"""The doctor as a command: ``python -m srgan.data.doctor``; see ``checkup``."""

import sys

from srgan.data.doctor.checkup import main

if __name__ == "__main__":
    sys.exit(main())
