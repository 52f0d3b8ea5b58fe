#!/bin/sh
# Prints the path of uv. It comes from the package index, at the version and the hashes of the lock file, by the Python
# that is named, and is kept in the cache, so that a second clone needs no network.
#   scripts/uv.sh PYTHON
set -eu
case "${XDG_CACHE_HOME-}" in
	/*) cache=$XDG_CACHE_HOME/lakebench ;;
	*) cache=${HOME:?}/.cache/lakebench ;; # a relative one does not count, as XDG's specification says
esac
cache=${LAKEBENCH_CACHE:-$cache}
version=$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements.lock)
uv=$cache/uv-$version/bin/uv
if ! "$uv" --version >/dev/null 2>&1; then
	if [ -z "${1-}" ]; then
		echo "lakebench needs Python 3.11, 3.12 or 3.13 with venv and pip on PATH (Debian: apt-get install python3-venv)," \
			"or make PYTHON=/path/to/python3.11" >&2
		exit 2
	fi
	mkdir -p "$cache/uv-$version/bin"
	part=$(mktemp -d "$cache/uv-$version.XXXXXX")
	trap 'rm -rf "$part"' EXIT
	sed -n '/^uv==/,/[^\\]$/p' requirements.lock >"$part/requirements.lock"
	"$1" -m venv "$part/venv" >&2
	"$part/venv/bin/python" -m pip install --no-deps --require-hashes --only-binary :all: -r "$part/requirements.lock" >&2
	mv "$part/venv/bin/uv" "$uv"
fi
printf '%s\n' "$uv"
