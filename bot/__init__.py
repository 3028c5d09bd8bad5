"""The program, except the chat handlers (`handlers`) and the database (`storage`)."""

__version__ = "1.0.0"
