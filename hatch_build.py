"""The build hook that puts the shared library of the compiled core into the wheel.

Invariant: a wheel contains compiled modules, and has the tag of a platform, only if its own build compiled them.
"""

from __future__ import annotations

import sysconfig
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledCoreHook(BuildHookInterface):
    """Runs after mypyc's hook, which adds the modules and the tag, but does not find a library inside a package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library if mypyc's hook compiled the core."""
        if not build_data["pure_python"]:
            build_data["artifacts"].append(f"/stream/core/compiled__mypyc{sysconfig.get_config_var('EXT_SUFFIX')}")
