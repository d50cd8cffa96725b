"""``srgan predict``: enlarge photos; weights + pictures in, pictures out. Settings: conf/predict.yaml."""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from srgan.commands.command_line import run_with_hydra
from srgan.sweeps.hydra_job import folder_of_settings, is_sweep, mistakes_in_a_sentence
from srgan.system.files import show_any_name
from srgan.system.memory import keep_few_kernels, keep_memory
from srgan.system.overrides import bare_inputs, quoted_paths, require_paths

if TYPE_CHECKING:  # imported where it is used, so that `--help` answers at once
    from srgan.prediction import Summary

_INTERRUPTED = 130  # as shells report Ctrl-C
_UNREAD = 141  # as shells report a broken pipe
_STREAM = "-"
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
    run_with_hydra(_job, "predict", arguments, lambda typed: bare_inputs(quoted_paths(typed, _PATHS, literal=True)))


def _job(cfg: DictConfig) -> None:
    carry_out("predict", lambda: enlarge(**read_settings(cfg)))


def carry_out(command: str, work: "Callable[[], Summary | None]") -> None:
    """Run a command that enlarges pictures, with the exit code that a shell expects."""
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    show_any_name()
    keep_memory()
    keep_few_kernels()
    with mistakes_in_a_sentence(command, ValueError, OSError):
        try:
            _conclude(work())
        except BrokenPipeError:  # the reader of the output has ended, such as head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains about it at exit
            sys.exit(_UNREAD)
        except KeyboardInterrupt:
            sys.exit(_INTERRUPTED)


def enlarge(*, input: str | list[str], output: str | None, **settings: Any) -> "Summary | None":
    """Enlarge what ``input`` names; None for a picture from standard input, which has no summary."""
    inputs = [input] if isinstance(input, str) else input
    if _STREAM not in (*inputs, output):
        from srgan.prediction.place import in_folder
        from srgan.prediction.predict import predict

        sources = [Path(each) for each in inputs]
        return predict(source=sources, output=in_folder(Path(output or "out"), folder_of_settings()), **settings)
    if inputs != [_STREAM] or output not in (None, _STREAM):
        raise ValueError(f"Expected input=- and output=- together, got input={' '.join(inputs)} and output={output}.")
    from srgan.prediction.predict import predict_stream

    predict_stream(sys.stdin.buffer, sys.stdout.buffer, **settings)
    return None


def _conclude(summary: "Summary | None") -> None:
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
