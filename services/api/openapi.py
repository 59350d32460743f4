"""Write the OpenAPI document to ``openapi.json``: a change of the interface shows in reviews.

Run ``python -m services.api.openapi`` after such a change; a test compares the file with the app.
"""

import json
from pathlib import Path

from services.api.app import create_app
from services.api.settings import ApiSettings

SNAPSHOT = Path(__file__).with_name("openapi.json")


def render_document() -> str:
    """Return the OpenAPI document as it is kept."""
    nowhere = ApiSettings(
        database_url="postgresql+psycopg2://", broker_url="amqp://", redis_url="redis://"
    )
    app = create_app(nowhere)
    try:
        return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"
    finally:
        app.state.dependencies.close()


def main() -> None:
    """Write the snapshot."""
    SNAPSHOT.write_text(render_document(), encoding="utf-8")


if __name__ == "__main__":
    main()
