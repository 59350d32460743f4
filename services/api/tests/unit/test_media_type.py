"""A request's media type is read as HTTP means it: case and parameters do not count."""

import pytest
from starlette.requests import Request

from services.api.media_type import media_type


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" multipart/form-data ;boundary=x", "multipart/form-data"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_media_type_is_the_header_without_case_and_parameters(
    header: str | None, expected: str
) -> None:
    headers = [] if header is None else [(b"content-type", header.encode())]

    assert media_type(Request({"type": "http", "headers": headers})) == expected
