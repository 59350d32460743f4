"""A source is one regular file below an allowed root; everything else has a code and a cure."""

import errno
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from libs.common.enums import SourceMatch
from libs.common.errors import SourceError, SourceUnsettled
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.opening import open_source
from libs.common.sources.regular_files import identity
from libs.common.sources.search import resolve_source, resolve_sources
from libs.common.sources.source_areas import SourceAreas
from libs.common.sources.stream import SourceLimits

LIMITS = SourceLimits(max_bytes=1 << 30, max_ratio=1000)
BOUND_SECONDS = 5


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give an allowed folder."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Give a file that is not below the allowed folder."""
    path = tmp_path / "secret.csv"
    path.write_text("sku\n")
    return path


def write(path: Path, content: bytes = b"sku\n1\n") -> Path:
    """Write a file, its folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def refusal(source: str, *roots: Path) -> SourceError:
    """Return the error that resolving a source raises, in time."""
    caught: list[SourceError] = []

    def resolve() -> None:
        try:
            resolve_source(source, roots)
        except SourceError as exc:
            caught.append(exc)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(BOUND_SECONDS)
    assert caught, "resolved, or still waiting"
    return caught[0]


def test_relative_path_is_found_below_any_root(root: Path, tmp_path: Path) -> None:
    path = write(root / "2026" / "items.csv")

    assert resolve_source("2026/items.csv", [tmp_path / "no-such-root", root]) == path


def test_absolute_path_below_a_root_is_allowed(root: Path) -> None:
    path = write(root / "items.csv")

    assert resolve_source(str(path), [root]) == path


@pytest.mark.parametrize("pattern", ["items-*.csv", "items-2026-01-0?.csv"])
def test_pattern_that_matches_one_file_is_that_file(root: Path, pattern: str) -> None:
    path = write(root / "items-2026-01-02.csv")
    write(root / "other.csv")

    assert resolve_source(pattern, [root]) == path
    assert resolve_source(f"{root}/{pattern}", [root]) == path


def test_pattern_skips_folders_when_one_file_matches(root: Path) -> None:
    (root / "items-old").mkdir()
    path = write(root / "items-new")

    assert resolve_source("items-*", [root]) == path


def test_file_whose_name_looks_like_a_pattern_is_found_by_its_name(root: Path) -> None:
    path = write(root / "items[1].csv")
    write(root / "items1.csv")

    assert resolve_source("items[1].csv", [root]) == path


@pytest.mark.parametrize("match", SourceMatch)
def test_a_file_whose_name_cannot_be_stored_is_not_left_out(root: Path, match: SourceMatch) -> None:
    """Else a job would end well without it, or with the one of the day before."""
    old = write(root / "in" / "a.csv")
    os.utime(old, (1, 1))
    odd = Path(os.fsdecode(os.fsencode(root / "in") + b"/ums\xe4tze.csv"))
    write(odd)

    with pytest.raises(SourceError) as caught:
        resolve_sources("in/*.csv", [root], match)

    assert caught.value.code == "source-not-allowed"
    caught.value.message.encode()


def test_a_name_that_cannot_be_stored_does_not_keep_newer_files_from_being_loaded(
    root: Path,
) -> None:
    odd = write(Path(os.fsdecode(os.fsencode(root) + b"/ums\xe4tze.csv")))
    os.utime(odd, (1, 1))
    new = write(root / "a.csv")

    assert resolve_source("*.csv", [root], SourceMatch.NEWEST) == new


def test_link_within_the_roots_is_followed(root: Path) -> None:
    path = write(root / "items.csv")
    (root / "latest.csv").symlink_to(path)

    assert resolve_source("latest.csv", [root]) == path


def test_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    path = write(root / "items.csv")
    (tmp_path / "link").symlink_to(root)

    assert resolve_source("items.csv", [tmp_path / "link"]) == path


def test_file_seen_through_two_roots_is_one_file(root: Path) -> None:
    path = write(root / "in" / "items.csv")

    assert resolve_source(str(path), [root, root / "in"]) == path


@pytest.mark.parametrize(
    "source",
    [
        "nothing.csv",
        "no/such/folder.csv",
        "items.csv/below",
        "nothing-*.csv",
        "x" * 300,
        "a\0b",
        "[",
    ],
)
def test_missing_file_is_reported_with_the_roots(root: Path, source: str) -> None:
    write(root / "items.csv")

    error = refusal(source, root)

    assert error.code == "source-missing"
    assert "put it there or correct 'source'" in error.message or "NUL" in error.message


@pytest.mark.parametrize(
    "source", ["../secret.csv", "/etc/passwd", "{outside}", "../*.csv", "/etc/*", "in/../../*.csv"]
)
def test_path_outside_the_roots_is_refused_whether_it_exists_or_not(
    root: Path, outside: Path, source: str
) -> None:
    error = refusal(source.format(outside=outside), root)

    assert error.code == "source-not-allowed"
    assert str(root) in error.message


@pytest.mark.parametrize("source", ["link.csv", "lin*.csv", "folder/secret.csv"])
def test_link_that_leaves_the_roots_is_refused(root: Path, outside: Path, source: str) -> None:
    (root / "link.csv").symlink_to(outside)
    (root / "folder").symlink_to(outside.parent)

    assert refusal(source, root).code == "source-not-allowed"


def test_sibling_with_the_roots_name_in_front_is_not_below_it(root: Path) -> None:
    sibling = write(root.with_name("root-2") / "items.csv")

    assert refusal(str(sibling), root).code == "source-not-allowed"


def test_pattern_that_matches_several_files_names_the_first(root: Path) -> None:
    for number in range(5):
        write(root / f"items-{number}.csv")

    error = refusal("items-*.csv", root)

    assert error.code == "source-ambiguous"
    assert "5 files" in error.message
    assert "items-0.csv" in error.message
    assert "2 more" in error.message


def test_name_found_below_two_roots_is_ambiguous(tmp_path: Path) -> None:
    write(tmp_path / "a" / "items.csv")
    write(tmp_path / "b" / "items.csv")

    assert refusal("items.csv", tmp_path / "a", tmp_path / "b").code == "source-ambiguous"


def make_folder(path: Path) -> None:
    """Make a folder."""
    path.mkdir()


def make_fifo(path: Path) -> None:
    """Make a FIFO that nobody writes to: opening it would wait for ever."""
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    """Make a link to itself."""
    path.symlink_to(path)


def make_socket(path: Path) -> None:
    """Make a Unix socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("make", [make_folder, make_fifo, make_loop, make_socket])
