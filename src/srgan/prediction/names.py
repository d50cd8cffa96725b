"""What results are called: as their pictures, and with both endings where two pictures differ in theirs alone."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath


def result_names(
    names: Mapping[Path, PurePath], suffix: str, *, companions: Sequence[str], owners: Mapping[str, Path]
) -> dict[Path, PurePath]:
    """Find a name for each result: of ``a.jpg`` and ``a.png`` in one folder they are ``a.jpg.png`` and ``a.png.png``.

    A picture whose result has a name already keeps it, whatever other pictures come and go.

    Args:
        names: The inputs, and the path of each under the input folder.
        suffix: The ending of results.
        companions: Endings of further files beside each result.
        owners: The picture that a path under the output folder was made from, where that is known.

    Returns:
        By input, the path of its result under the output folder.
    """
    short = {path: name.with_suffix(suffix) for path, name in names.items()}
    long = {path: name.with_name(name.name + suffix) for path, name in names.items()}
    chosen, kept = dict(short), set()
    for path in names if owners else ():
        own = Path(os.path.realpath(path))
        owner = owners.get(short[path].as_posix())
        if owner == own:
            kept.add(path)
        elif owners.get(long[path].as_posix()) == own or (
            owner is not None and owner.parent == own.parent and owner.exists()
        ):
            chosen[path] = long[path]
    while crowded := {path for path in _crowded(chosen, companions) if chosen[path] != long[path]}:
        chosen |= {path: long[path] for path in crowded - kept or crowded}
    return chosen


def _crowded(chosen: Mapping[Path, PurePath], companions: Sequence[str]) -> set[Path]:
    """The inputs of which a file would be that of another."""
    users: defaultdict[str, set[Path]] = defaultdict(set)
    for path, name in chosen.items():
        for ending in ("", *companions):
            users[os.path.normcase(f"{name}{ending}")].add(path)
    return {path for paths in users.values() if len(paths) > 1 for path in paths}
