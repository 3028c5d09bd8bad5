"""Telegram update -> one wish -> answer; one router a module."""
