"""Judge the answer to a panel's question."""

from collections import Counter
from collections.abc import Mapping

from tests.dashboards.expressions import Asked
from tests.dashboards.prometheus import Series


def complaints(asked: Asked, found: list[Series], rightly_empty: Mapping[str, str]) -> list[str]:
    """Say what is wrong with an answer: no numbers, labels that the legend lacks, two series of one name."""
    if str(asked) in rightly_empty:
        return [f"{asked}: is not empty, though it is listed so"] if found else []
    if not any(series.has_value for series in found):
        return [f"{asked}: {'only NaN' if found else 'no series'}"]
    named = Counter(asked.name_of(series.labels) for series in found)
    return [
        *(
            f"{asked}: a series has no {label}: {series.labels}"
            for series in found
            for label in sorted(asked.labels)
            if not series.labels.get(label)
        ),
        *(
            f"{asked}: {count} series are called {name!r}"
            for name, count in named.items()
            if count > 1
        ),
    ]
