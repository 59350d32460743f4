"""Assemble the management commands: `./dev --list` shows them, `./dev NAME` runs one."""

from invoke.collection import Collection

from tools.tasks import (
    bench,
    checks,
    dashboards,
    database,
    docs,
    faults,
    fuzz,
    hosts,
    jobs,
    keys,
    kubernetes,
    pictures,
    stack,
    supply,
)

namespace = Collection.from_module(stack)
for module in (
    jobs,
    checks,
    bench,
    dashboards,
    docs,
    faults,
    fuzz,
    hosts,
    kubernetes,
    pictures,
    supply,
):
    for task in Collection.from_module(module).tasks.values():
        namespace.add_task(task)
namespace.add_collection(Collection.from_module(database), name="db")
namespace.add_collection(Collection.from_module(keys), name="keys")
