"""Find the address of a tunnel in what its program or server prints for people.

Such lines are no interface and change between versions, so the rule is wide: a bare http(s)
address, without a path, that stands apart from other characters and is not a documentation or an
account page. It must not know who prints.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BARE = re.compile(
    r"""(?<![^\s|"'<(\[])(https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]{1,5})?)/?[.,;]?"""
    r"""(?=[\s|"'>)\]]|$)"""
)
_LONGEST = 4096
"""Characters of a line that is kept; the rest of a longer one is not an address."""
_PAGES = frozenset(
    {
        "account", "admin", "api", "app", "blog", "community", "console", "dash", "dashboard",
        "developers", "docs", "faq", "help", "login", "status", "support", "www",
    }
)  # fmt: skip
_SITES = frozenset(
    {
        "cloudflare.com", "trycloudflare.com", "facebook.com", "github.com", "localhost.run",
        "pinggy.io", "serveo.net", "twitter.com", "x.com",
    }
)  # fmt: skip


class Printed:
    """Reads a stream of text in pieces of any size; `last` is its last line with words."""

    def __init__(self) -> None:
        self.last = ""
        self._rest = ""

    def addresses(self, text: str) -> list[str]:
        """Return the addresses in the lines that `text` completes."""
        *lines, rest = (self._rest + text).replace("\r", "\n").split("\n")
        self._rest = rest[-_LONGEST:]
        found = []
        for line in lines:
            plain = _COLOURS.sub("", line)
            self.last = plain.strip() or self.last
            found += [one for one in _BARE.findall(plain) if not _is_page(one)]
        return found


def _is_page(address: str) -> bool:
    host = (urlsplit(address).hostname or "").lower()
    return host in _SITES or host.partition(".")[0] in _PAGES


def follows(new: str, old: str) -> bool:
    """Whether `new` may replace `old` in one session: another name at the same service.

    Some servers also print what visitors send; an address from there must not be taken.
    """
    ours, theirs = urlsplit(old), urlsplit(new)
    same_site = _site(ours.hostname) == _site(theirs.hostname)
    return new != old and same_site and (ours.scheme == "http" or theirs.scheme == "https")


def _site(host: str | None) -> str:
    return (host or "").partition(".")[2]
