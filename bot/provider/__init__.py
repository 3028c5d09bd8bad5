"""The GPTunnel API: the HTTP client, its error codes, and translation of prompts.

It must not know tasks, Telegram or the database.
"""
