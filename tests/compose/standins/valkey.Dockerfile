ARG BASE
FROM ${BASE}
COPY valkey-server /usr/local/bin/valkey-server
COPY valkey-cli.sh /usr/local/bin/valkey-cli
RUN chmod 755 /usr/local/bin/valkey-server /usr/local/bin/valkey-cli \
    && useradd --system --uid 999 valkey && install --directory --owner=valkey --group=valkey /data
USER valkey
WORKDIR /data
