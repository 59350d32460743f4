#!/bin/sh
# Put the hash of the password, which only `.env` knows, into the definitions, and become the server.
set -eu
umask 077
filled=/var/lib/rabbitmq/definitions.json
sed "s|@PASSWORD_HASH@|$ADSP_BROKER_PASSWORD_HASH|" /etc/rabbitmq/adsp/definitions.json > "$filled"
chown rabbitmq:rabbitmq "$filled"
exec docker-entrypoint.sh rabbitmq-server
