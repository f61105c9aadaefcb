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

# No package may run a script of its own here (trustedDependencies), so what three of them would do is done below. What stands
# in .bin for Bun and Deno is a stub, or needs Node, until a program is put in its place. The programs themselves came
# along, for one or several kinds of processor; take the first that runs.
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

# PostgreSQL's libraries lack the links that npm cannot carry. The service makes them too, but may be somebody by then who
# cannot write here. There is none for every machine, and the service says so if it needs it.
node_modules/.bin/bun -e 'await (await import("./src/db/embedded/binaries.ts")).locateBinaries().catch(() => {})'
