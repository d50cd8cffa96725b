"""Draws the plots of docs/performance.md from the results of the other benchmarks."""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # before pyplot: a server has no screen
from matplotlib import pyplot

from benchmarks.shared.measure import ROOT

_PLAIN, _OURS = "#9aa5b1", "#2a6fbb"


def main(argv: Sequence[str] | None = None) -> None:
    """Read ``train_step.json`` and ``inference.json``, write ``performance_*.png``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args(argv)
    training = json.loads((options.results / "train_step.json").read_text(encoding="utf-8"))
    inference = json.loads((options.results / "inference.json").read_text(encoding="utf-8"))
    _save(_training(training), options.out / "performance_training.png")
    _save(_inference(inference), options.out / "performance_inference.png")


def _training(result: dict[str, Any]) -> Any:
    """Median seconds of a step, and what the project's consists of."""
    figure, axes = pyplot.subplots(figsize=(7, 2.4))
    step = {name: statistics.median(result["step_seconds"][name]) for name in ("textbook", "project")}
    axes.barh(["textbook", "project"], [step["textbook"], step["project"]], color=[_PLAIN, _OURS])
    left = 0.0
    for name, seconds in result["part_seconds"].items():
        if name != "matrix":
            width = statistics.median(seconds)
            axes.barh(["its parts"], [width], left=left, edgecolor="white", color=_OURS, alpha=0.55)
            if width > 0.06 * step["textbook"]:
                axes.text(left + width / 2, 2, name, ha="center", va="center", fontsize=8)
            left += width
    axes.invert_yaxis()
    axes.set_xlabel(f"seconds a step ({result['ratio_to_textbook']:.2f}x the textbook's images a second)")
    return figure


def _inference(result: dict[str, Any]) -> Any:
    """Megapixels out a second, plain and ours."""
    cases = result["cases"]
    figure, axes = pyplot.subplots(figsize=(7, 0.6 * len(cases) + 1))
    labels = [f"{case['network']} {case['lr'][1]}x{case['lr'][0]}" for case in cases]
    for offset, (factor, colour, name) in enumerate((("ratio", _PLAIN, "plain"), (None, _OURS, "project"))):
        rates = [case["megapixels_per_second"] / (case[factor] if factor else 1) for case in cases]
        places = [index + 0.4 * offset for index in range(len(cases))]
        axes.barh(places, rates, height=0.38, color=colour, label=name)
    axes.set_yticks([index + 0.2 for index in range(len(cases))], labels)
    axes.invert_yaxis()
    axes.set_xlabel("megapixels out a second")
    axes.legend(frameon=False)
    return figure


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)


if __name__ == "__main__":
    main()
