"""Show whether PostgreSQL, RabbitMQ and Redis are well, by what both old and new exporters tell."""

from tools.dashboards.boards import Row
from tools.dashboards.panels import QUARTER, Lines
from tools.dashboards.queries import EVERY, share

# Templates and the cluster's own database say nothing about us.
_DATABASES = '{datname!~"template.*|postgres|"}'
_BROKER = "rabbitmq_global_messages"


def _postgres_rate(name: str) -> str:
    return f"sum(rate(pg_stat_database_{name}{_DATABASES}{EVERY}))"


_HITS, _READS = _postgres_rate("blks_hit"), _postgres_rate("blks_read")

POSTGRES = Row(
    "PostgreSQL",
    [
        Lines(
            "Postgres up",
            "1 while the exporter can enter Postgres.",
            "none",
            {"up": "min(pg_up)"},
            ["ServerDown"],
        ),
        Lines(
            "Sessions",
            "Sessions by what they do, and how many there may be.",
            "none",
            {
                "{{state}}": f"sum by (state) (pg_stat_activity_count{_DATABASES}) > 0",
                "allowed": "max(pg_settings_max_connections)",
            },
            ["DatabaseConnectionsShort"],
        ),
        Lines(
            "Transactions",
            "Transactions each second, by their end.",
            "ops",
            {
                "committed": _postgres_rate("xact_commit"),
                "rolled back": _postgres_rate("xact_rollback"),
            },
        ),
        Lines(
            "Rows written",
            "Rows that Postgres inserts, updates and deletes each second.",
            "rowsps",
            {done: _postgres_rate(f"tup_{done}") for done in ("inserted", "updated", "deleted")},
        ),
        Lines(
            "Longest transaction",
            "Age of the oldest transaction by state; a load is one transaction.",
            "s",
            {"{{state}}": f"max by (state) (pg_stat_activity_max_tx_duration{_DATABASES})"},
            ["JobStuck"],
        ),
        Lines(
            "Cache hits",
            "Share of the blocks that were found in shared memory.",
            "percentunit",
            {"hits": share(_HITS, f"({_HITS} + {_READS})")},
        ),
        Lines(
            "Database size",
            "Bytes on disk, by database.",
            "bytes",
            {"{{datname}}": f"max by (datname) (pg_database_size_bytes{_DATABASES})"},
        ),
        Lines(
            "Deadlocks",
            "Deadlocks that Postgres ended, by database.",
            "none",
            {
                "{{datname}}": f"sum by (datname) (increase(pg_stat_database_deadlocks{_DATABASES}{EVERY}))"
            },
        ),
    ],
    width=QUARTER,
)


RABBITMQ = Row(
    "RabbitMQ",
    [
        Lines(
            "Messages",
            "Messages each second: taken from publishers, acknowledged, delivered again.",
            "mps",
            {
                "published": f"sum(rate({_BROKER}_received_total{EVERY}))",
                "acknowledged": f"sum(rate({_BROKER}_acknowledged_total{EVERY}))",
                "delivered again": f"sum(rate({_BROKER}_redelivered_total{EVERY}))",
            },
        ),
        Lines(
            "Broker memory",
            "Resident memory, and where the broker stops its publishers.",
            "bytes",
            {
                "used": "sum(rabbitmq_process_resident_memory_bytes)",
                "limit": "sum(rabbitmq_resident_memory_limit_bytes)",
            },
        ),
        Lines(
            "Broker disk",
            "Free disk, and where the broker stops its publishers.",
            "bytes",
            {
                "free": "min(rabbitmq_disk_space_available_bytes)",
                "limit": "max(rabbitmq_disk_space_available_limit_bytes)",
            },
        ),
        Lines(
            "Alarms",
            "1 while an alarm stops publishers: jobs are then taken and sent later.",
            "none",
            {
                "memory": "max(rabbitmq_alarms_memory_used_watermark)",
                "disk": "max(rabbitmq_alarms_free_disk_space_watermark)",
            },
            ["BrokerAlarm"],
        ),
        Lines(
            "Connections",
            "Connections and channels of all clients.",
            "none",
            {"connections": "sum(rabbitmq_connections)", "channels": "sum(rabbitmq_channels)"},
        ),
        Lines(
            "Dead-lettered",
            "Messages that the broker gave up each second, by reason; a tick that expired is one, and harmless.",
            "mps",
            {
                "delivery limit": f"sum(rate({_BROKER}_dead_lettered_delivery_limit_total{EVERY}))",
                "rejected": f"sum(rate({_BROKER}_dead_lettered_rejected_total{EVERY}))",
                "expired": f"sum(rate({_BROKER}_dead_lettered_expired_total{EVERY}))",
            },
            ["DeadLetters"],
        ),
    ],
)


REDIS = Row(
    "Redis",
    [
        Lines(
            "Redis up",
            "1 while the exporter can enter Redis.",
            "none",
            {"up": "min(redis_up)"},
            ["ServerDown"],
        ),
        Lines(
            "Redis memory",
            "Memory used, and where keys are evicted; 0: no limit is set.",
            "bytes",
            {"used": "sum(redis_memory_used_bytes)", "limit": "sum(redis_memory_max_bytes)"},
        ),
        Lines(
            "Commands",
            "Commands each second.",
            "ops",
            {"commands": f"sum(rate(redis_commands_processed_total{EVERY}))"},
        ),
        Lines(
            "Keys",
            "Keys, and those that expire by themselves.",
            "none",
            {"keys": "sum(redis_db_keys)", "expiring": "sum(redis_db_keys_expiring)"},
        ),
        Lines(
            "Keys lost",
            "Keys each second that expired, or were evicted because memory was full.",
            "ops",
            {
                "expired": f"sum(rate(redis_expired_keys_total{EVERY}))",
                "evicted": f"sum(rate(redis_evicted_keys_total{EVERY}))",
            },
        ),
        Lines(
            "Clients",
            "Connections of clients.",
            "none",
            {"clients": "sum(redis_connected_clients)"},
        ),
    ],
)
