"""Read dates and times in a declared format, and write them as Postgres reads them whatever the order of dates."""

from datetime import datetime

_TIME_LETTERS = ("%H", "%I", "%M", "%S", "%f", "%p", "%z")


class DateReader:
    """The dates of one format."""

    def __init__(self, date_format: str) -> None:
        """Look at what the format holds."""
        self._format = date_format
        letters = date_format.replace("%%", "")
        self._has_date = "%Y" in letters or "%y" in letters
        self._has_time = any(letter in letters for letter in _TIME_LETTERS)

    def read(self, text: str) -> str | None:
        """Return the date, None where the text is none of this format."""
        try:
            found = datetime.strptime(text.strip(), self._format)  # noqa: DTZ007  # what names no zone is of the dataset's
        except ValueError:
            return None
        parts = [found.date().isoformat()] if self._has_date else []
        if self._has_time or not self._has_date:
            parts.append(found.timetz().isoformat())
        return " ".join(parts)
