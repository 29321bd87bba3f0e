"""JSON as the tables keep it: sorted keys, no spaces, floats that come back bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping

#: What a JSON column holds.
Document = dict[str, object]


def dump_document(document: Mapping[str, object]) -> str:
    """Canonical text: equal documents give equal text.

    Numbers keep their value exactly, integers of any size too; NaN and infinities are written as
    ``NaN`` and ``Infinity`` and come back as such, because the state of a test may hold them.

    Raises:
        TypeError: something in it is no JSON type.
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def load_document(text: str) -> Document:
    """Read ``dump_document`` back."""
    return json.loads(text)


def load_optional(text: str | None) -> Document | None:
    """As ``load_document``, where the column may be empty."""
    return None if text is None else json.loads(text)
