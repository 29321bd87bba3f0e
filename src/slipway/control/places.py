"""Places: one integer for a row of the log, in the recorded order of consumption.

The upper part is the number of the log event (a frame, from 1), the lower 24 bits the row in its frame.
Places are what "before" and "after" mean in every decision: they do not depend on clocks or batches.
"""

from __future__ import annotations

_ROW_BITS = 24
_ROW_MASK = (1 << _ROW_BITS) - 1


def place_of(event: int, row: int = 0) -> int:
    """The place of a row of an event.

    >>> place_of(3, 2) < place_of(3, 5) < place_of(4)
    True
    """
    return (event << _ROW_BITS) | row


def event_of(place: int) -> int:
    """Number of the event that holds the place."""
    return place >> _ROW_BITS


def row_of(place: int) -> int:
    """Row in its frame."""
    return place & _ROW_MASK


def end_of(event: int) -> int:
    """The last place of an event: rows of later events lie beyond it."""
    return (event << _ROW_BITS) | _ROW_MASK
