"""Tests of train.py with networks of other projects: each way of training, and the file that a run leaves."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from spandrel import ModelLoader

from srgan.commands import train
from srgan.prediction.predict import Prediction
from srgan.weights import WeightsError, load_generator
from tests.conftest import TINY, TINY_CONTENT
from tests.weights.community_files import write_compact, write_rrdb

Compose = Callable[..., DictConfig]
# Generators from a file have their sizes from there.
SHRUNK = (*(each for each in TINY if not each.startswith("generator.")), *TINY_CONTENT, "~callbacks.progress")
TWO_STEPS = ("trainer.max_steps=2", "model.pretrain_steps=1", "trainer.val_check_interval=2")
FROM_SCRATCH = ("generator.num_blocks=1", "generator.channels=8")


@pytest.fixture
def run_two_steps(compose_into: Compose, photos: Path, tmp_path: Path) -> Callable[..., Path]:
    """A step of either phase; gives the run's folder."""

    def run(*overrides: str) -> Path:
        settings = (*SHRUNK, f"data.root={photos}", *TWO_STEPS, *overrides)
        train.train(compose_into(tmp_path / "run", *settings, tiny=False))
        return tmp_path / "run"

    return run


def require_same_everywhere(run: Path, architecture: str, photos: Path) -> None:
    """The run's file is one of this architecture to spandrel, to us and to predict.py."""
    file = run / "generator.safetensors"
    theirs = ModelLoader().load_from_file(file)
    assert theirs.architecture.id == architecture
    lr = torch.rand(1, 3, 6, 8)
    for path in (file, run / "checkpoints" / "last.ckpt"):
        assert torch.allclose(load_generator(path)(lr).clamp(0, 1), theirs(lr), atol=1e-5)
    source = photos / "photo_0.png"
    assert Prediction(source=source, output=run / "out", ckpt=str(file), device="cpu").run().complete
    assert (run / "out" / "photo_0.png").exists()


@pytest.mark.parametrize(("experiment", "architecture"), [("esrgan", "ESRGAN"), ("compact", "Compact")])
def test_an_experiment_writes_a_file_that_others_load(
    experiment: str, architecture: str, run_two_steps: Callable[..., Path], photos: Path
) -> None:
    run = run_two_steps(f"experiment={experiment}", *FROM_SCRATCH)
    require_same_everywhere(run, architecture, photos)


@pytest.mark.parametrize(
    ("write", "architecture"), [(write_rrdb, "ESRGAN"), (write_compact, "Compact")], ids=["rrdb", "compact"]
)
def test_finetuning_a_file_keeps_its_architecture(
    write: Callable[..., Path], architecture: str, run_two_steps: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "4x.pth")
    finetune = ("experiment=finetune", "discriminator.channels=32")  # the shipped judge's
    run = run_two_steps(*finetune, "generator=from_file", f"generator_weights={file}")
    require_same_everywhere(run, architecture, photos)
    start = ModelLoader().load_from_file(file).model.state_dict()
    trained = ModelLoader().load_from_file(run / "generator.safetensors").model.state_dict()
    assert trained.keys() == start.keys()
    assert any(not torch.equal(value, start[name]) for name, value in trained.items())


@pytest.mark.parametrize(
    ("overrides", "scale", "message"),
    [
        (["experiment=finetune"], 4, r"4x\.pth .*Compact in the file and SRResNet here.*generator=from_file"),
        (["experiment=esrgan", *FROM_SCRATCH], 4, r"4x\.pth .*Compact in the file and ESRGAN here.*from_file"),
        (["generator=compact", "generator.channels=16"], 4, r"4x\.pth .*8nf.* in the file and .*16nf.* here"),
        (["generator=compact", "generator.channels=8"], 2, r"4x\.pth .*scale is 2 in the file and 4 here"),
        (["generator=from_file"], 2, r"4x\.pth enlarges 2 times, not 4: set scale=2"),
    ],
    ids=["finetune", "esrgan", "wider", "scale", "scale of a file"],
)
def test_a_file_that_does_not_fit_says_what_to_set(
    overrides: list[str], scale: int, message: str, run_two_steps: Callable[..., Path], tmp_path: Path
) -> None:
    file = write_compact(tmp_path / "4x.pth", scale=scale)
    with pytest.raises(Exception, match=message) as raised:
        run_two_steps(*overrides, f"generator_weights={file}")
    assert isinstance(raised.value.__cause__ or raised.value, WeightsError)
