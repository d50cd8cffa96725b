"""Computing in 16 bits where that is fast and can hardly be seen, with a way back where it overflows.

Measured on sample photos, against float32: with srresnet and web bfloat16 differs by 0.04 of a level of 255 in the mean
and 1.9 at most, with srgan, which adds more, by 0.13 and 4.8; float16 by 0.04 and 1.2. Where others take bfloat16, the
first layer stays in float32 (``fused.py``). On a CPU with AMX, bfloat16 takes a quarter of the time, with AMD's AVX-512
half; float16 takes longer than float32.
"""

import warnings
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from srgan.inference.wrapper import Network, Wrapper
from srgan.networks import AnyGenerator
from srgan.system.device import has_fast_bf16

Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]

_TYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_TENSOR_CORES_SINCE = (7, 0)  # compute capability


class MixedPrecision(Wrapper):
    """The network in a 16-bit type; in float32 once a result was found not to be finite.

    Args:
        network: The network; its weights stay float32.
        dtype: ``torch.bfloat16`` or ``torch.float16``.
    """

    def __init__(self, network: Network, *, dtype: torch.dtype) -> None:
        super().__init__(network)
        self.dtype: torch.dtype | None = dtype
        self.finite: Tensor | None = None  # on the device, whether all results were; None before the first one

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w), float32."""
        if self.dtype is None:
            full: Tensor = self.network(lr)
            return full
        with torch.autocast(lr.device.type, dtype=self.dtype):
            sr: Tensor = self.network(lr).float()
        finite = sr.isfinite().all()
        self.finite = finite if self.finite is None else self.finite & finite
        return sr

    def go_on_in_full(self) -> None:
        """Compute in float32 from here on, and say so."""
        warnings.warn(f"{self.dtype} overflowed: going on in float32. precision=fp32 avoids the attempt.", stacklevel=2)
        self.dtype = self.finite = None


def with_precision(generator: AnyGenerator, precision: Precision) -> Network:
    """The generator, computing as asked for.

    Args:
        generator: The generator, on the device it is to compute on.
        precision: ``fp32``, ``bf16`` or ``fp16``. ``auto`` is fp16 on GPUs with tensor cores; bf16 on CPUs that are
            fast at it (AMX, or AMD's AVX-512) if a skip, which stays float32, carries the picture; and otherwise fp32.

    Raises:
        ValueError: If ``precision`` is none of these, or one that the network cannot be computed in.
    """
    if precision not in ("auto", *_TYPES):
        raise ValueError(f"Expected precision to be one of auto, {', '.join(_TYPES)}, got {precision!r}.")
    dtype = _TYPES[_auto(generator) if precision == "auto" else precision]
    if dtype is not None and dtype not in generator.sixteen_bit_types:
        possible = [name for name, each in _TYPES.items() if each is None or each in generator.sixteen_bit_types]
        raise ValueError(
            f"Expected precision to be one of auto, {', '.join(possible)}, got {precision}: {generator.config} does not"
            " work in it."
        )
    return generator if dtype is None else MixedPrecision(generator, dtype=dtype)


def _auto(generator: AnyGenerator) -> str:
    device = next(generator.parameters()).device
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TENSOR_CORES_SINCE:
        # bfloat16 shows where the network computes the picture itself, so it is not chosen in fp16's place.
        return "fp16" if torch.float16 in generator.sixteen_bit_types else "fp32"
    # Without the skip the picture itself would come in bfloat16, whose steps near white are a whole level of 255.
    if device.type == "cpu" and generator.carries_picture and has_fast_bf16():
        return "bf16"
    return "fp32"
