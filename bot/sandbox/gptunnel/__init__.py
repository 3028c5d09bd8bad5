"""An emulator of GPTunnel's media API that charges play money and renders real videos."""

from bot.sandbox.gptunnel.records import Call, Charge, Mode, Task
from bot.sandbox.gptunnel.server import GptunnelEmulator, lognormal

__all__ = ["Call", "Charge", "GptunnelEmulator", "Mode", "Task", "lognormal"]
