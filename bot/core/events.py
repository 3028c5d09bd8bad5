"""Events between the processes of one bot (storage/cluster.py): they only save waiting."""

ORDERED = "ordered"
"""A worker has something to do."""
MENDED = "mended"
"""An admin says that a problem is fixed: the queue need not wait any longer."""
AWAY = "away"
"""The provider does not answer creates: a free question has to be asked."""
