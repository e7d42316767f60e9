#!/usr/bin/env bash
# StreamRec's verbs; build.ps1 has the same. Usage: ./build.sh setup|build|test|demo|bench|clean [arguments]
set -euo pipefail
cd "$(dirname "$0")"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1

# What the system has to provide, by the thing that is looked for, with the Debian package that provides it.
missing_packages() {
  command -v g++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v make >/dev/null || echo make
  [ -n "${Torch_DIR:-}${LIBTORCH:-}" ] || [ -e /usr/include/ATen/ATen.h ] || echo libtorch-dev
  [ -n "${Torch_DIR:-}${LIBTORCH:-}" ] || has_library libopenblas.so.0 || echo libopenblas0-pthread
  has_library librdkafka.so.1 || echo librdkafka1
  has_library libsqlite3.so.0 || echo libsqlite3-0
}

has_library() { grep -q "^[[:space:]]*$1 " <(/sbin/ldconfig -p); }

setup() {
  if ! command -v dotnet >/dev/null || ! grep -q '^10\.' <(dotnet --list-sdks); then
    echo "StreamRec needs the .NET SDK 10, which is not installed: see https://dotnet.microsoft.com/download/dotnet/10.0" >&2
    exit 1
  fi
  local packages
  packages=$(missing_packages | tr '\n' ' ')
  [ -z "${packages// /}" ] && return
  local install="apt-get install -y --no-install-recommends ${packages% }"
  if ! command -v apt-get >/dev/null; then
    echo "Missing on this system (Debian names): $packages. Install them, or set LIBTORCH to an unpacked libtorch." >&2
    exit 1
  elif [ "$(id -u)" = 0 ]; then
    echo "Installing $packages(125 MB, about a minute) ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive $install >/dev/null
  elif sudo -n true 2>/dev/null; then
    echo "Installing $packages(125 MB, about a minute) ..."
    sudo apt-get update -qq && sudo DEBIAN_FRONTEND=noninteractive $install >/dev/null
  else
    echo "Run this once, then start again:  sudo $install" >&2
    exit 1
  fi
}

# The quick start builds the command alone; tests and benchmarks build the solution.
build() { setup; dotnet build "${1:-StreamRec.sln}" -c Release --nologo -v quiet -clp:NoSummary "${@:2}"; }

streamrec() { exec artifacts/bin/StreamRec.Cli/release/streamrec "$@"; }

verb=${1:-help}
shift || true
case "$verb" in
  setup) setup ;;
  build) build StreamRec.sln "$@" ;;
  test)
    build StreamRec.sln
    dotnet test StreamRec.sln -c Release --no-build --nologo "$@"
    ;;
  demo)
    build src/StreamRec.Cli
    streamrec demo "$@"
    ;;
  bench)
    build tests/StreamRec.Benchmarks
    exec artifacts/bin/StreamRec.Benchmarks/release/StreamRec.Benchmarks "$@"
    ;;
  clean) rm -rf artifacts ;;
  *)
    sed -n '2s/^# //p' "$0"
    [ "$verb" = help ] || exit 2
    ;;
esac
