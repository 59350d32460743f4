"""A definition is edited in the console: reviewed, stored as a PUT stores it, and never over a change unseen."""

import re
from html import unescape
from pathlib import Path

import httpx
import pytest

from services.api.tests.integration.api_bench import ITEMS, Ledger, MakeKey, problem_of

EDIT = "/datasets/items/edit"
API = "/v1/datasets/items"


@pytest.fixture
def page(client: httpx.Client, items: Path) -> httpx.Client:
    """Return the client; `items` is there."""
    return client


def _fields(text: str, form: str = "Definition as a form") -> dict[str, str]:
    """Return what a browser would send of a form of the page of the definition."""
    found = text.partition(f'aria-label="{form}"')[2].partition("</form>")[0]
    assert found, text
    pairs = re.findall(r'<input [^>]*?name="([^"]+)"[^>]* value="([^"]*)"', found)
    pairs += re.findall(r'<textarea [^>]*?name="([^"]+)"[^>]*>\n([^<]*)</textarea>', found)
    for name, options in re.findall(
        r'<select [^>]*?name="([^"]+)".*?>(.*?)</select>', found, re.DOTALL
    ):
        pairs += [(name, *re.findall(r'value="([^"]*)" selected', options))]
    return {name: unescape(value) for name, value in pairs}


def _hidden(text: str) -> dict[str, str]:
    """Return what the form of a review holds."""
    found = re.findall(r'<input type="hidden" name="(definition|etag)" value="([^"]*)"', text)
    return {name: unescape(value) for name, value in found}


def _review(page: httpx.Client, **changed: str) -> httpx.Response:
    return page.post(EDIT, data={**_fields(page.get(EDIT).text), **changed})


def test_a_change_is_reviewed_then_stored_as_a_put_stores_it(
    page: httpx.Client, ledger: Ledger
) -> None:
    link = page.get("/datasets/items").text
    reviewed = _review(page, **{"format.delimiter": r"\t", "min_rows": "7", "columns": "B: null"})
    before = page.get(API).json()
    saved = page.post(f"{EDIT}/save", data=_hidden(reviewed.text))
    after = page.get(API).json()

    assert f'href="{EDIT}"' in link
    assert reviewed.status_code == 200
    rows = re.findall(r'<tr><th scope="row">([^<]*)</th>(.*)</tr>', reviewed.text)
    assert [name for name, _ in rows] == ["format.delimiter", "columns.B", "min_rows"]
    assert "<del><code>null</code></del></td><td><ins><code>7</code></ins>" in rows[2][1]
    assert "If-Match: " in reviewed.text
    assert before["version"] == 1
    assert (saved.status_code, saved.headers["location"]) == (303, "/datasets/items")
    assert (after["version"], after["min_rows"], after["columns"]) == (2, 7, {"B": None})
    assert after["format"]["delimiter"] == "\t"
    assert ledger.execute(
        "SELECT action, (details->>'version')::int FROM adsp.audit_log ORDER BY id"
    )[-1] == (
        "dataset.put",
        2,
    )


def test_the_call_that_is_shown_does_the_same(page: httpx.Client) -> None:
    reviewed = _review(page, min_rows="7").text
    command = unescape(reviewed.partition("<pre><code>")[2].partition("</code>")[0])
    found = re.search(r"-X PUT \S+(/v1/\S+) .* -H '(If-Match): (.*?)' .* -d '(.*)'", command)
    assert found, command
    path, header, etag, body = found.groups()
    json = {"Content-Type": "application/json"}
    put = page.put(path, content=body, headers={header: etag, **json})

    assert put.status_code == 200
    assert put.json()["min_rows"] == 7


def test_a_form_sent_as_it_is_shown_changes_nothing(page: httpx.Client) -> None:
    page.patch(API, json={"schedule": {"cron": "0 2 * * *"}, "convert": {"price": {"trim": True}}})
    reviewed = _review(page)
    saved = page.post(f"{EDIT}/save", data=_hidden(reviewed.text))

    assert "Nothing would change." in reviewed.text
    assert ">Save</button>" not in reviewed.text
    assert saved.status_code == 303
    assert page.get(API).json()["version"] == 2


