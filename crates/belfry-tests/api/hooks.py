"""What the suite cannot know by itself: bodies and answers that hold one JSON value per line."""

import itertools
import json

import jsonschema_rs
import schemathesis
from hypothesis import strategies as st

NDJSON = "application/x-ndjson"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
alerts = st.fixed_dictionaries(
    {
        "to": st.sampled_from([{"user": "ann"}, {"users": ["ann", "bob"]}, {"group": "g"}, {"everyone": True}]),
        "kind": st.sampled_from(["deal-notification", "price-drop"]) | st.text(),
    },
    optional={
        "data": st.dictionaries(st.text(), values, max_size=3),
        "title": st.text(),
        "severity": st.sampled_from(["info", "loud"]),
        "idempotency_key": st.text(max_size=3),
    },
)
lines = st.lists(alerts.map(json.dumps) | values.map(json.dumps) | st.text(), max_size=8).map("\n".join)


@schemathesis.serializer(NDJSON)
def lines_as_bytes(ctx, value):
    """Lines are text already; what stands for a wrong type is sent as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")


@schemathesis.hook.apply_to(path="/v1/alerts/batch")
def before_generate_body(context, strategy):
    """Lines that hold something, beside the texts that the document allows."""
    return lines | strategy


# The document's own.
EXAMPLE_KEY = "deals-2026-11-23-ann"
calls = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key serves one body, and header and field must not differ: what is beside the point would be refused for it."""
    header = (case.headers or {}).get("Idempotency-Key")
    if header != EXAMPLE_KEY:
        return
    case.headers["Idempotency-Key"] = f"{header}-{next(calls)}"
    field = case.body.get("idempotency_key") if isinstance(case.body, dict) else None
    if isinstance(field, str) and 0 < len(field.encode("utf-8", "surrogatepass")) <= 256:
        del case.body["idempotency_key"]


@schemathesis.check
def lines_conformance(ctx, response, case):
    """Each line of an answer stands in the document, too."""
    if not (response.headers.get("content-type") or [""])[0].startswith(NDJSON):
        return
    document = case.operation.schema.raw_schema
    answer = document["paths"][case.operation.path][case.operation.method]["responses"][str(response.status_code)]
    schema = answer["content"][NDJSON]["schema"]["contentSchema"]
    validator = jsonschema_rs.validator_for({**schema, "components": document["components"]})
    for text in response.content.splitlines():
        error = next(validator.iter_errors(json.loads(text)), None)
        if error is not None:
            raise AssertionError(f"a line is not what the document says: {error.message}\n\n{text!r}")
