"""The settings of voice messages belong together, and the key is secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import SettingsError, read_settings

REQUIRED = {"bot_token": "123456789:AAE", "gptunnel_api_key": "key"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"transcribe_url": "https://ear.example"}, "TRANSCRIBE_MODEL: also needed"),
        ({"transcribe_key": "k"}, "TRANSCRIBE_URL: also needed with TRANSCRIBE_KEY"),
        ({"transcribe_model": "small"}, "install the extra `voice`"),
        (
            {"transcribe_model": "m", "transcribe_url": "ear"},
            "TRANSCRIBE_URL: should begin with http",
        ),
    ],
)
def test_what_is_missing_is_named(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as raised:
        read_settings(_env_file=None, **REQUIRED, **given)
    assert "secret" not in str(raised.value)


def test_the_key_is_among_the_secrets() -> None:
    settings = read_settings(
        _env_file=None,
        **REQUIRED,
        transcribe_url="https://ear.example/v1/",
        transcribe_model="whisper-1",
        transcribe_key="sk-secret",
    )
    assert "sk-secret" in settings.secrets
    assert "sk-secret" not in repr(settings)
    assert not settings.hears_here


def test_with_the_extra_a_model_alone_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faster_whisper.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read_settings(_env_file=None, **REQUIRED, transcribe_model="small").hears_here
