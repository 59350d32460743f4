"""Give the compose tests an engine, the images and the running stack, or say why there is none."""

from collections.abc import Iterator

import pytest

from tests.compose.engine import Engine, EngineMissingError, own_engine, require_programs
from tests.compose.images import build_ours, build_stand_ins, packages
from tests.compose.rootfs import RootfsError, servers_rootfs
from tests.compose.stack import ComposeStack


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Start an engine that has all images."""
    if not packages():
        pytest.skip("the PEXes are not built; run ./dev package, or this test through Pants")
    folder = tmp_path_factory.mktemp("contexts")
    try:
        require_programs()
        servers_rootfs()  # with the network that the engine's own will not reach
        with own_engine() as running:
            build_ours(running, folder)
            build_stand_ins(running, folder)
            yield running
    except (EngineMissingError, RootfsError) as exc:
        pytest.skip(f"no images can be run here: {exc}")


@pytest.fixture(scope="session")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """Start the stack once for all tests; its volumes go with it."""
    running = ComposeStack(engine, tmp_path_factory.mktemp("stack"))
    running.prepare()
    running.down("--volumes")  # what a killed run left
    try:
        running.up()
        yield running
    finally:
        running.down("--volumes", "--timeout", "10")
