"""What there is to enlarge and where each result goes, checked before any work starts."""

import hashlib
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from srgan.pictures import EXTENSIONS
from srgan.pictures.find import LeftOutWarning, left_out, walk
from srgan.prediction.names import result_names, told_apart
from srgan.prediction.records import FILE_LEDGER, LEDGER, results_among_others

# Format → the ending of its files; "same" keeps the input's whole name.
SUFFIXES = {"same": None, "png": ".png", "jpg": ".jpg", "webp": ".webp", "avif": ".avif", "tiff": ".tiff"}


@dataclass(frozen=True)
class Job:
    """One file to enlarge.

    Args:
        name: The input's path under the input folder, with forward slashes: the same on every machine. Where several
            input folders have such a path, it begins with the folder's name.
        source: The input.
        targets: The files to write, the picture last: once it is there, all are.
        apart: Whether they are in a folder called as the input folder, to tell them from those of another.
    """

    name: str
    source: Path
    targets: tuple[Path, ...]
    apart: bool = False

    @property
    def picture(self) -> Path:
        """Where the enlarged picture goes."""
        return self.targets[-1]

    def explained(self, error: Exception) -> str:
        """What went wrong with this file, naming it."""
        text = str(error) or type(error).__name__
        return text if str(self.source) in text else f"{self.source}: {text}"


@dataclass(frozen=True)
class Shard:
    """One of several parts of a folder, so that as many machines share the work.

    A file belongs to a part by its name alone: all machines agree without talking, and new files move no other.

    Args:
        index: Which part, from 0.
        count: How many parts.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``"0/4"``: the first of four.

        Raises:
            ValueError: If it is no such pair.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None or int(match[1]) >= int(match[2]):
            raise ValueError(
                f"Expected shard=i/n with i from 0 to n-1, such as 0/4, 1/4, 2/4 and 3/4 for four, got {text}."
            )
        return cls(int(match[1]), int(match[2]))

    def takes(self, name: str) -> bool:
        """Whether a job of that name belongs to this part."""
        digest = hashlib.sha256(os.fsencode(name)).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def plan_jobs(
    source: Path | Sequence[Path],
    output: Path,
    *,
    format: str,
    shard: Shard | None = None,
    companions: Sequence[str] = (),
    owners: Mapping[str, Path] | None = None,
    file: str | None = None,
    may_be_empty: bool = False,
) -> list[Job]:
    """List the jobs of a picture or a folder, or of several, in the order of their names.

    Args:
        source: A picture, or a folder to search recursively, links to folders included. Hidden files are left out, and
            so are folders of results inside: ``output``, and any with a ledger. Of several each has its own root.
        output: The folder to write to; the input folder's tree is mirrored in it.
        format: A key of ``SUFFIXES``.
        shard: The part of them to do; None for all.
        companions: Endings of further files for each picture, written beside it.
        owners: The pictures that names in ``output`` belong to, as ``Records.owners`` has them.
        file: What to call the result of one picture; None for its own name.
        may_be_empty: Whether a folder without a picture is none to complain of.

    Raises:
        FileNotFoundError: If there is no picture.
        ValueError: If a result would go over an input or over another's result, or the format is unknown.
        OSError: If a folder cannot be listed.

    Warns:
        LeftOutWarning: If the folder holds pictures of kinds that cannot be read.
    """
    if format not in SUFFIXES:
        raise ValueError(f"Expected format to be one of {', '.join(SUFFIXES)}, got {format}.")
    roots = _roots([source] if isinstance(source, Path) else source, output, may_be_empty=may_be_empty)
    names: dict[Path, PurePath] = {path: path.relative_to(root) for path, root in roots.items()}
    suffix = SUFFIXES[format]
    if file is not None:
        results = dict.fromkeys(names, PurePath(file))
    else:
        results = result_names(names, roots, suffix, companions=companions, owners=owners or {})
    jobs = []
    for path, name in told_apart(names, roots).items():
        picture = output / results[path]
        beside = (picture.with_name(picture.name + ending) for ending in companions)
        apart = file is None and results[path].parent != names[path].parent
        jobs.append(Job(name.as_posix(), path, (*beside, picture), apart))
    _check_targets(jobs)
    return [job for job in jobs if shard is None or shard.takes(job.name)]


def naming_note(jobs: Sequence[Job]) -> str | None:
    """A line on those whose results have both endings or their folder's name; None where there are none."""
    both = [job for job in jobs if job.source.suffix and job.picture.stem == job.source.name]
    apart = [job for job in jobs if job.apart]
    told = []
    if both:
        told.append(f"{len(both)} of {len(jobs)} results keep the ending of their picture in their name")
    if apart:
        told.append(f"{len(apart)} of {len(jobs)} results go into a folder called as the one of their picture")
    if not told:
        return None
    first = (apart or both)[0]
    shown = f"{first.source} → {first.picture}" if apart else f"{first.name} → {first.picture.name}"
    return f"{', '.join(told)}, to tell them from those of others: {shown}"


