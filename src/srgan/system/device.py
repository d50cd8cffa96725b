"""Devices: finding one by name, its free memory, and recognising errors of memory that ran out."""

from pathlib import Path

import torch

from srgan.system.memory import kept_memory

_CPUINFO = Path("/proc/cpuinfo")
_MEMINFO = Path("/proc/meminfo")
# Limit and usage of a container's memory, in bytes: control groups version 2, then 1.
_CONTAINER_LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
_OUT_OF_MEMORY = ("out of memory", "DefaultCPUAllocator", "not enough memory")


def choose_device(device: str) -> torch.device:
    """The torch device of that name; ``auto`` is a GPU if there is one.

    Raises:
        ValueError: If this machine has no such device.
    """
    if device == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen).cpu()  # fails on the meta device, which holds no values
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"Expected device=auto, cpu, or a device of this machine, got {device!r} ({error})."
        ) from error
    return chosen


def available_memory(device: torch.device) -> int | None:
    """Bytes that can still be allocated on a device; None if the system does not say."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    if device.type != "cpu" or not _MEMINFO.is_file():
        return None
    lines = dict(line.split(":", 1) for line in _MEMINFO.read_text(encoding="utf-8").splitlines())
    left = int(lines["MemAvailable"].split()[0]) * 1024
    for limit, used in _CONTAINER_LIMITS:
        if limit.is_file() and used.is_file() and (most := limit.read_text(encoding="utf-8").strip()) != "max":
            left = min(left, max(0, int(most) - int(used.read_text(encoding="utf-8"))))
    return left + kept_memory()


def has_fast_bf16() -> bool:
    """Whether the processor computes in bfloat16 faster than in float32: with AMX, or with AVX-512 of AMD's.

    AVX-512's own instructions take as long as float32's on Intel's processors, and half as long on AMD's.
    """
    if not _CPUINFO.is_file():
        return False
    lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return "amx_bf16" in flags or ("avx512_bf16" in flags and any("AuthenticAMD" in line for line in lines))


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory ran out; each device and allocator words it differently."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in str(error) for words in _OUT_OF_MEMORY
    )
