"""The connection to Telegram: client, errors, rate limits, polling, webhook, dispatch, sending.

It must not know why something is sent.
"""
