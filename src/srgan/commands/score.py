"""``srgan score``: the scores of given weights, without training; ``srgan train`` with ``test_only=true``."""

import sys
from collections.abc import Sequence

from srgan.commands import train


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line, by default the process's own."""
    train.main(["test_only=true", *(sys.argv[1:] if arguments is None else arguments)])