def test_the_whole_definition_is_edited_as_yaml(page: httpx.Client) -> None:
    fields = _fields(page.get(EDIT).text, "Definition as YAML")
    reviewed = page.post(EDIT, data={**fields, "yaml": fields["yaml"] + "\r\nmode: replace"})
    page.post(f"{EDIT}/save", data=_hidden(reviewed.text))

    assert fields["yaml"] == "table: public.items\nsource: items-{data_date}.csv"
    assert '<th scope="row">mode</th>' in reviewed.text
    assert page.get(API).json()["mode"] == "replace"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("table", "nowhere", "String should match pattern"),
        ("min_rows", "0", "greater than or equal to 1"),
        ("schedule.cron", "x", "cannot read the cron expression"),
        ("convert", "price: {trim: maybe}", "price.trim: Input should be a valid boolean"),
        ("add", "[", "no YAML that can be read"),
        ("columns", "- " * 45_000, "no YAML that can be read"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_with_what_was_typed(
    page: httpx.Client, field: str, value: str, says: str
) -> None:
    answer = _review(page, **{field: value, "done_file": "<b>"})

    assert answer.status_code == 422
    assert says in answer.text.partition(f'id="error-{field}"')[2].partition("</p>")[0]
    assert f'href="#f-{field}"' in answer.text.partition('role="alert"')[2].partition("</ul>")[0]
    assert _fields(answer.text)[field] == value
    assert _fields(answer.text)["done_file"] == "<b>"
    assert page.get(API).json()["version"] == 1


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"table": "public.nowhere"}, "public.nowhere"),
        ({"mode": "upsert"}, "needs a &#39;key&#39;"),
        ({"convert": "nothing: {trim: true}"}, "nothing"),
        ({"source": "x" * 100_001}, "100000 characters"),
    ],
)
def test_what_is_wrong_with_all_of_it_stands_above(
    page: httpx.Client, sent: dict[str, str], says: str
) -> None:
    answer = _review(page, **sent)

    assert answer.status_code == 422
    assert says in answer.text.partition('role="alert"')[2].partition("</ul>")[0]


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("table: [", "no YAML that can be read"),
        ("", "valid dictionary"),
        ("a: &a [1]\ntable: *a", "without aliases"),
        ("table: public.items\nmode: some", "mode: Input should be"),
        ("table: public.items\nunheard: 1", "unheard: Extra inputs"),
        ("table: " + "1:" * 60_000, "100000 characters"),
        ("table: public.<i>\n", "public.&lt;i&gt;"),
    ],
)
def test_wrong_yaml_stays_in_its_box(page: httpx.Client, yaml: str, says: str) -> None:
    answer = page.post(EDIT, data={"yaml": yaml})

    assert answer.status_code == 422
    assert says in answer.text.partition("</h1>")[2]
    assert _fields(answer.text, "Definition as YAML")["yaml"].rstrip() == yaml.rstrip()
    assert "<i>" not in answer.text


def test_who_was_overtaken_is_warned_and_sees_what_he_would_take_back(page: httpx.Client) -> None:
    """Whether he is at the form by then or at the review."""
    form = {**_fields(page.get(EDIT).text), "min_rows": "7"}
    reviewed = page.post(EDIT, data=form)
    page.patch(API, json={"settle": 5})
    late_form = page.post(EDIT, data=form)
    late_review = page.post(f"{EDIT}/save", data=_hidden(reviewed.text))
    between = page.get(API).json()
    saved = page.post(f"{EDIT}/save", data=_hidden(late_review.text))
    after = page.get(API).json()

    for warned in (late_form, late_review):
        assert warned.status_code == 412
        assert "has changed since you opened it, so nothing is stored" in warned.text
        assert '<th scope="row">settle</th>' in warned.text
        assert '<th scope="row">min_rows</th>' in warned.text
    assert (between["version"], between["settle"], between["min_rows"]) == (2, 5.0, None)
    assert saved.status_code == 303
    assert (after["settle"], after["min_rows"]) == (None, 7)


def test_what_was_reviewed_can_be_changed_further(page: httpx.Client) -> None:
    reviewed = _hidden(_review(page, min_rows="7").text)
    form = page.post(EDIT, data=reviewed)

    assert form.status_code == 200
    assert _fields(form.text)["min_rows"] == "7"
    assert _fields(form.text)["etag"] == reviewed["etag"]
    assert page.get(API).json()["version"] == 1


def test_a_refusal_at_the_end_leads_back_to_the_form(page: httpx.Client, ledger: Ledger) -> None:
    reviewed = _hidden(_review(page, min_rows="7").text)
    ledger.execute("REVOKE INSERT ON public.items FROM adsp_loader")
    try:
        answer = page.post(f"{EDIT}/save", data=reviewed)
    finally:
        ledger.execute("GRANT INSERT ON public.items TO adsp_loader")

    assert answer.status_code == 422
    assert "GRANT INSERT ON" in answer.text
    assert _fields(answer.text)["min_rows"] == "7"


