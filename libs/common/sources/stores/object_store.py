"""Files in the buckets of S3, Google Cloud Storage and Azure, and of what speaks like them."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import obstore
from obstore.exceptions import BaseError, InvalidPathError
from obstore.store import AzureStore, GCSStore, S3Store

from libs.common.errors import SourceError
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.connections import (
    AzureContainer,
    Bucket,
    GoogleBucket,
    reveal,
)
from libs.common.sources.stores.retries import Answer, Retries
from libs.common.sources.stores.store import (
    OBJECT_DEVICE,
    SignedPut,
    Store,
    StoredFile,
    StoreFault,
    version_number,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_SECOND = 1_000_000_000
_PAGE = 1_000
_LONGEST = "300s"
"""For a range over a slow line, or a copy of many gigabytes, which the store makes while we wait."""
_SILENT = "30s"
"""So long a store may send nothing, but while it is sent something or copies."""
_PUT_HEADERS = {"az": {"x-ms-blob-type": "BlockBlob"}}
"""What a store wants to have said of a file that is put there, by the kind of its connection."""
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (([0-9]{3})[A-Za-z -]*)")
_PASSING = {"408", "425", "429"}
"""Answers to the client after which it may ask again, as after all of 5xx."""


class ObjectStore(Store):
    """The objects of one bucket."""

    is_atomic: ClassVar[bool] = True

    def __init__(self, name: str, connection: "Bucket | GoogleBucket | AzureContainer") -> None:
        """Ask nothing of the store yet."""
        super().__init__(name, connection.root)
        self._bucket = _open(connection, {"read_timeout": _SILENT})
        self._patient = _open(connection, {})
        self._retries = Retries(connection.kind, name)
        self._kind = connection.kind

    def stat(self, key: str) -> SourceIdentity:
        """Look at an object."""
        return _identify(self._ask(key, lambda: obstore.head(self._bucket, key)))

    def list_files(self, folder: str, depth: int | None = None) -> Iterator[StoredFile]:  # noqa: ARG002  # all are shown
        """Yield the objects below a folder, by key; after a fault some of them twice, none is left out.

        The marker of a folder, a key with a slash at its end, is shown without it, as an object without a byte.
        """
        listing = _Listing(self._bucket, folder)
        while page := self._ask(folder, listing.next_page):
            yield from (StoredFile(meta["path"], _identify(meta)) for meta in page)

    def read(self, key: str, start: int, end: int, seen: SourceIdentity) -> bytes:
        """Return a range of the object, if it is still that version."""
        return self._ask(key, lambda: self._read(key, start, end, seen))

    def move(self, key: str, to: str, seen: SourceIdentity) -> bool:
        """Copy an object, then delete it: stores know no other way.

        Of another one that came meanwhile no copy stays; if it came after the copy, that is all there is of the first.
        """
        if self.stat(key) != seen:
            return False
        self.copy(key, to)
        if self.delete(key, seen):
            return True
        if self.stat(to).size != seen.size:
            self._ask(to, lambda: obstore.delete(self._bucket, to))
        return False

    def delete(self, key: str, seen: SourceIdentity) -> bool:
        """Remove an object; of a bucket with versions it stays as an older one.

        What takes its place between the look and the removal, within a request's time, would be removed with it. There
        is a look before each try: the answer to one that was made may have been lost long before the next.
        """
        return self._ask(key, lambda: self._delete(key, seen))

    def put(self, key: str, path: Path) -> None:
        """Copy a file into the bucket, in parts where it is large."""
        self._ask(key, lambda: obstore.put(self._patient, key, path))

    def copy(self, key: str, to: str) -> None:
        """Copy an object within the bucket, where its bytes stay."""
        self._ask(key, lambda: obstore.copy(self._patient, key, to))

    def sign_put(self, key: str, lasts: timedelta) -> SignedPut:
        """Sign with the connection's key, or have Google sign where the machine's account is used."""
        try:
            url = obstore.sign(self._bucket, "PUT", key, lasts)
        except BaseError as exc:
            raise self.cannot_sign(_shorten(exc)) from exc
        return SignedPut(url, _PUT_HEADERS.get(self._kind, {}))

    def _read(self, key: str, start: int, end: int, seen: SourceIdentity) -> bytes:
        answer = obstore.get(self._bucket, key, options={"range": (start, end)})
        if _identify(answer.meta) != seen:
            raise self.changed(key)
        return bytes(answer.bytes())

    def _delete(self, key: str, seen: SourceIdentity) -> bool:
        if _identify(obstore.head(self._bucket, key)) != seen:
            return False
        obstore.delete(self._bucket, key)
        return True

    def _ask(self, key: str, request: Callable[[], Answer]) -> Answer:
        """Make a request, again where its fault may pass, and say what its errors mean."""
        try:
            return self._retries.run(request, _may_pass)
        except (FileNotFoundError, InvalidPathError) as exc:
            raise self.missing(key) from exc
        except BaseError as exc:
            if not _may_pass(exc):
                raise self.refused(key, _shorten(exc)) from exc
            message = f"the store of connection {self.name!r} failed: {_shorten(exc)}"
            raise StoreFault(message) from exc


class _Listing:
    """A listing that goes on after a fault behind the last key that is surely an object's.

    Shown without its slash, the marker of a folder sorts before what may have been seen already: to go on behind it
    could go round for ever.
    """

    def __init__(self, bucket: "S3Store | GCSStore | AzureStore", folder: str) -> None:
        self._bucket = bucket
        self._folder = folder
        self._pages: Iterator[Iterable[Any]] | None = None
        self._behind: str | None = None

    def next_page(self) -> list[Any]:
        """Return the next objects, none at the end."""
        if self._pages is None:
            folder = self._folder or None
            self._pages = iter(
                obstore.list(self._bucket, folder, offset=self._behind, chunk_size=_PAGE)
            )
        try:
            page = [*next(self._pages, ())]
        except InvalidPathError as exc:
            reason = str(exc).partition("\n")[0]
            raise SourceError(
                "source-not-allowed",
                f"the folder {self._folder!r} cannot be listed: {reason}; rename or remove that object",
            ) from exc
        except BaseError:
            self._pages = None
            raise
        objects = (meta["path"] for meta in reversed(page) if meta["size"])
        self._behind = next(objects, self._behind)
        return page


def _open(
    connection: "Bucket | GoogleBucket | AzureContainer", timeouts: "ClientConfig"
) -> "S3Store | GCSStore | AzureStore":
    """Return the library's store; what is None it takes from the machine."""
    client: ClientConfig = {"connect_timeout": "5s", "timeout": _LONGEST, **timeouts}
    once: RetryConfig = {"max_retries": 0, "retry_timeout": timedelta(seconds=30)}  # see `Retries`
    more: dict[str, Any] = {"client_options": client, "retry_config": once}
    if isinstance(connection, GoogleBucket):
        key = reveal(connection.service_account_key)
        return GCSStore(connection.bucket, **_given(service_account_key=key), **more)
    client["allow_http"] = (connection.endpoint or "").startswith("http://")
    if isinstance(connection, AzureContainer):
        known = _given(
            endpoint=connection.endpoint,
            account_key=reveal(connection.account_key),
            sas_key=reveal(connection.sas_token),
        )
        return AzureStore(connection.container, account_name=connection.account, **known, **more)
    known = _given(
        endpoint=connection.endpoint,
        region=connection.region,
        access_key_id=connection.access_key_id,
        secret_access_key=reveal(connection.secret_access_key),
        session_token=reveal(connection.session_token),
        virtual_hosted_style_request=connection.is_virtual_hosted or None,
    )
    return S3Store(connection.bucket, **known, **more)


def _given(**options: object) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _identify(meta: Any) -> SourceIdentity:
    """Return what tells versions apart; listings know no versions, and seconds are all that each answer has."""
    changed = int(meta["last_modified"].timestamp()) * _SECOND
    tag = (meta["e_tag"] or "").removeprefix("W/").strip('"')
    return SourceIdentity(meta["size"], changed, version_number(tag), OBJECT_DEVICE)


def _may_pass(exc: Exception) -> bool:
    """Return whether it makes sense to ask again."""
    if not isinstance(exc, BaseError) or isinstance(exc, InvalidPathError):
        return False
    status = _STATUS.search(str(exc))
    return status is None or status[2].startswith("5") or status[2] in _PASSING


def _shorten(exc: Exception) -> str:
    """Return what the store said, without its address: that may hold a signature."""
    status, code = _STATUS.search(str(exc)), _CODE.search(str(exc))
    return ", ".join(found[1].strip() for found in (status, code) if found) or "no answer"
