#!/bin/bash
# As the official image: make the cluster on the first start, run the scripts on its socket, then listen.
set -eu
export PGDATA=/var/lib/postgresql/18/docker
if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA"
    initdb --username=postgres --pwfile=<(echo "$POSTGRES_PASSWORD") --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host=scram-sha-256 > /dev/null
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    echo "unix_socket_directories = '/tmp'" >> "$PGDATA/postgresql.conf"
    echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
    pg_ctl -w start -o "-c listen_addresses=''" > /dev/null
    for script in /docker-entrypoint-initdb.d/*.sh; do PGHOST=/tmp sh "$script"; done
    pg_ctl -w -m fast stop > /dev/null
fi
exec "$@"
