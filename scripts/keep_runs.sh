#!/bin/sh
# Puts the runs of a night beside those of earlier nights, which the branch nightly-runs of the remote origin keeps:
#   keep_runs.sh RESULTS FOLDER
# RESULTS has a folder a job, NAME-RUNTIME-VERSIONS, with runs/ in it; FOLDER gets a folder a runtime, because the same
# case in a container and in a process are two histories. The branch is one commit without a parent: it has the runs of
# the last NIGHTS nights (30), and does not grow.
set -eu
results=$1 folder=$2 branch=nightly-runs
mkdir -p "$folder"
# Exit code 2 says that there is no such branch yet; any other failure must not look like that, or history is lost.
there=0
git ls-remote --exit-code --heads origin "$branch" >/dev/null || there=$?
case $there in
	0)
		git fetch --quiet --depth 1 origin "$branch"
		git archive FETCH_HEAD | tar -x -C "$folder"
		;;
	2) echo "there is no branch $branch yet: this is the first night" ;;
	*) exit "$there" ;;
esac
for records in "$results"/*/runs/*/records.jsonl; do
	[ -e "$records" ] || continue
	run=$(dirname "$records")
	runtime=$(basename "${run%/runs/*}" | sed 's/.*-\([a-z]*\)-[a-z]*$/\1/')
	mkdir -p "$folder/$runtime/$(basename "$run")"
	cp "$records" "$folder/$runtime/$(basename "$run")/"
	[ ! -e "$run/summary.md" ] || cp "$run/summary.md" "$folder/$runtime/$(basename "$run")/"
done
oldest=$(date --utc --date="${NIGHTS:-30} days ago" +%Y%m%d)
for run in "$folder"/*/*; do
	day=$(basename "$run" | cut -c1-8)
	[ "$day" -ge "$oldest" ] || rm -r "$run"
done
index=$(mktemp -d)
trap 'rm -r "$index"' EXIT
export GIT_INDEX_FILE="$index/index"
git --work-tree="$folder" add --all --force .
commit=$(git -c user.name=nightly -c user.email=nightly@users.noreply.github.com commit-tree -m "Runs until $(date --utc +%Y-%m-%d)" "$(git write-tree)")
git push --quiet --force origin "$commit:refs/heads/$branch"
