"""Rare words that are slips of frequent ones: other case or spaces, one letter wrong, lost, added, moved."""

from __future__ import annotations

from collections.abc import Mapping

#: So many times as frequent must the right word be as the wrong one.
_RATIO = 20
#: Words shorter than this differ by a letter for other reasons.
_LEAST_LETTERS = 5
#: More words than these are names, not levels; searching them all would take minutes.
_MOST_RARE, _MOST_FREQUENT = 2000, 200


def misspellings(counts: Mapping[str, int]) -> dict[str, str]:
    """Wrong word to right word, sorted by the wrong one.

    Args:
        counts: how often each word is there.

    >>> misspellings({"nurse": 900, "nurze": 3, "Nurse ": 2, "purse": 500, "grade 1": 90, "grade 2": 1})
    {'Nurse ': 'nurse', 'nurze': 'nurse'}
    """
    by_count = sorted(counts, key=lambda word: (-counts[word], word))
    frequent = [word for word in by_count if counts[word] >= _RATIO][:_MOST_FREQUENT]
    rare = by_count[::-1][:_MOST_RARE]
    found: dict[str, str] = {}
    for wrong in rare:
        likely = [word for word in frequent if counts[word] >= _RATIO * counts[wrong]]
        right = next((word for word in likely if _plain(word) == _plain(wrong)), None)
        if right is None:
            near = [word for word in likely if _is_slip(_plain(wrong), _plain(word))]
            # two words as near as each other: which was meant nobody knows
            right = near[0] if len(near) == 1 else None
        if right is not None:
            found[wrong] = right
    return dict(sorted(found.items()))


def _plain(word: str) -> str:
    return " ".join(word.split()).casefold()


def _is_slip(wrong: str, right: str) -> bool:
    """Whether one letter was changed, lost, added, or moved past its neighbour; digits are never slips."""
    if min(len(wrong), len(right)) < _LEAST_LETTERS or abs(len(wrong) - len(right)) > 1:
        return False
    start = _common_start(wrong, right)
    end = _common_start(wrong[start:][::-1], right[start:][::-1])
    a, b = wrong[start : len(wrong) - end], right[start : len(right) - end]
    if any(letter.isdigit() for letter in a + b):
        return False
    return max(len(a), len(b)) == 1 or (len(a) == 2 and a == b[::-1])


def _common_start(one: str, other: str) -> int:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length
