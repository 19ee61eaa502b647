#!/bin/sh
# Install what the test archive runs on: Debian 12, root. Running it again is harmless.
#
# The package gavodachs2-server is left out on purpose: its install script needs a running
# PostgreSQL and makes one site-wide server. python3-gavo is the same software without that, and
# dachs_server.py gives it a database cluster, a directory and a port of its own.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
apt-get update -qq
apt-get install -y -qq --no-install-recommends \
    postgresql-15 postgresql-15-pgsphere postgresql-15-q3c python3-gavo nginx-light >/dev/null
if [ "${1:-}" != --no-browser ]; then
    apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null
fi

# pgsphere 1.2.0 declares "@" for MOCs with a commutator and a negator that PostgreSQL 15.5 and
# later refuse (github.com/postgrespro/pgsphere issue 85); without them the operator still works.
sql=/usr/share/postgresql/15/extension/pg_sphere--1.2.0.sql
if [ -f "$sql" ]; then
    awk '
        /^CREATE OPERATOR @ \(/ { held = ""; inside = 1 }
        inside {
            held = held $0 "\n"
            if ($0 ~ /\);/) {
                if (held ~ /RIGHTARG *= *smoc/) gsub(/ *(COMMUTATOR|NEGATOR) *=[^\n]*\n/, "", held)
                printf "%s", held; inside = 0
            }
            next
        }
        { print }
    ' "$sql" > "$sql.new"
    mv "$sql.new" "$sql"
fi
