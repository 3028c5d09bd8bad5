"""A wrong option of `bot sandbox` is named in one line."""

from __future__ import annotations

import pytest

from bot.sandbox.run import main


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "99999"], "--port: '99999' is not a port from 0 to 65535"),
        (["--port", "page"], "--port: 'page' is not a port from 0 to 65535"),
        (["--delay=-3"], "--delay: '-3' is not a number of seconds, 0 or more"),
        (["--delay", "inf"], "--delay: 'inf' is not a number of seconds, 0 or more"),
        (["--delay", "soon"], "--delay: 'soon' is not a number of seconds, 0 or more"),
    ],
)
def test_a_wrong_option_is_named(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: argument {said}\n")
