"""Addresses of several PostgreSQL servers, in libpq's form and in SQLAlchemy's."""

from __future__ import annotations

import pytest

from storage.address import parse, servers, session_wanted, without_servers
from storage.driver_errors import where


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h1:1,h2:2/db?target_session_attrs=read-write", [("h1", 1), ("h2", 2)]),
        ("postgresql+asyncpg://u:p@h1,h2/db", [("h1", 5432), ("h2", 5432)]),
        ("postgres://u:p@[::1]:5,h2:6/db?sslmode=require", [("::1", 5), ("h2", 6)]),
        ("postgresql://u:p@/db?host=h1:1&host=h2:2", [("h1", 1), ("h2", 2)]),
        ("postgresql://u:p@/db?host=/run/a:1&host=/run/b", [("/run/a", 1), ("/run/b", 5432)]),
        ("postgresql://u:p@h1/db?target_session_attrs=primary", [("h1", 5432)]),
        ("postgresql://u:p@h1:7/db", []),
        ("postgresql://u:p,w@h1:7/db", []),
        ("sqlite:///data/a,b.db", []),
    ],
)
def test_the_servers_of_an_address(url: str, expected: list[tuple[str, int]]) -> None:
    assert servers(parse(url)) == expected


def test_what_is_left_of_the_address_is_kept() -> None:
    url = parse("postgresql://u:p%40w@h1:1,h2:2/db?sslmode=require")
    assert session_wanted(url) == "read-write"
    left = without_servers(url)
    assert (left.host, left.username, left.password, left.database) == (None, "u", "p@w", "db")
    assert dict(left.query) == {"sslmode": "require"}
    assert where(url) == "PostgreSQL at h1:1, h2:2, database db"


@pytest.mark.parametrize("address", ["h1:7", "h1", "h1:7,h2", "[::1]:7"])
def test_no_server_is_left_of_the_address(address: str) -> None:
    left = without_servers(parse(f"postgresql://u:p%40w@{address}/db?target_session_attrs=any"))
    assert (left.host, left.port, left.password, dict(left.query)) == (None, None, "p@w", {})


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:s3cret@h1,/db", "should look like"),
        ("postgresql://u:s3cret@h1:x,h2/db", "host1:5432,host2:5432"),
        ("postgresql://u:s3cret@h1,h2/db?port=5", "host1:5432,host2:5432"),
        (
            "postgresql://u:s3cret@h1,h2/db?target_session_attrs=prefer-standby",
            "one of read-write",
        ),
        ("postgresql://u:s3,cret/x@h1/db", "%40"),
    ],
)
def test_a_misspelt_list_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(ValueError, match="should") as caught:
        parse(url)
    assert words in str(caught.value)
    assert "cret" not in str(caught.value)
