"""Tests of the direction of imports: who may know whom."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "srgan"

# Module or subpackage → what of the package it may import besides itself.
ALLOWED = {
    "files": set(),
    "ranges": set(),
    "images": {"files", "ranges"},
    "pictures": {"files", "images", "ranges"},
    "resize": set(),
    "networks": set(),
    "losses": set(),
    "metrics": set(),
    "lpips": {"metrics"},
    "average": set(),
    "health": set(),
    "schedules": set(),
    "loggers": set(),
    "provenance": set(),
    "sync_norm": set(),
    "trainer": {"sync_norm"},
    "inference": {"networks", "resize"},
    "upscaler": {"inference", "pictures", "weights"},
    "checkpoints": set(),
    "weights": {"checkpoints", "files", "networks"},
    "data": {"comparison", "files", "images", "overrides", "pictures", "resize"},
    "updates": set(),
    "module": {"average", "health", "losses", "metrics", "schedules", "updates"},
    "comparison": {"images"},
    "callbacks": {"comparison", "files", "images", "resize", "weights"},
    "score_file": {"files"},
    "results": {"evaluation", "images", "losses", "lpips", "networks", "score_file", "weights"},
    "references": {"evaluation", "images", "lpips", "pictures", "score_file"},
    "export": {"files", "networks", "weights"},
    "console": {"evaluation", "files", "results", "score_file"},
    "release": {"checkpoints", "data", "evaluation", "networks", "provenance", "weights"},
    "overrides": set(),
    "claims": {"files", "overrides"},
    "sweeps": {"sweep_report"},
    "sweep_report": {"comparison", "files", "images", "results", "score_file"},
    "report": {"files", "images"},
    "runs": {"callbacks", "checkpoints", "files", "results"},
    "prediction": {
        "files",
        "images",
        "inference",
        "pictures",
        "references",
        "report",
        "resize",
        "score_file",
        "upscaler",
    },
    "evaluation": {"comparison", "inference", "metrics", "networks", "resize"},
}


def imported_siblings(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("srgan."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("srgan.")}
    return names


def room(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_arrows(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        assert imported_siblings(path) == {"upscaler"}  # inside a function: test_upscaler.py shows that it is lazy
        return
    assert imported_siblings(path) <= ALLOWED[room(path)] | {room(path)}


def test_only_the_scripts_see_a_config_object() -> None:
    offenders = [path for path in PACKAGE.rglob("*.py") if "omegaconf" in path.read_text(encoding="utf-8")]
    assert offenders == []
