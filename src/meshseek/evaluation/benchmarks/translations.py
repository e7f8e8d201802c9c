"""Chinese wordings of a benchmark's queries, made once and kept in the workspace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from meshseek.errors import WorkspaceError
from meshseek.files import disk_error, make_folder, write_whole
from meshseek.translators import Translator


class Translations:
    """A file of English to Chinese.

    Args:
        file: Made when something is translated.

    Raises:
        WorkspaceError: The file is damaged.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.known = _read(file)

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Distinct texts that are not translated."""
        return [text for text in dict.fromkeys(texts) if text not in self.known]

    def add(self, texts: Sequence[str], translator: Translator) -> None:
        """Translate what is missing; what was answered is kept even where the translator cannot go on.

        Raises:
            TranslatorError: It cannot.
            HostedError: Likewise, because of the service.
            WorkspaceError: The file cannot be written.
        """
        missing = self.missing(texts)
        if not missing:
            return
        try:
            for translation in translator.translate(missing):
                if translation.chinese:
                    self.known[translation.text] = translation.chinese
        finally:
            self._keep()

    def _keep(self) -> None:
        try:
            make_folder(self._file.parent)
            write_whole(self._file, json.dumps(self.known, ensure_ascii=False, indent=0).encode())
        except OSError as error:
            raise disk_error(error, self._file) from error


def _read(file: Path) -> dict[str, str]:
    try:
        value = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise WorkspaceError(f"{file} is damaged; remove it to translate the queries again")
    return value
