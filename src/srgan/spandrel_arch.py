"""Registers this project's generator with spandrel, so that programs which load models through it load ours.

Of this package it needs ``srgan.networks`` alone:

    import spandrel
    from srgan.spandrel_arch import register

    register()
    model = spandrel.ModelLoader().load_from_file("srgan_x4.safetensors")  # from ``srgan export format=spandrel``
"""

from typing import Any

from spandrel import MAIN_REGISTRY, Architecture, ArchRegistry, ArchSupport, ImageModelDescriptor
from spandrel.util import KeyCondition, get_seq_len
from torch import Tensor

from srgan.networks import Generator

SKIP = "skip.kernels"  # of the bicubic skip: no weight, but the only trace of it in the tensors


class SRResNetArchitecture(Architecture[Generator]):  # type: ignore[misc] # spandrel has no stubs
    """The paper's generator: recognised by the names of its tensors, its size read from their shapes."""

    def __init__(self) -> None:
        super().__init__(
            id="srgan-SRResNet",
            name="SRResNet (srgan)",
            detect=KeyCondition.has_all(
                "head.0.weight",
                "head.1.weight",
                "body.0.conv1.0.weight",
                "tail.upscale.conv.weight",
                "tail.output.weight",
            ),
        )

    def load(self, state_dict: dict[str, Any]) -> ImageModelDescriptor[Generator]:
        """Build the generator of these tensors."""
        generator = Generator(
            scale=2 ** (get_seq_len(state_dict, "upscale") + 1),
            num_blocks=get_seq_len(state_dict, "body") - 1,
            channels=state_dict["head.0.weight"].shape[0],
            norm="batch" if "body.0.conv1.1.weight" in state_dict else "none",
            global_skip="bicubic" if SKIP in state_dict else "none",
        )
        weights: dict[str, Tensor] = {name: value for name, value in state_dict.items() if name != SKIP}
        return ImageModelDescriptor(
            generator,
            weights,
            architecture=self,
            purpose="SR",
            tags=[f"{generator.channels}nf", f"{generator.num_blocks}nb"],
            supports_half=True,
            supports_bfloat16=True,
            scale=generator.scale,
            input_channels=3,
            output_channels=3,
        )


def register(registry: ArchRegistry = MAIN_REGISTRY) -> None:
    """Add the architecture to a registry, unless it is there."""
    architecture = SRResNetArchitecture()
    if architecture.id not in registry:
        registry.add(ArchSupport.from_architecture(architecture))
