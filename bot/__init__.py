"""The program: everything except the chat (`handlers`) and the database (`storage`)."""

__version__ = "1.0.0"
