"""The LightningDataModule: finds photos, makes HR/LR pairs, serves batches."""

import logging
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from srgan.data.augmentations import Augmentation
from srgan.data.batch_changes import BatchChanges
from srgan.data.cache.folder import DecodedCache
from srgan.data.checks import MIN_VAL_SIZE, check_lr_is_made, check_sizes
from srgan.data.collection import Collection
from srgan.data.dataset import EndlessBatches, PairItem, TrainingDataset, ValidationDataset
from srgan.data.degradations import Degradation
from srgan.data.manifest import Manifest, changes, fingerprint, manifest, packed, unpacked
from srgan.data.photos import Photo
from srgan.data.photos.find import divided, with_reductions
from srgan.data.photos.sources import LrRoots, Roots, find, sources_by_purpose

log = logging.getLogger(__name__)


class SuperResolutionDataModule(LightningDataModule):
    """HR/LR pairs from folders. A batch is a dict: ``lr`` (N, 3, h, w), ``hr`` (N, 3, scale * h, scale * w), ``name``.

    Args:
        root: Folder of HR photos, searched recursively, or of a data set in a known layout (see ``make_sources``);
            several folders; or each with the weight at which its photos are drawn. ``sample`` is the included photos.
        val_root: Folders of HR photos to validate on; None sets ``val_fraction`` of ``root`` aside by name.
        lr_root: Folder of LR partners of ``root``, or one for each; None makes LR with MATLAB-convention bicubic.
        val_lr_root: Folders of LR partners of ``val_root``.
        test_root: Folders of HR photos for the closing test; None takes the validation photos.
        val_fraction: Share of ``root`` to validate on if there is no ``val_root``.
        scale: Size of HR over size of LR.
        hr_reductions: Factors by which each training photo is reduced to serve as HR, besides or instead of its full
            size, 1; only if LR is made.
        hr_crop_size: Side of the HR crops to train on, in pixels.
        num_crop_candidates: Random windows to choose the most detailed crop from; 1 is a plain random crop.
        batch_size: Crops per process and step.
        num_workers: Worker processes of each process's training loader.
        cache_gigabytes: Disk space for the decoded photos of all runs together, in 10^9 bytes; the least recently used
            make room, and photos beyond it are decoded at each use. 0 decodes all at each use.
        cache_dir: Folder of decoded photos; None is the user's cache folder on this platform.
        seed: Decides order, crops and orientations, degradation and augmentation.
        degradation: Makes new LR for each crop, on the training device, and once for each validation photo without an
            LR file; None keeps bicubic, or the LR files.
        augmentation: Changes training batches on the training device; None leaves them unchanged.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If settings are out of range or contradict each other.
    """

    def __init__(
        self,
        *,
        root: Roots,
        val_root: Roots | None = None,
        lr_root: LrRoots | None = None,
        val_lr_root: LrRoots | None = None,
        test_root: Roots | None = None,
        val_fraction: float = 0.1,
        scale: int = 4,
        hr_reductions: Sequence[float] = (1,),
        hr_crop_size: int = 96,
        num_crop_candidates: int = 1,
        batch_size: int = 16,
        num_workers: int = 0,
        cache_gigabytes: float = 40,
        cache_dir: str | Path | None = None,
        seed: int = 0,
        degradation: Degradation | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        super().__init__()
        check_sizes(
            scale=scale,
            batch_size=batch_size,
            num_crop_candidates=num_crop_candidates,
            hr_crop_size=hr_crop_size,
            hr_reductions=hr_reductions,
            cache_gigabytes=cache_gigabytes,
        )
        self._change = BatchChanges(degradation, augmentation, scale=scale, seed=seed)
        self._sources = sources_by_purpose(
            root, lr_root, val_root=val_root, val_lr_root=val_lr_root, test_root=test_root, scale=scale
        )
        check_lr_is_made(degradation, hr_reductions, self._sources["training"])
        self._degradation = degradation
        self._val_fraction = val_fraction
        self._scale = scale
        self._hr_reductions = hr_reductions
        self._hr_crop_size = hr_crop_size
        self._num_crop_candidates = num_crop_candidates
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._cache_gigabytes = cache_gigabytes
        self._cache_dir = None if cache_dir is None else Path(cache_dir).expanduser()
        self._seed = seed
        self._collections: dict[str, Collection] = {}  # by purpose: training, validation, and test if it has its own
        self._manifests: dict[str, Manifest] = {}  # of the training and the validation photos, from setup("fit") on
        self._manifests_before: dict[str, Manifest] = {}  # those of the checkpoint that the run resumes from

    def setup(self, stage: str) -> None:
        """Find, decode and check the photos that a stage needs.

        Raises:
            FileNotFoundError: If a folder or an LR partner is missing; names it.
            ValueError: If no photo is usable.
        """
        if self._sources["test"]:
            self._load("test", find(self._sources["test"], scale=self._scale), min_size=MIN_VAL_SIZE, cache=None)
            if stage == "test":
                return
        train, val = self._find()
        cache = DecodedCache(self._cache_dir, gigabytes=self._cache_gigabytes) if self._cache_gigabytes else None
        if stage == "fit":
            reduced = with_reductions(train, self._hr_reductions)
            self._load("training", reduced, min_size=self._hr_crop_size, cache=cache)
        self._load("validation", val, min_size=MIN_VAL_SIZE, cache=cache)
        if cache is not None:
            cache.trim()
        if cache is not None and cache.num_bytes and self._place["rank"] == 0:
            log.info("Decoded photos: %.3g GB in %s", cache.num_bytes / 1e9, cache.folder)
        if "training" in self._collections and not self._manifests:
            self._manifests = {
                purpose: manifest(photos, self._collections[purpose])
                for purpose, photos in (("training", train), ("validation", val))
            }
            self._log_photos()
            self._report_changes()

    def state_dict(self) -> dict[str, Any]:
        """The names and sizes of the photos, for the checkpoint."""
        return {purpose: packed(each) for purpose, each in self._manifests.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Compare with the photos of the checkpoint; may be called before or after ``setup``."""
        self._manifests_before = {purpose: unpacked(stored) for purpose, stored in state_dict.items()}
        self._report_changes()

    def train_dataloader(self) -> DataLoader[PairItem]:
        """Endless batches of random crops, from the current step on; after ``setup("fit")``."""
        dataset = TrainingDataset(
            self._collections["training"],
            hr_crop_size=self._hr_crop_size,
            num_crop_candidates=self._num_crop_candidates,
            seed=self._seed,
        )
        batches = EndlessBatches(batch_size=self._batch_size, start_step=self._step, **self._place)
        return DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=self._num_workers,
            pin_memory=self._on_gpu,
            persistent_workers=self._num_workers > 0,
            worker_init_fn=_ignore_signals,
        )

    def transfer_batch_to_device(
        self, batch: dict[str, Any], device: torch.device, dataloader_idx: int
    ) -> dict[str, Any]:
        """Move a batch; of a validation photo only LR, since it is scored on the CPU."""
        if self.trainer is None or self.trainer.training:
            moved: dict[str, Any] = super().transfer_batch_to_device(batch, device, dataloader_idx)
            return moved
        return {**batch, **super().transfer_batch_to_device({"lr": batch["lr"]}, device, dataloader_idx)}

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Degrade and augment a training batch on its device; the samples' numbers decide how."""
        if self.trainer is not None and not self.trainer.training:
            return batch
        first_sample = (self._step * self._place["world_size"] + self._place["rank"]) * self._batch_size
        return self._change(batch, first_sample=first_sample)

    def val_dataloader(self) -> DataLoader[PairItem]:
        """Whole photos one by one; the processes of a run share them, each photo once.

        If there are more processes than photos, each gets all of them: the mean over processes stays the mean over
        photos, and no process waits for another that has nothing to do.
        """
        collection = self._collections["validation"]
        enough = self._place["world_size"] <= len(collection)
        return _whole_photos(collection, self._degradation, **(self._place if enough else {}))

    def test_dataloader(self) -> DataLoader[PairItem]:
        """All photos of the closing test, which runs in one process."""
        collection = self._collections.get("test") or self._collections["validation"]
        return _whole_photos(collection, self._degradation)

    def _find(self) -> tuple[list[Photo], list[Photo]]:
        photos = find(self._sources["training"], scale=self._scale)
        val = find(self._sources["validation"], scale=self._scale) if self._sources["validation"] else None
        test = self._collections["test"].photos if "test" in self._collections else []
        return divided(photos, val=val, test=test, val_fraction=self._val_fraction)

    def _log_photos(self) -> None:
        numbers = {f"num_{purpose}_photos": len(each) for purpose, each in self._manifests.items()}
        for logger in self.trainer.loggers if self.trainer else ():
            logger.log_hyperparams({"data_fingerprint": fingerprint(*self._manifests.values()), **numbers})

    def _report_changes(self) -> None:
        for purpose, now in self._manifests.items():
            found = changes(self._manifests_before.get(purpose, now), now)
            if found and self._place["rank"] == 0:
                log.warning("Resuming with different %s photos: %s", purpose, found)

    def _load(self, purpose: str, photos: list[Photo], *, min_size: int, cache: DecodedCache | None) -> None:
        if purpose not in self._collections:
            collection = Collection(photos, scale=self._scale, min_size=min_size, cache=cache, purpose=purpose)
            self._collections[purpose] = collection

    @property
    def _step(self) -> int:
        return self.trainer.global_step if self.trainer else 0

    @property
    def _place(self) -> dict[str, Any]:
        trainer = self.trainer
        return {"rank": trainer.global_rank if trainer else 0, "world_size": trainer.world_size if trainer else 1}

    @property
    def _on_gpu(self) -> bool:
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"


def _whole_photos(
    collection: Collection, degradation: Degradation | None = None, *, rank: int = 0, world_size: int = 1
) -> DataLoader[PairItem]:
    mine = range(rank, len(collection), world_size)
    return DataLoader(ValidationDataset(collection, degradation), sampler=mine, batch_size=1)


def _ignore_signals(worker: int) -> None:
    """Let a worker survive signals to the whole process group: the run first ends its step, then its workers."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
