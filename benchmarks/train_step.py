"""Images a second of the two-phase training step, against the textbook's step: python -m benchmarks.train_step.

The project's steps run in Lightning's loop with the real data module. After each of them the textbook takes its own
step on a batch, and so does a well-written loop (one pass of the generator, discriminator frozen in the generator's
phase, moving average; see shared/textbook.py), and the machine shows its matrix-product rate: so all are interleaved.
First the project and the textbook are shown to be the same training: after one step in double precision their
parameters agree.
"""

import copy
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.shared.measure import MatrixProduct, count_flops, interleaved, median_ratio, parse, save, table, timed
from benchmarks.shared.recipe import TINY, Recipe, StepClock
from benchmarks.shared.textbook import TextbookTraining, WellWrittenTraining
from srgan.losses import adversarial_loss, discriminator_loss
from srgan.training import SRGAN

TOLERANCE = 1e-6  # of a step's size: Adam moves each parameter by about one learning rate at its first step


def main(argv: Sequence[str] | None = None) -> None:
    """Check, measure, print and save."""
    options = parse(__doc__, argv)
    tiny = TINY if options.quick else ()
    rounds = 2 if options.quick else 4
    difference = parameter_difference(*tiny, "data.batch_size=2")
    print(f"Parameters after one step, float64: differ by {difference:.1e} learning rates (tolerance {TOLERANCE:.0e})")
    if difference > TOLERANCE:
        raise SystemExit("The textbook's step and the project's are not the same training: nothing to compare.")

    recipe = Recipe(*tiny)
    textbook, product = recipe.textbook(), MatrixProduct((256,) if options.quick else (1024, 2048, 3072))
    others = {"textbook": textbook, "well-written": recipe.textbook(WellWrittenTraining)}
    batches = iter(recipe.datamodule.train_dataloader())
    seconds = _steps(recipe, others, product, batches, rounds=rounds)
    batch = next(batches)
    flops = nominal_flops(textbook, batch["lr"].shape, batch["hr"].shape)
    taken = interleaved({**parts(recipe.model, batch["lr"], batch["hr"]), "matrix": timed(product)}, rounds=rounds)
    taken["data"] = seconds["data"]
    batch_size = len(batch["lr"])
    _print(seconds, taken, flops, product, batch_size=batch_size)
    ratio, to_well_written = (median_ratio(seconds[name], seconds["project"]) for name in others)
    rate, step = product.rate(seconds["matrix"]), statistics.median(seconds["project"])
    figures = {
        "ratio_to_textbook": ratio,
        "ratio_to_well_written": to_well_written,
        "percent_of_matrix_rate": 100 * sum(flops.values()) / step / rate,
        "data_wait_percent": 100 * median_ratio(seconds["data"], seconds["project"]),
        "images_per_second": batch_size / step,
        "matrix_rate_gflops": rate / 1e9,
        "parameter_difference_in_learning_rates": difference,
        "nominal_flops": flops,
        "step_seconds": seconds,
        "part_seconds": taken,
    }
    print(
        f"\n{ratio:.2f}x the textbook's images a second, {to_well_written:.2f}x a well-written loop's;"
        f" {figures['percent_of_matrix_rate']:.0f} % of the"
        f" matrix-product rate ({rate / 1e9:.0f} GFLOP/s); {figures['data_wait_percent']:.1f} % waiting for data"
    )
    save("train_step", figures, options)


def _steps(
    recipe: Recipe,
    others: Mapping[str, TextbookTraining],
    product: MatrixProduct,
    batches: Iterator[Mapping[str, Tensor]],
    *,
    rounds: int,
) -> dict[str, list[float]]:
    """Seconds of the project's steps, and in between of the others' and of the matrix product; not of the first."""
    seconds: dict[str, list[float]] = {name: [] for name in (*others, "matrix")}

    def between() -> None:
        batch = next(batches)
        for name, other in others.items():
            seconds[name].append(timed(partial(other.step, batch["lr"], batch["hr"]))())
        seconds["matrix"].append(timed(product)())

    clock = StepClock(between)
    recipe.fit(steps=rounds + 1, callbacks=[clock])
    return {name: each[1:] for name, each in {"project": clock.steps, "data": clock.waits, **seconds}.items()}


