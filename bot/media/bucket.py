"""An S3 bucket for first frames, for bots that are not reachable from the internet.

The one place that knows obstore; the library is imported when a bucket is set. It must not know
tasks or Telegram.
"""

from __future__ import annotations

import re
from datetime import timedelta

from bot.core.errors import BotError

LONGEST_LINK = timedelta(days=7)
"""Stores refuse a link that is signed for longer (S3: X-Amz-Expires)."""


class BucketError(BotError):
    """An operation of the bucket failed; the text contains neither key nor link."""


class Bucket:
    """Stores, links and deletes objects in one bucket of one account."""

    def __init__(
        self, endpoint: str, name: str, *, access_key: str, secret_key: str, region: str
    ) -> None:
        from obstore.store import S3Store

        self._store = S3Store(
            name,
            endpoint=endpoint,
            access_key_id=access_key,
            secret_access_key=secret_key,
            region=region,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "timeout": timedelta(seconds=30),
                "connect_timeout": timedelta(seconds=10),
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
        )

    async def put(self, key: str, jpeg: bytes) -> None:
        """Store the object. Raises BucketError."""
        from obstore.exceptions import BaseError

        try:
            await self._store.put_async(
                key,
                jpeg,
                attributes={"Content-Type": "image/jpeg", "Cache-Control": "no-store"},
                use_multipart=False,
            )
        except (BaseError, OSError, TimeoutError) as exc:
            raise BucketError(f"a frame cannot be put into the bucket ({_kind(exc)})") from None

    async def link(self, key: str, ttl: timedelta) -> str:
        """Return a URL under which anybody can fetch the object until it expires, after 7 days at
        the latest.
        """
        import obstore

        return await obstore.sign_async(self._store, "GET", key, min(ttl, LONGEST_LINK))

    async def delete(self, key: str) -> None:
        """Delete the object, if it exists. Raises BucketError."""
        from obstore.exceptions import BaseError

        try:
            await self._store.delete_async(key)
        except FileNotFoundError:
            return
        except (BaseError, OSError, TimeoutError) as exc:
            raise BucketError(f"a frame cannot be deleted ({_kind(exc)})") from None


def _kind(exc: Exception) -> str:
    # The full error texts contain addresses and signed data.
    named = re.search(r"<Code>(\w+)</Code>", str(exc)) or re.search(
        r"\b([45]\d\d) [A-Z]", str(exc)
    )
    return type(exc).__name__ + (f", {named[1]}" if named else "")
