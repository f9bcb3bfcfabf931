#!/usr/bin/env bash
# Deploys the site.
set -euo pipefail

readonly TARGET="${1:-staging}"

# Prints a message with the time.
log() {
  local message="$1"
  printf '%s %s\n' "$(date +%T)" "$message"
}

function build_site {
  log "building"
  if [[ -d public ]]; then
    rm -r public
  fi
  hugo --minify
}

build_site
log "done: $TARGET"
