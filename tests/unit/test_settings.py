"""Settings: where they come from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshseek.errors import SettingsError
from meshseek.settings import read_settings

SECRET = "postgresql://me:hunter2@db/postgres"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that the environment names, and the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MESHSEEK_WORKSPACE", str(tmp_path))
    return tmp_path


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anything the workspace is a folder here, and the services listen on this machine only."""
    monkeypatch.chdir(tmp_path)
    settings = read_settings()

    assert settings.workspace == tmp_path / "workspace"
    assert (settings.host, settings.database_url, settings.max_assets) == ("127.0.0.1", None, None)
    assert settings.workers >= 1


def test_given_wins_over_environment_over_file_over_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source is used where those before it are silent."""
    (folder / "meshseek.toml").write_text("max_assets = 1\nworkers = 1\nhost = '0.0.0.0'")
    monkeypatch.setenv("MESHSEEK_MAX_ASSETS", "2")
    monkeypatch.setenv("MESHSEEK_WORKERS", "2")
    settings = read_settings(max_assets=3, workers=None)

    found = (settings.max_assets, settings.workers, settings.host, settings.api_url)
    assert found == (3, 2, "0.0.0.0", "http://127.0.0.1:8000")


def test_the_file_is_that_of_the_workspace_that_is_given(folder: Path, tmp_path: Path) -> None:
    """The workspace of the command line decides which file is read."""
    (folder / "meshseek.toml").write_text("max_assets = 1")
    other = tmp_path / "other"
    other.mkdir()
    (other / "meshseek.toml").write_text("max_assets = 7")

    assert read_settings(workspace=other).max_assets == 7
    assert read_settings().max_assets == 1


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A tilde means the user's home, also for finding the file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "meshseek.toml").write_text("max_assets = 5")
    settings = read_settings(workspace="~/ws")

    assert (settings.workspace, settings.max_assets) == (tmp_path / "ws", 5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_assets", "0"),
        ("max_assets", "many"),
        ("workers", "-1"),
        ("base_url", "ftp://models"),
        ("base_url", "/models"),
        ("api_url", "localhost:8000"),
        ("database_prefix", 'x"; DROP'),
        ("workspace", "~nobody-has-this-name/x"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_setting(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The message tells the setting's name in the environment."""
    monkeypatch.setenv(f"MESHSEEK_{name.upper()}", value)
    with pytest.raises(SettingsError, match=rf"^[^\n]*MESHSEEK_{name.upper()}[^\n]*$"):
        read_settings()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"max_assets = ", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"max_assets = 'many'", "max_assets"),
        (b"max_asets = 5", "max_asets"),
    ],
)
def test_a_bad_file_is_one_line(folder: Path, text: bytes, named: str) -> None:
    """Broken TOML, a wrong value and an unknown name are each said in one line that names the file."""
    (folder / "meshseek.toml").write_bytes(text)
    with pytest.raises(SettingsError, match=rf"^[^\n]*{named}[^\n]*$") as caught:
        read_settings()
    assert "meshseek.toml" in str(caught.value)


def test_secrets_are_not_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the text nor the representation of the settings has the password."""
    monkeypatch.setenv("MESHSEEK_DATABASE_URL", SECRET)
    settings = read_settings()

    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == SECRET
    assert "hunter2" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_secrets_are_not_shown_by_errors(folder: Path) -> None:
    """An error about a secret does not quote it."""
    (folder / "meshseek.toml").write_text(f"database_url = ['{SECRET}']")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert "hunter2" not in str(caught.value)
    assert "DATABASE_URL" in str(caught.value)


def test_settings_cannot_be_changed(folder: Path) -> None:
    """They are one frozen value."""
    with pytest.raises(ValueError, match="frozen"):
        read_settings().host = "elsewhere"


@pytest.mark.parametrize("name", ["dashscope_api_key", "openai_api_key"])
def test_keys_are_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is trimmed, and shown neither in the settings nor in what is said about a bad one."""
    monkeypatch.setenv(f"MESHSEEK_{name.upper()}", " sk-secret\n")
    settings = read_settings()
    assert getattr(settings, name).get_secret_value() == "sk-secret"
    assert "sk-secret" not in repr(settings)

    monkeypatch.setenv(f"MESHSEEK_{name.upper()}", "sk-secret\u201d")
    with pytest.raises(SettingsError, match="copy it again") as caught:
        read_settings()
    assert "sk-secret" not in str(caught.value)
    monkeypatch.setenv(f"MESHSEEK_{name.upper()}", " ")
    assert getattr(read_settings(), name) is None