def _roots(sources: Sequence[Path], output: Path, *, may_be_empty: bool) -> dict[Path, Path]:
    """Every input once, with the folder that it is named from."""
    roots: dict[Path, Path] = {}
    seen: set[str] = set()
    for source in sources:
        inputs, root = _find_inputs(source, output, may_be_empty=may_be_empty)
        new = [path for path in inputs if _identity(path) not in seen]  # a folder and a picture in it, say
        roots |= dict.fromkeys(new, root)
        seen |= {_identity(path) for path in new}
    return roots


def _find_inputs(source: Path, output: Path, *, may_be_empty: bool) -> tuple[list[Path], Path]:
    """All inputs, sorted, and the folder that they are named from."""
    if not source.exists():
        raise FileNotFoundError(
            f"Expected input= to be a picture or a folder of pictures, but {source} does not exist."
        )
    if not source.is_dir():
        return [source], source.parent
    if _identity(output) == _identity(source):
        raise ValueError(
            f"Expected output= to be another folder than the input's, got {output} for both: results would be taken for"
            " inputs the next time."
        )
    files = list(walk(source, on_error=_unlistable, choose=_no_results(source, output)))
    inputs = sorted(path for path in files if path.suffix.lower() in EXTENSIONS)
    others = left_out(files, taken=EXTENSIONS)
    if not inputs and not may_be_empty:
        kinds, told = ", ".join(sorted(EXTENSIONS)), f" {others}" if others else ""
        raise FileNotFoundError(f"Expected pictures ({kinds}) under {source}, found none{_outside(source)}.{told}")
    if others:
        warnings.warn(others, LeftOutWarning, stacklevel=3)
    return inputs, source


def _outside(source: Path) -> str:
    """What to say of results under a folder in which nothing else is."""
    folders = sorted({path.parent for path in source.rglob(f"{LEDGER}*")} - {source})
    if not folders:
        return ""
    return f" outside of folders of results, which are left out. To enlarge {folders[0]} again, name it as input="


def _no_results(root: Path, output: Path) -> Callable[[Path, list[str]], list[str] | None]:
    """Choose files for ``walk``: none in ``output`` or a folder with a ledger below ``root``, no results elsewhere."""
    excluded = os.path.realpath(output)

    def choose(folder: Path, names: list[str]) -> list[str] | None:
        if os.path.realpath(folder) == excluded:
            return None
        if folder != root and any(name.startswith(LEDGER) for name in names):
            return None
        ours = results_among_others(folder) if FILE_LEDGER in names else set()
        return [name for name in names if name not in ours]

    return choose


def _unlistable(error: OSError) -> None:
    raise OSError(f"Cannot list {error.filename}: {error.strerror}. Make it readable, or move it out of input=.")


def _check_targets(jobs: Sequence[Job]) -> None:
    inputs = {_identity(job.source) for job in jobs}
    taken: dict[str, Job] = {}
    for job in jobs:
        for target in job.targets:
            identity = _identity(target)
            if identity in inputs:
                raise ValueError(
                    f"Expected output= to be another folder than the input's: {target} would be overwritten."
                )
            if identity in taken:
                raise ValueError(
                    f"{taken[identity].source} and {job.source} would both be written to {target}. Rename one of them,"
                    " or give each an output= of its own."
                )
            taken[identity] = job


def _identity(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))  # unlike resolve, it takes links that lead to themselves
