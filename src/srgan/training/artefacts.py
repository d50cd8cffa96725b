"""Cheap measures of what goes wrong with generated pictures during training."""

from torch import Tensor
from torch.nn.functional import pixel_unshuffle


def colour_drift(sr: Tensor, lr: Tensor) -> Tensor:
    """How far the mean colour of the output has moved from the input's.

    Args:
        sr: Float RGB around [0, 1], shape (N, 3, scale * h, scale * w).
        lr: Float RGB in [0, 1], shape (N, 3, h, w).

    Returns:
        Scalar: the largest of the three channels' absolute differences, in units of the picture's [0, 1].
    """
    return (sr.detach().float() - _enlarged_mean(lr)).mean(dim=(0, 2, 3)).abs().amax()


def checkerboard(images: Tensor, scale: int) -> Tensor:
    """How much the pixels of one place in the ``scale`` x ``scale`` grid differ from those of the others on average.

    Natural pictures do not know the grid, so that this is close to 0 for them; sub-pixel convolutions may.

    Args:
        images: Float RGB around [0, 1], shape (N, 3, scale * h, scale * w).
        scale: Side of the grid's cell in pixels.

    Returns:
        Scalar: standard deviation of the places' means, the mean over channels, in units of the picture's [0, 1].
    """
    places = pixel_unshuffle(images.detach().float(), scale).mean(dim=(0, 2, 3))  # (3 * scale ** 2)
    return places.view(3, -1).std(dim=1, correction=0).mean()


def _enlarged_mean(lr: Tensor) -> Tensor:
    return lr.float().mean(dim=(2, 3), keepdim=True)
