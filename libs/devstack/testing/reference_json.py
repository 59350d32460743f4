"""Take a JSON object apart in a plain way: for the tests of lines of JSON."""

import json


def reference_members(text: str) -> dict[str, str]:
    """Return the members of an object, by key, as they are written; a text of JSON is cut where no quote is open."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    stripped = text.strip(" \t")
    json.loads(stripped, parse_constant=refuse, parse_int=str)
    if stripped[:1] != "{":
        raise ValueError(text)
    pieces, depth, is_quoted, begin, place = [], 0, False, 1, 1
    while place < len(stripped) - 1:
        sign = stripped[place]
        if is_quoted:
            place += sign == "\\"
            is_quoted = sign != '"'
        elif sign == '"':
            is_quoted = True
        elif sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif sign in ",:" and depth == 0:
            pieces.append(stripped[begin:place].strip(" \t"))
            begin = place + 1
        place += 1
    last = stripped[begin:-1].strip(" \t")
    pieces += [last] if last else []
    return {json.loads(key): value for key, value in zip(pieces[::2], pieces[1::2], strict=True)}
