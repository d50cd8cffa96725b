"""The library's front door: three lines from a picture to a larger one.

from srgan import Upscaler
upscaler = Upscaler()
large = upscaler(small)
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
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
    for_inference,
    new_canvas,
    require_tiles,
    trust_map,
    upscale,
    warn_of_small_tiles,
    with_precision,
)
from srgan.inference.channels import upscale_picture
from srgan.inference.tiling import Canvas
from srgan.networks import Adapted, AnyGenerator
from srgan.pictures import Picture, from_array, from_image, require_unit, to_array, to_image
from srgan.system.device import choose_device
from srgan.weights import TRAINED_ON_FROM, blend, load_generator

# What comes in is what goes out.
PictureT = TypeVar("PictureT", Tensor, NDArray[Any], Image.Image)


class Upscaler:
    """A trained generator, ready to enlarge pictures.

    Args:
        ckpt: ``srgan``, ``srresnet`` or ``web``, which come with the package; a ``.safetensors``, a ``.ckpt``, a run's
            folder.
        strength: Share of ``ckpt`` in the weights, in [0, 1]; the rest is ``blend_with``. Less invents less detail.
        blend_with: Weights of the same architecture; only read where ``strength`` is below 1. None: ``srresnet`` for
            ``srgan`` and ``web``; others have none of themselves.
        device: ``auto`` or a torch device, such as ``cuda:1``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``; see ``srgan.inference.with_precision``.
        tile_size: Longest side of the pieces that a picture is computed in, without their margins; ``auto`` looks at
            the memory, None computes it in one piece.
        batch_size: How many pieces to compute at once.
        self_ensemble: Average the eight flips and turns: eight times the time.
        consistency: Make the result, shrunk, give the input back.

    Raises:
        ValueError: If an argument is none of the above, or ``consistency`` is asked of a network of scale 1.
        WeightsError: If weights cannot be read, or two that are to be blended differ in architecture.

    Examples:
        >>> from srgan import Upscaler
        >>> upscaler = Upscaler("srresnet", device="cpu")
        >>> upscaler(Image.new("RGB", (8, 6), "teal")).size
        (32, 24)
        >>> upscaler(np.zeros((6, 8, 3), dtype=np.uint8)).shape
        (24, 32, 3)
        >>> upscaler(Image.new("RGBA", (8, 6), (0, 128, 128, 50))).getpixel((0, 0))[3]
        50
        >>> upscaler(np.zeros((6, 8), dtype=np.uint16)).dtype
        dtype('uint16')
        >>> upscaler(torch.rand(1, 3, 6, 8)).shape
        torch.Size([1, 3, 24, 32])
    """

    def __init__(
        self,
        ckpt: str | Path = "srgan",
        *,
        strength: float = 1.0,
        blend_with: str | Path | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        tile_size: TileSize = "auto",
        batch_size: int = 1,
        self_ensemble: bool = False,
        consistency: bool = False,
    ) -> None:
        require_tiles(tile_size, batch_size)
        generator = load_generator(Path(ckpt))
        if consistency and generator.scale == 1:
            raise ValueError(
                f"Expected consistency=false with ckpt={ckpt}, which restores pictures and leaves their size: its scale"
                " is 1, and a result of that size that agrees with the input is the input."
            )
        if strength != 1:
            second = second_weights(ckpt, blend_with, strength=strength)
            generator = blend(load_generator(second), generator, strength=strength)
        self._plain = with_precision(for_inference(generator).to(choose_device(device)), precision)
        network: Network = SelfEnsemble(self._plain) if self_ensemble else self._plain
        self._network = Consistent(network) if consistency else network
        warn_of_small_tiles(self._network, tile_size)
        self.tile_size, self.batch_size = tile_size, batch_size

    @property
    def scale(self) -> int:
        """How many times larger the result is."""
        return self._network.scale

    @property
    def visible_tiling(self) -> TileSize:
        """``tile_size`` where results depend on it: of networks that look at the whole picture; ``auto`` for others.

        In one piece also of other projects' networks that were not measured, which may be such.
        """
        if self.tile_size is None:
            plain = self._plain if isinstance(self._plain, AnyGenerator) else self._plain.generator
            return None if isinstance(plain, Adapted) else "auto"
        return self.tile_size if self.tile_size != "auto" and self._network.leak else "auto"

    @contextmanager
    def watched(self, call: Callable[[], None]) -> Iterator[None]:
        """Have something called before each batch of tiles; what it raises ends the work."""
        hook = self._plain.register_forward_pre_hook(lambda *_: call())
        try:
            yield
        finally:
            hook.remove()

    def __call__(self, picture: PictureT) -> PictureT:
        """Enlarge a picture, into one of the same kind.

        Args:
            picture: A Pillow image of any mode, of an animation its present frame; an array of shape (H, W) or
                (H, W, 1) for gray, (H, W, 2) for gray with alpha, (H, W, 3) or (H, W, 4), uint8, uint16, or float in
                [0, 1]; or a tensor, float in [0, 1], of shape (3, H, W) or (N, 3, H, W).

        Returns:
            The result: an array of the same type and channels, a float32 tensor on the CPU, or a Pillow image in mode
            RGB, RGBA, L, LA or I;16 (16-bit gray), whichever holds what came: palettes become colours, CMYK sRGB, one
            bit gray. EXIF orientation is applied; profile, EXIF and resolution are in ``info``, for ``save`` to take:
            ``large.save("large.jpg", icc_profile=large.info.get("icc_profile"))``.

        Raises:
            ValueError: If it is none of these, or has values beyond [0, 1], such as floats from 0 to 255.
        """
        if isinstance(picture, Image.Image):
            lr = from_image(picture)
            return to_image(self._enlarged(lr, lr.level_type))
        if isinstance(picture, np.ndarray):
            lr = from_array(picture)
            dtype = lr.level_type if picture.dtype.kind == "u" else torch.float32
            return to_array(self._enlarged(lr, dtype), like=picture)
        if not isinstance(picture, Tensor) or not picture.is_floating_point() or picture.ndim not in (3, 4):
            raise ValueError(
                "Expected a Pillow image, a NumPy array, or a float tensor of shape (3, H, W) or"
                f" (N, 3, H, W), got {_described(picture)}."
            )
        return self.enlarge(picture) if picture.ndim == 4 else self.enlarge(picture[None])[0]

    def enlarge(self, lr: Tensor, *, out: Tensor | Canvas | None = None) -> Tensor:
        """Enlarge pictures of one size.

        Args:
            lr: Float RGB in [0, 1], shape (N, 3, h, w).
            out: A canvas to write to, such as one on disk from ``srgan.inference.new_canvas``; or a function that makes
                one of a shape.

        Returns:
            Shape (N, 3, scale * h, scale * w), in [0, 1] and float32, or ``out``; on the CPU.

        Raises:
            ValueError: If ``lr`` has another shape, or values beyond [0, 1].
        """
        _let_children_compute()
        if lr.numel():
            require_unit(lr.min().item(), lr.max().item(), what="a float tensor")
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

    def _enlarged(self, lr: Picture, dtype: torch.dtype) -> Picture:
        """Plain colours on a canvas of that type; gray and alpha in floats, of which more is computed."""
        on_canvas = partial(self.enlarge, out=partial(_interleaved, dtype=dtype))
        return upscale_picture(lr, self.enlarge if lr.gray or lr.alpha is not None else on_canvas)


def _interleaved(shape: tuple[int, ...], *, dtype: torch.dtype) -> Tensor:
    return new_canvas(*shape[-2:], dtype=dtype)


@cache
def _let_children_compute() -> None:
    """Have forked processes compute in one thread: once used, OpenMP's others are missed there, and waited for."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


def second_weights(ckpt: str | Path, blend_with: str | Path | None, *, strength: float) -> Path:
    """The weights that have the rest of a strength other than 1; arguments are those of ``Upscaler``.

    Raises:
        ValueError: If there are none: whether others fit does not show in their architecture.
    """
    if blend_with is not None:
        return Path(blend_with)
    if (other := TRAINED_ON_FROM.get(str(ckpt))) is not None:
        return Path(other)
    raise ValueError(
        f"Expected strength=1 with ckpt={ckpt} alone, got strength={strength}: strength below 1 needs blend_with=, such"
        " as the weights that ckpt was trained on from."
    )


def _described(picture: object) -> str:
    shape = getattr(picture, "shape", None)
    return type(picture).__name__ if shape is None else f"{tuple(shape)} of {getattr(picture, 'dtype', None)}"
