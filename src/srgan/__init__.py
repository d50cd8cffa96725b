"""SRGAN: photo-realistic 4x single-image super-resolution (Ledig et al. 2017, arXiv:1609.04802)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srgan.inference.upscaler import Upscaler

__all__ = ["Upscaler", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Only when asked for: `import srgan` is cheap, torch is not.
    if name == "Upscaler":
        from srgan.inference.upscaler import Upscaler

        return Upscaler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
