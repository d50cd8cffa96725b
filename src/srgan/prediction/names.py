"""What results are called: as their pictures, with both endings or their folder's name where two would meet."""

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePath

# The ways to call a result, in the order in which they are tried.
_PLAIN, _BOTH_ENDINGS, _IN_FOLDER, _IN_FOLDER_BOTH_ENDINGS = range(4)


def told_apart(names: Mapping[Path, PurePath], roots: Mapping[Path, Path]) -> dict[Path, PurePath]:
    """Names of inputs of which no two are the same: those that several roots have begin with the root's own name.

    Args:
        names: By input, its path under its root.
        roots: By input, the folder that it was found in.
    """
    folders, apart, told = _folder_names(set(roots.values())), dict(names), set[Path]()
    while more := _crowded(apart, (), frozenset()) - told:
        apart |= {path: folders[roots[path]] / names[path] for path in more}
        told |= more
    return apart


def result_names(
    names: Mapping[Path, PurePath],
    roots: Mapping[Path, Path],
    suffix: str | None,
    *,
    companions: Sequence[str],
    owners: Mapping[str, Path],
) -> dict[Path, PurePath]:
    """Find a name for each result.

    Of ``a.jpg`` and ``a.png`` in one folder they are ``a.jpg.png`` and ``a.png.png``; of ``monday/a.jpg`` and
    ``tuesday/a.jpg``, found in two roots, ``monday/a.png`` and ``tuesday/a.png``. Names that some file systems take for
    one, as ``a.png`` and ``A.png``, meet too. A picture whose result has a name already keeps it, whatever other
    pictures and roots come and go.

    Args:
        names: By input, its path under its root.
        roots: By input, the folder that it was found in.
        suffix: The ending of results; None for that of each input.
        companions: Endings of further files beside each result.
        owners: The picture that a path under the output folder was made from, where that is known.

    Returns:
        By input, the path of its result under the output folder.
    """
    folders, apart = _folder_names(set(roots.values())), told_apart(names, roots)
    ways = {path: list(_ways(name, folders[roots[path]], suffix)) for path, name in names.items()}
    taken = {path: _PLAIN if apart[path] == name else _IN_FOLDER for path, name in names.items()}
    last = _BOTH_ENDINGS if len(folders) == 1 else _IN_FOLDER_BOTH_ENDINGS
    kept: set[Path] = set()
    for path, name in names.items() if owners else ():
        own = Path(os.path.realpath(path))
        known = (way for way in _all_ways(name, roots[path], suffix) if owners.get(way.as_posix()) == own)
        plain_owner = owners.get(ways[path][_PLAIN].as_posix())
        if (had := next(known, None)) is not None:
            ways[path][_PLAIN], taken[path] = had, _PLAIN
            kept.add(path)
        elif plain_owner is not None and plain_owner.parent == own.parent and plain_owner.exists():
            taken[path] = max(taken[path], _BOTH_ENDINGS)
    while True:
        chosen = {path: ways[path][taken[path]] for path in names}
        crowded = {path for path in _crowded(chosen, companions, kept) if taken[path] < last}
        if not crowded:
            return chosen
        crowded = crowded - kept or crowded
        first = min(taken[path] for path in crowded)
        taken |= {path: first + 1 for path in crowded if taken[path] == first}


def _ways(name: PurePath, folder: PurePath, suffix: str | None) -> Sequence[PurePath]:
    plain = name if suffix is None else name.with_suffix(suffix)
    both = name if suffix is None else name.with_name(name.name + suffix)
    return plain, both, folder / plain, folder / both


def _all_ways(name: PurePath, root: Path, suffix: str | None) -> Iterator[PurePath]:
    """Every name that a result may have got, among whatever other roots its own was given."""
    plain, both, *_ = _ways(name, PurePath(), suffix)
    yield from (plain, both)
    parts = Path(os.path.abspath(root)).parts[1:]
    for start in range(len(parts) - 1, -1, -1):
        yield from (PurePath(*parts[start:]) / each for each in (plain, both))


def _folder_names(roots: Collection[Path]) -> dict[Path, PurePath]:
    """The shortest ends of folders' paths that tell them apart: their names, with those around them if need be."""
    parts = {root: Path(os.path.abspath(root)).parts[1:] for root in roots}
    found, length = {}, 1
    while left := {root: own for root, own in parts.items() if root not in found}:
        ends = Counter(os.path.normcase(PurePath(*own[-length:])) for own in set(parts.values()))
        for root, own in left.items():
            end = PurePath(*own[-length:])
            if length >= len(own) or ends[os.path.normcase(end)] == 1:
                found[root] = end
        length += 1
    return found


def _crowded(chosen: Mapping[Path, PurePath], companions: Sequence[str], kept: Set[Path]) -> set[Path]:
    """The inputs of which a file would be that of another.

    Pictures whose own paths differ by case alone are left alone: no other name would tell them apart. So are those that
    all have their names already.
    """
    users: defaultdict[str, dict[Path, str]] = defaultdict(dict)
    for path, name in chosen.items():
        for ending in ("", *companions):
            users[_folded(f"{name}{ending}")][path] = os.path.normcase(f"{name}{ending}")
    crowded: set[Path] = set()
    for exact in users.values():
        is_one = len(set(exact.values())) < len(exact)
        if is_one or (not exact.keys() <= kept and len({_folded(str(path)) for path in exact}) > 1):
            crowded.update(exact)
    return crowded


def _folded(name: str) -> str:
    """A name as a file system knows it that tells neither case nor the ways to compose a letter apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
