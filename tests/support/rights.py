"""Give up root's right to write every file, so that read-only means read-only in a test."""

from __future__ import annotations

import ctypes
from typing import Any

DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2
"""The numbers of these capabilities in linux/capability.h."""


def obey_file_modes(_wish: Any) -> None:
    """Drop the two capabilities in this process; for `prepare` of tests/support/launcher.py."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; the low and the high half
    if libc.capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    for index in range(3):
        sets[index] &= ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)
    if libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
