"""BatchNorm over the batch of all processes, on any device: torch's own layer for that exists for GPUs alone."""

import torch
from lightning.pytorch.plugins.layer_sync import LayerSync
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce  # unlike torch.distributed's, gradients flow through it


class SyncBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d whose mean and variance in training are those over all processes' batches, of equal size each."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W) and note the running statistics, as ``nn.BatchNorm2d`` does."""
        if not self.training:
            return super().forward(input)
        return self._normalised(input.float()).to(input.dtype)  # half precision cannot hold the statistics

    def _normalised(self, input: Tensor) -> Tensor:
        count = input.numel() // input.shape[1] * torch.distributed.get_world_size()
        mean = _sum_over_processes(input.sum((0, 2, 3), keepdim=True)) / count
        centred = input - mean
        # In two passes, since the mean of squares less the square of the mean loses digits where the mean is large.
        variance = _sum_over_processes(centred.square().sum((0, 2, 3), keepdim=True)) / count
        self._note(mean.detach().flatten(), variance.detach().flatten() * count / max(count - 1, 1))
        weight, bias = self.weight.view(1, -1, 1, 1), self.bias.view(1, -1, 1, 1)
        return centred * torch.rsqrt(variance + self.eps) * weight + bias

    def _note(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(unbiased_variance.to(self.running_var), self.momentum)


class BatchNormSync(LayerSync):
    """Lightning's hook: replaces the BatchNorm layers when training starts and puts plain ones back when it ends.

    Args:
        device_type: Where training runs. On ``cuda`` the layers become torch's own ``SyncBatchNorm``.
    """

    def __init__(self, device_type: str) -> None:
        self._layer = nn.SyncBatchNorm if device_type == "cuda" else SyncBatchNorm2d

    def apply(self, model: nn.Module) -> nn.Module:
        """Synchronise the model's BatchNorm layers."""
        return _replace(model, nn.BatchNorm2d, self._layer)

    def revert(self, model: nn.Module) -> nn.Module:
        """Make them plain again."""
        return _replace(model, self._layer, nn.BatchNorm2d)


def _replace(model: nn.Module, old: type[nn.Module], new: type[nn.SyncBatchNorm | nn.BatchNorm2d]) -> nn.Module:
    """Exchange the layers of one class within a model; the new ones hold the old ones' parameters and buffers."""
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if type(layer) is old:
                fresh = new(layer.num_features, eps=layer.eps, momentum=layer.momentum)  # type: ignore[arg-type]
                fresh.train(layer.training)
                fresh._parameters, fresh._buffers = layer._parameters, layer._buffers
                setattr(parent, name, fresh)
    return model


def _sum_over_processes(local: Tensor) -> Tensor:
    total: Tensor = all_reduce(local)  # type: ignore[no-untyped-call]
    return total
