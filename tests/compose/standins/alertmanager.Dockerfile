ARG BASE
FROM ${BASE}
RUN install --directory --owner=nobody --group=nogroup /alertmanager
USER nobody
WORKDIR /alertmanager
ENTRYPOINT ["/usr/bin/prometheus-alertmanager"]
