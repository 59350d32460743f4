ARG BASE
FROM ${BASE}
RUN install --directory --owner=nobody --group=nogroup /alertmanager
# Debian calls the program otherwise than the official image.
RUN ln -s /usr/bin/prometheus-alertmanager /usr/local/bin/alertmanager
USER nobody
WORKDIR /alertmanager
ENTRYPOINT ["/usr/bin/prometheus-alertmanager"]
