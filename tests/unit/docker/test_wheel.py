"""A wheel contains compiled modules, and has the tag of a platform, exactly if its own build compiled them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
SUFFIX: Final = sysconfig.get_config_var("EXT_SUFFIX")
#: Compiled modules that earlier builds left: of this Python, of another Python, and of a module that is gone.
LEFT: Final = (
    f"stream/core/detector{SUFFIX}", "stream/core/compiled__mypyc.cpython-310-x86_64-linux-gnu.so",
    f"stream/core/staff/gone{SUFFIX}",
)  # fmt: skip
HAS_COMPILER: Final = bool(
    shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0])
    and Path(sysconfig.get_path("include"), "Python.h").exists()
)


def tree(folder: Path) -> Path:
    """Copy the files of the build, without .gitignore as in an archive of the sources, and add the leftovers."""
    shutil.copytree(ROOT / "stream", folder / "stream", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in LEFT:
        (folder / name).write_bytes(b"")
    return folder


def wheel(folder: Path, **variables: str) -> tuple[str, list[str]]:
    """Build a wheel; return the tag in its name and its compiled modules."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HATCH_")}
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", folder / "dist", folder],
        env=environment | variables, check=True,
    )  # fmt: skip
    (built,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
    assert "stream/core/detector.py" in names
    return built.stem.split("-", 2)[2], sorted(name for name in names if name.endswith(".so"))


@pytest.mark.slow
def test_a_wheel_of_a_build_that_compiles_nothing_is_pure(tmp_path: Path) -> None:
    assert wheel(tree(tmp_path)) == ("py3-none-any", [])


@pytest.mark.slow
@pytest.mark.skipif(not HAS_COMPILER, reason="there is no C compiler, or no Python headers")
def test_a_wheel_of_a_build_that_compiles_has_the_tag_of_the_platform(tmp_path: Path) -> None:
    project = tree(tmp_path) / "pyproject.toml"
    one_module = re.sub(
        r"^include = \[\n.*?^\]", 'include = ["stream/core/merge.py"]', project.read_text(), flags=re.M | re.S
    )
    project.write_text(one_module)  # all modules would take 40 seconds
    tag, modules = wheel(tmp_path, HATCH_BUILD_HOOKS_ENABLE="1")
    assert tag.startswith(f"cp{sys.version_info.major}{sys.version_info.minor}-")
    assert modules == [f"stream/core/compiled__mypyc{SUFFIX}", f"stream/core/merge{SUFFIX}"]


def test_the_hook_for_the_library_follows_the_hook_that_compiles() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert list(build["hooks"]) == ["mypyc", "custom"]
    assert "artifacts" not in build, "an artifact of the configuration is in pure wheels, too"
    assert build["hooks"]["mypyc"]["options"]["group_name"] == "stream.core.compiled"
