"""Prepares command lines as people type them for Hydra: paths are taken literally, and empty ones refused."""

import os
import re
from collections.abc import Collection, Mapping, Sequence

# Settings of conf/train.yaml that name a file or a folder, or a group of named folders.
TRAIN_PATHS = (
    "ckpt_path",
    "generator_weights",
    "discriminator_weights",
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
_NO_PATHS = "data.root.weights"  # numbers, by name of folder
_PLAIN = re.compile(r"[./]*[A-Za-z_][\w./-]*", re.ASCII)  # what Hydra reads as text without quotes, except these:
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
_COMMA = re.compile(r""",(?=(?:[^'"]|'[^']*'|"[^"]*")*$)""")  # not within quotes
_WORDS = frozenset({"true", "false", "inf", "nan"})


def quoted_paths(
    arguments: Sequence[str], names: Collection[str], *, literal: bool = False, lists: Collection[str] = ()
) -> list[str]:
    """Quote paths, so that Hydra takes them literally: 1.50 is not a number, and ``=`` or ü no syntax error.

    ``~`` at the beginning is the home folder. Quoted values, ``null`` and ``-`` stay as they are. So do lists and
    mappings of paths and values that contain ``${…}``, unless a file of that name exists. In a sweep, commas separate
    values.

    Args:
        arguments: The command line.
        names: Settings that name paths.
        literal: Whether brackets and ``${`` at the beginning of a path are ordinary characters.
        lists: Settings of which ``[a,b]`` is two paths all the same, unless there is a file of that name.

    Raises:
        ValueError: If a path is empty, for example because a shell variable is not set.
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
        if name in lists and re.fullmatch(r"\[.+\]", value, re.DOTALL) and not os.path.exists(value):
            paths = [path.strip() for path in re.split(_COMMA, value[1:-1])]
            require_paths({name: paths})
            return f"{key}=[{','.join(map(_as_path, paths))}]"
        is_grammar = not literal and (value[0] in "[{" or "${" in value) and not os.path.exists(value)
        return argument if is_grammar else f"{key}={_as_path(value)}"

    return [quoted(argument) for argument in arguments]


def bare_inputs(arguments: Sequence[str], settings: Collection[str]) -> list[str]:
    """Turn paths without a key, as in ``predict.py a.jpg b.jpg``, into ``input=``.

    Args:
        arguments: The command line.
        settings: Names of what can be set; of any other name, ``a=b.png`` is a path if there is such a file.

    Raises:
        ValueError: If there are both such paths and ``input=``.
    """
    bare: list[str] = []
    others: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        (bare if before not in _HYDRAS_OPTIONS and _is_bare(argument, settings) else others).append(argument)
    if not bare:
        return others
    if any(each.startswith("input=") for each in others):
        raise ValueError(f"Expected pictures either without a key or as input=, got both: {bare[0]} is not in input=.")
    require_paths({"input": bare})
    return [*others, f"input={_as_path(bare[0])}" if len(bare) == 1 else f"input=[{','.join(map(_as_path, bare))}]"]


def _is_bare(argument: str, settings: Collection[str]) -> bool:
    key, is_setting, _ = argument.partition("=")
    group = re.split(r"[./@]", key.lstrip("+~"))[0]
    if is_setting:  # or part of a path, such as output/strength=0.5/a.png
        is_override = group in settings and ("/" not in key or group == "hydra")
        return not is_override and os.path.exists(argument)
    is_option = argument.startswith("-") and argument != "-"
    is_removal = argument.startswith("~") and "/" not in argument  # ~name removes a setting
    return not (is_option or is_removal) or (group not in settings and os.path.isfile(argument))


def require_paths(values: Mapping[str, object]) -> None:
    """Refuse settings whose path, or one of whose paths, is empty.

    Raises:
        ValueError: If one is empty: it would mean the current folder.
    """
    for name, value in values.items():
        each = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(text, str) and not text.strip() for text in each):
            raise ValueError(f"Expected {name}= to name a file or a folder, got nothing. Is a shell variable not set?")


def quote(text: str) -> str:
    """Text in Hydra's quotes; Hydra still resolves ``${…}`` in it."""
    # A backslash stands for itself unless a quote follows.
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + (r"\'" if found[2] else ""), text) + "'"


def _as_path(value: str) -> str:
    """A value of the command line, quoted if Hydra would interpret it."""
    if value in ("null", "-", ""):
        return value
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        return f"{value[0]}{os.path.expanduser(value[1:-1])}{value[0]}"
    value = os.path.expanduser(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return quote(re.sub(r"(\\*)\$\{", r"\1\1\\${", value))  # not an interpolation here


def _is_path(name: str, names: Collection[str]) -> bool:
    below = any(name.startswith(f"{each}.") for each in names) and not name.startswith(_NO_PATHS)
    return name in names or below
