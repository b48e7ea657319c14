#!/usr/bin/env bash
# Makes dist/refute-VERSION-x86_64.tar.gz: the command, its workers, contracts, fixtures, evidence, and beside them every
# shared library but glibc's own, found by $ORIGIN. It runs on any x86-64 Linux with glibc 2.36 or newer.
set -euo pipefail
BUILD=${BUILD:-build}

version=$("$BUILD/refute" --version | awk '{print $2}')
name=refute-$version-x86_64
dist=dist
stage=$dist/$name
rm -rf "$stage"
mkdir -p "$stage/falsifiers" "$stage/lib"

cp "$BUILD/refute" "$stage/"
find "$BUILD/falsifiers" -maxdepth 1 -type f -name 'falsify_*' -executable -exec cp {} "$stage/falsifiers/" \;
cp -r contracts README.md "$stage/"
mkdir -p "$stage/fixtures" "$stage/reports"
cp -r fixtures/index.json fixtures/canary "$stage/fixtures/"
[[ -d fixtures/cache ]] && cp -r fixtures/cache "$stage/fixtures/"
cp -r reports/evidence "$stage/reports/"
[[ -f reports/ledger.json ]] && cp reports/ledger.json "$stage/reports/"

# glibc and the loader belong to the machine that runs the bundle: mixing two of them crashes.
glibc='^(ld-linux|libc|libm|libdl|libpthread|librt|libresolv|libutil)[.-]'
shared_libraries() { ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// {print $3}'; }
for program in "$stage/refute" "$stage"/falsifiers/*; do
  for library in $(shared_libraries "$program"); do
    [[ $(basename "$library") =~ $glibc ]] || cp -Lu "$library" "$stage/lib/"
  done
  origin="\$ORIGIN/lib"
  [[ $program == */falsifiers/* ]] && origin="\$ORIGIN/../lib"
  patchelf --set-rpath "$origin" "$program"
done
for library in "$stage"/lib/*; do
  chmod u+w "$library"
  patchelf --set-rpath "\$ORIGIN" "$library"
done

# The bundle must not lean on this machine: every library that is not glibc's has to come from inside it.
for program in "$stage/refute" "$stage"/falsifiers/* "$stage"/lib/*; do
  for library in $(shared_libraries "$program"); do
    [[ $(basename "$library") =~ $glibc || $(readlink -f "$library") == $(readlink -f "$stage")/* ]] || {
      echo "archive: $program would load $library from this machine" >&2
      exit 1
    }
  done
done

tar -C "$dist" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -czf "$dist/$name.tar.gz" "$name"
echo "$dist/$name.tar.gz"
