"""All settings, read in one place: environment, then ``meshseek.toml`` in the workspace, then the defaults here."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from meshseek.errors import SettingsError
from meshseek.processors import usable_processors

PREFIX = "MESHSEEK_"
FILE_NAME = "meshseek.toml"

HostName = Annotated[str, StringConstraints(to_lower=True, pattern=r"^(\*\.)?[A-Za-z0-9_.-]+$|^\[[0-9A-Fa-f:.]+\]$")]
"""A name or address as in the header ``Host``, without a port; ``*.`` stands for any one name or more before it."""
Origin = Annotated[str, StringConstraints(to_lower=True, pattern=r"^https?://[A-Za-z0-9_.:\[\]-]+$")]
Rate = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}/(second|minute|hour|day)$")]
"""So many in a second, minute, hour or day."""


class Settings(BaseSettings):
    """Every setting; each can be given as ``MESHSEEK_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    workspace: Path = Path("workspace")
    """Folder of the stages' outputs and, by default, of the database."""
    database_url: SecretStr | None = None
    """``postgresql://`` URL of an own PostgreSQL with pgvector; without it an embedded server is used."""
    read_database_urls: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """URLs of replicas of that server, which searches are spread over."""
    shards: Annotated[tuple[SecretStr, ...], NoDecode] = Field((), max_length=64)
    """URLs of servers that hold a library together, each a part of it; in an order that stays."""
    partial_answers: bool = False
    """Whether searches are answered, and marked, by the other shards where one is down; else that is an error."""
    database_prefix: str = Field("", pattern=r"^[a-z0-9_]*$")
    """Put before the database names, as in ``<prefix>siglip_embeddings``."""
    statement_seconds: PositiveFloat = Field(20.0, ge=0.01, le=86_400)
    """How long the database may take for one statement of a search."""
    max_assets: PositiveInt | None = None
    """Every stage takes only the first so many assets of each library; for trials."""
    base_url: str | None = Field(None, pattern=r"^https?://")
    """Where model files are read from when they are not in the workspace."""
    base_url_megabytes: PositiveInt = 500
    """The largest model that is passed on from there."""
    base_url_seconds: PositiveFloat = 120.0
    """How long passing on one model may take, from the request to its last byte."""
    collect_megabytes: PositiveInt = 4_000
    """The most that the models of one zip may have together."""
    model_dir: Path | None = None
    """Folder of model weights, for machines without a hub."""
    device: str | None = None
    """Where models run, as torch names it: ``cpu``, ``cuda``, ``cuda:1``; the best there is, if not given."""
    dashscope_api_key: SecretStr | None = None
    """Key of Alibaba Cloud's Model Studio (DashScope)."""
    dashscope_base_url: str = Field("https://dashscope.aliyuncs.com", pattern=r"^https?://")
    """Its address; keys belong to one region, and each region has its own address."""
    openai_api_key: SecretStr | None = None
    """Key of another service that speaks OpenAI's protocol, to translate with instead of DashScope."""
    openai_base_url: str | None = Field(None, pattern=r"^https?://")
    """Its address with the version, as in ``https://api.openai.com/v1``."""
    query_translator: str | None = None
    """Chat model that translates Chinese queries for algorithms that are weak at Chinese, such as ``qwen-mt-flash``."""
    reranker_model: str | None = None
    """Model of the rerankers: the id of a hosted one that sees, the id of a local one, or the folder of its weights."""
    rerank_seconds: PositiveFloat = 10.0
    """How long a search waits for a reranker before it answers without."""
    requests_per_minute: PositiveInt = 600
    """What hosted services are asked at most."""
    tokens_per_minute: PositiveInt = 600_000
    """Likewise in tokens."""
    concurrent_requests: PositiveInt = 8
    """Requests to a hosted service that are under way at a time."""
    retry_seconds: PositiveFloat = 1.0
    """First wait before a hosted service is asked once more; it doubles each time."""
    batch_poll_seconds: PositiveFloat = 60.0
    """How often a batch translation is asked for its state."""
    workers: PositiveInt = usable_processors()
    """Processes that convert and render."""
    asset_seconds: PositiveFloat = 120.0
    """How long a process may work on one asset; one that takes longer is skipped."""
    asset_memory: PositiveInt | None = None
    """Megabytes that such a process may take; three quarters of the machine's memory, shared evenly, if not given."""
    engine: str = "local"
    """Where stages work: in this process, or by ``ray`` on many machines."""
    engine_address: str | None = None
    """Of the engine's cluster; one of this machine alone, if not given."""
    engine_workers: PositiveInt | None = None
    """Workers of the engine at a time; as many as there is room for, if not given."""
    host: str = "127.0.0.1"
    """Address that the two services listen on."""
    log_format: Literal["text", "json"] = "text"
    """How the API writes its log: for people, or one JSON object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What the log tells at least; ``info`` has one line a request."""
    log_file: Path | None = None
    """Where the log is written, bounded by rotation; on stderr, if not given."""
    drain_seconds: NonNegativeFloat = Field(1.0, le=600)
    """How long a service that was told to stop says that it is not ready, before it takes no more requests."""
    stop_seconds: PositiveFloat = Field(30.0, le=3600)
    """How long it then has to finish what it took."""
    api_url: str = Field("http://127.0.0.1:8000", pattern=r"^https?://")
    """Where the front end and ``meshseek mcp`` find the API."""
    api_key: SecretStr | None = None
    """What ``meshseek mcp`` sends to it, where it needs a key."""
    insecure: bool = False
    """No key is needed, whoever can reach the services."""
    allowed_hosts: Annotated[tuple[HostName, ...], NoDecode] = ()
    """Names beside those of this machine that the services are asked by, such as ``assets.example.com``."""
    allowed_origins: Annotated[tuple[Origin, ...], NoDecode] = ()
    """Websites whose pages may ask the API from a browser, as in ``https://tools.example.com``."""
    rate_limit: Rate | None = "1200/minute"
    """Requests with one key."""
    rate_limit_address: Rate | None = "3000/minute"
    """Requests from one address of another machine, with whatever key."""
    rate_limit_storage: SecretStr | None = None
    """``redis://`` URL, where several services are to count together."""
    request_seconds: PositiveFloat = 30.0
    """After so long a request is answered with an error."""
    max_connections: PositiveInt = 500
    """Connections to the API at a time."""

    @field_validator("workspace", "model_dir", "log_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else path

    @field_validator("allowed_hosts", "allowed_origins", "read_database_urls", "shards", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("shards")
    @classmethod
    def _alone(cls, shards: tuple[SecretStr, ...], info: ValidationInfo) -> tuple[SecretStr, ...]:
        for other in ("database_url", "read_database_urls"):
            if shards and info.data.get(other):
                raise ValueError(f"there is {PREFIX}{other.upper()} as well; leave one of the two out")
        return shards

    @field_validator("rate_limit", "rate_limit_address", mode="before")
    @classmethod
    def _rate(cls, value: Any) -> Any:
        return None if value == "off" else value

    @field_validator("dashscope_api_key", "openai_api_key")
    @classmethod
    def _key(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value().strip() if key else ""
        if not (text.isascii() and text.isprintable()):
            raise ValueError("the key holds characters that no key has; copy it again")
        return SecretStr(text) if text else None

    @property
    def has_named_servers(self) -> bool:
        """Whether everything is published on servers that are named here, and not on the embedded one."""
        return self.database_url is not None or bool(self.shards)

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
