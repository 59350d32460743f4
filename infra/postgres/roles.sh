#!/bin/sh
# Make the roles and the database, once, on the first start of an empty volume; migrations only grant to them.
set -eu
psql --username=postgres --dbname=postgres --quiet --set=ON_ERROR_STOP=1 \
    --set=owner="$OWNER_PASSWORD" --set=api="$API_PASSWORD" --set=worker="$WORKER_PASSWORD" \
    --set=loader="$LOADER_PASSWORD" --set=monitor="$MONITOR_PASSWORD" <<'SQL'
CREATE ROLE adsp_owner LOGIN PASSWORD :'owner';
CREATE ROLE adsp_api LOGIN PASSWORD :'api';
CREATE ROLE adsp_worker LOGIN PASSWORD :'worker';
CREATE ROLE adsp_loader LOGIN PASSWORD :'loader';
CREATE ROLE adsp_monitor LOGIN PASSWORD :'monitor';
-- People's own roles get it, to read adsp.load_history and adsp.rejected_rows.
CREATE ROLE adsp_reader NOLOGIN;
-- The worker finds and ends the session of a loader that has lost its lease.
GRANT pg_signal_backend, pg_read_all_stats TO adsp_worker;
GRANT pg_monitor TO adsp_monitor;
CREATE DATABASE adsp OWNER adsp_owner TEMPLATE template0;
REVOKE ALL ON DATABASE adsp FROM PUBLIC;
GRANT CONNECT ON DATABASE adsp TO adsp_api, adsp_worker, adsp_loader, adsp_monitor;
GRANT TEMPORARY ON DATABASE adsp TO adsp_loader;
SQL
