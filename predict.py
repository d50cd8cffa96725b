"""Enlarge photos: weights + pictures in, pictures out. Settings: conf/predict.yaml."""

import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from srgan.system.files import show_any_name
from srgan.system.overrides import bare_inputs, quoted_paths, require_paths

if TYPE_CHECKING:  # imported where they are used, so that `--help` answers at once
    from srgan.prediction import Summary
    from srgan.prediction.references import References

_INTERRUPTED = 130  # what shells make of Ctrl-C
_UNREAD = 141  # what shells make of a broken pipe
_STREAM = "-"
_PATHS = ("input", "output", "reference", "ckpt", "blend_with")
_INDIFFERENT = ("ckpt", "blend_with", "device", "tile_size", "batch_size")  # of these, the weights' content decides
_TEXTS = ("output", "ckpt", "blend_with", "format", "device", "precision", "shard", "reference")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}
_TYPES = {
    **dict.fromkeys(("overwrite", "trust_map", "report", "self_ensemble", "consistency"), bool),
    **dict.fromkeys(("quality", "max_pixels", "batch_size"), int),
    "strength": float,
}


@hydra.main(version_base="1.3", config_path="conf", config_name="predict")
def main(cfg: DictConfig) -> None:
    """Run, and turn what a user can mend into one message instead of a traceback."""
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    show_any_name()
    try:
        _conclude(enlarge(**_settings(cfg)))
    except MissingMandatoryValue as error:
        sys.exit(f"Expected a value for {error.full_key}: python predict.py input=<picture or folder> output=<folder>")
    except BrokenPipeError:  # whoever read the output has gone, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains of it when it ends
        sys.exit(_UNREAD)
    except (ValueError, OSError) as error:
        if _is_sweep():
            raise  # the other jobs go on, and Hydra shows it at the end
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def enlarge(*, input: str | list[str], output: str | None, **settings: Any) -> "Summary | None":
    """Enlarge what ``input`` names; of a picture from standard input there is nothing to sum up."""
    inputs = [input] if isinstance(input, str) else input
    if _STREAM not in (*inputs, output):
        from srgan.prediction.place import in_folder

        sources = [Path(each) for each in inputs]
        return predict(source=sources, output=in_folder(Path(output or "out"), _job_folder()), **settings)
    if inputs != [_STREAM] or output not in (None, _STREAM):
        raise ValueError(f"Expected input=- and output=- together, got input={' '.join(inputs)} and output={output}.")
    predict_stream(sys.stdin.buffer, sys.stdout.buffer, **settings)
    return None


def predict(
    *,
    source: Path | Sequence[Path],
    output: Path,
    format: str | None = None,
    quality: int = 95,
    overwrite: bool = False,
    max_pixels: int = 100_000_000,
    trust_map: bool = False,
    reference: str | None = None,
    report: bool = False,
    shard: str | None = None,
    **network: Any,
) -> "Summary":
    """Enlarge a picture or a folder of pictures, those that are not done yet.

    Args:
        source: A picture or a folder, searched recursively; or several of these.
        output: Folder to write to, which mirrors ``source``; or, of one picture, the file.
        format: ``png``, ``jpg``, ``webp``, ``tiff`` or ``same``; None for what ``output`` ends in, and PNG in a folder.
        quality: Of JPEG and WebP, 1 to 100.
        overwrite: Replace files in ``output`` that are not ours, or another picture's.
        max_pixels: The most pixels an input may have.
        trust_map: Write a trust map beside each result.
        reference: Folder of originals to score the results against.
        report: Write ``index.html``, a page to look at the results.
        shard: ``"i/n"`` for one of several parts of a folder; None for all.
        network: Arguments of ``srgan.Upscaler``.

    Returns:
        What came of each picture, and of the page and the scores if they were asked for.

    Raises:
        ValueError: If a setting or the weights cannot be used, or a file would be overwritten that is not ours.
        OSError: If there is nothing to read, or ``output`` cannot be written to.
    """
    from srgan import Upscaler
    from srgan.prediction import Ledger, Records, Shard, fingerprint, naming_note, plan_jobs, run_jobs
    from srgan.prediction.enlarger import TRUST, Enlarger
    from srgan.prediction.place import find_place

    sources = [source] if isinstance(source, Path) else source
    place = find_place(sources, output, format=format)
    output, format = place.folder, place.format
    reviewed = report or reference is not None
    if shard is not None and reviewed:
        raise ValueError(
            "Expected report and reference without shard: they look at all parts. Give them once the parts are done;"
            " what is done is not done again."
        )
    part = None if shard is None else Shard.parse(shard)
    upscaler = Upscaler(**network)
    # Before the work, since its folder may be misspelled.
    references = _references(reference, upscaler.scale, max_pixels=max_pixels * upscaler.scale**2, **network)
    if reviewed:  # else not imported: it would cost each start
        from srgan.prediction.review import Review, require_own

        if not overwrite:
            require_own(output, page=report, scores=references is not None)
    companions, owners = [TRUST] if trust_map else [], Records(output).owners
    jobs = plan_jobs(sources, output, format=format, shard=part, companions=companions, owners=owners, file=place.file)
    enlarger = Enlarger(upscaler, format=format, quality=quality, max_pixels=max_pixels, scratch=output)
    deciding = {name: value for name, value in network.items() if name not in _INDIFFERENT}
    made_with = fingerprint({**deciding, "format": format, "quality": quality}, _weights(**network))
    if note := naming_note(jobs):
        print(note)
    title = "" if part is None else f"part {part}"
    ledger = Ledger(output, shard=part, among_others=place.file is not None)
    summary = run_jobs(
        jobs,
        enlarger,
        ledger=ledger,
        made_with=made_with,
        overwrite=overwrite,
        title=title,
        look_ahead=enlarger.look_ahead,
    )
    if not reviewed or summary.interrupted or summary.disk_full is not None:
        return summary
    page_title = f"Enlarged with {network['ckpt']}" if report else None
    review = Review(references, enlarger.seconds, upscaler.scale, max_pixels, page_title)
    summary, told = review.conclude(summary, output)
    if told:
        print(told)
    return summary


