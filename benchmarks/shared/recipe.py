"""The project's training as the benchmarks run it: the real configuration, module, data and Lightning loop."""

import copy
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning import Callback, Trainer
from torch import nn

from benchmarks.shared.measure import ROOT
from benchmarks.shared.textbook import TextbookDiscriminator, TextbookGenerator, TextbookTraining, copy_weights
from srgan.data import SuperResolutionDataModule
from srgan.training import SRGAN

_RECIPE = (
    "model.pretrain_steps=0",  # the two-phase steps alone
    "model.ema_decay=null",  # the textbook has no average
    "loss.content.weights=random",
    "trainer.accelerator=cpu",
    "trainer.limit_val_batches=0",
    "output_dir=.",
)
TINY = (
    "generator.num_blocks=1",
    "generator.channels=4",
    "discriminator.channels=2",
    "loss.content.layer=vgg22",
    "data.batch_size=2",
    "data.hr_crop_size=32",
)


class Recipe:
    """Model, data and trainer as ``train.py`` builds them for the paper's adversarial phase.

    Args:
        overrides: Settings to change, as on the command line.
        experiment: The recipe.
    """

    def __init__(self, *overrides: str, experiment: str = "paper") -> None:
        with initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")):
            self.config = compose("train", overrides=[f"experiment={experiment}", *_RECIPE, *overrides])
        self.model: SRGAN = instantiate(self.config.model, _convert_="all")
        self.datamodule: SuperResolutionDataModule = instantiate(self.config.data, _convert_="all")
        self.datamodule.setup("fit")

    def fit(self, *, steps: int, callbacks: Sequence[Callback], **settings: Any) -> None:
        """Train through Lightning; ``settings`` replace the trainer's."""
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice on loggers and workers
            trainer: Trainer = instantiate(
                self.config.trainer, _convert_="all", **settings, max_steps=steps, callbacks=list(callbacks), logger=[]
            )
            trainer.fit(self.model, datamodule=self.datamodule)

    def textbook(self, training: type[TextbookTraining] = TextbookTraining) -> TextbookTraining:
        """The textbook's training, or the well-written one, of the same networks with the same weights and settings."""
        content = self.model.generator_loss.content
        assert content is not None
        generator = TextbookGenerator(**self.model.generator.config)  # type: ignore[arg-type]
        discriminator = TextbookDiscriminator(self.config.discriminator.channels)
        copy_weights(self.model.generator, generator)
        copy_weights(self.model.discriminator, discriminator)
        vgg = copy.deepcopy(content._features[0])
        for module in vgg.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = True  # as torchvision has it
        return training(
            generator,
            discriminator,
            vgg,
            feature_scale=content.feature_scale,
            adversarial_weight=self.config.loss.adversarial_weight,
            learning_rate=self.config.model.generator_optimizer.lr,
        )


class StepClock(Callback):
    """Seconds of each step with its data, from the end of the one before to its own, and of the wait for the data.

    Args:
        between: Runs after each step and is not counted; what it measures is interleaved with the steps.
    """

    def __init__(self, between: Callable[[], None] = lambda: None) -> None:
        self.steps: list[float] = []
        self.waits: list[float] = []
        self._between = between
        self._resumed = 0.0

    def on_train_start(self, *_: Any) -> None:
        """Start the clock."""
        self._resumed = time.perf_counter()

    def on_train_batch_start(self, *_: Any) -> None:
        """The data is there."""
        self.waits.append(time.perf_counter() - self._resumed)

    def on_train_batch_end(self, *_: Any) -> None:
        """The step is done."""
        self.steps.append(time.perf_counter() - self._resumed)
        self._between()
        self._resumed = time.perf_counter()
