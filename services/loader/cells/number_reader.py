"""Read numbers as people write them: 1.234,56 € and (5,00) and 5-, as Postgres reads them."""

import re

from libs.common.datasets.conversions import Conversion

_GAPS = " \u00a0\u2009\u202f"
"""Spaces between groups of digits: a plain one, and those that do not break."""
_NO_FIGURES = re.compile(r"(?:[+-]?inf(?:inity)?|nan)", re.IGNORECASE)
_UNICODE_MINUS = "\u2212"


class NumberReader:
    """The numbers of one conversion."""

    def __init__(self, conversion: Conversion) -> None:
        """Compile what a number looks like once its sign and currency are off."""
        self._minuses = "-" + (_UNICODE_MINUS if conversion.unicode_minus else "")
        self._may_trail = conversion.trailing_minus
        self._may_bracket = conversion.parentheses
        self._currency = sorted(conversion.currency, key=len, reverse=True)
        point = re.escape(conversion.decimal or ".")
        self._figures = re.compile(
            rf"(?P<whole>{_groups(conversion.thousands)}\d*)(?:{point}(?P<below>\d*))?"
            r"(?P<exponent>[eE][+-]?\d+)?",
            re.ASCII,
        )
        self._gap = re.compile(r"\D", re.ASCII)

    def read(self, text: str) -> str | None:
        """Return the number as Postgres writes it, None where the text is no such number."""
        if _NO_FIGURES.fullmatch(text.strip()):
            return text
        figures, is_negative = self._without_marks(text)
        found = self._figures.fullmatch(figures)
        if found is None or not (found["whole"] or found["below"]):
            return None
        whole = self._gap.sub("", found["whole"])
        below = "" if found["below"] is None else f".{found['below']}"
        return f"{'-' * is_negative}{whole}{below}{found['exponent'] or ''}"

    def _without_marks(self, text: str) -> tuple[str, bool]:
        """Take off one sign and one currency, in whatever order they stand around the figures."""
        sign = currency = ""
        text = text.strip()
        while True:
            if not sign and (rest := self._take_sign(text)) is not None:
                sign, text = rest
            elif not currency and (without := self._take_currency(text)) is not None:
                currency, text = without
            else:
                return text, sign == "-"

    def _take_sign(self, text: str) -> tuple[str, str] | None:
        """Return the sign as - or +, and the rest; None where there is none."""
        if text[:1] in ("+", *self._minuses):
            return "+" if text[0] == "+" else "-", text[1:].strip()
        if self._may_trail and text[-1:] in ("+", *self._minuses):
            return "+" if text[-1] == "+" else "-", text[:-1].strip()
        if self._may_bracket and text[:1] == "(" and text[-1:] == ")":
            return "-", text[1:-1].strip()
        return None

    def _take_currency(self, text: str) -> tuple[str, str] | None:
        """Return the sign of a currency at either end, and the rest; None where there is none."""
        for sign in self._currency:
            if text.startswith(sign):
                return sign, text[len(sign) :].strip()
            if text.endswith(sign):
                return sign, text[: -len(sign)].strip()
        return None


def _groups(mark: str | None) -> str:
    """Return the pattern of digits in groups of three, all with the same mark between them, or nothing."""
    if mark is None:
        return ""
    gaps = re.escape(mark) + _GAPS
    return rf"(?:\d{{1,3}}(?P<gap>[{gaps}])\d{{3}}(?:(?P=gap)\d{{3}})*(?!\d)|)"
