"""What is shown is text: nothing in it can become a part of the page."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from services.api.web.elements import element, page


@given(text=st.text(), value=st.text())
def test_text_and_attributes_come_back_as_they_were(text: str, value: str) -> None:
    """No character that ends an attribute or begins an element is left as it is."""
    found = re.fullmatch(r'<td title="([^"<>]*)">([^<>]*)</td>', element("td", text, title=value))

    assert found
    assert (unescape(found[1]), unescape(found[2])) == (value, text)


def test_elements_nest_and_nothing_is_left_out_but_none() -> None:
    assert element("p", element("b", "a & b"), None, 3, class_="x", title=None) == (
        '<p class="x"><b>a &amp; b</b>3</p>'
    )


def test_a_title_cannot_leave_its_place() -> None:
    assert "<title>&lt;/title&gt;" in page("</title>")
