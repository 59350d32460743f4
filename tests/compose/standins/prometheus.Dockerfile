ARG BASE
FROM ${BASE}
RUN install --directory --owner=nobody --group=nogroup /prometheus
USER nobody
WORKDIR /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
