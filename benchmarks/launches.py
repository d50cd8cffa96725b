"""How many kernels a training step has a card launch, counted without one: python -m benchmarks.launches.

On a card, a step of small crops is bound by the host, which launches kernels one by one, so that their number matters
more than their work. The real steps, in bfloat16 through Lightning, run here on the CPU with narrow networks of full
depth, and each operation that would be given to a card counts as one launch: as many as the card would have, but for
the few operations that are several kernels, and those that only a CPU or only a card needs. Operations on lists of
tensors count as torch's CUDA code splits them.
"""

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from lightning import Callback
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.shared.measure import parse, save, table
from benchmarks.shared.recipe import TINY, Recipe

NARROW = (
    "generator.channels=4",
    "discriminator.channels=2",
    "data.batch_size=2",
    "vgg_weights=random",
    "loss.content.weights=random",
    "trainer.precision=bf16-mixed",
)
_TENSORS_AT_ONCE = {1: 110, 2: 64, 3: 48, 4: 36, 5: 30}  # lists → tensors that one of CUDA's launches takes of each
_CHUNK, _CHUNKS_AT_ONCE = 65536, 320  # numbers, and chunks of a launch
_NO_KERNEL = {
    "aten::empty",
    "aten::empty_like",
    "aten::empty_strided",
    "aten::new_empty",
    "aten::_local_scalar_dense",
    "aten::detach",
}
# Whose work an operation is: the innermost function of these on the stack, by file and name ("" is any) decides.
_PARTS = {
    ("graph.py", "_engine_run_backward"): "backward",
    ("augmentations.py", ""): "augmentation",
    ("batch_changes.py", ""): "augmentation",
    ("artefacts.py", ""): "notes",
    ("updates.py", "note"): "notes",
    ("updates.py", "end_step"): "notes",
    ("updates.py", "on_before_optimizer_step"): "clipping and checks",
    ("updates.py", "update"): "clipping and checks",
    ("updates.py", "begin_step"): "clipping and checks",
    ("updates.py", "restore_if_dropped"): "buffers kept and restored",
    ("ema.py", ""): "moving average",
    ("adam.py", ""): "optimizers",
    ("content.py", ""): "content loss",
    ("discriminator.py", ""): "discriminator",
    ("patch_discriminator.py", ""): "discriminator",
    ("generator.py", "forward"): "generator",
    ("module.py", "training_step"): "buffers kept and restored",
    ("generator.py", ""): "other losses",
    ("module.py", "_window"): "windows",
    ("module.py", "_discriminator_phase"): "other losses",
    ("module.py", "_generator_phase"): "other losses",
    ("module.py", "_pretrain_loss"): "other losses",
}


