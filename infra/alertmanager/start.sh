#!/bin/sh
# Put the webhooks' URLs into the configuration, which cannot read the environment itself, and become Alertmanager.
set -eu
configuration=/alertmanager/alertmanager.yml
cp /etc/alertmanager/alertmanager.yml "$configuration"
name() { # VARIABLE URL: put the URL where the variable stands
    [ -n "$2" ] || return 0
    url=$(printf '%s' "$2" | sed 's/[&|\\]/\\&/g')
    sed -i "s|webhook_configs: \[\] # $1\$|webhook_configs: [{ url: \"$url\" }]|" "$configuration"
}
name ADSP_ALERT_WEBHOOK_URL "${ADSP_ALERT_WEBHOOK_URL:-}"
name ADSP_WATCHDOG_WEBHOOK_URL "${ADSP_WATCHDOG_WEBHOOK_URL:-}"
exec alertmanager --config.file="$configuration" "$@"
