#!/bin/sh
# An impostor of cargo that "builds" an empty kernel, and that "measures" what the test wrote down.
case $1 in
  build) : >"$FAKE_HOME/built"; echo "{\"target\":{\"name\":\"kernel\"},\"executable\":\"$FAKE_HOME/built\"}" ;;
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