def parameter_difference(*overrides: str) -> float:
    """Largest difference of any parameter between the two trainings after one step, in learning rates.

    In double precision, because Adam's first step has the gradient's sign: where the gradient is 0 but for rounding,
    single precision would show the rounding.
    """
    recipe = Recipe(*overrides)
    textbook = recipe.textbook().double()
    batch = next(iter(recipe.datamodule.train_dataloader()))
    textbook.step(batch["lr"].double(), batch["hr"].double())
    recipe.fit(steps=1, callbacks=[], precision="64-true")
    ours = [*recipe.model.generator.parameters(), *recipe.model.discriminator.parameters()]
    theirs = [*textbook.generator.parameters(), *textbook.discriminator.parameters()]
    largest = max((a.detach() - b.detach()).abs().max().item() for a, b in zip(ours, theirs, strict=True))
    return largest / float(recipe.config.model.generator_optimizer.lr)


def parts(model: SRGAN, lr: Tensor, hr: Tensor) -> dict[str, Callable[[], float]]:
    """What the project's step consists of, each as a measurement of its own on its real networks."""
    lr, hr = (images.contiguous(memory_format=torch.channels_last) for images in (lr, hr))
    sr = model.generator(lr).detach()
    content, slope = model.generator_loss.content, torch.randn_like(sr)
    optimizers = model.configure_optimizers()

    def generator() -> None:
        model.generator.zero_grad()
        model.generator(lr).backward(slope)

    def discriminator() -> None:
        model.discriminator.zero_grad()
        discriminator_loss(model.discriminator(hr), model.discriminator(sr)).backward()  # type: ignore[no-untyped-call]
        model.discriminator.requires_grad_(False)
        adversarial_loss(model.discriminator(sr.requires_grad_())).backward()  # type: ignore[no-untyped-call]
        model.discriminator.requires_grad_(True)
        sr.requires_grad_(False)

    def vgg() -> None:
        assert content is not None
        content(sr.clone().requires_grad_(), hr.clone()).backward()  # clones: nothing to be remembered from before

    def optimizer() -> None:
        for each in optimizers:
            each.step()

    works = {"generator": generator, "discriminator": discriminator, "vgg": vgg, "optimizer": optimizer}
    return {name: timed(work) for name, work in works.items()}


def nominal_flops(textbook: TextbookTraining, lr_shape: Sequence[int], hr_shape: Sequence[int]) -> dict[str, int]:
    """What the mathematics of a step needs, part by part, counted on the textbook's layers without their waste."""
    lr, hr = torch.empty(lr_shape, device="meta"), torch.empty(hr_shape, device="meta")
    generator, discriminator, vgg = (
        copy.deepcopy(network).to("meta") for network in (textbook.generator, textbook.discriminator, textbook.vgg)
    )

    def judge_sr() -> None:
        frozen = copy.deepcopy(discriminator).requires_grad_(False)
        _sum(frozen, hr.clone().requires_grad_()).backward()  # type: ignore[no-untyped-call]

    def both_phases() -> None:
        (_sum(discriminator, hr) + _sum(discriminator, hr)).backward()  # type: ignore[no-untyped-call]
        judge_sr()

    def compare_features() -> None:
        vgg(hr)
        _sum(vgg, hr.clone().requires_grad_()).backward()  # type: ignore[no-untyped-call]

    return {
        "generator": count_flops(lambda: _sum(generator, lr).backward()),  # type: ignore[no-untyped-call]
        "discriminator": count_flops(both_phases),
        "vgg": count_flops(compare_features),
    }


def _sum(network: nn.Module, images: Tensor) -> Tensor:
    result: Tensor = network(images).sum()
    return result


def _print(
    seconds: dict[str, list[float]],
    taken: dict[str, list[float]],
    flops: dict[str, int],
    product: MatrixProduct,
    *,
    batch_size: int,
) -> None:
    total = sum(flops.values())
    rows = []
    for name in ("textbook", "well-written", "project"):
        median = statistics.median(seconds[name])
        percent = 100 * total / median / product.rate(seconds["matrix"])
        rows.append([name, median, batch_size / median, total / 1e9, percent])
    table("Training step", ["", "seconds", "images/s", "nominal GFLOP", "% of matrix rate"], rows)
    step, rows = statistics.median(seconds["project"]), []
    for name in ("generator", "discriminator", "vgg", "optimizer", "data"):
        median = statistics.median(taken[name])
        rate = 100 * flops[name] / median / product.rate(taken["matrix"]) if name in flops else "-"
        rows.append([name, median, 100 * median / step, flops.get(name, 0) / 1e9, rate])
    rest = step - sum(float(row[1]) for row in rows)
    rows.append(["rest", rest, 100 * rest / step, 0.0, "-"])
    table("The project's parts", ["", "seconds", "% of step", "nominal GFLOP", "% of matrix rate"], rows)


if __name__ == "__main__":
    main()
