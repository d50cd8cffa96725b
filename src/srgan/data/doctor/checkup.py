"""Checks all photos of a collection, and reports as a table and as JSON."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from srgan.data.checks import MIN_VAL_SIZE
from srgan.data.collection import num_cores
from srgan.data.doctor.copies import TEST, TRAIN, VAL, Signature, collection_findings, signature
from srgan.data.doctor.findings import NAMES, Finding
from srgan.data.doctor.pairs import pair_findings
from srgan.data.doctor.photos import photo_findings, read_or_finding
from srgan.data.photos import Photo, find_photos, make_sources
from srgan.data.photos.find import divided, match_partners, partner_folder
from srgan.data.photos.sources import LrRoots, Roots, labelled, require_hr
from srgan.pictures.find import closed_folders, find_images, other_pictures
from srgan.system.files import atomic_write

_MAX_LISTED = 20  # findings per name on the console; the JSON has all


@dataclass(frozen=True)
class Checkup:
    """How many photos were checked, and what was found."""

    num_photos: Mapping[str, int]  # by side
    findings: Sequence[Finding]


def check(
    *,
    root: Roots,
    lr_root: LrRoots | None,
    val_root: Roots | None,
    val_lr_root: LrRoots | None,
    test_root: Roots | None,
    val_fraction: float,
    scale: int,
    min_size: int,
) -> Checkup:
    """Check the photos for training, validation and, if they differ, the closing test.

    The arguments are the data module's, but for ``min_size``: the smallest usable side of a training photo, in pixels.

    Raises:
        FileNotFoundError: If a folder is missing or has no photos.
        ValueError: If a collection cannot be split.
    """
    found, findings = _search(root, lr_root, side=TRAIN, scale=scale)
    val: list[Photo] | None = None
    test: list[Photo] = []
    if val_root is not None:
        val, more = _search(val_root, val_lr_root, side=VAL, scale=scale)
        findings += more
    if test_root is not None:
        test, more = _search(test_root, None, side=TEST, scale=scale)
        findings += more
    train, val = divided(found, val=val, test=test, val_fraction=val_fraction)
    photos = {TRAIN: train, VAL: val, **({TEST: test} if test else {})}
    min_sizes = {TRAIN: min_size, VAL: MIN_VAL_SIZE, TEST: MIN_VAL_SIZE}
    jobs = [_Job(photo, side, min_sizes[side], scale) for side, some in photos.items() for photo in some]
    findings += _examine_all(jobs)
    findings.sort(key=lambda finding: (NAMES.index(finding.name), finding.file))
    return Checkup({side: len(some) for side, some in photos.items()}, findings)


def table(checkup: Checkup) -> str:
    """A line per finding (name, file, what, how much, what to do), and the number of each name."""
    counts = Counter(finding.name for finding in checkup.findings)
    lines = []
    for name, count in counts.items():
        findings = [finding for finding in checkup.findings if finding.name == name]
        lines += [_line(finding) for finding in findings[:_MAX_LISTED]]
        if count > _MAX_LISTED:
            lines.append(f"{name:<16} … and {count - _MAX_LISTED} more; out=report.json lists them all")
    photos = " and ".join(f"{number} {side}" for side, number in checkup.num_photos.items())
    total = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing found"
    return "\n".join([*lines, f"{photos} photos checked: {total}."])


def write_report(path: Path, checkup: Checkup) -> None:
    """Write JSON: ``clean``, ``num_photos``, and the findings as in the table, with their ``values``."""
    names = ("name", "file", "what", "amount", "advice", "values")
    findings = [{name: getattr(each, name) for name in names} for each in checkup.findings]
    report = {"clean": not findings, "num_photos": dict(checkup.num_photos), "findings": findings}
    with atomic_write(path) as file:
        # File names that are not UTF-8 become JSON escapes, which readers can decode.
        file.write((json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode(errors="backslashreplace"))


@dataclass(frozen=True)
class _Job:
    photo: Photo
    side: str
    min_size: int
    scale: int


def _examine_all(jobs: Sequence[_Job]) -> list[Finding]:
    """Check photos in parallel threads, keeping only the findings and the signature of each."""
    findings: list[Finding] = []
    signatures: list[Signature] = []
    with ThreadPoolExecutor(max_workers=num_cores()) as pool:
        for found, seen in pool.map(_examine, jobs):
            findings += found
            signatures += [seen] if seen else []
    return findings + collection_findings(signatures)


def _examine(job: _Job) -> tuple[list[Finding], Signature | None]:
    """The findings of one photo and its partner, and its signature to compare with other photos."""
    file = str(job.photo.hr_path)
    hr = read_or_finding(job.photo.hr_path)
    lr = read_or_finding(job.photo.lr_path) if job.photo.lr_path else None
    findings = [each for each in (hr, lr) if isinstance(each, Finding)]
    if isinstance(hr, Finding):
        return findings, None
    findings += photo_findings(hr, min_size=job.min_size, file=file)
    if isinstance(lr, Tensor):
        findings += pair_findings(hr, lr, scale=job.scale, file=str(job.photo.lr_path))
    return findings, signature(hr, file=file, side=job.side)


def _search(roots: Roots, lr_roots: LrRoots | None, *, side: str, scale: int) -> tuple[list[Photo], list[Finding]]:
    """The photos under some roots with their partners, and findings for files without one."""
    found, findings = [], []
    for source in make_sources(roots, lr_roots, scale=scale, split=TRAIN if side == TRAIN else VAL):
        closed = [each for root in (source.hr_root, source.lr_root) if root for each in closed_folders(root)]
        findings += [Finding("closed_folder", str(each.filename), str(each.strerror)) for each in closed]
        findings += [
            Finding("other_kind", str(path), path.suffix.lower())
            for root in (source.hr_root, source.lr_root)
            for path in (other_pictures(root) if root else [])
        ]
        photos = find_photos(source.hr_root)
        if source.lr_root is None:
            require_hr(photos, source.hr_root)
        else:
            photos = match_partners(photos, source.lr_root, scale=scale)
            partners = {photo.lr_path for photo in photos}
            unpaired = {photo.hr_path: source.lr_root for photo in photos if photo.lr_path is None}
            lr_paths = find_images(partner_folder(source.lr_root, scale=scale))
            unpaired |= {path: source.hr_root for path in lr_paths if path not in partners}
            findings += [Finding("missing_partner", str(path), f"none in {other}") for path, other in unpaired.items()]
        found += labelled(photos, source)
    return found, findings


def _line(finding: Finding) -> str:
    return f"{finding.name:<16} {finding.file}: {finding.what}; {finding.amount}. → {finding.advice}"
