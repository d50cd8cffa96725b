"""Tests of memory that stays: large tensors come without page faults, what is kept counts as free, kernels go."""

import os
import subprocess
import sys

import pytest

from srgan.system.memory import keep_few_kernels

CAPACITY = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"

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


AGAIN = """
import torch
from srgan.system.memory import keep_few_kernels
keep_few_kernels()
layer = torch.nn.Conv2d(32, 32, 3, padding=1)
with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
    for width in (*range(16, 116), 16, 115):
        print("width", width, flush=True)
        layer(torch.zeros(1, 32, 32, width))
print("width 0")
"""


def test_kernels_of_sizes_long_gone_are_let_go() -> None:
    environment = {name: value for name, value in os.environ.items() if name != CAPACITY}
    environment |= {"ONEDNN_VERBOSE": "profile_create"}
    done = subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, text=True, check=True, env=environment)
    *_, first, last, _ = done.stdout.split("width ")[1:]
    if "create:cache_" not in first:
        pytest.skip("oneDNN does not compute here, or does not tell")
    assert "create:cache_miss,cpu,convolution" in first  # of 16, a hundred sizes ago
    assert "create:cache_hit,cpu,convolution" in last


def test_who_has_said_how_many_kernels_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CAPACITY, "7")
    keep_few_kernels()
    assert os.environ[CAPACITY] == "7"
