"""Make HTML in which every text is escaped: what is not `Html` already becomes it by escaping."""

import base64
import hashlib
from html import escape

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1c2430 }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { text-align: left; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid #d9dee5; vertical-align: top }
code { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px }
nav a { margin-right: 1rem }
.failed, .cancelled { color: #a3231a } .completed_with_rejects { color: #8a5a00 } .succeeded { color: #17693a }
"""
"""Stands in the page itself: nothing is fetched from anywhere."""

POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'"
)
"""The browser runs no script and takes this style alone, whatever a row may hold."""


class Html(str):
    """Text that is HTML: escaped, or made by `element`."""

    __slots__ = ()


def element(tag: str, *children: object, **attributes: object) -> Html:
    """Return an element; `class_` stands for the attribute class, None leaves an attribute or child out."""
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{named}>{joined(*children)}</{tag}>")


def joined(*children: object) -> Html:
    """Return texts and elements one after the other."""
    return Html("".join(_as_html(child) for child in children if child is not None))


def page(title: str, *content: object, refresh_seconds: int | None = None) -> str:
    """Return a whole page; one that shows what still changes is loaded again now and then."""
    refresh = f'<meta http-equiv="refresh" content="{refresh_seconds}">' if refresh_seconds else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"{refresh}<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"{element('body', *content)}</html>"
    )


def _as_html(child: object) -> str:
    return child if isinstance(child, Html) else escape(str(child))
