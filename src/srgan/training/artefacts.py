"""Cheap measures of two artefacts of generated images: drifting colours and checkerboards."""

from torch import Tensor
from torch.nn.functional import pixel_unshuffle


def colour_drift(sr: Tensor, lr: Tensor) -> Tensor:
    """How far the mean colour of the output is from the input's.

    Args:
        sr: Float RGB around [0, 1], shape (N, 3, scale * h, scale * w).
        lr: Float RGB in [0, 1], shape (N, 3, h, w).

    Returns:
        Scalar: the largest absolute difference of the three channels, in units of [0, 1].
    """
    error = sr.detach().float().mean(dim=(2, 3)) - lr.float().mean(dim=(2, 3))
    return error.mean(dim=0).abs().amax()


def checkerboard(images: Tensor, scale: int) -> Tensor:
    """How much the mean differs between positions in the ``scale`` x ``scale`` grid.

    Close to 0 for natural images, which have no such grid; sub-pixel convolutions may leave one.

    Args:
        images: Float RGB around [0, 1], shape (N, 3, scale * h, scale * w).
        scale: Side of the grid's cell in pixels.

    Returns:
        Scalar: standard deviation over the positions' means, averaged over channels, in units of [0, 1].
    """
    places = pixel_unshuffle(images.detach().float(), scale).mean(dim=(0, 2, 3))  # (3 * scale ** 2)
    return places.view(3, -1).std(dim=1, correction=0).mean()
