"""The same pictures by several networks: each one's results in a folder of its own, and a page that compares them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from srgan.pictures.browser_view import Rows, read_seen, reduce_rows
from srgan.prediction.jobs import Job
from srgan.prediction.loop import Summary
from srgan.prediction.pages.compare_page import Comparison, Network, write_comparison
from srgan.prediction.pages.looking import Looking, find_references
from srgan.prediction.pages.page import VIEWING_PIXELS
from srgan.prediction.pages.review import bicubic_rows, read_result, require_own
from srgan.prediction.place import is_file_name
from srgan.prediction.predict import Prediction
from srgan.weights import load_generator, resolve

_ANY_SIZE = 2**62  # pixels


def compare(
    *,
    ckpt: Sequence[str],
    source: Path | Sequence[Path],
    output: Path,
    reference: str | None = None,
    overwrite: bool = False,
    max_pixels: int = 100_000_000,
    png_level: int = 1,
    device: str = "auto",
    **network: Any,
) -> Summary:
    """Enlarge pictures by several networks, those that are not done yet, and write a page that compares the results.

    Args:
        ckpt: The weights of two networks or more, as ``srgan.Upscaler`` takes them.
        source: A picture or a folder, searched recursively; or several of these.
        output: Folder to write to: ``index.html``, ``scores.json``, and a folder of results for each network.
        reference: Folder of originals to score the results against, as large as the largest results.
        overwrite: Replace files in ``output`` that are not ours, or another picture's.
        max_pixels: The most pixels an input may have.
        png_level: Of the results, which are PNG: 1 (fast) to 9 (small).
        device: ``auto`` or a torch device.
        network: Further arguments of ``srgan.Upscaler``.

    Returns:
        What came of each picture and network, and of the page and the scores.

    Raises:
        ValueError: If a setting or weights cannot be used, or a file would be overwritten that is not ours.
        OSError: If there is nothing to read, or ``output`` cannot be written to.
    """
    if is_file_name(output):
        raise ValueError(f"Expected output= to be a folder, for the page and all results, got {output}.")
    weights = named_weights(ckpt)
    networks = [_known(name, path) for name, path in weights.items()]  # of all before the work on any
    scale = max(each.scale for each in networks)
    if network.get("consistency") and any(each.scale == 1 for each in networks):
        raise ValueError("Expected consistency=false with a network whose scale is 1: it would give the input back.")
    references = find_references(reference, scale, max_pixels=max_pixels * scale**2, device=device)
    if not overwrite:
        require_own(output, page=True, scores=references is not None)
    settings = {"overwrite": overwrite, "max_pixels": max_pixels, "png_level": png_level, "device": device, **network}
    whole, seconds = _run_each(weights, output, source=source, **settings)
    if whole.interrupted or whole.disk_full is not None:
        return whole
    title = f"{', '.join(list(weights)[:-1])} and {list(weights)[-1]}, compared"
    told, lines = _Look(references, scale, max_pixels, title, networks, seconds, output).conclude(whole, output)
    if lines:
        print(lines)  # noqa: T201
    return told


def _run_each(
    weights: Mapping[str, str], output: Path, **settings: Any
) -> tuple[Summary, dict[str, Mapping[str, float]]]:
    """What came of all networks, one after the other; and by network, then by a job's name, how long it took."""
    whole, seconds = Summary(), {}
    for index, (name, path) in enumerate(weights.items()):
        print(f"{name} ({index + 1} of {len(weights)})", flush=True)  # noqa: T201
        summary = Prediction(output=output / name, ckpt=path, **settings).run()
        seconds[name] = summary.seconds
        whole = _joined(whole, summary, name)
        if summary.interrupted or summary.disk_full is not None:
            others = [*summary.written, *summary.skipped, *summary.left] * (len(weights) - index - 1)
            whole.left = [*summary.left, *others]
            break
    return whole, seconds