def _references(
    folder: str | None, scale: int, *, max_pixels: int, ckpt: str, device: str = "auto", **_: Any
) -> "References | None":
    """The originals to score against, where they are asked for."""
    if folder is None:
        return None
    from srgan.prediction.references import References
    from srgan.system.device import choose_device

    return References(
        Path(folder), scale=scale, method=Path(ckpt).stem, max_pixels=max_pixels, device=choose_device(device)
    )


def predict_stream(
    source: BinaryIO,
    target: BinaryIO,
    *,
    format: str | None = None,
    quality: int = 95,
    max_pixels: int = 100_000_000,
    overwrite: bool = False,
    trust_map: bool = False,
    reference: str | None = None,
    report: bool = False,
    shard: str | None = None,
    **network: Any,
) -> None:
    """Enlarge the picture of one stream into another; arguments and errors are those of ``predict``."""
    import tempfile

    from srgan import Upscaler
    from srgan.prediction.enlarger import Enlarger

    if trust_map or report or reference is not None or shard is not None:
        raise ValueError(
            "Expected none of trust_map, report, reference and shard with input=-: there is one picture and no folder."
        )
    scratch = Path(tempfile.gettempdir())
    upscaler = Upscaler(**network)
    enlarger = Enlarger(upscaler, format=format or "png", quality=quality, max_pixels=max_pixels, scratch=scratch)
    enlarger.stream(source, target)
    target.flush()


def _weights(*, ckpt: str, blend_with: str | None = None, strength: float = 1.0, **_: Any) -> list[Path]:
    """The weight files that decide the result."""
    from srgan.inference.upscaler import second_weights
    from srgan.weights import resolve

    first = Path(ckpt)
    paths = [first] if strength == 1 else [first, second_weights(ckpt, blend_with, strength=strength)]
    return [resolve(path) for path in paths]


def _conclude(summary: "Summary | None") -> None:
    """Say what came of the run; anything that is left to do is an error."""
    sys.stdout.flush()
    if summary is None:
        return
    if summary.interrupted:
        print(summary, file=sys.stderr)
        sys.exit(_INTERRUPTED)
    if not summary.complete:
        if _is_sweep():
            raise RuntimeError(str(summary))
        sys.exit(str(summary))
    print(summary, flush=True)


def _settings(cfg: DictConfig) -> dict[str, Any]:
    """The settings as plain values of the types that they have in conf/predict.yaml."""
    settings = {str(name): cfg[name] for name in cfg}
    for name, kind in _TYPES.items():
        if type(settings[name]) is not kind and not (kind is float and type(settings[name]) is int):
            raise ValueError(f"Expected {name} to be {_KINDS[kind]}, got {settings[name]}.")
    texts = {name: str(settings[name]) for name in _TEXTS if settings[name] is not None}
    inputs = [str(each) for each in cfg.input] if OmegaConf.is_list(cfg.input) else str(cfg.input)
    require_paths({**settings, "input": inputs})
    return {**settings, **texts, "input": inputs, "strength": float(settings["strength"])}


def _job_folder() -> str:
    """In a sweep, the part of the output's path that keeps the jobs of other settings apart."""
    return re.sub(r"[/\\]", "_", HydraConfig.get().job.override_dirname.replace("'", "")) if _is_sweep() else ""


def _is_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


if __name__ == "__main__":
    try:
        sys.argv[1:] = bare_inputs(quoted_paths(sys.argv[1:], _PATHS, literal=True))
    except ValueError as error:
        sys.exit(str(error))
    main()
