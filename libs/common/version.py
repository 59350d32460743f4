"""Hold the version of ADSP: that of the package, of ``/health``, of the OpenAPI document and of the metrics."""

VERSION = "0.1.0"
