"""Pictures in, larger pictures out: a folder that mirrors another, one file, or a stream."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from srgan.inference.upscaler import Upscaler, second_weights
from srgan.prediction.enlarger import TRUST, Enlarger
from srgan.prediction.jobs import Job, Shard, naming_note, plan_jobs
from srgan.prediction.ledger import Ledger, fingerprint
from srgan.prediction.loop import Summary, run_jobs
from srgan.prediction.place import Place, find_place
from srgan.prediction.records import Records
from srgan.prediction.sizes import Size
from srgan.prediction.watch import keep_up_to_date
from srgan.weights import resolve

if TYPE_CHECKING:  # imported where it is used: it would cost each start
    from srgan.prediction.references import References

_INDIFFERENT = ("ckpt", "blend_with", "device", "tile_size", "batch_size")  # of these, the weights' content decides


def predict(
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
    reference: str | None = None,
    report: bool = False,
    shard: str | None = None,
    watch: bool = False,
    **network: Any,
) -> Summary:
    """Enlarge a picture or a folder of pictures, those that are not done yet.

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
        reference: Folder of originals to score the results against.
        report: Write ``index.html``, a page to look at the results.
        shard: ``"i/n"`` for one of several parts of a folder; None for all.
        watch: Go on with what is new or changed, until Ctrl-C.
        network: Arguments of ``srgan.Upscaler``.

    Returns:
        What came of each picture, and of the page and the scores if they were asked for.

    Raises:
        ValueError: If a setting or the weights cannot be used, or a file would be overwritten that is not ours.
        OSError: If there is nothing to read, or ``output`` cannot be written to.
    """
    sources = [source] if isinstance(source, Path) else source
    place = find_place(sources, output, format=format)
    output, format = place.folder, place.format
    reviewed = report or reference is not None
    if shard is not None and reviewed:
        raise ValueError(
            "Expected report and reference without shard: they look at all parts. Give them once the parts are done;"
            " what is done is not done again."
        )
    if watch and reviewed:
        raise ValueError("Expected report and reference without watch: they look at what a run has done at its end.")
    if size is not None and reference is not None:
        raise ValueError("Expected reference without size: results are scored as the network gives them.")
    wanted = None if size is None else Size(size)
    part = None if shard is None else Shard.parse(shard)
    upscaler = Upscaler(**network)
    # Before the work, since its folder may be misspelled.
    references = find_references(
        reference, upscaler.scale, max_pixels=max_pixels * upscaler.scale**2, device=network.get("device", "auto")
    )
    if reviewed:  # else not imported: it would cost each start
        from srgan.prediction.review import Review, require_own

        if not overwrite:
            require_own(output, page=report, scores=references is not None)
    companions, records = [TRUST] if trust_map else [], Records(output)
    plan = partial(
        _plan, sources, place, format=format, shard=part, companions=companions, records=records, watch=watch
    )
    jobs = [] if watch and all(each.exists() for each in sources) else plan()  # a folder to watch may be empty
    enlarger = Enlarger(
        upscaler,
        format=format,
        quality=quality,
        png_level=png_level,
        max_pixels=max_pixels,
        scratch=output,
        size=wanted,
    )
    deciding = {name: value for name, value in network.items() if name not in _INDIFFERENT}
    deciding |= {} if size is None else {"size": size}  # without one, ledgers of before it was there hold
    made_with = fingerprint({**deciding, "format": format, "quality": quality}, _weights(**network))
    if note := naming_note(jobs):
        print(note)  # noqa: T201
    title = "" if part is None else f"part {part}"
    ledger = Ledger(output, shard=part, among_others=place.file is not None)
    run = partial(
        run_jobs,
        process=enlarger,
        ledger=ledger,
        made_with=made_with,
        overwrite=overwrite,
        title=title,
        look_ahead=enlarger.look_ahead,
        num_bytes=enlarger.num_bytes,
    )
    if watch:
        print(f"Watching {', '.join(map(str, sources))}; Ctrl-C ends it.", flush=True)  # noqa: T201
        return keep_up_to_date(plan, run)
    summary = run(jobs)
    summary.seconds = enlarger.seconds
    if not reviewed or summary.interrupted or summary.disk_full is not None:
        return summary
    page_title = f"Enlarged with {network['ckpt']}" if report else None
    method = Path(network["ckpt"]).stem
    review = Review(references, upscaler.scale, max_pixels, page_title, method, summary.seconds, wanted)
    summary, told = review.conclude(summary, output)
    if told:
        print(told)  # noqa: T201
    return summary


def _plan(
    sources: Sequence[Path],
    place: Place,
    *,
    format: str,
    shard: Shard | None,
    companions: Sequence[str],
    records: Records,
    watch: bool,
) -> list[Job]:
    """The jobs there are now, with the names that the ledger knows."""
    records.read_on()
    return plan_jobs(
        sources,
        place.folder,
        format=format,
        shard=shard,
        companions=companions,
        owners=records.owners,
        file=place.file,
        may_be_empty=watch,
    )


def find_references(folder: str | None, scale: int, *, max_pixels: int, device: str) -> "References | None":
    """The originals to score against, where they are asked for."""
    if folder is None:
        return None
    from srgan.prediction.references import References
    from srgan.system.device import choose_device

    return References(Path(folder), scale=scale, max_pixels=max_pixels, device=choose_device(device))


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
    """Enlarge the picture of one stream into another; arguments and errors are those of ``predict``."""
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
