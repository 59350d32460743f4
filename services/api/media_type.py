"""Say what kind of body a request declares."""

from starlette.requests import Request


def media_type(request: Request) -> str:
    """Return the type of a request's body in lower case, without parameters such as a charset; "" if it names none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
