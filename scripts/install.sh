#!/bin/sh
# Installs what package.json and bun.lock name, on a machine that has Bun, or only Node with npm.
set -eu
cd "$(dirname "$0")/.."

# The exact version among the development dependencies; "engines" names a range, which does not match.
version=$(sed -n 's/^ *"bun": "\([0-9][0-9.]*\)",*$/\1/p' package.json)

runs() { "$@" --version >/dev/null 2>&1; }

if runs bun; then
  bun install --frozen-lockfile
elif runs node_modules/.bin/bun; then
  node_modules/.bin/bun install --frozen-lockfile
else
  npx --yes "bun@$version" install --frozen-lockfile
fi

# Bun runs the install scripts of trusted packages only, and neither its own npm package nor Deno's is one: what stands in
# .bin is a stub, or needs Node, until such a script has put the program in its place. The programs themselves came along,
# for one or several kinds of processor; take the first that runs.
link() {
  name=$1
  shift
  for program; do
    if runs "$program"; then
      ln -sf "../${program#node_modules/}" "node_modules/.bin/$name"
      return
    fi
  done
  echo "No $name in node_modules runs on this machine." >&2
  exit 1
}
link bun node_modules/@oven/bun-*/bin/bun
link deno node_modules/@deno/*/deno