@pytest.mark.parametrize("source", ["odd", "od?"])
def test_what_is_no_regular_file_is_refused_at_once(
    make: Callable[[Path], None], source: str, tmp_path: Path
) -> None:
    make(tmp_path / "odd")

    assert refusal(source, tmp_path).code == "source-not-regular"


@pytest.mark.parametrize("source", ["zero", "zer?"])
def test_a_device_is_refused_though_it_lies_below_a_root(source: str) -> None:
    """It would never end."""
    assert refusal(source, Path("/dev")).code == "source-not-regular"


@pytest.mark.parametrize("make", [make_folder, make_fifo, make_loop, make_socket])
@pytest.mark.parametrize(
    "use", [identity, fingerprint, lambda path: open_source(path, "auto", LIMITS)]
)
def test_what_is_no_regular_file_is_never_opened(
    make: Callable[[Path], None], use: Callable[[Path], object], tmp_path: Path
) -> None:
    """It may have taken the file's place after it was resolved."""
    make(tmp_path / "odd")

    with pytest.raises(SourceError) as caught:
        use(tmp_path / "odd")

    assert caught.value.code == "source-not-regular"


def test_link_that_took_the_files_place_is_not_followed(root: Path, outside: Path) -> None:
    path = root / "items.csv"
    path.symlink_to(outside)

    with pytest.raises(SourceError) as caught:
        open_source(path, "auto", LIMITS)

    assert caught.value.code == "source-not-regular"


def test_link_that_took_a_folders_place_is_not_followed(root: Path, outside: Path) -> None:
    """After the path was resolved: it still reads as one below the root."""
    folder = root / "daily"
    folder.mkdir()
    path = resolve_source(str(write(folder / outside.name)), [root])
    folder.rename(root / "aside")
    folder.symlink_to(outside.parent)

    with pytest.raises(SourceError) as opened:
        open_source(path, "auto", LIMITS)
    with pytest.raises(SourceError):
        fingerprint(path)

    assert opened.value.code == "source-missing"


