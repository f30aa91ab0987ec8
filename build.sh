#!/usr/bin/env bash
# Finds or installs the .NET SDK that global.json asks for, restores the Cake tool, and runs a target of build.cake.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'TEXT'
usage: ./build.sh [TARGET] [ARGUMENT...]

  build    (default) builds and publishes artifacts/bin/cutpoint
  test     builds, installs what the tests need, and runs every test
  demo     checkpoints a real Linux guest, kills it and brings it back
  bench    runs the benchmarks (--filter='*Ladder*' for some of them); --guest=all measures
           real guests, each against the command it is held to (--guest=take for some rows)
  fuzz     feeds every parser a million mutations of golden files
           (--parser=NAME --cases=N --seed=N --case=N)
  format   rewrites the sources to the project's style
TEXT
}

fail() {
    printf 'build.sh: %s\n' "$1" >&2
    exit 1
}

case "${1:-build}" in
    -h | --help | help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
esac
target=${1:-build}
shift || true

# An SDK works without ICU in this mode, so a minimal system needs no further library for it.
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0

private_sdk=$PWD/artifacts/dotnet

# `dotnet --version` fails in this directory unless an installed SDK satisfies global.json.
find_sdk() {
    local root
    for root in "$(dirname "$(readlink -f "$(command -v dotnet || echo /nowhere/dotnet)")")" "${DOTNET_ROOT:-/nowhere}" \
        "$HOME/.dotnet" /usr/share/dotnet /usr/lib/dotnet "$private_sdk"; do
        if [ -x "$root/dotnet" ] && "$root/dotnet" --version > /dev/null 2>&1; then
            export DOTNET_ROOT=$root PATH=$root:$PATH
            return 0
        fi
    done
    return 1
}

install_packages() {
    echo "Installing with apt: $*"
    local root=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2> /dev/null || [ -t 0 ] && command -v sudo > /dev/null \
            || fail "may not install $* (neither root nor sudo) — install them, then run this again"
        root=(sudo)
    fi
    "${root[@]}" apt-get -qq update \
        && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "$@" > /dev/null \
        || fail "apt could not install $* — check that this machine reaches its Debian mirror"
}

install_sdk() {
    local version script wanted
    version=$(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' global.json)
    wanted=".NET SDK $version or a later 10.0"
    script=$private_sdk/dotnet-install.sh
    command -v apt-get > /dev/null || fail "no $wanted — install it from https://dot.net, then run this again"
    local missing=()
    command -v curl > /dev/null || missing+=(curl ca-certificates)
    command -v openssl > /dev/null || missing+=(openssl)
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
    echo "Installing the .NET SDK ${version%.*} into artifacts/dotnet with Microsoft's script"
    mkdir -p "$private_sdk"
    curl -fsSL --retry 3 -o "$script" https://dot.net/v1/dotnet-install.sh 2> "$private_sdk/install.log" \
        || fail "cannot download https://dot.net/v1/dotnet-install.sh ($(tail -n 1 "$private_sdk/install.log")) — check the network, or install $wanted yourself"
    bash "$script" --channel "${version%.*.*}.0" --install-dir "$private_sdk" --no-path > "$private_sdk/install.log" 2>&1 \
        || fail "Microsoft's install script failed, its words are in artifacts/dotnet/install.log — check the network, or install the SDK yourself"
    find_sdk || fail "the SDK in artifacts/dotnet does not satisfy global.json — install $wanted yourself"
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "Cutpoint builds on Linux x86-64 only, this is $(uname -sm)"
find_sdk || install_sdk

mkdir -p artifacts
dotnet tool restore > artifacts/tools.log 2>&1 || {
    cat artifacts/tools.log >&2
    fail "cannot restore the build tool (Cake) from NuGet — check that this machine reaches nuget.org, or its proxy and NuGet configuration"
}
exec dotnet cake build.cake --verbosity=normal --target="$target" "$@"
