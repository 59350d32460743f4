#!/bin/bash
# The wheel brings no client: this one can PING.
exec 3<>/dev/tcp/127.0.0.1/6379
printf 'AUTH %s\r\nPING\r\n' "$REDISCLI_AUTH" >&3
head -n 2 <&3
