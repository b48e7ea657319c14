#!/usr/bin/env bash
# Makes dist/refute-VERSION-x86_64.tar.gz: the command, its workers, contracts, fixtures, evidence, and beside them every
# shared library but glibc's own, found by $ORIGIN. It runs on any x86-64 Linux with glibc 2.36 or newer.
#
#   archive.sh [--without-weights]    the real weights of fixtures/cache stay out; claims on them are declined
#
# BUILD names the build folder (build), DIST where the bundle goes (dist).
set -euo pipefail
BUILD=${BUILD:-build}
weights=yes
case ${1:-} in
  '') ;;
  --without-weights) weights=no ;;
  *)
    echo "archive: there is no option '$1'; there is --without-weights" >&2
    exit 2
    ;;
esac

version=$("$BUILD/refute" --version | awk '{print $2}')
name=refute-$version-x86_64
dist=${DIST:-dist}
stage=$dist/$name
rm -rf "$stage"
mkdir -p "$stage/falsifiers" "$stage/lib"

cp "$BUILD/refute" "$stage/"
find "$BUILD/falsifiers" -maxdepth 1 -type f -name 'falsify_*' -executable -exec cp {} "$stage/falsifiers/" \;
cp -r contracts README.md "$stage/"
cp harness/tools/gpu_evidence.sh "$stage/gpu-evidence"
mkdir -p "$stage/fixtures" "$stage/reports"
cp -r fixtures/index.json fixtures/canary "$stage/fixtures/"
mkdir -p "$stage/fixtures/data"
cp fixtures/data/*.safetensors "$stage/fixtures/data/"
[[ $weights == yes && -d fixtures/cache ]] && cp -r fixtures/cache "$stage/fixtures/"
# Evidence and ledger exist once a run has been promoted.
[[ -d reports/evidence ]] && cp -r reports/evidence "$stage/reports/"
[[ -f reports/ledger.json ]] && cp reports/ledger.json "$stage/reports/"

# glibc and the loader belong to the machine that runs the bundle: mixing two of them crashes.
glibc='^(ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libresolv|libutil|libmvec|libanl|libnss_[a-z]*)[.-]'
shared_libraries() { ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// {print $3}'; }
# Debug information is 28 of every 29 bytes; the names of functions stay, for whoever reads a backtrace.
strip --strip-debug "$stage/refute" "$stage"/falsifiers/*
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
