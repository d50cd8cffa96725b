"""Tests of memory that stays: once kept, large tensors come without page faults, and what is kept counts as free."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from srgan.system.device import available_memory
from srgan.system.memory import keep_memory, kept_memory
if sys.argv[1] == "kept":
    keep_memory()
def work():
    for _ in range(5):  # of 16 384 pages
        torch.ones(2**24)
for _ in range(10):  # until it has found places for all
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, kept_memory())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_kept_memory_is_not_faulted_in_anew() -> None:
    def measured(how: str) -> list[int]:
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        return [int(number) for number in done.stdout.split()]

    faults, kept = measured("kept")
    assert faults < 1000
    assert kept >= 4 * 2**24 or kept == 0
    faults, kept = measured("by itself")
    assert faults > 70_000 or kept == 0  # other C libraries
