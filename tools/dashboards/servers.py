"""Show whether PostgreSQL, RabbitMQ and Redis are well, by what both old and new exporters tell."""

from tools.dashboards.boards import Row
from tools.dashboards.panels import QUARTER, THIRD, Words, lines
from tools.dashboards.queries import EVERY, Query, share

# Templates and the cluster's own database say nothing about us.
_DATABASES = '{datname!~"template.*|postgres|"}'
_BROKER = "rabbitmq_global_messages"


def postgres() -> Row:
    """Make the panels of PostgreSQL."""
    up = Words("Postgres up", "1 while the exporter can enter Postgres.", "none", ["ServerDown"])
    sessions = Words(
        "Sessions",
        "Sessions by what they do, and how many there may be.",
        "none",
        ["DatabaseConnectionsShort"],
    )
    transactions = Words("Transactions", "Transactions each second, by their end.", "ops")
    written = Words(
        "Rows written", "Rows that Postgres inserts, updates and deletes each second.", "rowsps"
    )
    longest = Words(
        "Longest transaction",
        "Age of the oldest transaction by state; a load is one transaction.",
        "s",
        ["JobStuck"],
    )
    cache = Words(
        "Cache hits", "Share of the blocks that were found in shared memory.", "percentunit"
    )
    size = Words("Database size", "Bytes on disk, by database.", "bytes")
    deadlocks = Words("Deadlocks", "Deadlocks that Postgres ended, by database.", "none")
    hits, reads = (_postgres_rate(name) for name in ("blks_hit", "blks_read"))
    return Row(
        "PostgreSQL",
        [
            lines(up, Query("min(pg_up)", "up"), width=QUARTER),
            lines(
                sessions,
                Query(f"sum by (state) (pg_stat_activity_count{_DATABASES}) > 0", "{{state}}"),
                Query("max(pg_settings_max_connections)", "allowed"),
                width=QUARTER,
            ),
            lines(
                transactions,
                Query(_postgres_rate("xact_commit"), "committed"),
                Query(_postgres_rate("xact_rollback"), "rolled back"),
                width=QUARTER,
            ),
            lines(
                written,
                *(
                    Query(_postgres_rate(f"tup_{done}"), done)
                    for done in ("inserted", "updated", "deleted")
                ),
                width=QUARTER,
            ),
            lines(
                longest,
                Query(
                    f"max by (state) (pg_stat_activity_max_tx_duration{_DATABASES})", "{{state}}"
                ),
                width=QUARTER,
            ),
            lines(cache, Query(share(hits, f"({hits} + {reads})"), "hits"), width=QUARTER),
            lines(
                size,
                Query(f"max by (datname) (pg_database_size_bytes{_DATABASES})", "{{datname}}"),
                width=QUARTER,
            ),
            lines(
                deadlocks,
                Query(
                    f"sum by (datname) (increase(pg_stat_database_deadlocks{_DATABASES}{EVERY}))",
                    "{{datname}}",
                ),
                width=QUARTER,
            ),
        ],
    )


def _postgres_rate(name: str) -> str:
    return f"sum(rate(pg_stat_database_{name}{_DATABASES}{EVERY}))"


def rabbitmq() -> Row:
    """Make the panels of RabbitMQ."""
    messages = Words(
        "Messages",
        "Messages each second: taken from publishers, acknowledged, delivered again.",
        "mps",
    )
    memory = Words(
        "Broker memory", "Resident memory, and where the broker stops its publishers.", "bytes"
    )
    disk = Words("Broker disk", "Free disk, and where the broker stops its publishers.", "bytes")
    alarms = Words(
        "Alarms",
        "1 while an alarm stops publishers: jobs are then taken and sent later.",
        "none",
        ["BrokerAlarm"],
    )
    clients = Words("Connections", "Connections and channels of all clients.", "none")
    dead = Words(
        "Dead-lettered",
        "Messages that the broker gave up each second, by reason; a tick that expired is one, and harmless.",
        "mps",
        ["DeadLetters"],
    )
    return Row(
        "RabbitMQ",
        [
            lines(
                messages,
                Query(f"sum(rate({_BROKER}_received_total{EVERY}))", "published"),
                Query(f"sum(rate({_BROKER}_acknowledged_total{EVERY}))", "acknowledged"),
                Query(f"sum(rate({_BROKER}_redelivered_total{EVERY}))", "delivered again"),
            ),
            lines(
                memory,
                Query("sum(rabbitmq_process_resident_memory_bytes)", "used"),
                Query("sum(rabbitmq_resident_memory_limit_bytes)", "limit"),
            ),
            lines(
                disk,
                Query("min(rabbitmq_disk_space_available_bytes)", "free"),
                Query("max(rabbitmq_disk_space_available_limit_bytes)", "limit"),
            ),
            lines(
                alarms,
                Query("max(rabbitmq_alarms_memory_used_watermark)", "memory"),
                Query("max(rabbitmq_alarms_free_disk_space_watermark)", "disk"),
            ),
            lines(
                clients,
                Query("sum(rabbitmq_connections)", "connections"),
                Query("sum(rabbitmq_channels)", "channels"),
            ),
            lines(
                dead,
                Query(
                    f"sum(rate({_BROKER}_dead_lettered_delivery_limit_total{EVERY}))",
                    "delivery limit",
                ),
                Query(f"sum(rate({_BROKER}_dead_lettered_rejected_total{EVERY}))", "rejected"),
                Query(f"sum(rate({_BROKER}_dead_lettered_expired_total{EVERY}))", "expired"),
            ),
        ],
    )


def redis() -> Row:
    """Make the panels of Redis, which holds results and counts requests; jobs do not need it."""
    up = Words("Redis up", "1 while the exporter can enter Redis.", "none", ["ServerDown"])
    memory = Words(
        "Redis memory", "Memory used, and where keys are evicted; 0: no limit is set.", "bytes"
    )
    commands = Words("Commands", "Commands each second.", "ops")
    keys = Words("Keys", "Keys, and those that expire by themselves.", "none")
    lost = Words(
        "Keys lost",
        "Keys each second that expired, or were evicted because memory was full.",
        "ops",
    )
    clients = Words("Clients", "Connections of clients.", "none")
    return Row(
        "Redis",
        [
            lines(up, Query("min(redis_up)", "up"), width=THIRD),
            lines(
                memory,
                Query("sum(redis_memory_used_bytes)", "used"),
                Query("sum(redis_memory_max_bytes)", "limit"),
            ),
            lines(commands, Query(f"sum(rate(redis_commands_processed_total{EVERY}))", "commands")),
            lines(
                keys,
                Query("sum(redis_db_keys)", "keys"),
                Query("sum(redis_db_keys_expiring)", "expiring"),
            ),
            lines(
                lost,
                Query(f"sum(rate(redis_expired_keys_total{EVERY}))", "expired"),
                Query(f"sum(rate(redis_evicted_keys_total{EVERY}))", "evicted"),
            ),
            lines(clients, Query("sum(redis_connected_clients)", "clients")),
        ],
    )
