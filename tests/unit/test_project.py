"""The tree is what its documents say: module index, mirrored tests, unique names, plain language."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import pytest

from stream.contract.alerts import Kind
from stream.core.alerting import wording
from stream.core.state.deduplication import MAX_SEGMENTS, SEGMENT_IDS

ROOT: Final = Path(__file__).parents[2]
#: Words of the project's former private language, and constructions that the writing rules exclude.
PRIVATE_WORDS: Final = re.compile(
    r"\b(told|hears?|heard|crew|knock|jars|mailbox|dossiers?|bury|voices?|spoken|births|telling|oddities|"
    r"rule of this room|he or she|is to be (?:expected|told|known))\b",
    re.IGNORECASE,
)


def modules() -> list[Path]:
    found = sorted((ROOT / "stream").rglob("*.py"))
    return [path.relative_to(ROOT) for path in found if path.name not in {"__init__.py", "__main__.py"}]


def classes() -> Iterator[str]:
    for module in modules():
        for node in ast.parse((ROOT / module).read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name


def test_the_core_adds_floats_in_the_same_way_on_every_python() -> None:
    """The built-in `sum` rounds in another way since Python 3.12, and digests would differ."""
    for module in (ROOT / "stream" / "core").rglob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Name)}
        assert "sum" not in names, f"{module.relative_to(ROOT)} uses sum: stream.core.model.sums has total"


def test_the_module_index_names_every_module_once() -> None:
    index = (ROOT / "ARCHITECTURE.md").read_text()
    rows = Counter(re.findall(r"^\| `(stream/[\w/]+\.py)` \|", index, re.MULTILINE))
    assert rows == Counter(str(module) for module in modules())


def test_unit_tests_mirror_the_packages() -> None:
    packages = {path.parent.relative_to(ROOT / "stream") for path in (ROOT / "stream").rglob("__init__.py")}
    unit = ROOT / "tests" / "unit"
    mirrored = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")}
    assert mirrored - packages == {Path("docker")}, "docker/ is deployed, not imported"


def test_no_class_name_exists_twice() -> None:
    assert [name for name, count in Counter(classes()).items() if count > 1] == []


def test_evidence_of_alerts_is_built_in_one_place() -> None:
    built = [
        module
        for module in modules()
        for node in ast.walk(ast.parse((ROOT / module).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Evidence"
    ]
    assert [str(module) for module in built] == ["stream/core/alerting/alert_fields.py"]


def test_every_kind_of_alert_has_words() -> None:
    assert all(wording.checks(kind) for kind in get_args(Kind))
    rings = {kind for kind in get_args(Kind) if kind.startswith("ring.")}  # their words follow from what ties them
    assert {"product.rating_shift", *wording._COUNTED, *rings} == set(get_args(Kind))


def test_the_horizon_of_deduplication_is_documented() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    assert f"{SEGMENT_IDS * MAX_SEGMENTS:,}" in operations
    assert f"{SEGMENT_IDS * (MAX_SEGMENTS - 1):,}" in operations


def test_code_and_documents_use_plain_words() -> None:
    files = [ROOT / module for module in modules()]
    files += [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docker/runbooks.md")]
    files += [path for path in (ROOT / "docs").rglob("*.md") if path.name != "glossary.md"]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in PRIVATE_WORDS.finditer(KEPT.sub("", line))
    ]
    assert found == []


#: Names on the wire; docs/glossary.md lists them with their meanings.
KEPT: Final = re.compile(r'"(?:heard|no voices|all heard)"|`(?:heard|no voices|all heard)`|no voices|all heard')


def test_tests_of_a_group_run_in_one_process(request: pytest.FixtureRequest) -> None:
    """With another pytest, xdist may leave out its groups without a word: each process then starts all servers."""
    if hasattr(request.config, "workerinput") and request.config.option.loadgroup:
        assert request.node.nodeid.endswith("@test_project")
