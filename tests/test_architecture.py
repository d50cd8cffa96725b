"""Tests of the direction of imports: who may know whom."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "srgan"

# Room → what it may import besides itself. The table has no circle: a test below sees to it.
ALLOWED: dict[str, set[str]] = {
    "system": set(),
    "networks": set(),
    "losses": set(),
    "pictures": {"system"},
    "weights": {"system", "networks"},
    "inference": {"system", "networks", "pictures", "weights"},
    "data": {"system", "pictures"},
    "evaluation": {"system", "networks", "losses", "pictures", "weights", "inference"},
    "training": {"system", "losses", "pictures", "weights", "evaluation"},
    "sweeps": {"system", "pictures", "evaluation"},
    "prediction": {"system", "pictures", "weights", "inference", "evaluation"},
    "export": {"system", "networks", "weights"},
}
# Besides train.py and predict.py: what knows Hydra's jobs, and the command lines that take train.py's settings.
MAY_KNOW_HYDRA = {PACKAGE / "sweeps", PACKAGE / "data" / "command_line.py"}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(path: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, also within functions; a name taken from a module is part of it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imported_rooms(path: Path) -> set[str]:
    names = (name.split(".") for name in imported_modules(path))
    return {parts[1] for parts in names if parts[0] == "srgan" and len(parts) > 1} - {"__version__", "Upscaler"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def folder(name: str) -> Path:
    """The innermost folder of what is imported."""
    path = PACKAGE.parent
    for part in name.split("."):
        if not (path / part).is_dir():
            break
        path /= part
    return path


def test_the_table_has_no_circle() -> None:
    assert set(TopologicalSorter(ALLOWED).static_order()) == set(ALLOWED)


def test_folders_have_no_circle() -> None:
    arrows: dict[Path, set[Path]] = {}
    for path in FILES:
        imported = {folder(name) for name in imported_modules(path) if name.startswith("srgan.")}
        arrows.setdefault(path.parent, set()).update(imported - {path.parent, PACKAGE})
    list(TopologicalSorter(arrows).static_order())  # raises where there is one


def test_the_table_names_each_room() -> None:
    assert {room(path) for path in FILES} - {"__init__"} == set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_arrows(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        assert imported_rooms(path) == {"inference"}  # inside a function: test_upscaler.py shows that it is lazy
        return
    assert imported_rooms(path) <= ALLOWED[room(path)] | {room(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_scripts_see_a_config_object(path: Path) -> None:
    libraries = {name.split(".")[0] for name in imported_modules(path)}
    assert "omegaconf" not in libraries
    assert "hydra" not in libraries or {path, path.parent} & MAY_KNOW_HYDRA