def test_no_file_outside_is_ever_read_while_links_come_and_go(root: Path, outside: Path) -> None:
    """The race itself: a folder and a link take turns while the source is opened again and again."""
    outside.write_bytes(b"secret")
    folder, aside = root / "daily", root / "aside"
    folder.mkdir()
    path = resolve_source(str(write(folder / outside.name, b"public")), [root])
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            folder.rename(aside)
            folder.symlink_to(outside.parent)
            folder.unlink()
            aside.rename(folder)
            over.wait(0.0001)  # else a busy machine may meet the link each time

    swapping = threading.Thread(target=swap)
    swapping.start()
    read: Counter[bytes] = Counter()
    end = time.monotonic() + 30
    try:
        while read.total() < 2_000 or (len(read) < 2 and time.monotonic() < end):
            try:
                with open_source(path, "none", LIMITS) as stream:
                    read[stream.read(6)] += 1
            except SourceError:
                read[b"refused"] += 1
    finally:
        over.set()
        swapping.join()

    assert read[b"public"] > 0
    assert read[b"refused"] > 0
    assert read.keys() == {b"public", b"refused"}


def test_device_is_refused() -> None:
    assert refusal("/dev/null", Path("/dev")).code == "source-not-regular"


def test_name_that_is_not_utf8_is_refused(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/items-\xff.csv")).write_bytes(b"")

    error = refusal("items-*.csv", root)

    assert error.code == "source-not-allowed"
    assert "rename" in error.message


def test_file_without_permission_is_reported_with_the_cure(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is simulated: a test that runs as root may read everything."""
    path = write(root / "items.csv")

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceError, match="permission") as caught:
        open_source(path, "auto", LIMITS)

    assert caught.value.code == "source-missing"


def test_fingerprint_is_the_digest_of_the_stored_bytes(root: Path) -> None:
    path = write(root / "items.csv", b"abc")

    digest = fingerprint(path, identity(path))

    assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_file_that_grew_since_it_was_looked_at_is_unsettled(root: Path) -> None:
    path = write(root / "items.csv")
    seen = identity(path)
    with path.open("ab") as file:
        file.write(b"2\n")

    with pytest.raises(SourceUnsettled) as caught:
        fingerprint(path, seen)

    assert caught.value.code == "source-changing"


def test_file_that_was_replaced_by_one_of_the_same_size_is_unsettled(root: Path) -> None:
    path = write(root / "items.csv")
    seen = identity(path)
    write(root / "new.csv").rename(path)

    with pytest.raises(SourceUnsettled):
        fingerprint(path, seen)


def test_the_newest_match_is_taken_where_asked_for_and_of_equals_the_last_by_name(
    tmp_path: Path,
) -> None:
    for name, age in (("i-1.csv", 5), ("i-2.csv", 9), ("i-3.csv", 5), ("i-4.csv", 0)):
        path = tmp_path / name
        path.mkdir() if age == 0 else path.write_bytes(b"x")
        os.utime(path, ns=(10**18, 10**18 - age))

    assert resolve_source("i-*.csv", [tmp_path], SourceMatch.NEWEST).name == "i-3.csv"
    assert "match: newest" in refusal("i-*.csv", tmp_path).message


def test_a_glob_does_not_match_into_a_hidden_folder_also_through_a_link(tmp_path: Path) -> None:
    hidden = tmp_path / "uploads"
    for folder in (hidden, tmp_path / "in"):
        folder.mkdir()
        (folder / "a.csv").write_bytes(b"x")
    (tmp_path / "link").symlink_to(hidden)
    areas = SourceAreas((tmp_path,), hidden)

    assert resolve_source("*/a.csv", areas) == tmp_path / "in" / "a.csv"
    for source in ("uploads/*", "link/*", "link/a.csv", "in/../uploads/a.csv"):
        with pytest.raises(SourceError) as caught:
            resolve_source(source, areas)
        assert caught.value.code == "source-not-allowed"
