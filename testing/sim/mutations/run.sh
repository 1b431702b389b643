#!/bin/sh
# Applies each patch of this folder to a copy of the repository and expects the simulator to find
# it, in the scenario and seeds that the patch names. The folder for the copies is the argument, or
# a temporary one; PROFILE is cargo's profile, release if unset.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${1:-$(mktemp -d)}
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$work/target}"
profile=${PROFILE:-release}
failed=0
rm -rf "$work/tree"
mkdir -p "$work/tree"
tar -C "$root" -cf - --exclude=./target --exclude=./.git . | tar -xmf - -C "$work/tree"
for patch in "$here"/*.patch; do
    name=$(basename "$patch" .patch)
    scenario=$(sed -n 's/^scenario: //p' "$patch")
    seeds=$(sed -n 's/^seeds: //p' "$patch")
    patch -s -d "$work/tree" -p1 < "$patch"
    (cd "$work/tree" && cargo build -q --profile "$profile" -p sim)
    if (cd "$work/tree" && cargo run -q --profile "$profile" -p sim -- \
        run --scenario "$scenario" --seeds "$seeds") > "$work/$name.log"; then
        echo "$name: NOT FOUND in $scenario $seeds"
        failed=1
    else
        echo "$name: $(grep -m 1 FAILED "$work/$name.log" | cut -c 1-160)"
    fi
    patch -s -R -d "$work/tree" -p1 < "$patch"
done
exit $failed
