"""The program: what it is, apart from the chat (`handlers`) and the database (`storage`)."""
