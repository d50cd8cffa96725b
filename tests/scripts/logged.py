"""What a run has logged."""

from pathlib import Path


def metrics(run: Path, version: str = "version_0") -> list[dict[str, str]]:
    lines = (run / "csv" / version / "metrics.csv").read_text().splitlines()
    return [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]


def metrics_of_all_versions(run: Path) -> list[dict[str, str]]:
    versions = sorted((run / "csv").iterdir())
    return [row for version in versions for row in metrics(run, version.name)]
