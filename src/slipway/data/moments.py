"""Points in time as text: one reading of ISO 8601 for tables and requests."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_moment(text: str) -> datetime | None:
    """Read ISO 8601 text such as ``2018-01-01 00:08:43.152``, ``2018-01-01`` or ``...T00:00:00+02:00``.

    A time with an offset is converted to UTC; one without is taken as it stands. Digits beyond
    microseconds are cut off.

    Returns:
        A datetime without time zone, or None when the text is no such time.

    >>> parse_moment("2018-01-01T02:00:00+02:00")
    datetime.datetime(2018, 1, 1, 0, 0)
    """
    # Bare digits ("20180101") and week dates are ISO too, but in a table they are codes far more often.
    if len(text) < 10 or text[4] != "-" or text[7] != "-":
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
