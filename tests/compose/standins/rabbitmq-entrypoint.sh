#!/bin/bash
# As the official image: the server leaves root, anything else runs as it is.
set -eu
if [ "$1" = rabbitmq-server ]; then
    export HOME=/var/lib/rabbitmq
    chown -R rabbitmq:rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
    exec setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups /usr/lib/rabbitmq/bin/rabbitmq-server
fi
exec "$@"
