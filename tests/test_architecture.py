"""Tests of the direction of imports: who may know whom."""

import ast
from collections import Counter
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
    "serve": {"system", "pictures", "weights", "inference", "prediction"},
    "spandrel_arch": {"networks"},
    "export": {"system", "networks", "weights", "spandrel_arch"},
    # The layer above them all, which alone composes settings.
    "commands": {
        "system",
        "losses",
        "pictures",
        "weights",
        "evaluation",
        "data",
        "training",
        "sweeps",
        "prediction",
        "serve",
        "export",
    },
}
# Who sees configuration objects: the commands, and what makes jobs of Hydra's one study.
MAY_KNOW_HYDRA = {"commands", "sweeps"}
MOST_FILES = 14  # of a folder, for one look at it to do
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")  # which are programs


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


def test_no_folder_has_too_many_files() -> None:
    root = PACKAGE.parents[1]
    found = Counter(path.parent for name in ("src", "tests", "benchmarks") for path in (root / name).rglob("*.py"))
    assert {str(each): number for each, number in found.items() if number > MOST_FILES} == {}


def test_the_table_names_each_room() -> None:
    assert {room(path) for path in FILES} - {"__init__"} == set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_arrows(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        assert imported_rooms(path) == {"inference"}  # inside a function: test_upscaler.py shows that it is lazy
        return
    assert imported_rooms(path) <= ALLOWED[room(path)] | {room(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_commands_and_sweeps_see_a_config_object(path: Path) -> None:
    libraries = {name.split(".")[0] for name in imported_modules(path)}
    assert room(path) in MAY_KNOW_HYDRA or not {"omegaconf", "hydra"} & libraries


def test_scripts_do_no_more_than_call_a_command() -> None:
    scripts = [PACKAGE.parents[1] / "train.py", PACKAGE.parents[1] / "predict.py", *PACKAGE.rglob("__main__.py")]
    for path in scripts:
        assert {name.split(".")[1] for name in imported_modules(path) if name != "sys"} == {"commands"}
        assert len(path.read_text(encoding="utf-8").splitlines()) < 10
