"""A family of plug-ins: a package whose files and folders are the plug-ins, listed by name without being imported."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
from functools import cached_property
from importlib.abc import InspectLoader
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from meshseek.errors import UnknownPluginError

if TYPE_CHECKING:
    from types import ModuleType

T = TypeVar("T")


class Family(Generic[T]):
    """The plug-ins of one kind.

    Args:
        package: Dotted name of the package; each module in it without a leading underscore is one plug-in. A folder
            keeps the plug-in in its ``__init__.py`` and that plug-in's own parts beside it.
        contract: The abstract class that each plug-in module implements exactly once.
    """

    def __init__(self, package: str, contract: type[T]) -> None:
        self.package = package
        self.contract = contract
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
        """Changes whenever a file of a plug-in does, among them its data; it is not imported.

        Raises:
            UnknownPluginError: There is no such plug-in.
        """
        self.check(name)
        place = Path(importlib.import_module(self.package).__path__[0], name)
        files = sorted(place.rglob("*")) if place.is_dir() else [place.with_suffix(".py")]
        digest = hashlib.sha256()
        for file in files:
            if file.is_file() and file.suffix != ".pyc":
                digest.update(file.name.encode() + file.read_bytes())
        return digest.hexdigest()[:16]

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
