"""A URL of several hosts becomes one that SQLAlchemy and libpq both read; another one stays as it is."""

import pytest
from psycopg2.extensions import parse_dsn
from sqlalchemy.engine import make_url

from libs.common.database_url import read_database_url
from libs.common.postgres.hosts import connection_parameters

_ACCOUNT = {"user": "adsp_api", "password": "p@ss, word", "dbname": "feeds"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://",
        "postgresql+psycopg2://localhost/adsp",
        "postgresql://adsp_api:x%2Fy@[::1]:5432/feeds?sslmode=require&options=-c%20x=y",
        "postgresql+psycopg2://adsp_api:a,b@db/feeds",
        "postgresql+psycopg2:///feeds?host=/var/run/postgresql",
        "postgresql://u:a,b/c@db/feeds",
        "postgresql://u:1,b/c?d@db/feeds",
    ],
)
def test_a_url_of_one_host_stays_as_it_is(url: str) -> None:
    assert read_database_url(url) == url


@pytest.mark.parametrize(
    ("place", "host", "port"),
    [
        ("db1:5432,db2:6432/feeds", "db1,db2", "5432,6432"),
        ("db1,db2:6432/feeds", "db1,db2", ",6432"),
        ("[::1]:1,[fe80::2]/feeds", "::1,fe80::2", "1,"),
        ("/feeds?host=db1:1&host=db2:2", "db1,db2", "1,2"),
        ("/feeds?host=db1,db2&port=5432", "db1,db2", "5432,5432"),
    ],
)
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg2", "postgres"])
def test_sqlalchemy_and_libpq_read_the_same_hosts(
    scheme: str, place: str, host: str, port: str
) -> None:
    url = read_database_url(f"{scheme}://adsp_api:p%40ss%2C%20word@{place}")
    expected = {**_ACCOUNT, "host": host, "port": port, "target_session_attrs": "read-write"}

    assert connection_parameters(url) == expected
    assert parse_dsn(url.replace("+psycopg2", "", 1)) == expected
    assert make_url(url).get_backend_name() == "postgresql"
    assert read_database_url(url) == url


def test_what_the_url_asks_for_itself_is_kept() -> None:
    url = read_database_url("postgresql://a,b/feeds?target_session_attrs=any&options=-c%20x%3Dy")

    assert connection_parameters(url) == {
        "host": "a,b",
        "port": ",",
        "dbname": "feeds",
        "target_session_attrs": "any",
        "options": "-c x=y",
    }


@pytest.mark.parametrize(
    "url", ["mysql://db/feeds", "db:5432", "postgresql://a:1,b:x/feeds", "postgresql://a,,b/feeds"]
)
def test_what_is_no_url_of_postgres_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"host:port"):
        read_database_url(url)


def test_ports_that_do_not_fit_the_hosts_are_refused() -> None:
    with pytest.raises(ValueError, match="3 hosts have 2 ports"):
        read_database_url("postgresql:///feeds?host=a,b,c&port=1,2")
