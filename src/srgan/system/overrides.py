"""Command lines as people type them, made ready for Hydra: paths as they stand, and none of them empty."""

import os
import re
from collections.abc import Collection, Mapping, Sequence

# Settings of conf/train.yaml that name a file or a folder; of a collection of folders also those below, by name.
TRAIN_PATHS = (
    "ckpt_path",
    "generator_weights",
    "download_dir",
    "output_dir",
    "data.root",
    "data.lr_root",
    "data.val_root",
    "data.val_lr_root",
    "data.test_root",
    "data.cache_dir",
    "vgg_weights",
    "loss.content.weights",
    "hydra.run.dir",
    "hydra.sweep.dir",
)
_NO_PATHS = "data.root.weights"  # numbers, by the names of folders
_PLAIN = re.compile(r"[./]*[A-Za-z_][\w./-]*", re.ASCII)  # what Hydra takes for text by itself, but for these:
_HYDRAS_OPTIONS = (
    "-cp",
    "--config-path",
    "-cn",
    "--config-name",
    "-cd",
    "--config-dir",
    "-p",
    "--package",
    "-c",
    "--cfg",
)
_WORDS = frozenset({"true", "false", "inf", "nan"})


def quoted_paths(arguments: Sequence[str], names: Collection[str], *, literal: bool = False) -> list[str]:
    """Put paths in quotes, so that Hydra takes each as it stands: not 1.50 for a number, nor ``=`` or ü for a mistake.

    ``~`` at the beginning is the home folder. What is in quotes already, ``null`` and ``-`` stay; so do, unless a file
    of that name exists, lists and mappings of paths and what has ``${…}`` in it. In a sweep commas part values.

    Args:
        arguments: The command line.
        names: Settings that name paths.
        literal: Whether brackets and ``${`` at the beginning of a path are nothing but characters.

    Raises:
        ValueError: If a path is empty, as a shell's variable that is not set makes it.
    """
    is_sweep = "-m" in arguments or "--multirun" in arguments

    def quoted(argument: str) -> str:
        key, is_setting, value = argument.partition("=")
        name = key.lstrip("+")
        if not is_setting or not _is_path(name, names):
            return argument
        require_paths({name: value.strip("'\"")})
        if is_sweep and "," in value:
            return argument if re.search(r"[('\"\[{]", value) else f"{key}={','.join(map(_as_path, value.split(',')))}"
        is_grammar = not literal and (value[0] in "[{" or "${" in value) and not os.path.exists(value)
        return argument if is_grammar else f"{key}={_as_path(value)}"

    return [quoted(argument) for argument in arguments]


def bare_inputs(arguments: Sequence[str]) -> list[str]:
    """Put paths that are given without a name, as in ``predict.py a.jpg b.jpg``, into ``input=``.

    Raises:
        ValueError: If there are such paths and ``input=`` as well.
    """
    bare: list[str] = []
    others: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        (bare if before not in _HYDRAS_OPTIONS and _is_bare(argument) else others).append(argument)
    if not bare:
        return others
    if any(each.startswith("input=") for each in others):
        raise ValueError(f"Expected pictures either by themselves or as input=, got both: {bare[0]} is not in input=.")
    require_paths({"input": bare})
    return [*others, f"input={_as_path(bare[0])}" if len(bare) == 1 else f"input=[{','.join(map(_as_path, bare))}]"]


def _is_bare(argument: str) -> bool:
    key, is_setting, _ = argument.partition("=")
    if is_setting:  # in the name of a file, such as one below out/strength=0.5
        return "/" in key and not key.startswith("hydra/") and os.path.exists(argument)
    is_option = argument.startswith("-") and argument != "-"
    return not is_option and not (argument.startswith("~") and "/" not in argument)  # ~name takes a setting away


def require_paths(values: Mapping[str, object]) -> None:
    """Make sure that no setting that names a path, or several, is there but empty.

    Raises:
        ValueError: If one is: it would mean the current folder.
    """
    for name, value in values.items():
        each = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(text, str) and not text.strip() for text in each):
            raise ValueError(
                f"Expected {name}= to name a file or a folder, got nothing. Is a variable of the shell not set?"
            )


def quote(text: str) -> str:
    """Text in Hydra's quotes; ``${…}`` in it stays what Hydra puts in place."""
    # A backslash counts as one unless a quote follows.
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + (r"\'" if found[2] else ""), text) + "'"


def _as_path(value: str) -> str:
    """A value of the command line, in quotes where Hydra would read it otherwise."""
    if value in ("null", "-", ""):
        return value
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        return f"{value[0]}{os.path.expanduser(value[1:-1])}{value[0]}"
    value = os.path.expanduser(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return quote(re.sub(r"(\\*)\$\{", r"\1\1\\${", value))  # which is no interpolation here


def _is_path(name: str, names: Collection[str]) -> bool:
    below = any(name.startswith(f"{each}.") for each in names) and not name.startswith(_NO_PATHS)
    return name in names or below
