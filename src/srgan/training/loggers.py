"""Loggers that never prompt, block or end a run: W&B online if a key is configured, otherwise on disk."""

import logging
import netrc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightning.fabric.loggers.logger import _DummyExperiment
from lightning.pytorch.loggers import WandbLogger

log = logging.getLogger(__name__)

_DEFAULT_HOST = "https://api.wandb.ai"
_INIT_TIMEOUT_S = 30.0
_FINISH_TIMEOUT_S = 300.0  # for data not sent yet, which stays on disk
_STEP = "trainer/global_step"  # Lightning's name for it
_BEST = {
    "val/psnr_y": "max",
    "val/ssim_y": "max",
    "val/psnr_rgb": "max",
    "val/ssim_rgb": "max",
    "val/detail_distance": "min",
}


class PersistentWandbLogger(WandbLogger):
    """W&B's logger, whose failures do not end a run.

    If the server cannot be reached or refuses the key, it logs offline. After any other failure, such as the death of
    W&B's own process, it warns once and stays off.
    """

    _is_off = False

    @property
    def experiment(self) -> Any:
        """The W&B run, started at the first use; once the logger is off, an object that ignores every call."""
        if not self._is_off:
            try:
                return self._started()
            except Exception as error:  # of any kind: it is W&B's
                self._switch_off(error)
        return _DummyExperiment()

    def log_hyperparams(self, params: Any) -> None:
        """As Lightning's, but a failure switches the logger off; likewise below."""
        self._unless_off(super().log_hyperparams, params)

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log values by name."""
        self._unless_off(super().log_metrics, metrics, step)

    def log_image(self, key: str, images: list[Any], step: int | None = None, **kwargs: Any) -> None:
        """Log images: tensors, arrays or files."""
        self._unless_off(super().log_image, key, images, step, **kwargs)

    def log_table(self, key: str, *args: Any, **kwargs: Any) -> None:
        """Log a table."""
        self._unless_off(super().log_table, key, *args, **kwargs)

    def finalize(self, status: str) -> None:
        """End the logging of one fit."""
        self._unless_off(super().finalize, status)

    def _started(self) -> Any:
        from wandb.errors import Error

        is_new = self._experiment is None
        try:
            run = super().experiment
        except Error as error:
            log.warning("W&B cannot be reached (%s). This run is logged offline.", error)
            self._offline = True
            self._wandb_init["mode"] = "offline"  # the environment was read before
            run = super().experiment
        if is_new:
            for name, summary in _BEST.items():
                run.define_metric(name, summary=summary, step_metric=_STEP)
        return run

    def _unless_off(self, call: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        if self._is_off:
            return
        try:
            call(*args, **kwargs)
        except Exception as error:
            self._switch_off(error)

    def _switch_off(self, error: Exception) -> None:
        if self._is_off:
            return
        self._is_off, self._experiment = True, None
        log.warning(
            "W&B failed (%s: %s) and is now off; training continues. What was logged so far is in %s/wandb.",
            type(error).__name__,
            error,
            self.save_dir,
        )
        _abandon_wandb()


def build_wandb_logger(
    *, project: str, save_dir: str | Path, name: str | None = None, group: str | None = None
) -> PersistentWandbLogger:
    """Build the W&B logger: online if a key is configured and ``WANDB_MODE`` does not say otherwise, else offline.

    Args:
        project: The W&B project.
        save_dir: Folder in which to create ``wandb/``.
        name: The run's name.
        group: The group that the run belongs to, such as a sweep.

    Returns:
        The logger; the W&B run starts with the first logged value.
    """
    import wandb

    # Lightning sets "dryrun" after an offline run in the same process, such as an earlier job of a sweep.
    offline = os.environ.get("WANDB_MODE", "online" if has_wandb_key() else "offline") in ("offline", "dryrun")
    if offline:
        log.info("W&B is offline. To send the run later: wandb login; wandb sync %s/wandb/offline-run-*", save_dir)
    return PersistentWandbLogger(
        project=project,
        save_dir=save_dir,
        name=name,
        group=group,
        offline=offline,
        log_model=False,
        settings=wandb.Settings(
            init_timeout=_INIT_TIMEOUT_S,
            finish_timeout=_FINISH_TIMEOUT_S,
            finish_timeout_raises=True,  # so that finish_wandb reports it: W&B itself is silent
            silent=True,
        ),
    )


def has_wandb_key() -> bool:
    """Whether a W&B key is set in the environment or in the user's netrc."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", _DEFAULT_HOST)).hostname
    try:
        return host is not None and netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def finish_wandb(*, exit_code: int) -> None:
    """End the W&B run of this process, if there is one: otherwise the next job of a sweep would continue it.

    Failures and timeouts are logged and do not end training.
    """
    if (wandb := sys.modules.get("wandb")) is None:
        return
    try:
        wandb.finish(exit_code=exit_code)
    except Exception as error:
        log.warning(
            "W&B could not be finished (%s: %s). To send what is missing: wandb sync <run folder>/wandb/*run-*",
            type(error).__name__,
            error,
        )
        _abandon_wandb()


def _abandon_wandb() -> None:
    """Drop W&B's process, dead or not: the next job of a sweep starts its own, and exiting does not wait for it."""
    wandb: Any = sys.modules["wandb"]
    logging.getLogger("wandb").setLevel(logging.CRITICAL)  # or each of its threads would log a traceback
    with suppress(Exception):  # it would send each console line to the dead process
        wandb.run._console_stop()
    with suppress(Exception, SystemExit):  # W&B exits this process, too, once it has seen that its own one died
        wandb.teardown(exit_code=1)
    wandb.run = None  # or Lightning would continue this run
