ARG BASE
FROM ${BASE}
COPY rabbitmq-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 755 /usr/local/bin/docker-entrypoint.sh && install --directory --owner=rabbitmq --group=rabbitmq /var/lib/rabbitmq
ENTRYPOINT ["docker-entrypoint.sh"]
