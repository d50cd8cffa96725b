"""Loggers that never ask and never wait: W&B goes online where a key is configured and stays on disk elsewhere."""

import logging
import netrc
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightning.pytorch.loggers import WandbLogger

log = logging.getLogger(__name__)

_DEFAULT_HOST = "https://api.wandb.ai"
_INIT_TIMEOUT_S = 30.0
_BEST = {
    "val/psnr_y": "max",
    "val/ssim_y": "max",
    "val/psnr_rgb": "max",
    "val/ssim_rgb": "max",
    "val/detail_distance": "min",
}


class PersistentWandbLogger(WandbLogger):
    """W&B's logger, which goes on offline where the server cannot be reached or refuses the key."""

    @property
    def experiment(self) -> Any:
        """The W&B run; started at the first use."""
        from wandb.errors import Error

        is_new = self._experiment is None
        try:
            run = super().experiment
        except Error as error:
            log.warning("W&B cannot be reached (%s). This run is logged offline.", error)
            self._offline = True
            self._wandb_init["mode"] = "offline"  # the environment has been read already
            run = super().experiment
        if is_new:
            for name, summary in _BEST.items():
                run.define_metric(name, summary=summary)
        return run


def build_wandb_logger(
    *, project: str, save_dir: str | Path, name: str | None = None, group: str | None = None
) -> PersistentWandbLogger:
    """Make the W&B logger: online if a key is configured and ``WANDB_MODE`` does not say otherwise, else offline.

    Args:
        project: The W&B project.
        save_dir: Folder in which ``wandb/`` is made.
        name: The run's name.
        group: What the run belongs to, such as a sweep.

    Returns:
        The logger; the run itself starts with the first value logged.
    """
    import wandb

    # "dryrun" is what Lightning sets after an offline run of the same process, such as an earlier job of a sweep.
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
        settings=wandb.Settings(init_timeout=_INIT_TIMEOUT_S, silent=True),
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
    """End the W&B run of this process, if there is one: the next job of a sweep would go on in it otherwise."""
    if (wandb := sys.modules.get("wandb")) is not None:
        wandb.finish(exit_code=exit_code)
