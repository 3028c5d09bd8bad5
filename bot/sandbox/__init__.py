"""Loopback servers that replace Telegram and GPTunnel, so that the bot can be tried without a
token, a key or a network. They know the public protocols and must not know the bot."""
