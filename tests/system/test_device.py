"""Tests of what devices are said to be good at."""

from pathlib import Path

import pytest

from srgan.system import device


@pytest.mark.parametrize(
    ("vendor", "flags", "fast"),
    [
        ("GenuineIntel", "avx512_bf16 amx_bf16 amx_tile", True),
        ("AuthenticAMD", "avx512_bf16 avx512_vnni", True),
        ("GenuineIntel", "avx512_bf16 avx512_vnni", False),
        ("AuthenticAMD", "avx2 fma", False),
    ],
)
def test_bf16_is_fast_where_it_was_measured(
    vendor: str, flags: str, fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags}\n\n")
    monkeypatch.setattr(device, "_CPUINFO", cpuinfo)
    assert device.has_fast_bf16() is fast


def test_nothing_is_known_without_cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_CPUINFO", tmp_path / "none")
    assert not device.has_fast_bf16()
