#!/usr/bin/env bash
# Runs every claim on a machine with a GPU, the device required, and makes what came of it the committed evidence. Needs
# nothing but bash, tar and a driver: inside a bundle of `./x archive` it finds everything beside itself.
#
#   gpu-evidence           in an unpacked bundle; leaves gpu-evidence.tar.gz to carry back
#
# REFUTE, CONTRACTS, STORE, REPORTS and BUNDLE name other places. Exit status: 0 evidence of the device was promoted; 5 there
# is no device that the kernels can use, and nothing was promoted; otherwise that of the refute command that failed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REFUTE=${REFUTE:-$here/refute}
CONTRACTS=${CONTRACTS:-$here/contracts}
STORE=${STORE:-$here/.refute}
REPORTS=${REPORTS:-$here/reports}
BUNDLE=${BUNDLE:-$here/gpu-evidence.tar.gz}

say() { printf 'gpu-evidence: %s\n' "$*" >&2; }

# The smallest claim about the device tells whether there is one. Its own store, so that it is never taken for the run.
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
status=0
"$REFUTE" run "$CONTRACTS" --claim C-NF4-013 --require cuda --store "$probe" >"$probe/said" 2>&1 || status=$?
if [[ $status == 5 ]]; then
  say "no evidence: there is no device here that the kernels can use. The worker says:"
  grep -m 1 -o 'declined on cuda: .*' "$probe/said" >&2 || true
  exit 5
fi
if [[ $status != 0 ]]; then
  cat "$probe/said" >&2
  say "the smallest claim about the device did not hold (exit $status); nothing was promoted"
  exit "$status"
fi

status=0
"$REFUTE" run "$CONTRACTS" --require cuda --store "$STORE" || status=$?
if [[ $status != 0 ]]; then
  say "the run did not hold (exit $status); nothing was promoted. Its record stays in $STORE"
  exit "$status"
fi
"$REFUTE" promote --contracts "$CONTRACTS" --store "$STORE" --reports "$REPORTS"
"$REFUTE" verify --reports "$REPORTS"
tar -C "$(dirname "$REPORTS")" -czf "$BUNDLE" "$(basename "$REPORTS")"
say "carry $BUNDLE back, and unpack it at the root of the sources: tar -xzf $(basename "$BUNDLE"); refute promote --check"
