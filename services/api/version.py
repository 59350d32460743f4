"""Hold the version that the api tells in ``/health`` and in its OpenAPI document."""

VERSION = "0.1.0"
