"""``srgan predict``: enlarge photos; weights + pictures in, pictures out. Settings: conf/predict.yaml."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from srgan.commands.command_line import run_with_hydra, setting_names
from srgan.sweeps.hydra_job import folder_of_settings, is_sweep, mistakes_in_a_sentence
from srgan.system.files import show_any_name
from srgan.system.memory import keep_few_kernels, keep_memory
from srgan.system.overrides import bare_inputs, quoted_paths, require_paths

if TYPE_CHECKING:  # imported where it is used, so that `--help` answers at once
    from srgan.prediction import Summary

_INTERRUPTED = 130  # as shells report Ctrl-C
_UNREAD = 141  # as shells report a broken pipe
_STREAM = "-"
_LISTS = ("input",)
_PATHS = ("input", "output", "reference", "ckpt", "blend_with")
_TEXTS = ("output", "ckpt", "blend_with", "format", "size", "device", "precision", "shard", "reference")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}
_TYPES = {
    **dict.fromkeys(("overwrite", "trust_map", "report", "watch", "self_ensemble", "consistency"), bool),
    **dict.fromkeys(("quality", "png_level", "max_pixels", "batch_size"), int),
    "strength": float,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line, by default the process's own; a path without a name is an ``input``."""
    run_with_hydra(_job, "predict", arguments, _prepared)


def _prepared(typed: Sequence[str]) -> list[str]:
    return bare_inputs(quoted_paths(typed, _PATHS, literal=True, lists=_LISTS), setting_names("predict"))


def _job(cfg: DictConfig) -> None:
    with exit_codes("predict"):
        enlarge = _prepare(**read_settings(cfg))
        conclude(enlarge())


@contextmanager
def exit_codes(command: str) -> Iterator[None]:
    """Within a command that enlarges pictures: messages and an exit code that a shell expects."""
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    show_any_name()
    keep_memory()
    keep_few_kernels()
    with mistakes_in_a_sentence(command, ValueError, OSError):
        try:
            yield
        except BrokenPipeError:  # the reader of the output has ended, such as head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains about it at exit
            sys.exit(_UNREAD)
        except KeyboardInterrupt:
            sys.exit(_INTERRUPTED)


def _prepare(
    *, input: str | list[str], output: str | None, report: bool, reference: str | None, **settings: Any
) -> "Callable[[], Summary | None]":
    """What enlarges all that ``input`` names; it gives no summary of a picture from standard input."""
    inputs = [input] if isinstance(input, str) else input
    if _STREAM in (*inputs, output):
        if inputs != [_STREAM] or output not in (None, _STREAM):
            raise ValueError(
                f"Expected input=- and output=- together, got input={' '.join(inputs)} and output={output}."
            )
        from srgan.prediction.predict import predict_stream

        source, target = sys.stdin.buffer, sys.stdout.buffer
        return partial(predict_stream, source, target, report=report, reference=reference, **settings)
    from srgan.prediction.place import in_folder

    settings["source"] = [Path(each) for each in inputs]
    settings["output"] = in_folder(Path(output or "out"), folder_of_settings())
    if report or reference is not None:
        from srgan.prediction.pages.review import predict_and_review

        return partial(predict_and_review, report=report, reference=reference, **settings)
    from srgan.prediction.predict import Prediction

    return Prediction(**settings).run


def conclude(summary: "Summary | None") -> None:
    """Print the summary of the run; if anything is left to do, that is an error."""
    sys.stdout.flush()
    if summary is None:
        return
    if summary.interrupted:
        print(summary, file=sys.stderr)
        sys.exit(_INTERRUPTED)
    if not summary.complete:
        if is_sweep():
            raise RuntimeError(str(summary))
        sys.exit(str(summary))
    print(summary, flush=True)


def read_settings(cfg: DictConfig) -> dict[str, Any]:
    """The settings as plain values, of the same types as in conf/predict.yaml; ``ckpt`` and ``input`` may be lists."""
    settings = {str(name): cfg[name] for name in cfg}
    for name, kind in _TYPES.items():
        value = settings.get(name, kind())
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise ValueError(f"Expected {name} to be {_KINDS[kind]}, got {value}.")
    texts = {name: str(settings[name]) for name in _TEXTS if settings.get(name) is not None}
    lists = {name: [str(each) for each in cfg[name]] for name in ("input", "ckpt") if OmegaConf.is_list(cfg[name])}
    numbers = {"strength": float(settings["strength"])} if "strength" in settings else {}
    plain = {**settings, **texts, **numbers, "input": str(cfg.input), **lists}
    require_paths(plain)
    return plain
