#!/usr/bin/env bash
# gpu_evidence.sh without a device, which every machine can play: it must say so, exit with 5, and leave nothing behind.
#
#   gpu_evidence_test.sh BUILD_FOLDER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "gpu_evidence_test: $*" >&2
  exit 1
}

collect() {
  env CUDA_VISIBLE_DEVICES= REFUTE="$1" CONTRACTS=contracts STORE="$work/store" REPORTS="$work/reports" \
    BUNDLE="$work/bundle.tar.gz" bash harness/tools/gpu_evidence.sh 2>&1
}

status=0
said=$(collect "$(realpath "$1")/refute") || status=$?
[[ $status == 5 ]] || fail "without a device it exits with $status: $said"
grep -q 'no evidence: there is no device' <<<"$said" || fail "it does not say why: $said"
grep -q 'declined on cuda: .' <<<"$said" || fail "it does not show the worker's reason: $said"
[[ -z $(find "$work" -mindepth 1) ]] || fail "it leaves something behind: $(find "$work" -mindepth 1)"

# What fails in another way is passed on, and never taken for a missing device.
status=0
said=$(collect /bin/false) || status=$?
[[ $status == 1 ]] || fail "a refute that fails gives $status: $said"
grep -q 'no evidence: there is no device' <<<"$said" && fail "a failing refute is taken for a missing device"
echo "declines with exit 5 and promotes nothing"
