"""Content loss: distance of two images in the features of a VGG network (Ledig et al. 2017, §2.2.1)."""

import copy
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss
from torchvision import models

from srgan.losses.vgg_weights import load_vgg_weights
from srgan.losses.winograd import speed_up

if TYPE_CHECKING:
    from typing_extensions import Self

VggName = Literal["vgg16", "vgg19"]
FeatureCriterion = Literal["mse", "l1"]

_CRITERIA: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "mse": (mse_loss, "mean squared difference"),
    "l1": (l1_loss, "mean absolute difference"),
}
_NETWORKS: dict[str, Callable[..., Any]] = {"vgg16": models.vgg16, "vgg19": models.vgg19}
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class ContentLoss(nn.Module):
    """Mean squared (or absolute) difference between the VGG features of two images.

    Args:
        network: ``vgg19`` (the paper's) or ``vgg16``.
        layer: In the paper's notation: ``vgg54`` is the 4th convolution before the 5th pooling, ``vgg22`` the 2nd
            before the 2nd. Several, each with a weight (``{"vgg22": 1.0, "vgg43": 0.5}``), give a weighted sum:
            shallow layers tie textures to their position, deep ones do not.
        before_activation: Take the features before the layer's ReLU, as ESRGAN does. The paper takes them after.
        weights: ``imagenet`` (torchvision's download, cached), ``random`` (seeded; untrained features still measure
            structure, arXiv:2103.10571), ``imagenet-or-random`` (random, with a warning, if the download fails),
            or the path of a ``.pth`` or ``.safetensors`` file in torchvision's layout.
        criterion: ``mse`` (the paper's), or ``l1``, which a few large features do not dominate.
        full_precision: Compute in float32 even if the networks train in half precision. Otherwise bfloat16 makes the
            VGG several times faster on processors that support it, and its differences coarser (0.4 % of a feature).
        feature_scale: Factor on the features. The paper's 1/12.75 brings the loss to the size of a pixel MSE; its
            adversarial weight of 0.001 presumes that.

    Raises:
        ValueError: If an option has a value not listed here.
        RuntimeError: If the weights are unavailable; the message says what to do.

    Reference: Ledig et al. 2017, arXiv:1609.04802, §2.2.1.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        network: VggName = "vgg19",
        layer: str | Mapping[str, float] = "vgg54",
        before_activation: bool = False,
        weights: str | Path = "imagenet",
        criterion: FeatureCriterion = "mse",
        full_precision: bool = True,
        feature_scale: float = 1 / 12.75,
    ) -> None:
        super().__init__()
        for option, value, known in (("network", network, _NETWORKS), ("criterion", criterion, _CRITERIA)):
            if value not in known:
                raise ValueError(f"Expected {option} to be one of {', '.join(known)}, got {value!r}.")
        vgg = _build(network)
        weights_of = {layer: 1.0} if isinstance(layer, str) else layer
        if not weights_of or any(weight <= 0 for weight in weights_of.values()):
            raise ValueError(f"Expected a layer, or layers with a weight above 0 each, got {layer!r}.")
        # Depth in the network → weight of the features there.
        self._layers = {
            layer_depth(vgg, name, before_activation=before_activation): weight for name, weight in weights_of.items()
        }
        used = vgg[: max(self._layers)]
        _fill_at_random(used)
        self.weights_used = load_vgg_weights(vgg, network=network, weights=weights)
        features = speed_up(used).eval().requires_grad_(False)
        for module in features:
            if isinstance(module, nn.ReLU):
                module.inplace = False  # in place, it would overwrite the features for `before_activation`
        # In a tuple, so that the frozen network is no part of this module's state: it stays out of checkpoints,
        # optimizers and DDP. `_apply` below still moves it between devices.
        self._features = (features,)
        self._cast: dict[torch.dtype, nn.Sequential] = {}
        self.feature_scale = feature_scale
        self.full_precision = full_precision
        self._criterion, difference = _CRITERIA[criterion]
        names = ", ".join(weights_of)
        self.description = f"{difference} of {network} {names} features, weights: {self.weights_used}"
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Distance of two images.

        Args:
            sr: Float RGB around [0, 1], shape (N, 3, H, W).
            hr: Float RGB in [0, 1], same shape; gets no gradient.

        Returns:
            Scalar: mean difference of the scaled features, the weighted sum over the layers.
        """
        with torch.no_grad():
            hr_features = self.extract(hr)
        return self._distance(sr, hr_features)

    def prepare(self, hr: Tensor) -> Callable[[Tensor], Tensor]:
        """The distance to one original, whose features are computed only once.

        Args:
            hr: As ``forward`` takes it, on any device.

        Returns:
            ``forward`` as a function of ``sr`` alone, on any device.
        """
        with torch.no_grad():
            hr_features = self.extract(hr.to(self.mean.device))
        return lambda sr: self._distance(sr.to(self.mean.device), hr_features)

    def extract(self, images: Tensor) -> list[Tensor]:
        """Scaled VGG features of float RGB images in [0, 1], shape (N, 3, H, W) → each layer's (N, C, h, w)."""
        # Half precision cannot represent the small differences that matter here late in training.
        with torch.autocast(images.device.type, enabled=False) if self.full_precision else nullcontext():
            network = self._network_for_autocast(images.device.type)
            features = ((images.to(self.mean.dtype) - self.mean) / self.std).to(next(network.parameters()).dtype)
            wanted = {}
            for depth, module in enumerate(network, start=1):
                features = module(features)
                if depth in self._layers:
                    wanted[depth] = features * self.feature_scale
        return [wanted[depth] for depth in self._layers]

    def _network_for_autocast(self, device_type: str) -> nn.Sequential:
        """The network, its weights cast once where autocast would cast those of each layer in each pass."""
        dtype = torch.get_autocast_dtype(device_type)
        if not torch.is_autocast_enabled(device_type) or torch.compiler.is_compiling():
            return self._features[0]
        if dtype not in self._cast:
            with torch.inference_mode(False):  # where a validation comes first: training needs them as well
                self._cast[dtype] = copy.deepcopy(self._features[0]).to(dtype)
        return self._cast[dtype]

    def _distance(self, sr: Tensor, hr_features: list[Tensor]) -> Tensor:
        pairs = zip(self.extract(sr), hr_features, self._layers.values(), strict=True)
        return torch.stack([weight * self._criterion(_single(sr), _single(hr)) for sr, hr, weight in pairs]).sum()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Self":
        self._features[0]._apply(fn)  # type: ignore[no-untyped-call]
        self._cast.clear()
        return cast("Self", super()._apply(fn, recurse))  # type: ignore[no-untyped-call]


