"""A pretended accelerator, for machines without one: tensors there have a shape, a type and a device, and no numbers.

Built on torch's FakeTensorMode, which runs any program that way and raises where an operation mixes devices. What
would make the program wait for the card is noted. Numbers that the program asks for are made up: everything is
finite, and zero.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch._dynamo.polyfills.tensor  # wants to see the function that is replaced below
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

_SOURCES = str(Path(__file__).parents[1] / "src")
_FALSE = {"aten::any", "aten::eq.Scalar"}  # is anything the matter, and is this number 0?
_COPIES = {"aten::_to_copy": 0, "aten::copy_": 1}  # place of the source among the arguments


class PretendedCard(FakeTensorMode):  # type: ignore[no-untyped-call]
    """While it is entered, everything is pretended, on the CPU and on the card.

    Args:
        device_type: ``cuda``, ``mps`` or ``xpu``.
    """

    def __init__(self, device_type: str) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.device = torch.device(device_type, 0)
        self.waits: list[str] = []  # "operation, file:line" of each time that the program waits for the card

    def dispatch(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run one operation."""
        named = dict(kwargs or {})
        if named.get("device") == torch.device("meta"):
            named["device"] = self.device  # as torch's C++ sees the card's tensors, see `pretended_card`
        if func.name() == "aten::_local_scalar_dense":
            return self._number(args[0])
        result: Any = super().dispatch(func, types, args, named)
        if isinstance(result, FakeTensor):
            result.constant = None  # or torch would compute with it on the card in earnest
        on_mps = isinstance(result, Tensor) and result.device.type == "mps"
        if on_mps and result.dtype in (torch.float64, torch.complex128):
            raise TypeError(f"MPS has no {result.dtype}: {func.name()}, {_caller()}")
        if func.name() in _FALSE:
            result._is_false = True
        if func.name() in _COPIES:
            self._copied(func.name(), args, named, result)
        return result

    def _number(self, value: Tensor) -> bool | float | int:
        if value.device.type != "cpu":
            self.waits.append(f"item, {_caller()}")
        if value.dtype == torch.bool:
            return not hasattr(value, "_is_false")
        return 0.0 if value.is_floating_point() else 1

    def _copied(self, name: str, args: Any, named: dict[str, Any], result: Tensor) -> None:
        source = args[_COPIES[name]]
        at_leisure = named.get("non_blocking") or (name == "aten::copy_" and len(args) > 2 and args[2])
        moves = isinstance(source, Tensor) and source.device.type != result.device.type
        if moves and at_leisure and result.device.type == "mps":
            raise RuntimeError(f"Not waited for a copy to MPS, whose source torch may let go of: {_caller()}")
        if moves and not at_leisure:
            self.waits.append(f"copy to {result.device.type}, {_caller()}")


class PretendedStrategy(SingleDeviceStrategy):
    """Lightning's strategy for one device, which is not looked for on this machine."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(device, accelerator=_AnyDevice())


class _AnyDevice(CPUAccelerator):
    def setup_device(self, device: torch.device) -> None:
        """Accept it."""


@contextmanager
def pretended_card(device_type: str) -> Iterator[PretendedCard]:
    """Pretend a card; networks are built before and moved there within."""
    card, make = PretendedCard(device_type), torch.Tensor._make_subclass

    def made(cls: type, data: Tensor, requires_grad: bool = False, **options: Any) -> Any:
        # A tensor's device, as torch's C++ sees it, would be one for which the backward pass wants a driver.
        if cls is FakeTensor and options["device_for_backend_keys"].type != "cpu":
            options["dispatch_device"] = False
        return make(cls, data, requires_grad, **options)

    with (
        patch.object(torch.Tensor, "_make_subclass", made),
        patch.object(torch.Tensor, "__deepcopy__", _copied_deeply),
        patch.object(nn.Parameter, "__deepcopy__", _copied_deeply),
        patch.object(torch.Tensor, "numpy", _as_array),
        patch.object(torch, "from_numpy", torch.tensor),
        patch.object(torch, "Generator", _generator),
        patch.object(nn.Module, "_apply", _apply),
        patch("torch.amp.autocast_mode.torch.cuda.amp.common.amp_definitely_not_available", return_value=False),
        patch.object(torch.cuda, "is_bf16_supported", return_value=True),
        patch("srgan.inference.fidelity.available_memory", return_value=None),  # no driver to ask
        card,
    ):
        yield card


def _copied_deeply(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    """A copy without a storage, which pretended tensors lack."""
    copied = tensor.detach().clone()
    if isinstance(tensor, nn.Parameter):
        copied = nn.Parameter(copied, tensor.requires_grad)
    memo[id(tensor)] = copied
    return copied


def _as_array(tensor: Tensor) -> "np.ndarray[Any, Any]":
    """Zeros of the shape, and torch's own refusal where the tensor is on the card."""
    if tensor.device.type != "cpu":
        raise TypeError(f"can't convert {tensor.device} device type tensor to numpy.")
    return np.zeros(tensor.shape, str(tensor.dtype).removeprefix("torch."))


_CpuGenerator = torch.Generator


def _generator(device: Any = "cpu") -> torch.Generator:
    """A generator of the CPU, whatever the device: that of a card would want a driver."""
    return _CpuGenerator()


def _apply(module: nn.Module, fn: Any, recurse: bool = True) -> nn.Module:
    """What ``nn.Module._apply`` does, with new parameters in place of the old, whose data cannot be exchanged."""
    for child in module.children():
        child._apply(fn)  # type: ignore[no-untyped-call]
    for name, parameter in module._parameters.items():
        if parameter is not None:
            module._parameters[name] = nn.Parameter(fn(parameter.detach()), parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = fn(buffer)
    return module


def _caller() -> str:
    """The innermost line of this project."""
    frame, outermost = sys._getframe(), "elsewhere"
    while frame is not None:
        if frame.f_code.co_filename.startswith(_SOURCES):
            return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return outermost
