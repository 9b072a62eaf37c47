#!/bin/sh
# An impostor of cargo that "builds" an empty kernel and models that are impostors, and that "measures" what the test wrote down.
case $1 in
  # The copy of mmu386 does not compile while it holds the mutant that the test names.
  check)
    at=0 found=
    while IFS= read -r line; do
      case $line in *"on(${FAKE_NO_RUST:-none})"*)
        before=${line%%"on($FAKE_NO_RUST)"*}; found=$((at + ${#before})) ;;
      esac
      at=$((at + ${#line} + 1))
    done <"$FAKE_HOME/target/teeth/ws/src/lib.rs"
    [ -n "${FAKE_NOBODYS:-}" ] && found=0
    [ -z "$found" ] && exit 0
    echo "{\"message\":{\"level\":\"error\",\"rendered\":\"error: mismatch\",\"spans\":[{\"file_name\":\"src/lib.rs\",\"byte_start\":$found,\"byte_end\":$((found + 2)),\"is_primary\":true}]}}"
    exit 101 ;;
  build)
    echo "{\"target\":{\"name\":\"models\"},\"executable\":\"$FAKE_HOME/bin/models\"}"
    : >"$FAKE_HOME/built"; echo "{\"target\":{\"name\":\"kernel\"},\"executable\":\"$FAKE_HOME/built\"}" ;;
  llvm-cov)
    [ "$2" = --version ] && { echo "cargo-llvm-cov 0.0 (impostor)"; exit 0; }
    echo "$CARGO_LLVM_COV_TARGET_DIR $*" >"$FAKE_HOME/measured"
    while [ "$1" != --output-path ]; do shift; done
    case ${FAKE_COVERAGE:-good} in
      failing) echo "test a_test ... FAILED"; exit 101 ;;
      silent) exit 0 ;;
      cut) echo "SF:$FAKE_HOME/src/lib.rs" >"$2"; exit 0 ;;
    esac
    while read -r line; do echo "$line"; done <"$FAKE_HOME/lcov" >"$2" ;;
esac
exit 0
