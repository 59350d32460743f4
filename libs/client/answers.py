"""Read the answers of the API as what they are."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from libs.client.errors import UnexpectedAnswer
from libs.client.models import Page
from libs.client.transport import Request, Transport

PAGE_SIZE = 500

Answer = TypeVar("Answer", bound=BaseModel)


class Answers:
    """What the API answers to requests; anything else is an `UnexpectedAnswer`."""

    def __init__(self, transport: Transport) -> None:
        """Send by a transport."""
        self._transport = transport

    def list(
        self, kind: type[Answer], path: str, parameters: Mapping[str, Any]
    ) -> Iterator[Answer]:
        """Yield the items of a list as models, page after page."""
        for document in self.items(path, parameters):
            yield validated(kind, document)

    def items(self, path: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, page after page."""
        asked = {"page_size": PAGE_SIZE, **parameters}
        while True:
            request = Request("GET", path, parameters=asked)
            page = validated(Page[dict[str, Any]], self.json(request))
            yield from page.items
            if page.next_page_token is None:
                return
            asked["page_token"] = page.next_page_token

    def read(self, kind: type[Answer], request: Request) -> Answer:
        """Return an answer as a model."""
        return validated(kind, self.json(request))

    def save(self, request: Request, file: BinaryIO) -> Mapping[str, str]:
        """Write the body of an answer to a file as it comes, and return the answer's headers."""
        with self._transport.stream(request) as response:
            file.writelines(response.iter_bytes())
        return response.headers

    def json(self, request: Request) -> dict[str, Any]:
        """Return an answer as it is."""
        response = self._transport.send(request)
        try:
            body: dict[str, Any] = response.json()
        except ValueError as exc:
            raise UnexpectedAnswer(
                f"{response.request.url} answered something that is no JSON"
            ) from exc
        return body


def validated(kind: type[Answer], document: object) -> Answer:
    """Return a document as a model."""
    try:
        return kind.model_validate(document)
    except ValidationError as exc:
        raise UnexpectedAnswer(f"the api's answer is no {kind.__name__}: {exc}") from exc
