"""Logs are shown from their last lines on, line by line."""

from pathlib import Path

import pytest

from libs.devstack.errors import StackError
from tools.local_env.layout import Layout
from tools.local_env.logs import find_logs, follow, last_lines


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Give a stack's folder with two logs."""
    layout = Layout(tmp_path)
    layout.make_folders()
    layout.log_of("api").write_text("one\ntwo\nthree\n")
    layout.log_of("worker").write_text("")
    return layout


def test_the_last_lines_come_in_order(layout: Layout) -> None:
    assert last_lines(layout.log_of("api"), 2) == ["two", "three"]
    assert last_lines(layout.log_of("worker"), 2) == []


def test_an_unknown_service_is_refused_with_the_known_ones(layout: Layout) -> None:
    with pytest.raises(StackError, match="'database'; there are: api, worker"):
        find_logs(layout, "database")


def test_following_shows_whole_new_lines_of_every_log(layout: Layout) -> None:
    following = follow(find_logs(layout, None))
    with layout.log_of("api").open("a") as api, layout.log_of("worker").open("a") as worker:
        api.write("half a line")
        worker.write("four\n")
    assert next(following) == ("worker", "four")

    with layout.log_of("api").open("a") as api:
        api.write(" and the rest\n")
    assert next(following) == ("api", "half a line and the rest")
