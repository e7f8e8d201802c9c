#!/bin/sh
# A streaming replica: its first start copies the primary into $PGDATA, and from then on it follows.
#   PGHOST, PGPORT, PGUSER, PGPASSWORD: the primary, and a role that may replicate
#   $1: a name of its own, by which the primary keeps what it has not got yet; the rest are options for postgres
set -eu
slot=$1
shift

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	mkdir -p "$(dirname "$PGDATA")"
	rm -rf "$PGDATA.copy"
	pg_receivewal --create-slot --if-not-exists --slot="$slot"
	pg_basebackup --pgdata="$PGDATA.copy" --slot="$slot" --wal-method=stream --checkpoint=fast --write-recovery-conf
	if [ -d "$PGDATA" ]; then rmdir "$PGDATA"; fi
	mv "$PGDATA.copy" "$PGDATA"
fi

# Rows that searches here still read stay on the primary; a long search waits no longer than this for a new version.
exec postgres -D "$PGDATA" -c hot_standby_feedback=on -c max_standby_streaming_delay=5s "$@"
