"""Find the address of a tunnel in the output of its program or server, which is meant for people.

The lines are not a stable interface, so the rule is general: a bare http(s) address without a
path, surrounded by spaces, that is not a documentation or account page. It must not know which
program prints.
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
"""Characters of a line that are kept; no address is longer."""
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
    """Reads a stream of text in pieces of any size; `last` is its last non-empty line."""

    def __init__(self) -> None:
        self.last = ""
        self._rest = ""

    def addresses(self, text: str) -> list[str]:
        """Add `text`; return the addresses in the lines that it completes."""
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
    """Return whether `new` may replace `old` in a session: it must belong to the same service.

    Some servers also print requests of visitors; an address in a request must not be used.
    """
    ours, theirs = urlsplit(old), urlsplit(new)
    same_site = _site(ours.hostname) == _site(theirs.hostname)
    return new != old and same_site and (ours.scheme == "http" or theirs.scheme == "https")


def _site(host: str | None) -> str:
    return (host or "").partition(".")[2]
