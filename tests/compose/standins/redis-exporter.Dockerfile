ARG BASE
FROM ${BASE}
USER nobody
ENTRYPOINT ["/usr/bin/prometheus-redis-exporter"]
