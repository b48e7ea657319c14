#!/usr/bin/env bash
# Unpacks the bundle into a root of its own, with glibc, /proc, /dev and /tmp as the only things beside it, and runs a
# claim there. What the bundle borrows from this machine is not there, so that borrowing fails.
#
#   archive_test.sh BUILD_FOLDER      exit 77: cannot be tested here (not root, no patchelf, no mounts)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BUILD=$(realpath "$1")
export BUILD

skip() {
  echo "skipped: $*"
  exit 77
}
# Everything is mounted in a namespace of this test's own, which takes the mounts along when it ends.
if [[ ${2:-} != --inside ]]; then
  [[ $(id -u) == 0 ]] || skip "chroot needs root"
  command -v patchelf >/dev/null || skip "patchelf is not installed"
  unshare --mount true 2>/dev/null || skip "no mount namespace to be had"
  exec unshare --mount --propagation private bash harness/tools/archive_test.sh "$BUILD" --inside
fi

work=$(mktemp -d)
trap 'umount -q "$work/root/proc" "$work"/root/dev/* 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
fail() {
  echo "archive_test: $*" >&2
  exit 1
}

bundle=$(DIST=$work/dist bash harness/tools/archive.sh --without-weights)
root=$work/root
mkdir -p "$root"/{proc,dev,tmp,lib64}
tar -C "$root" -xzf "$bundle"
home=/$(basename "$bundle" .tar.gz)

# glibc as the machine that runs the bundle has it, and nothing else of that machine.
interpreter=$(ldd "$BUILD/refute" | awk '/ld-linux/ {print $1}')
cp -L "$interpreter" "$root$interpreter"
mapfile -t libc < <(ldd "$BUILD/refute" | awk '$1 ~ /^lib(c|m)\.so/ {print $3}')
((${#libc[@]} == 2)) || fail "libc and libm were not found in ldd's answer"
for library in "${libc[@]}"; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
mount --bind /proc "$root/proc" 2>/dev/null || skip "/proc cannot be mounted"
for device in null zero urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device" || skip "/dev/$device cannot be mounted"
done

# env -i: no LD_LIBRARY_PATH, no PATH. `cd` is a program of this machine's, so chroot starts refute with / as its folder,
# and paths are given whole; a run from any folder has to find its workers and canary beside the executable.
inside() { env -i "$(command -v chroot)" "$root" "$home/refute" "$@" 2>&1; }

version=$(inside --version) || fail "--version failed: $version"
said=$(inside validate "$home/contracts") || fail "validate failed: $said"
status=0
said=$(inside run "$home/contracts/nf4-v1.yaml" --claim C-NF4-004 --store /tmp/store) || status=$?
[[ $status == 0 ]] || fail "run exited with $status: $said"
# The canary has run, and the closing line counts what survived; a run of nothing would say 0.
grep -q 'canary caught: [1-9]' <<<"$said" || fail "no canary: $said"
tail -n 1 <<<"$said" | grep -Eq '^[1-9][0-9]* passed, 0 failed, 0 skipped$' || fail "nothing passed: $said"
# Without a path the contracts that came along are taken.
said=$(inside run --claim C-NF4-004 --store /tmp/other) || fail "run without a path failed: $said"
# Nor is there a driver: a claim about the device declines, and is missed where it was required.
status=0
no_device=$(inside run "$home/contracts/nf4-v1.yaml" --claim C-NF4-013 --require cuda --store /tmp/device) || status=$?
[[ $status == 5 ]] || fail "without a driver, --require cuda exits with $status: $no_device"
grep -q 'declined on cuda' <<<"$no_device" || fail "no word of the device: $no_device"
# The check itself can fail: with a library of the bundle gone, the program must not start.
mv "$root$home"/lib/libfmt.so.* "$work/"
! inside --version >/dev/null || fail "refute starts without its libraries, so this root borrows from the machine"
echo "$version in a bare root: $(tail -n 1 <<<"$said")"