def named_weights(ckpt: Sequence[str]) -> dict[str, str]:
    """What each of several weights is called: the name of its file or folder, without the ending.

    Raises:
        ValueError: If there are fewer than two, or two would be called the same.
    """
    if len(ckpt) < 2:
        raise ValueError(
            f"Expected two weights or more to compare, such as ckpt=[srgan,srresnet], got {', '.join(ckpt) or 'none'}."
            " One alone can be looked at by srgan predict report=true."
        )
    named: dict[str, str] = {}
    for path in ckpt:
        name = os.path.basename(os.path.abspath(path))
        name = name if Path(path).is_dir() else Path(name).stem
        for other, before in named.items():
            if other.casefold() == name.casefold():  # many a file system does not tell these apart
                raise ValueError(
                    f"Expected weights of different names, which their results are called by: {before} and {path} are"
                    f" both {name}. Copy one of them to another name."
                )
        named[name] = path
    return named


def _known(name: str, path: str) -> Network:
    return Network(name, load_generator(Path(path)).scale, resolve(Path(path)).stat().st_size)


def _joined(whole: Summary, summary: Summary, name: str) -> Summary:
    """What came of several networks, with the name of the network at what failed."""
    return Summary(
        written=[*whole.written, *summary.written],
        skipped=[*whole.skipped, *summary.skipped],
        kept=[*whole.kept, *summary.kept],
        failures=whole.failures | {job: f"{name}: {why}" for job, why in summary.failures.items()},
        interrupted=summary.interrupted,
        disk_full=summary.disk_full,
    )


@dataclass
class _Look(Looking[Comparison]):
    """Goes through the finished jobs of all networks.

    Args:
        references, scale, max_pixels, page_title: As ``Looking`` has them; ``scale`` is the largest.
        networks: Those that are compared.
        seconds: By network, then by a job's name, how long it took.
        output: The folder around those of the networks.
    """

    networks: Sequence[Network]
    seconds: Mapping[str, Mapping[str, float]]
    output: Path

    def entry(self, jobs: Sequence[Job]) -> Comparison:
        """The picture of some jobs, one for each network."""
        by_network = {job.picture.relative_to(self.output).parts[0]: job for job in jobs}
        missing = [each.name for each in self.networks if each.name not in by_network]
        if missing:
            raise ValueError(f"there is no result of {' and '.join(missing)}")
        name, lr = jobs[0].name, read_seen(jobs[0].source, max_pixels=self.max_pixels)
        size, small = (lr.size[0] * self.scale, lr.size[1] * self.scale), lr.whole()
        rows = {
            each.name: self._rows(by_network[each.name], each, lr_size=lr.size, bits=lr.bits) for each in self.networks
        }
        results = {each: partial(reduce_rows, some, size, max_pixels=_ANY_SIZE) for each, some in rows.items()}
        hr, (scores, of_bicubic), unscored = self.scored(name, lr=small, results=results, size=size)

        def shown(some: Rows) -> Tensor:
            return reduce_rows(some, size, max_pixels=VIEWING_PIXELS)

        return Comparison(
            name,
            bicubic=shown(bicubic_rows(small, size)),
            results={each: shown(some) for each, some in rows.items()},
            size=size,
            reference=None if hr is None else shown(hr.rows),
            scores=scores,
            bicubic_scores=of_bicubic,
            seconds={each: known[name] for each, known in self.seconds.items() if name in known},
            unscored=unscored,
        )

    def _rows(self, job: Job, network: Network, *, lr_size: tuple[int, int], bits: int) -> Rows:
        """A result's rows at the largest network's size."""
        height, width = lr_size
        sr = read_result(job, size=(height * network.scale, width * network.scale), bits=bits)
        if network.scale == self.scale:
            return sr.rows
        return bicubic_rows(sr.whole(), (height * self.scale, width * self.scale))

    def write_page(self, path: Path, entries: Iterable[Comparison], *, title: str) -> None:
        """Write the page with columns for each picture."""
        write_comparison(path, entries, networks=self.networks, title=title)
