"""Random settings of blur, resizing and noise, drawn for each image from its own generator."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from srgan.data.degradations.kernels import gaussian, generalised_gaussian, identity, plateau, sinc
from srgan.data.degradations.number_checks import (
    require_positive_range,
    require_probability,
    require_range,
    require_weights,
)
from srgan.data.degradations.operators import Noise

_LOWEST_CUTOFF, _LOWEST_CUTOFF_WIDE, _WIDE = math.pi / 3, math.pi / 5, 13  # wide kernels have room for slower ringing
_MODES = ("area", "bilinear", "bicubic")
_SHAPES: dict[str, Callable[..., Tensor]] = {"": gaussian, "generalised_": generalised_gaussian, "plateau_": plateau}
_KINDS = tuple(f"{shape}{symmetry}" for shape in _SHAPES for symmetry in ("isotropic", "anisotropic"))


@dataclass(frozen=True, kw_only=True)
class RandomBlur:
    """Draws blur kernels.

    Args:
        kernel_sizes: Odd sides to choose from.
        kind_weights: How often each kind is drawn, relative to the others: ``isotropic``, ``anisotropic``,
            ``generalised_isotropic``, ``generalised_anisotropic``, ``plateau_isotropic``, ``plateau_anisotropic``.
        sigma_range: Standard deviations in pixels; two draws if anisotropic.
        generalised_beta_range: Smallest and largest shape parameter of the generalised kinds, around 1.
        plateau_beta_range: Likewise for the plateaus.
        sinc_probability: How often a sinc is drawn instead.
        probability: How often there is a blur at all.

    Raises:
        ValueError: If a size is even, a kind is unknown, a range is not two ordered numbers above 0, a probability is
            not in [0, 1], or no weight is above 0.
    """

    kernel_sizes: Sequence[int]
    kind_weights: Mapping[str, float]
    sigma_range: Sequence[float]
    generalised_beta_range: Sequence[float] = (1, 1)
    plateau_beta_range: Sequence[float] = (1, 1)
    sinc_probability: float = 0.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        if not self.kernel_sizes or any(size < 1 or size % 2 == 0 for size in self.kernel_sizes):
            raise ValueError(f"Expected blur.kernel_sizes to be odd numbers above 0, got {list(self.kernel_sizes)}.")
        if unknown := set(self.kind_weights) - set(_KINDS):
            raise ValueError(f"Expected blur.kind_weights of {', '.join(_KINDS)}, got {', '.join(sorted(unknown))}.")
        require_weights("blur.kind_weights", self.kind_weights)
        for name in ("sigma_range", "generalised_beta_range", "plateau_beta_range"):
            require_positive_range(f"blur.{name}", getattr(self, name))
        require_probability("blur.sinc_probability", self.sinc_probability)
        require_probability("blur.probability", self.probability)

    def kernel(self, rng: np.random.Generator) -> Tensor:
        """A kernel, float64, that sums to 1."""
        if rng.random() >= self.probability:
            return identity()
        size = int(rng.choice(self.kernel_sizes))
        if rng.random() < self.sinc_probability:
            return random_sinc(size, rng)
        shares = np.array(list(self.kind_weights.values())) / sum(self.kind_weights.values())
        kind = list(self.kind_weights)[rng.choice(len(shares), p=shares)]
        shape, isotropic = kind.removesuffix("anisotropic").removesuffix("isotropic"), "anisotropic" not in kind
        sigma_x, sigma_y = uniform(self.sigma_range, rng), uniform(self.sigma_range, rng)
        angle = float(rng.uniform(-math.pi, math.pi))
        beta_ranges = {"generalised_": self.generalised_beta_range, "plateau_": self.plateau_beta_range}
        beta = {"beta": _around_1(beta_ranges[shape], rng)} if shape else {}
        return _SHAPES[shape](size, sigma_x, sigma_x if isotropic else sigma_y, angle, **beta)


@dataclass(frozen=True, kw_only=True)
class RandomResize:
    """Draws resize factors: larger, smaller, or 1.

    Args:
        larger_probability: How often the factor is above 1.
        smaller_probability: How often it is below 1.
        factor_range: Smallest and largest factor.

    Raises:
        ValueError: If a probability or their sum is not in [0, 1], or the range is not two ordered numbers above 0.
    """

    larger_probability: float
    smaller_probability: float
    factor_range: Sequence[float]

    def __post_init__(self) -> None:
        require_positive_range("resize.factor_range", self.factor_range)
        require_probability("resize.larger_probability", self.larger_probability)
        require_probability("resize.smaller_probability", self.smaller_probability)
        if self.larger_probability + self.smaller_probability > 1:
            raise ValueError(
                "Expected resize.larger_probability and resize.smaller_probability to sum to at most 1,"
                f" got {self.larger_probability} and {self.smaller_probability}."
            )

    def factor(self, rng: np.random.Generator) -> float:
        """A factor."""
        smallest, largest = self.factor_range
        chance = rng.random()
        if chance < self.larger_probability:
            return float(rng.uniform(1, largest))
        if chance < self.larger_probability + self.smaller_probability:
            return float(rng.uniform(smallest, 1))
        return 1.0


@dataclass(frozen=True, kw_only=True)
class RandomNoise:
    """Draws Gaussian or Poisson noise, in colour or gray.

    Args:
        gaussian_probability: How often the noise is Gaussian; otherwise it is Poisson.
        sigma_range: Standard deviation of Gaussian noise, in levels of 255.
        poisson_weight_range: Factor on Poisson noise.
        gray_probability: How often the noise is the same in all channels.

    Raises:
        ValueError: If a probability is not in [0, 1], or a range is not two ordered numbers of 0 or more.
    """

    gaussian_probability: float
    sigma_range: Sequence[float]
    poisson_weight_range: Sequence[float]
    gray_probability: float

    def __post_init__(self) -> None:
        require_probability("noise.gaussian_probability", self.gaussian_probability)
        require_range("noise.sigma_range", self.sigma_range, lowest=0)
        require_range("noise.poisson_weight_range", self.poisson_weight_range, lowest=0)
        require_probability("noise.gray_probability", self.gray_probability)

    def noise(self, rng: np.random.Generator) -> Noise:
        """A noise."""
        seed = random_seed(rng)
        gray = bool(rng.random() < self.gray_probability)
        gaussian = bool(rng.random() < self.gaussian_probability)
        strength = uniform(self.sigma_range, rng) / 255 if gaussian else uniform(self.poisson_weight_range, rng)
        return Noise(gaussian=gaussian, gray=gray, strength=strength, seed=seed)


def uniform(between: Sequence[float], rng: np.random.Generator) -> float:
    """A number between two."""
    lowest, highest = between
    return float(rng.uniform(lowest, highest))


def random_sinc(size: int, rng: np.random.Generator, *, lowest_cutoff: float | None = None) -> Tensor:
    """A sinc kernel with a random cutoff between ``lowest_cutoff``, by default one that suits the size, and pi."""
    if lowest_cutoff is None:
        lowest_cutoff = _LOWEST_CUTOFF if size < _WIDE else _LOWEST_CUTOFF_WIDE
    return sinc(size, float(rng.uniform(lowest_cutoff, math.pi)))


def random_mode(rng: np.random.Generator) -> str:
    """A way to resize: by area, bilinear or bicubic."""
    return _MODES[rng.integers(len(_MODES))]


def random_seed(rng: np.random.Generator) -> int:
    """A seed for a generator of tensors."""
    return int(rng.integers(2**63))


def _around_1(between: Sequence[float], rng: np.random.Generator) -> float:
    """Below or above 1 with equal probability, whatever the range."""
    smallest, largest = between
    return float(rng.uniform(smallest, 1) if rng.random() < 0.5 else rng.uniform(1, largest))