@pytest.mark.parametrize(
    "definition", ["", "{", "[]", '{"table": 1}', "[" * 100_000, '{"table": "\\ud800.a"}']
)
def test_what_no_review_has_sent_is_refused(page: httpx.Client, definition: str) -> None:
    for path in (EDIT, f"{EDIT}/save"):
        answer = page.post(path, data={"definition": definition, "etag": "*"})

        assert problem_of(answer)[:2] == (422, "definition-malformed")


def test_a_text_that_postgres_cannot_store_is_refused_as_by_a_put(page: httpx.Client) -> None:
    answer = _review(page, columns=r'"a\0": null')
    put = page.put(API, json={**ITEMS, "columns": {"a\0": None}})

    assert problem_of(answer)[::2] == problem_of(put)[::2]
    assert answer.status_code == 422


def test_a_save_without_the_state_that_was_seen_stores_nothing(page: httpx.Client) -> None:
    definition = _hidden(_review(page, min_rows="7").text)["definition"]
    answer = page.post(f"{EDIT}/save", data={"definition": definition})

    assert answer.status_code == 412
    assert page.get(API).json()["version"] == 1


def test_a_definition_that_is_refused_by_now_can_be_corrected(
    page: httpx.Client, ledger: Ledger
) -> None:
    ledger.execute(
        "UPDATE adsp.datasets SET definition = jsonb_set(definition, '{mode}', '\"merge\"')"
    )
    form = page.get(EDIT)
    fields = _fields(form.text)
    reviewed = page.post(
        EDIT,
        data={**{name: fields[name] for name in fields if "mode" not in name}, "mode": "replace"},
    )
    saved = page.post(f"{EDIT}/save", data=_hidden(reviewed.text))

    assert form.status_code == 200
    assert "error-mode" in form.text
    assert fields["yaml:mode"] == "merge"
    assert saved.status_code == 303, saved.text
    assert page.get(API).json()["mode"] == "replace"


def test_warnings_of_the_review_are_those_of_a_put(page: httpx.Client, ledger: Ledger) -> None:
    ledger.execute(
        "CREATE TABLE public.kept (sku text);"
        "CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO public.kept VALUES (NEW.sku); RETURN NULL; END';"
        "CREATE TRIGGER keep AFTER INSERT ON public.items FOR EACH ROW EXECUTE FUNCTION public.keep()"
    )
    try:
        reviewed = _review(page, min_rows="7")
        body = {**ITEMS, "min_rows": 7}
        warnings = page.put(API, json=body, params={"dry_run": True}).json()["warnings"]
    finally:
        ledger.execute(
            "DROP TRIGGER keep ON public.items; DROP FUNCTION public.keep; DROP TABLE public.kept"
        )

    assert warnings
    for warning in warnings:
        assert f'<p class="notice">{warning}' in unescape(reviewed.text)


def test_the_form_is_of_the_one_who_may_change_it(
    guarded: httpx.Client, make_key: MakeKey, page: httpx.Client
) -> None:
    """And another site cannot send it: its token is the session's."""
    headers = {"Accept": "text/html"}
    with httpx.Client(base_url=guarded.base_url, headers=headers, trust_env=False) as reader:
        reader.post("/sign-in", data={"key": make_key("read", "submit"), "next": "/"})
        refused = [reader.get(EDIT).status_code, EDIT in reader.get("/datasets/items").text]
    with httpx.Client(base_url=guarded.base_url, headers=headers, trust_env=False) as browser:
        browser.post("/sign-in", data={"key": make_key("admin"), "next": "/"})
        fields = _fields(browser.get(EDIT).text)
        forged = browser.post(EDIT, data={**fields, "csrf": ""})
        reviewed = browser.post(EDIT, data={**fields, "min_rows": "7"})

    assert refused == [403, False]
    assert forged.status_code == 403
    assert reviewed.status_code == 200


def test_a_dataset_that_is_not_there_has_no_form(page: httpx.Client) -> None:
    page.delete(API)
    definition = '{"table": "public.items"}'

    assert problem_of(page.get(EDIT))[0] == 404
    for path in (EDIT, f"{EDIT}/save"):
        answer = page.post(path, data={"definition": definition, "etag": "x"})

        assert problem_of(answer)[0] == 404
