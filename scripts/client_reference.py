"""Writes docs/client-reference.md from the source of the client; a test compares the two."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "meshseek" / "client"
FILE = ROOT / "docs" / "client-reference.md"
HEAD = """# Reference of the Python client

Written by `make client-reference` from the source; [the guide](client.md) says how to begin.
"""
FILES = {
    "client.py": "What can be asked",
    "questions.py": "What is given",
    "answers.py": "What is answered",
    "standing.py": "How everything stands",
}
ERRORS = {"ApiError", "InputError"}
ROLE = re.compile(r":(?:class|meth|data):`~?([^`]+)`")


def document() -> str:
    """The page as it is kept."""
    parts = [HEAD]
    for name, title in FILES.items():
        parts.append(f"## {title}\n")
        choices = [*_choices(SOURCE / name)]
        parts += [*choices, ""] if choices else []
        parts += [line for node, source in _classes(SOURCE / name) for line in _class(node, source)]
    parts.append("## Errors\n")
    errors = [pair for pair in _classes(ROOT / "src" / "meshseek" / "errors.py") if pair[0].name in ERRORS]
    return "\n".join([*parts, *(line for node, source in errors for line in _class(node, source))])


def _choices(path: Path) -> Iterator[str]:
    """The public names of a module for values of which one is given."""
    body = ast.parse(path.read_text("utf-8")).body
    for node, following in pairwise(body):
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Literal["):
            yield f"* `{ast.unparse(node)}`{_told(following)}"


def _classes(path: Path) -> Iterator[tuple[ast.ClassDef, str]]:
    """The public classes of a module, with its source."""
    source = path.read_text("utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node, source


def _class(node: ast.ClassDef, source: str) -> Iterator[str]:
    yield f"### {node.name}\n"
    yield f"{_prose(ast.get_docstring(node) or '')}\n"
    init = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    if init is not None:
        yield f"```python\n{_signature(init, source)}\n```\n"
    fields = list(_fields(node))
    if fields:
        yield "\n".join(fields) + "\n"
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
            yield from _method(part, source)


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for part, following in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(part, ast.AnnAssign):
            continue
        default = f" = {ast.unparse(part.value)}" if part.value is not None else ""
        yield f"* `{ast.unparse(part.target)}: {ast.unparse(part.annotation)}{default}`{_told(following)}"


def _told(following: ast.stmt | None) -> str:
    """What is said of a name in the text after it."""
    if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
        return f": {_prose(str(following.value.value))}"
    return ""


def _method(node: ast.FunctionDef, source: str) -> Iterator[str]:
    is_property = any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list)
    yield f"#### {node.name}\n"
    if not is_property:
        yield f"```python\n{_signature(node, source)}\n```\n"
    yield f"{_prose(ast.get_docstring(node) or '')}\n"


def _signature(node: ast.FunctionDef, source: str) -> str:
    """Its head as it stands in the source."""
    lines = source.splitlines()[node.lineno - 1 : node.body[0].lineno - 1]
    return textwrap.dedent("\n".join(lines)).removesuffix(":")


def _prose(text: str) -> str:
    """A docstring as Markdown: its sections as lists."""
    text = ROLE.sub(lambda match: f"`{match[1]}`", text).replace("``", "`")
    lines: list[str] = []
    section = ""
    for line in text.splitlines():
        if line in {"Args:", "Raises:"}:
            section = line
        elif not section or not line:
            lines.append(line)
        elif entry := re.match(r" {4}(\w+):", line):
            raises = "raises " if section == "Raises:" else ""
            lines.append(f"* {raises}`{entry[1]}`:{line[entry.end() :]}")
        else:
            lines.append(f"  {line.strip()}")
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
