"""Pictures and videos: decode, cut, probe, download and publish them.

It must not know tasks, Telegram or the database.
"""
