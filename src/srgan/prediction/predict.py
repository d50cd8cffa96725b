"""Pictures in, larger pictures out: a folder that mirrors another, one file, or a stream."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from srgan.inference.upscaler import Upscaler, second_weights
from srgan.prediction.enlarger import TRUST, Enlarger
from srgan.prediction.jobs import Job, Shard, naming_note, plan_jobs
from srgan.prediction.ledger import Ledger, fingerprint
from srgan.prediction.loop import Summary, run_jobs
from srgan.prediction.place import find_place
from srgan.prediction.records import Records
from srgan.prediction.sizes import Size
from srgan.prediction.watch import keep_up_to_date
from srgan.weights import resolve

# Of the weights the content decides, and tiles are seen by few networks: visible_tiling.
_INDIFFERENT = ("ckpt", "blend_with", "device", "tile_size", "batch_size")


class Prediction:
    """A run over a picture or a folder of pictures: checked when it is made, carried out by ``run``.

    Args:
        source: A picture or a folder, searched recursively; or several of these.
        output: Folder to write to, which mirrors ``source``; or, of one picture, the file.
        format: ``png``, ``jpg``, ``webp``, ``avif``, ``tiff`` or ``same``; None for what ``output`` ends in, and PNG in
            a folder.
        quality: Of JPEG, WebP and AVIF, 1 to 100.
        png_level: Of PNG, 1 (fast) to 9 (small).
        size: How large the results are to be, as ``Size`` reads it; None for what the network gives.
        overwrite: Replace files in ``output`` that are not ours, or another picture's.
        max_pixels: The most pixels an input may have.
        trust_map: Write a trust map beside each result.
        shard: ``"i/n"`` for one of several parts of a folder; None for all.
        watch: Go on with what is new or changed, until Ctrl-C.
        network: Arguments of ``srgan.Upscaler``.

    Raises:
        ValueError: If a setting or the weights cannot be used.
    """

    def __init__(
        self,
        *,
        source: Path | Sequence[Path],
        output: Path,
        format: str | None = None,
        quality: int = 95,
        png_level: int = 1,
        size: str | None = None,
        overwrite: bool = False,
        max_pixels: int = 100_000_000,
        trust_map: bool = False,
        shard: str | None = None,
        watch: bool = False,
        **network: Any,
    ) -> None:
        self._sources = [source] if isinstance(source, Path) else source
        self._place = find_place(self._sources, output, format=format)
        self.folder, format = self._place.folder, self._place.format
        self.size = None if size is None else Size(size)
        self._shard = None if shard is None else Shard.parse(shard)
        self._companions = [TRUST] if trust_map else []
        self._overwrite, self._watch = overwrite, watch
        upscaler = Upscaler(**network)
        self.scale = upscaler.scale
        self._enlarger = Enlarger(
            upscaler,
            format=format,
            quality=quality,
            png_level=png_level,
            max_pixels=max_pixels,
            scratch=self.folder,
            size=self.size,
        )
        deciding = {name: value for name, value in network.items() if name not in _INDIFFERENT}
        deciding |= {} if size is None else {"size": size}  # without one, ledgers of before it was there hold
        deciding |= {} if upscaler.visible_tiling == "auto" else {"tile_size": upscaler.visible_tiling}
        self._made_with = fingerprint({**deciding, "format": format, "quality": quality}, _weights(**network))
        self._records = Records(self.folder)

    def run(self) -> Summary:
        """Enlarge what is not done yet.

        Raises:
            ValueError: If a file would be overwritten that is not ours.
            OSError: If there is nothing to read, or the output cannot be written to.
        """
        watched = self._watch and all(each.exists() for each in self._sources)  # a folder to watch may be empty
        jobs = [] if watched else self._plan()
        if note := naming_note(jobs):
            print(note)  # noqa: T201
        run = partial(
            run_jobs,
            process=self._enlarger,
            ledger=Ledger(self.folder, shard=self._shard, among_others=self._place.file is not None),
            made_with=self._made_with,
            overwrite=self._overwrite,
            title="" if self._shard is None else f"part {self._shard}",
            look_ahead=self._enlarger.look_ahead,
            num_bytes=self._enlarger.num_bytes,
        )
        if self._watch:
            print(f"Watching {', '.join(map(str, self._sources))}; Ctrl-C ends it.", flush=True)  # noqa: T201
            return keep_up_to_date(self._plan, run)
        summary = run(jobs)
        summary.seconds = self._enlarger.seconds
        return summary

    def _plan(self) -> list[Job]:
        """The jobs there are now, with the names that the ledger knows."""
        self._records.read_on()
        return plan_jobs(
            self._sources,
            self.folder,
            format=self._place.format,
            shard=self._shard,
            companions=self._companions,
            owners=self._records.owners,
            file=self._place.file,
            may_be_empty=self._watch,
        )


def predict_stream(
    source: BinaryIO,
    target: BinaryIO,
    *,
    format: str | None = None,
    quality: int = 95,
    png_level: int = 1,
    size: str | None = None,
    max_pixels: int = 100_000_000,
    overwrite: bool = False,
    trust_map: bool = False,
    reference: str | None = None,
    report: bool = False,
    shard: str | None = None,
    watch: bool = False,
    **network: Any,
) -> None:
    """Enlarge the picture of one stream into another; arguments and errors are those of ``Prediction``."""
    if trust_map or report or reference is not None or shard is not None or watch:
        raise ValueError(
            "Expected none of trust_map, report, reference, shard and watch with input=-: there is one picture and no"
            " folder."
        )
    enlarger = Enlarger(
        Upscaler(**network),
        format=format or "png",
        quality=quality,
        png_level=png_level,
        max_pixels=max_pixels,
        scratch=Path(tempfile.gettempdir()),
        size=None if size is None else Size(size),
    )
    enlarger.stream(source, target)
    target.flush()


def _weights(*, ckpt: str, blend_with: str | None = None, strength: float = 1.0, **_: Any) -> list[Path]:
    """The weight files that decide the result."""
    first = Path(ckpt)
    paths = [first] if strength == 1 else [first, second_weights(ckpt, blend_with, strength=strength)]
    return [resolve(path) for path in paths]
