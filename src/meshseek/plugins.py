"""A family of plug-ins: a package whose files and folders are the plug-ins, listed by name without being imported."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, cached_property
from importlib import metadata
from importlib.abc import InspectLoader
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

from meshseek.errors import UnknownPluginError

if TYPE_CHECKING:
    from types import ModuleType

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Of the package, at the beginning of a requirement."""
_FOR_DEVELOPERS = re.compile(r"""extra\s*==\s*["'](dev|bench)["']""")
"""Marks a requirement that no plug-in uses."""


class Family(Generic[T]):
    """The plug-ins of one kind.

    Args:
        package: Dotted name of the package; each module in it without a leading underscore is one plug-in. A folder
            keeps the plug-in in its ``__init__.py`` and that plug-in's own parts beside it.
        contract: The abstract class that each plug-in module implements exactly once.
        former: Names that plug-ins had before, each with the one that it has now.
    """

    def __init__(self, package: str, contract: type[T], former: Mapping[str, str] = MappingProxyType({})) -> None:
        self.package = package
        self.contract = contract
        self.former = former
        self._implementations: dict[ModuleType, type[T]] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all plug-ins, sorted; nothing of them is imported."""
        path = importlib.import_module(self.package).__path__
        return tuple(sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_")))

    def is_hidden(self, name: str) -> bool:
        """Whether a plug-in is no offer to everybody: its file has the line ``HIDDEN = True``. It is not imported."""
        spec = importlib.util.find_spec(f"{self.package}.{name}")
        source = spec.loader.get_source(spec.name) if spec and isinstance(spec.loader, InspectLoader) else None
        return "HIDDEN = True" in (source or "").splitlines()

    def digest(self, name: str) -> str:
        """Changes whenever what a plug-in gives may be another; it is not imported.

        That is so when one of its own files changes, code or data, one that all plug-ins of the family share, or a
        package that Meshseek needs.

        Raises:
            UnknownPluginError: There is no such plug-in.
        """
        self.check(name)
        folder = Path(importlib.import_module(self.package).__path__[0])
        digest = hashlib.sha256("\n".join(installed_versions()).encode())
        for file in self._files(folder, name):
            digest.update(f"\n{file.relative_to(folder).as_posix()}\n".encode() + file.read_bytes())
        return digest.hexdigest()[:16]

    def _files(self, folder: Path, name: str) -> Iterator[Path]:
        """Those of a plug-in and those that belong to no plug-in."""
        others = {*self.names} - {name}
        for part in sorted(folder.iterdir()):
            if (part.stem if part.suffix == ".py" else part.name) not in others:
                files = sorted(part.rglob("*")) if part.is_dir() else [part]
                yield from (file for file in files if file.is_file() and "__pycache__" not in file.parts)

    def present(self, name: str) -> str:
        """The name that a plug-in has now, whatever it was called before."""
        return self.former.get(name, name)

    def all_names(self, name: str) -> tuple[str, ...]:
        """The name that a plug-in has now, and those that it had before."""
        present = self.present(name)
        return present, *(former for former, now in self.former.items() if now == present)

    def check(self, name: str) -> None:
        """See that there is a plug-in of this name; it is not imported.

        Raises:
            UnknownPluginError: There is none; the message lists the names.
        """
        if name not in self.names:
            kind = self.contract.__name__.lower()
            raise UnknownPluginError(f"there is no {kind} '{name}'; choose one of: {', '.join(self.names)}")

    def load(self, name: str) -> type[T]:
        """Import one plug-in and return its class.

        Raises:
            UnknownPluginError: No plug-in has this name; the message lists the names.
        """
        name = self.present(name)
        self.check(name)
        module = importlib.import_module(f"{self.package}.{name}")
        if module not in self._implementations:
            self._implementations[module] = self._implementation(module)
        return self._implementations[module]

    def _implementation(self, module: ModuleType) -> type[T]:
        found = [
            value
            for value in vars(module).values()
            if inspect.isclass(value) and issubclass(value, self.contract) and value.__module__ == module.__name__
        ]
        if len(found) != 1:
            raise TypeError(f"{module.__name__} must define exactly one {self.contract.__name__}, found {len(found)}")
        return found[0]


@cache
def installed_versions() -> tuple[str, ...]:
    """Name and version of each installed package that Meshseek needs, at work or for an algorithm, sorted.

    They are those of when this was first asked: what a process has imported stays as it is.
    """
    requirements: list[str] = []
    with suppress(metadata.PackageNotFoundError):  # run from its source, without having been installed
        requirements = metadata.requires("meshseek") or []
    names = {
        match[0]
        for text in requirements
        if not _FOR_DEVELOPERS.search(text) and (match := _NAME.match(text)) is not None
    }
    versions = []
    for name in sorted(names - {"meshseek"}):  # whose extras may be made of others of its own
        with suppress(metadata.PackageNotFoundError):
            versions.append(f"{name} {metadata.version(name)}")
    return tuple(versions)
