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

# Bun runs the install scripts of trusted packages only, and its own npm package is not one: what it leaves in .bin is a stub
# until that script has put the program in its place. The program itself came along, for one or several kinds of processor.
for program in node_modules/@oven/bun-*/bin/bun; do
  if runs "$program"; then
    ln -sf "../${program#node_modules/}" node_modules/.bin/bun
    break
  fi
done
if ! runs node_modules/.bin/bun; then
  echo "No Bun in node_modules/@oven runs on this machine." >&2
  exit 1
fi
