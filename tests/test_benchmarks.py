"""The benchmarks run, in their smallest form, and say what they should; never how long it took."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
COUNT = 7


def benchmarks(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmarks")
    only = "w1,w1m,w7,w8,w9-0,parser-text10k"
    files = ["--json", str(folder / "all.json"), "--svg", str(folder / "all.svg")]
    output = benchmarks("--runs", "1", "--count", str(COUNT), "--quick", "--only", only, *files)
    (folder / "output").write_text(output)
    return folder


def rows(measured: Path, name: str) -> dict[str, Any]:
    everything = json.loads((measured / "all.json").read_text())
    (workload,) = (entry for entry in everything["workloads"] if entry["name"] == name)
    return {row["label"]: row for row in workload["rows"]}


@pytest.mark.parametrize("name", ["w1", "w1m", "w7", "w8", "w9-0", "parser-text10k"])
def test_every_client_that_is_there_gets_every_octet(measured: Path, name: str) -> None:
    present = 0
    octets = set()
    for label, row in rows(measured, name).items():
        if row["problem"]:
            assert "not installed" in row["problem"], f"{label}: {row['problem']}"
            assert not row["samples"]
            continue
        present += 1
        (sample,) = row["samples"]
        assert sample["error"] == ""
        assert sample["octets"] > 0
        assert min(sample["wall"], sample["peak"]) >= 0
        assert row["runs"] == 1
        # UIDL alone brings less than UIDL and ten messages.
        if "uidl() alone" not in label:
            octets.add(sample["octets"])
    # Ours and the standard library's are always there.
    assert present >= 2
    assert len(octets) == 1


def test_the_ratios_are_to_poplib(measured: Path) -> None:
    poplib = rows(measured, "w1")["poplib"]
    assert poplib["wall_ratio"] == poplib["cpu_ratio"] == 1
    assert poplib["tool"] == "python"
    assert poplib["version"]


def test_a_peer_that_is_missing_is_said(measured: Path) -> None:
    missing = [row for row in rows(measured, "w1").values() if row["tool"] == "mpop"]
    assert bool(missing[0]["problem"]) == (shutil.which("mpop") is None)


def test_the_output_is_a_table_for_each_workload(measured: Path) -> None:
    output = (measured / "output").read_text()
    assert output.count("\n### ") == 6
    assert "| poplib | " in output


def test_the_charts_are_pictures(measured: Path) -> None:
    for name in ("all.svg", "all-growth.svg"):
        assert ElementTree.parse(measured / name).getroot().tag.endswith("svg")


def test_a_workload_that_does_not_exist_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "w1,w77"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "w77" in done.stderr
