"""The runtime of the process: event loop, supervision, logs, metrics, health, proxies.

It must not know videos, Telegram or the provider.
"""
