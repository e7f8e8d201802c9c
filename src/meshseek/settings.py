"""All settings, read in one place: environment, then ``meshseek.toml`` in the workspace, then the defaults here."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, PositiveInt, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from meshseek.errors import SettingsError

PREFIX = "MESHSEEK_"
FILE_NAME = "meshseek.toml"


class Settings(BaseSettings):
    """Every setting; each can be given as ``MESHSEEK_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    workspace: Path = Path("workspace")
    """Folder of the stages' outputs and, by default, of the database."""
    database_url: SecretStr | None = None
    """``postgresql://`` URL of an own PostgreSQL with pgvector; without it an embedded server is used."""
    database_prefix: str = Field("", pattern=r"^[a-z0-9_]*$")
    """Put before the database names, as in ``<prefix>siglip_embeddings``."""
    max_assets: PositiveInt | None = None
    """Every stage takes only the first so many assets; for trials."""
    base_url: str | None = Field(None, pattern=r"^https?://")
    """Where model files are read from when they are not in the workspace."""
    model_dir: Path | None = None
    """Folder of model weights, for machines without a hub."""
    workers: PositiveInt = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    """Processes that convert and render."""
    host: str = "127.0.0.1"
    """Address that the two services listen on."""
    api_url: str = Field("http://127.0.0.1:8000", pattern=r"^https?://")
    """Where the front end finds the API."""

    @field_validator("workspace", "model_dir")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else path

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence; the file is looked for in the workspace that the first two sources name."""
        chosen = {**env_settings(), **init_settings()}.get("workspace", cls.model_fields["workspace"].default)
        file = TomlConfigSettingsSource(settings_cls, Path(chosen).expanduser() / FILE_NAME)
        return init_settings, env_settings, file


def read_settings(**given: Any) -> Settings:
    """Read the settings; ``given`` wins over the environment and the file, and None means not given.

    Raises:
        SettingsError: A value is not valid or the file cannot be read.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = f"setting {PREFIX}{name.upper()} (or '{name}' in {FILE_NAME}): {first['msg']}"
        raise SettingsError(message) from error
    except RuntimeError as error:
        raise SettingsError(f"setting {PREFIX}WORKSPACE or {PREFIX}MODEL_DIR: {error} Give the whole path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{FILE_NAME} in the workspace is not valid TOML: {error}") from error
