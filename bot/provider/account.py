"""Which account a fact is about, without naming the key."""

from __future__ import annotations

import hashlib


def account_mark(base_url: str, api_key: str) -> str:
    """Return 12 hex digits that differ for another address or key; the key cannot be read from
    them, since keys are long and random.
    """
    text = f"{base_url.rstrip('/')}\n{api_key}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]
