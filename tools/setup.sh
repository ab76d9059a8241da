#!/bin/sh
# Installs the Debian packages that building and testing need. Calls apt-get only when one is missing.
set -eu

packages='
  clang-22 clang-format-22 clang-tidy-22 lld-22 llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools
  cmake ninja-build ccache
  libzstd-dev zlib1g-dev nlohmann-json3-dev libgtest-dev libgmock-dev
'
# A python3 that is not Debian's brings its own venv.
python3 -c 'import ensurepip, venv' 2>/dev/null || packages="$packages python3-venv"

if ! command -v dpkg-query >/dev/null; then
  echo "tools/setup.sh: expected Debian 12 or a distribution made from it; install these by hand:" $packages >&2
  exit 1
fi

missing=
for package in $packages; do
  case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
  installed) ;;
  *) missing="$missing $package" ;;
  esac
done
if [ -z "$missing" ]; then
  echo "== packages: all there"
  exit 0
fi

as_root=
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "tools/setup.sh: not root and no sudo; as root, run: apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  as_root=sudo
fi
echo "== packages: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing
}
if ! install >"$log" 2>&1; then
  cat "$log" >&2
  echo "tools/setup.sh: apt-get failed" >&2
  exit 1
fi
