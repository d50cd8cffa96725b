"""Tests of srgan.data.degradations.kernels against moments, points and Bessel's integral computed by hand."""

import math

import pytest
import torch
from torch import Tensor

from srgan.data.degradations.kernels import gaussian, generalised_gaussian, identity, plateau, sinc

KERNELS = {
    "gaussian": gaussian(21, 2.5, 0.7, 0.6),
    "generalised": generalised_gaussian(15, 2.5, 0.7, 0.6, beta=0.6),
    "plateau": plateau(13, 2.5, 0.7, 0.6, beta=1.7),
    "sinc": sinc(21, 1.1),
    "identity": identity(),
}


def covariance(kernel: Tensor) -> Tensor:
    offsets = torch.arange(len(kernel)).double() - len(kernel) // 2
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    return torch.stack([(kernel * a * b).sum() for a, b in ((x, x), (x, y), (y, x), (y, y))]).view(2, 2)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_kernel_sums_to_1_and_leaves_pictures_in_place(kernel: Tensor) -> None:
    assert kernel.sum() == pytest.approx(1)
    torch.testing.assert_close(kernel, kernel.flip(0, 1))  # symmetric about its middle
    assert kernel.argmax() == kernel.numel() // 2


@pytest.mark.parametrize("sigma", [0.8, 1.5, 2.5])
def test_isotropic_gaussian_has_the_variance_asked_for(sigma: float) -> None:
    torch.testing.assert_close(
        covariance(gaussian(31, sigma, sigma)), sigma**2 * torch.eye(2).double(), atol=1e-3, rtol=0
    )


def test_angle_turns_the_long_axis_from_right_to_down() -> None:
    # U diag(9, 1) U' for a turn of 30 degrees.
    expected = torch.tensor([[7.0, 2 * math.sqrt(3)], [2 * math.sqrt(3), 3.0]]).double()
    torch.testing.assert_close(covariance(gaussian(41, 3, 1, math.pi / 6)), expected, atol=1e-2, rtol=0)
    torch.testing.assert_close(gaussian(21, 3, 1, math.pi / 2), gaussian(21, 1, 3))


def test_generalised_gaussian_falls_as_its_formula() -> None:
    row = generalised_gaussian(9, 1, 1, beta=0.5)[4] / generalised_gaussian(9, 1, 1, beta=0.5)[4, 4]
    assert row[4:7].tolist() == pytest.approx([1, math.exp(-0.5), math.exp(-1)])
    torch.testing.assert_close(generalised_gaussian(9, 1.3, 2, 0.4, beta=1), gaussian(9, 1.3, 2, 0.4))


def test_plateau_falls_as_its_formula() -> None:
    column = plateau(9, 1, 2, beta=2)[:, 4] / plateau(9, 1, 2, beta=2)[4, 4]
    assert column[4:].tolist() == pytest.approx([1, 16 / 17, 1 / 2, 16 / 97, 1 / 17])


@pytest.mark.parametrize("cutoff", [math.pi / 5, 1.5, math.pi])
def test_sinc_is_bessels_function(cutoff: float) -> None:
    def bessel_j1(x: float) -> float:
        angles = (torch.arange(2000).double() + 0.5) * math.pi / 2000
        return float((angles - x * angles.sin()).cos().mean())  # Bessel's integral

    kernel = sinc(13, cutoff)
    for down, right in ((0, 1), (0, 4), (3, 2), (6, 6)):
        x = cutoff * math.hypot(down, right)
        assert kernel[6 + down, 6 + right] / kernel[6, 6] == pytest.approx(2 * bessel_j1(x) / x, abs=1e-6)


def test_sinc_stops_what_lies_above_its_cutoff() -> None:
    response = torch.fft.fft2(sinc(21, math.pi / 2), s=(64, 64)).abs()
    assert response[0, 6] == pytest.approx(1, abs=0.15)  # 0.19 pi
    assert response[0, 26] < 0.1  # 0.81 pi
