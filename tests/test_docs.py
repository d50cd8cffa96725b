"""Tests of the documentation: its links lead somewhere, and what it says of the code's layout is true."""

import re
from pathlib import Path

import pytest

from tests.test_architecture import ALLOWED, PACKAGE

PROJECT = Path(__file__).parents[1]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])
ARCHITECTURE = PROJECT / "docs" / "architecture.md"


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text(page))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing


def test_architecture_has_the_import_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*)\|$", text(ARCHITECTURE), re.MULTILINE)
    assert {room: set(re.findall(r"`(\w+)`", allowed)) for room, allowed in rows} == ALLOWED


def test_architecture_names_files_that_exist() -> None:
    # Files of one folder stand behind each other: `metadata.py`, `exif.py`.
    named = set(re.findall(r"[\w./]*\w\.(?:py|yaml)\b", text(ARCHITECTURE)))
    files = [path for folder in (PACKAGE, PROJECT / "conf", PROJECT / "tests") for path in folder.rglob("*.*")]
    known = [path.relative_to(PROJECT).as_posix() for path in [*files, *PROJECT.glob("*.py")]]
    assert not [name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in known)]


def test_readme_counts_the_lines_to_read() -> None:
    section = text(PROJECT / "README.md").split("## Read the code")[1].split("\n\n[")[0]
    files = re.findall(r"\]\(([^)]+\.(?:py|yaml))\)", section)
    claimed = re.search(r"about ([\d,]+) lines", section)
    assert claimed is not None
    counted = sum(len(text(PROJECT / file).splitlines()) for file in files)
    assert int(claimed[1].replace(",", "")) == pytest.approx(counted, rel=0.1)


def test_site_has_each_page_and_each_room() -> None:
    docs = PROJECT / "docs"
    assert {page.stem for page in docs.glob("api/*.md")} == set(ALLOWED)
    menu = re.findall(r"[\w/]+\.md", text(PROJECT / "mkdocs.yml"))
    assert sorted(menu) == sorted(page.relative_to(docs).as_posix() for page in docs.rglob("*.md"))