class Launches(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, counts launches by the part of the step that causes them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_part: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Count an operation and run it."""
        number = launches(func, args)
        if number:
            self.by_part[_part()] += number
        return func(*args, **(kwargs or {}))


def launches(func: Any, args: Sequence[Any]) -> int:
    """Kernels that an operation launches on a card."""
    name = func.name().split(".")[0]
    returns_tensors = any("Tensor" in str(each.type) for each in func._schema.returns) or name.endswith("_")
    if func.is_view or name in _NO_KERNEL or not name.startswith("aten::") or not returns_tensors:
        return 0
    lists = [each for each in args if isinstance(each, list | tuple) and each and isinstance(each[0], Tensor)]
    if not name.startswith(("aten::_foreach_", "aten::_fused_")):
        return 1
    if not name.startswith("aten::_fused_") and not _at_once(lists):
        return len(lists[0])
    chunks: int = sum(math.ceil(tensor.numel() / _CHUNK) for tensor in lists[0])
    return max(math.ceil(len(lists[0]) / _TENSORS_AT_ONCE[len(lists)]), math.ceil(chunks / _CHUNKS_AT_ONCE))


def _at_once(lists: Sequence[Sequence[Tensor]]) -> bool:
    """Whether CUDA takes lists of tensors together: all of one type, and alike in shape and layout, place by place."""
    types = {tensor.dtype for tensors in lists for tensor in tensors}
    alike = all(len({(each.shape, _layout(each)) for each in place}) == 1 for place in zip(*lists, strict=True))
    return len(types) == 1 and alike


def _layout(tensor: Tensor) -> tuple[int, ...]:
    # CUDA's results keep the strides of sides of length 1, too; a CPU's do not.
    return tuple(stride for stride, length in zip(tensor.stride(), tensor.shape, strict=True) if length > 1)


def _part() -> str:
    frame = sys._getframe(2)
    while frame is not None:
        file, function = Path(frame.f_code.co_filename).name, frame.f_code.co_name
        part = _PARTS.get((file, function)) or _PARTS.get((file, ""))
        if part is not None:
            return part
        frame = frame.f_back  # type: ignore[assignment]
    return "Lightning and the rest"


class CountSteps(Callback):
    """Launches of each step from the second on, data and callbacks included."""

    def __init__(self) -> None:
        self.steps: list[Counter[str]] = []
        self._mode = Launches()

    def on_train_start(self, *_: Any) -> None:
        """Begin to count."""
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def on_train_batch_end(self, *_: Any) -> None:
        """The step is done."""
        self.steps.append(self._mode.by_part)
        self._mode.by_part = Counter()

    def on_train_end(self, *_: Any) -> None:
        """Stop counting."""
        self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]


def step_launches(*overrides: str, experiment: str = "paper") -> Counter[str]:
    """Launches of a step that is not logged, part by part.

    Args:
        *overrides: Settings to change, as on the command line.
        experiment: The recipe.
    """
    counted = CountSteps()
    recipe = Recipe(*NARROW, *overrides, experiment=experiment)
    with as_on_a_card():
        recipe.fit(steps=4, callbacks=[counted], log_every_n_steps=100)
    return counted.steps[2]


@contextmanager
def as_on_a_card() -> Iterator[None]:
    """Within, what is decided by the type of the device is decided as on a card."""
    with (
        patch("srgan.training.updates.look_steps", return_value=100),
        patch("srgan.losses.winograd.FrozenConv2d._pays", return_value=False),
        patch("torch.nn.utils.clip_grad._has_foreach_support", return_value=True),
        patch("torch.optim.adam._default_to_fused_or_foreach", return_value=(False, True)),
    ):
        yield


def textbook_launches(*overrides: str) -> int:
    """Launches of the textbook's step, with settings to change."""
    recipe = Recipe(*NARROW, *overrides)
    textbook, batch = recipe.textbook(), next(iter(recipe.datamodule.train_dataloader()))
    with as_on_a_card():
        for _ in range(2):
            mode = Launches()
            with mode, torch.autocast("cpu", dtype=torch.bfloat16):
                textbook.step(batch["lr"], batch["hr"])
    return mode.by_part.total()


def main(argv: Sequence[str] | None = None) -> None:
    """Count, print and save."""
    options = parse(__doc__, argv)
    tiny = TINY if options.quick else ()
    average = ("model.ema_decay=0.999",)
    release = ("data=sample", "data.num_crop_candidates=1", "data.num_workers=0", "model.ema_decay=0.999")
    figures = {
        "as the textbook's": step_launches(*tiny),
        "paper, adversarial": step_launches(*average, *tiny),
        "paper, pixel loss": step_launches(*average, *tiny, "model.pretrain_steps=100"),
        "release_gan, adversarial": step_launches(*release, *tiny, experiment="release_gan"),
    }
    parts = sorted({part for counted in figures.values() for part in counted})
    rows = [[part, *(counted[part] for counted in figures.values())] for part in parts]
    rows.append(["all", *(counted.total() for counted in figures.values())])
    table("Launches of a step", ["part", *figures], rows)
    textbook = textbook_launches(*tiny)
    print(f"\nThe textbook's adversarial step: {textbook} launches")
    save("launches", {"project": figures, "textbook": textbook}, options)


if __name__ == "__main__":
    main()
