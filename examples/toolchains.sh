#!/usr/bin/env bash
# Installs what the tests need beyond Python, from Debian 12's own packages: Go, mono, Java, Node and a browser for the
# examples, PostgreSQL for the ledger.
# Run as root. A tool that is there already, from wherever, is left alone. `toolchains.sh go node` installs only these.
set -euo pipefail

tools="go csharp java node browser postgres"
selected=${*:-$tools}
for tool in $selected; do
  if [[ " $tools " != *" $tool "* ]]; then
    echo "$tool: no such tool; there are: $tools" >&2
    exit 2
  fi
done
packages=()

# want TOOL COMMAND PACKAGE...: the packages are needed unless one of the commands, separated by |, is found.
want() {
  local tool=$1 command commands
  IFS='|' read -ra commands <<<"$2"
  shift 2
  [[ " $selected " == *" $tool "* ]] || return 0
  for command in "${commands[@]}"; do
    if command -v "$command" >/dev/null; then return 0; fi
  done
  packages+=("$@")
}

want go go golang-go
want csharp mcs mono-mcs mono-runtime
want java javac openjdk-17-jdk-headless
want node npm nodejs npm
want browser 'chromium|chromium-headless-shell|google-chrome' chromium-headless-shell

# Libraries have no command to look for.
library() {
  [[ " $selected " == *" $1 "* && ! -e $3 ]] || return 0
  packages+=("$2")
}
library go golang-github-gorilla-websocket-dev /usr/share/gocode/src/github.com/gorilla/websocket
library postgres postgresql /usr/lib/postgresql
library csharp libmono-system-runtime-serialization4.0-cil /usr/lib/mono/4.5/System.Runtime.Serialization.dll

if [[ ${#packages[@]} -eq 0 ]]; then
  echo "Everything is there."
  exit 0
fi
echo "Installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}"
