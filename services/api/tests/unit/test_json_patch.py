"""A JSON patch means what RFC 6902 says: the cases of its appendix A, and what is left open there."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.api.json_patch import JsonPatch, JsonPatchError


def _patch(document: Any, *operations: dict[str, Any]) -> Any:
    return JsonPatch.model_validate({"operations": list(operations)}).apply(document)


def _op(op: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "path": path, **more}


@pytest.mark.parametrize(
    ("document", "operations", "patched"),
    [
        ({"foo": "bar"}, [_op("add", "/baz", value="qux")], {"baz": "qux", "foo": "bar"}),
        (
            {"foo": ["bar", "baz"]},
            [_op("add", "/foo/1", value="qux")],
            {"foo": ["bar", "qux", "baz"]},
        ),
        ({"baz": "qux", "foo": "bar"}, [_op("remove", "/baz")], {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, [_op("remove", "/foo/1")], {"foo": ["bar", "baz"]}),
        (
            {"baz": "qux", "foo": "bar"},
            [_op("replace", "/baz", value="boo")],
            {"baz": "boo", "foo": "bar"},
        ),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [_op("move", "/qux/thud", **{"from": "/foo/waldo"})],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            [_op("move", "/foo/3", **{"from": "/foo/1"})],
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        (
            {"baz": "qux", "foo": ["a", 2, "c"]},
            [_op("test", "/baz", value="qux"), _op("test", "/foo/1", value=2)],
            {"baz": "qux", "foo": ["a", 2, "c"]},
        ),
        (
            {"foo": "bar"},
            [_op("add", "/child", value={"grandchild": {}})],
            {"foo": "bar", "child": {"grandchild": {}}},
        ),
        ({"foo": "bar"}, [_op("add", "/baz", value="qux", xyz=123)], {"foo": "bar", "baz": "qux"}),
        ({"/": 9, "~1": 10}, [_op("test", "/~01", value=10)], {"/": 9, "~1": 10}),
        (
            {"foo": ["bar"]},
            [_op("add", "/foo/-", value=["abc", "def"])],
            {"foo": ["bar", ["abc", "def"]]},
        ),
        (
            {"a": {"b": 1}},
            [_op("copy", "/c", **{"from": "/a"}), _op("add", "/c/b", value=2)],
            {"a": {"b": 1}, "c": {"b": 2}},
        ),
        ({"a": 1}, [_op("add", "/a", value=None)], {"a": None}),
        ({"a": 1}, [_op("add", "", value={"b": 2})], {"b": 2}),
        ({"a": 1}, [_op("replace", "", value=None)], None),
    ],
)
def test_operations_do_what_the_rfc_says(
    document: Any, operations: list[Any], patched: Any
) -> None:
    before = repr(document)

    assert _patch(document, *operations) == patched
    assert repr(document) == before


@pytest.mark.parametrize(
    ("document", "operation"),
    [
        ({"baz": "qux"}, _op("test", "/baz", value="bar")),
        ({"foo": "bar"}, _op("add", "/baz/bat", value="qux")),
        ({"/": 9, "~1": 10}, _op("test", "/~01", value="10")),
        ({"a": 1}, _op("test", "/a", value=True)),
        ({"a": [1]}, _op("test", "/a", value=[True])),
        ({"a": [1]}, _op("test", "/a", value=[1, 2])),
        ({"a": {"b": 1}}, _op("test", "/a", value={"b": 1, "c": 2})),
        ({"a": 1}, _op("replace", "/b", value=1)),
        ({"a": 1}, _op("remove", "/a/b")),
        ({"a": 1}, _op("add", "/a")),
        ({"a": 1}, _op("move", "/b")),
        ({"a": {"b": 1}}, _op("move", "/a/b", **{"from": "/a"})),
        ({"a": [1]}, _op("remove", "/a/-")),
        ({"a": [1]}, _op("remove", "/a/1")),
        ({"a": [1]}, _op("remove", "/a/00")),
        ({"a": [1]}, _op("add", "/a/-1", value=1)),
        ({"a": [1]}, _op("add", "/a/2", value=1)),
        ({"a": [1]}, _op("remove", "/a/\u0661")),
    ],
)
def test_what_cannot_be_done_is_said(document: Any, operation: dict[str, Any]) -> None:
    with pytest.raises(JsonPatchError, match=r"operation 1 \("):
        _patch(document, operation)


def test_copies_of_copies_end_before_they_fill_the_memory() -> None:
    doubled = [_op("copy", f"/{n}", **{"from": ""}) for n in range(40)]

    with pytest.raises(JsonPatchError, match="more than"):
        _patch({"a": "x" * 100}, *doubled)


def test_a_patch_has_an_end() -> None:
    with pytest.raises(ValidationError):
        _patch({}, *[_op("add", "/a", value=1)] * 1001)
