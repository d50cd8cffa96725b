"""Tests of the benchmark of exactness: it tells runs that differ in one bit from runs that do not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import exact


def write_checkpoint(folder: Path, *, average: float = 1.0, moment: float = 1.0, step: int = 30) -> Path:
    """What a run leaves that has one weight in each network."""
    path = exact.last(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {"generator": 1.0, "discriminator": 1.0, "average": average}
    moments = [{"state": {0: {"exp_avg": torch.tensor([value])}}} for value in (1.0, moment)]
    content: dict[str, Any] = {
        "global_step": step,
        "state_dict": {f"{name}.weight": torch.tensor([value]) for name, value in weights.items()},
        "optimizer_states": moments,
    }
    torch.save(content, path)
    return path


@pytest.mark.parametrize("part", ["average", "moment"])
def test_one_bit_is_a_difference(tmp_path: Path, part: str) -> None:
    near = float(torch.nextafter(torch.tensor(1.0), torch.tensor(2.0)))
    one, other = write_checkpoint(tmp_path / "a"), write_checkpoint(tmp_path / "b", **{part: near})  # type: ignore[arg-type]
    assert not any(found.different for found in exact.compare(one, one).values())
    differing = {name: found for name, found in exact.compare(one, other).items() if found.different}
    name = {"average": "average", "moment": "discriminator's optimizer"}[part]
    assert differing == {name: exact.Difference(tensors=1, different=1, largest=near - 1)}


def test_checkpoints_of_two_steps_are_not_compared(tmp_path: Path) -> None:
    one, other = write_checkpoint(tmp_path / "a"), write_checkpoint(tmp_path / "b", step=29)
    with pytest.raises(ValueError, match="Expected two checkpoints of one step"):
        exact.compare(one, other)


@pytest.mark.parametrize(("killed", "code"), [(1.0, 0), (1.5, 1)])
def test_exit_code_says_whether_runs_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], killed: float, code: int
) -> None:
    def leaves(average: float) -> Callable[..., Path]:
        return lambda folder, *_: write_checkpoint(folder, average=average)

    monkeypatch.setattr(exact, "train", leaves(1.0))
    monkeypatch.setattr(exact, "train_with_kills", leaves(killed))
    assert exact.main(["--out", str(tmp_path)]) == code
    assert ("Not exact" in capsys.readouterr().out) == bool(code)
