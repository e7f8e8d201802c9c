"""Pickles of strangers: only dicts, lists and texts, and no code of theirs.

Unpickling calls whatever the file names. Here each instruction is read first, and only those that make plain values are
let through; what is left can name nothing to call.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, NoReturn

from meshseek.errors import DatasetError

_FRAME = ("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "NONE")
_MEMORY = ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET")
_CONTAINERS = ("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "LIST", "APPEND", "APPENDS")
_TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE")
_PLAIN = frozenset((*_FRAME, *_MEMORY, *_CONTAINERS, *_TEXTS))
"""Instructions that make dicts, lists and texts. Numbers and tuples are in none of the files."""
_NUMBERED = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


class _Plain(pickle.Unpickler):
    """Refuses every name, should an instruction ask for one after all."""

    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        """Refuse it."""
        raise pickle.UnpicklingError(f"{module_name}.{global_name}")


def read_plain_pickle(path: Path, form: str) -> Any:
    """Read a pickle of nothing but dicts, lists and texts.

    Args:
        path: The file.
        form: What should be given instead, for the message.

    Raises:
        DatasetError: It is no pickle, is damaged, or holds anything else.
    """
    try:
        content = path.read_bytes()
        _check(content, path, form)
        return _Plain(io.BytesIO(content)).load()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}; check the path and its permissions") from error
    except (pickle.UnpicklingError, ValueError, IndexError, TypeError, EOFError, RecursionError) as error:
        raise DatasetError(f"{path} is no pickle, or damaged; download it again, or give {form}") from error


def _check(content: bytes, path: Path, form: str) -> None:
    for count, (instruction, argument, _) in enumerate(pickletools.genops(content)):
        if instruction.name not in _PLAIN:
            raise DatasetError(
                f"{path} holds more than plain texts and lists ({instruction.name.lower()}), and is not read, as such "
                f"a file can run programs; give {form}"
            )
        if instruction.name in _NUMBERED and int(argument or 0) > count:  # it would reserve memory for all before it
            raise DatasetError(f"{path} is damaged; download it again, or give {form}")
