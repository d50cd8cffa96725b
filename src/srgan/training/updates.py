"""Manual optimization of two networks in turn: rates, clipping, micro-batches, and gradients that are not finite."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer, do_nothing_closure
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

NETWORKS = ("generator", "discriminator")  # in the order of their optimizers
LOOK_STEPS = 10  # between two reads of values from an accelerator, each of which makes it wait


class AlternatingUpdates(LightningModule):
    """A LightningModule with manual optimization of a generator and a discriminator.

    Gradients that are not finite are dropped on the device, where flags keep weights and buffers unchanged. The flags
    are read every few steps, together with the values to log.

    Args:
        clip_norms: Network → largest norm of its gradient; None leaves it as it is.
        num_micro_batches: Number of losses whose mean an update minimises.

    Raises:
        ValueError: If a norm is not positive or the number below 1.
    """

    def __init__(self, *, clip_norms: Mapping[str, float | None], num_micro_batches: int) -> None:
        super().__init__()
        for name, norm in clip_norms.items():
            if norm is not None and norm <= 0:
                raise ValueError(f"Expected model.{name}_clip_norm above 0, or null for no clipping, got {norm}.")
        if num_micro_batches < 1:
            raise ValueError(f"Expected model.num_micro_batches of 1 or more, got {num_micro_batches}.")
        self.automatic_optimization = False
        self.clip_norms = dict(clip_norms)
        self.num_micro_batches = num_micro_batches
        self.learning_rate_scale = 1.0  # lowered by each rollback
        self.has_looked = True  # whether the outcome of every step so far has been read
        self.will_look = True  # whether this step's values are going to be read
        self.non_finite_phases: dict[int, list[str]] = {}  # step → phases with a faulty gradient; of the last read
        self._faults: dict[int, Tensor] = {}  # step → a flag for each network; since the last read
        self._rates: dict[str, float] = {}
        self._noted: dict[str, Tensor] = {}
        self._statistics: list[Tensor] = []  # of both networks, changed by each pass

    def on_train_start(self) -> None:
        """Find what a dropped step must forget besides its update: BatchNorm's statistics."""
        self._statistics = [each for name in NETWORKS for each in statistics(self.get_submodule(name))]

    def begin_step(self, learning_rate_factors: Sequence[float]) -> None:
        """Forget the last step and set the rates, given as factors on the optimizers' configured ones."""
        self._before = joined(self._statistics)
        self.non_finite_phases, self._noted, self._rates = {}, {}, {}
        step = self.global_step + 1
        periods = (look_steps(self.device), self.trainer.log_every_n_steps or step + 1)  # type: ignore[attr-defined]
        self.will_look = step == self.trainer.max_steps or any(step % period == 0 for period in periods)
        self.dropped = torch.zeros((), dtype=torch.bool, device=self.device)  # whether an update was dropped
        self._fault = torch.zeros(len(NETWORKS), dtype=torch.bool, device=self.device)
        for index, factor in enumerate(learning_rate_factors):
            optimizer = self.optimizer(index)
            learning_rate = optimizer.defaults["lr"] * factor * self.learning_rate_scale
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            self._rates[f"train/{NETWORKS[index]}_learning_rate"] = learning_rate

    def update(self, index: int, losses: Iterable[Tensor]) -> None:
        """Step one network's optimizer on the mean of some losses, each computed only when it is needed."""
        optimizer = self.optimizer(index)
        optimizer.zero_grad()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        with self._own_gradients():
            for loss in losses:
                # A NaN loss can still have finite gradients (L1's are signs). Poison them: processes share gradients
                # alone, so that all of them drop the step.
                slope = loss.detach() * 0 + 1 / self.num_micro_batches
                self.manual_backward(loss, gradient=slope)
        if self.trainer.world_size > 1:
            average_over_processes(parameters)
        if index == 0:
            optimizer.step()
        else:
            # What LightningOptimizer.step does, without counting: global_step then counts generator updates alone, and
            # max_steps, checkpoints and loggers agree on what a step is.
            self.trainer.strategy.optimizer_step(optimizer.optimizer, do_nothing_closure)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradient and note its norm; drop it if it is not finite."""
        index = 0 if optimizer is self.optimizer(0).optimizer else 1
        skips = getattr(optimizer, "_step_supports_amp_scaling", False)  # torch's fused ones do
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if skips and scaler is not None:
            scaler.unscale_(optimizer)  # Lightning leaves this to the step, but clipping comes first
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        largest = self.clip_norms[NETWORKS[index]]
        if largest is not None:
            nn.utils.clip_grads_with_norm_(parameters, largest, norm)
        self._noted[f"train/{NETWORKS[index]}_gradient_norm"] = norm
        dropped = norm - norm != 0  # infinity less infinity is NaN, and NaN is not 0
        self.dropped = self.dropped | dropped
        # In float16, overflows are how the gradient scale is found: they are faults only at the smallest scale. All
        # processes have the same scale, unlike losses, and so agree on what is a fault.
        self._fault[index] = dropped if scaler is None else dropped & (scaler.scale(torch.ones_like(norm)) <= 1)
        if not skips:
            if dropped:
                optimizer.zero_grad()  # then the step changes nothing, but still counts
        elif scaler is None:
            optimizer.found_inf = dropped.float()  # type: ignore[attr-defined]
        else:
            for found in scaler._found_inf_per_device(optimizer).values():
                found.logical_or_(dropped)  # a norm can overflow though no gradient does

    def restore_if_dropped(self) -> None:
        """If an update was dropped, give BatchNorm the statistics that it had before the step."""
        if now := self._statistics:
            kept = torch.where(self.dropped, self._before, joined(now))
            values = torch.split(kept, [tensor.numel() for tensor in now])
            torch._foreach_copy_(now, [value.view_as(tensor) for value, tensor in zip(values, now, strict=True)])

    def note(self, **values: Tensor) -> None:
        """Keep values of this step for the log, as their mean over the micro-batches."""
        for name, value in values.items() if self.will_look else ():
            share = value.detach() / self.num_micro_batches
            before = self._noted.get(f"train/{name}")
            self._noted[f"train/{name}"] = share if before is None else before + share

    def end_step(self) -> None:
        """When it is due, read what was noted and which gradients were faulty since the last read, in one transfer."""
        self._faults[self.global_step] = self._fault
        self.has_looked = self.will_look
        if not self.has_looked:
            return
        values, faults = torch.stack([*self._noted.values()]), torch.stack([*self._faults.values()])
        seen = torch.cat([values, faults.flatten().to(values)]).cpu()
        for at, fault in zip(self._faults, seen[len(values) :].view(faults.shape).tolist(), strict=True):
            phases = [name for name, is_fault in zip(NETWORKS, fault, strict=True) if is_fault]
            if phases:
                self.non_finite_phases[at] = phases
        self._faults = {}
        # All at once: Lightning forgets values when another hook logs in between.
        # And as tensors on the CPU: Lightning puts numbers on the device, and waits.
        rates = {name: torch.tensor(rate) for name, rate in self._rates.items()}
        self.log_dict({**dict(zip(self._noted, seen.unbind(), strict=False)), **rates})

    def optimizer(self, index: int) -> LightningOptimizer:
        """The optimizer of a network, by its place in ``NETWORKS``."""
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        optimizer = optimizers[index]
        assert isinstance(optimizer, LightningOptimizer)
        return optimizer

    def _own_gradients(self) -> AbstractContextManager[None]:
        """Keep Lightning's DDP from averaging both networks' gradients, zeros included, in each phase."""
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, ParallelStrategy) else nullcontext()


def statistics(network: nn.Module) -> list[Tensor]:
    """The buffers that training changes, such as BatchNorm's; no constants, which no file holds, and no counters."""
    state = network.state_dict(keep_vars=True).values()
    return [value for value in state if not isinstance(value, nn.Parameter) and value.is_floating_point()]


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """The values of tensors of any shapes in one, of their widest type."""
    return torch.cat([tensor.flatten() for tensor in tensors]) if tensors else torch.empty(0)


def look_steps(device: torch.device) -> int:
    """Steps between two reads; a CPU need not wait for them."""
    return 1 if device.type == "cpu" else LOOK_STEPS


def keep_options(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """A saved state with the options that an optimizer was made with (betas, weight decay, …) in place of its own.

    A hook for ``register_load_state_dict_pre_hook``, so that changed settings take effect on resume. Each step sets the
    rates anyway.
    """
    options = {name: value for name, value in optimizer.defaults.items() if name != "lr"}
    return {**state, "param_groups": [{**group, **options} for group in state["param_groups"]]}


def average_over_processes(parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their means over all processes.

    docs/architecture.md says why not by a ``DistributedDataParallel`` for each network.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    message = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(message)
    message /= torch.distributed.get_world_size()
    means = torch.split(message, [gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [mean.view_as(each) for mean, each in zip(means, gradients, strict=True)])