def _single(features: Tensor) -> Tensor:
    """Features in at least single precision, which means over many of them need."""
    return features.to(torch.promote_types(features.dtype, torch.float32))


def layer_depth(features: nn.Sequential, layer: str, *, before_activation: bool) -> int:
    """How many modules of a VGG's ``features`` lead to a layer named in the paper's notation.

    Args:
        features: The convolutional part of torchvision's VGG.
        layer: ``vgg<pooling><convolution>``: ``vgg54`` is the 4th convolution before the 5th pooling.
        before_activation: Leave out the layer's ReLU.

    Returns:
        The depth for slicing: ``features[:depth]``.

    Raises:
        ValueError: If the network has no such layer.
    """
    match = re.fullmatch(r"vgg(\d)(\d)", layer)
    block, conv, deepest = 1, 0, ""
    for index, module in enumerate(features):
        if isinstance(module, nn.MaxPool2d):
            block, conv = block + 1, 0
        elif isinstance(module, nn.Conv2d):
            conv += 1
            deepest = f"vgg{block}{conv}"
            if match and (block, conv) == (int(match[1]), int(match[2])):
                return index + (1 if before_activation else 2)
    raise ValueError(
        f"Expected layer to name a convolution of the network, vgg11 to {deepest} (vgg22: the 2nd before the 2nd"
        f" pooling), got {layer!r}."
    )


def _build(network: str) -> nn.Sequential:
    """The network's convolutional part, with no weights yet."""
    # Torchvision also builds the large classifier; on the meta device that takes no memory and no time.
    with torch.device("meta"):
        features = _NETWORKS[network](init_weights=False).features
    assert isinstance(features, nn.Sequential)
    return features.to_empty(device="cpu")


def _fill_at_random(features: nn.Sequential) -> None:
    """The ``random`` weights, which are the same on every machine, and in any number of layers."""
    rng = torch.Generator().manual_seed(0)  # its own, so that building leaves the run's random state alone
    for module in features:
        if isinstance(module, nn.Conv2d):
            # Fan-in keeps the signal's magnitude through all layers; torchvision's own initialisation loses most of
            # it on the way, which would make the content loss negligible.
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=rng)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
