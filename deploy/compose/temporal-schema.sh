#!/bin/sh
# Makes Temporal's two databases and brings their tables to the version of the image; can be repeated. Where they are comes
# in SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD, which the tool reads by itself.
set -eu

for kind in temporal visibility; do
	case "$kind" in
		temporal) SQL_DATABASE=temporal ;;
		visibility) SQL_DATABASE=temporal_visibility ;;
	esac
	export SQL_DATABASE
	temporal-sql-tool create-database
	temporal-sql-tool setup-schema --version 0.0
	temporal-sql-tool update-schema --schema-name "postgresql/v12/$kind"
done
