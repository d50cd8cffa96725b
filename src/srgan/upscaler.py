"""The library's front door: three lines from a picture to a larger one.

from srgan import Upscaler
upscaler = Upscaler()
large = upscaler(small)
"""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from srgan.inference import (
    Consistent,
    Network,
    Precision,
    SelfEnsemble,
    TileSize,
    choose_device,
    for_inference,
    new_canvas,
    trust_map,
    upscale,
    with_precision,
)
from srgan.weights import blend, load_generator

# What comes in is what goes out.
PictureT = TypeVar("PictureT", Tensor, NDArray[Any], Image.Image)


class Upscaler:
    """A trained generator, ready to enlarge pictures.

    Args:
        ckpt: ``srgan`` or ``srresnet``, which come with the package; a ``.safetensors``, a ``.ckpt``, a run's folder.
        strength: Share of ``ckpt`` in the weights, in [0, 1]; the rest is ``blend_with``. Less invents less detail.
        blend_with: Weights of the same architecture; only read where ``strength`` is below 1.
        device: ``auto`` or a torch device, such as ``cuda:1``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``; see ``srgan.inference.with_precision``.
        tile_size: Longest side of the pieces that a picture is computed in, without their margins; ``auto`` looks at
            the memory, None computes it in one piece.
        batch_size: How many pieces to compute at once.
        self_ensemble: Average the eight flips and turns: eight times the time.
        consistency: Make the result, shrunk, give the input back.

    Raises:
        ValueError: If an argument is none of the above.
        WeightsError: If weights cannot be read, or two that are to be blended differ in architecture.

    Examples:
        >>> from srgan import Upscaler
        >>> upscaler = Upscaler("srresnet", device="cpu")
        >>> upscaler(Image.new("RGB", (8, 6), "teal")).size
        (32, 24)
        >>> upscaler(np.zeros((6, 8, 3), dtype=np.uint8)).shape
        (24, 32, 3)
        >>> upscaler(torch.rand(1, 3, 6, 8)).shape
        torch.Size([1, 3, 24, 32])
    """

    def __init__(
        self,
        ckpt: str | Path = "srgan",
        *,
        strength: float = 1.0,
        blend_with: str | Path = "srresnet",
        device: str = "auto",
        precision: Precision = "auto",
        tile_size: TileSize = "auto",
        batch_size: int = 1,
        self_ensemble: bool = False,
        consistency: bool = False,
    ) -> None:
        generator = load_generator(Path(ckpt))
        if strength != 1:
            generator = blend(load_generator(Path(blend_with)), generator, strength=strength)
        self._plain = with_precision(for_inference(generator).to(choose_device(device)), precision)
        network: Network = SelfEnsemble(self._plain) if self_ensemble else self._plain
        self._network = Consistent(network) if consistency else network
        self.tile_size, self.batch_size = tile_size, batch_size

    @property
    def scale(self) -> int:
        """How many times larger the result is."""
        return self._network.scale

    def __call__(self, picture: PictureT) -> PictureT:
        """Enlarge a picture, into one of the same kind.

        Args:
            picture: A Pillow image in mode RGB or L; an array of shape (H, W, 3), uint8, or float in [0, 1]; or a
                tensor, float in [0, 1], of shape (3, H, W) or (N, 3, H, W).

        Returns:
            The result: a Pillow image of the same mode, an array of the same type, a float32 tensor on the CPU.

        Raises:
            ValueError: If it is none of these. Pictures with alpha, more depth or a palette are for ``predict.py``.
        """
        if isinstance(picture, Image.Image):
            return self._image(picture)
        if isinstance(picture, np.ndarray):
            return self._array(picture)
        if not isinstance(picture, Tensor) or not picture.is_floating_point() or picture.ndim not in (3, 4):
            raise ValueError(
                "Expected a Pillow image, an array of shape (H, W, 3), or a float tensor of shape (3, H, W) or"
                f" (N, 3, H, W), got {_described(picture)}."
            )
        return self.enlarge(picture) if picture.ndim == 4 else self.enlarge(picture[None])[0]

    def enlarge(self, lr: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Enlarge pictures of one size.

        Args:
            lr: Float RGB in [0, 1], shape (N, 3, h, w).
            out: A canvas to write to, such as one on disk from ``srgan.inference.new_canvas``.

        Returns:
            Shape (N, 3, scale * h, scale * w), in [0, 1] and float32, or ``out``; on the CPU.
        """
        return upscale(self._network, lr, tile_size=self.tile_size, batch_size=self.batch_size, out=out)

    def trust_map(self, lr: Tensor, sr: Tensor) -> Tensor:
        """Draw where a result invents detail; takes eight times as long as the result.

        Args:
            lr: The input, float RGB in [0, 1], shape (1, 3, h, w).
            sr: The result: of ``enlarge``, or any other of its size.

        Returns:
            Float RGB in [0, 1], shape (1, 3, H, W), with a legend at its foot.
        """
        return trust_map(self._plain, lr, sr, tile_size=self.tile_size, batch_size=self.batch_size)

    def _image(self, image: Image.Image) -> Image.Image:
        if image.mode not in ("RGB", "L"):
            raise ValueError(
                f"Expected an image in mode RGB or L, got {image.mode}. Convert it; predict.py keeps alpha."
            )
        sr = Image.fromarray(self._array(np.asarray(image.convert("RGB"))))
        return sr if image.mode == "RGB" else sr.convert("L")

    def _array(self, pixels: NDArray[Any]) -> NDArray[Any]:
        whole_levels = pixels.dtype == np.uint8
        if pixels.ndim != 3 or pixels.shape[2] != 3 or not (whole_levels or np.issubdtype(pixels.dtype, np.floating)):
            raise ValueError(f"Expected an array of shape (H, W, 3), uint8 or float, got {_described(pixels)}.")
        lr = torch.from_numpy(np.array(pixels, dtype=np.float32)).permute(2, 0, 1)[None] / (255 if whole_levels else 1)
        dtype = torch.uint8 if whole_levels else torch.float32
        out = new_canvas(pixels.shape[0] * self.scale, pixels.shape[1] * self.scale, dtype=dtype)
        return self.enlarge(lr, out=out)[0].permute(1, 2, 0).numpy().astype(pixels.dtype, copy=False)


def _described(picture: object) -> str:
    shape = getattr(picture, "shape", None)
    return type(picture).__name__ if shape is None else f"{tuple(shape)} of {getattr(picture, 'dtype', None)}"
