"""What the documents say is so."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize(
    ("document", "table"),
    [
        ("core.md", "commands"),
        ("core.md", "transitions"),
        ("login.md", "policy"),
        ("testing.md", "profiles"),
        ("faults.md", "limits"),
    ],
)
def test_the_tables_are_the_codes(document: str, table: str) -> None:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected = getattr(module, table)()
    assert expected in (ROOT / "docs" / document).read_text(), "run: python docs/tables.py"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target
