#!/bin/sh
# An impostor of qemu-system-i386: speaks the wire as the kernel would, and ends as FAKE_QEMU says.
if [ "$1" = --version ]; then echo "QEMU emulator version 0.0 (impostor)"; exit 0; fi
# The small guest that asks whether there is KVM.
case "$*" in *-kernel*/probe)
  case "${FAKE_KVM:-none}:$*" in
    old:*"-cpu host"*) kill -6 $$ ;;
    none:*) echo "Could not access KVM kernel module" >&2; exit 1 ;;
    stops:*) echo r; exit 0 ;;
  esac
  echo rp; exit 99 ;;
esac
while [ $# -gt 0 ]; do
  case $1 in
    -smp) cpus=$2 ;;
    -kernel) variant=${2##*/}; variant=${variant%.elf} ;;
    -append) append=$2 ;;
    -cdrom) image=$2 ;;
  esac
  shift
done
if [ -n "${FAKE_PIDS:-}" ]; then
  sleep 1000 &
  echo "$$ $!" >"$FAKE_PIDS.new" && mv "$FAKE_PIDS.new" "$FAKE_PIDS"
fi
[ -n "${FAKE_SLOW:-}" ] && sleep "$FAKE_SLOW"
[ -n "${image:-}" ] && { variant=fixed; read -r append <"$image"; }
say() { echo "@smp $1"; }
echo "console text"
# What its command line asks for, as the kernel repeats it; `otherwise` runs something else.
tests=all rounds=0 seed=1 samples=0 bench=false ms=0 chaos=false fuzz=false from=0
for word in $append; do
  case $word in
    tests=*) tests=${word#*=} ;; rounds=*) rounds=${word#*=} ;; seed=*) seed=${word#*=} ;;
    samples=*) samples=${word#*=} ;; ms=*) ms=${word#*=} ;; bench=1) bench=true ;; chaos=1) chaos=true ;;
    fuzz=1) fuzz=true ;; from=*) from=${word#*=} ;;
  esac
done
[ "$FAKE_QEMU" = otherwise ] && tests=cycles
options="{\"tests\":\"$tests\",\"rounds\":$rounds,\"seed\":$seed,\"samples\":$samples,\"bench\":$bench,\"ms\":$ms,\"chaos\":$chaos,\"fuzz\":$fuzz,\"from\":$from}"
[ "$FAKE_QEMU" = unsaid ] || say "{\"event\":\"boot\",\"variant\":\"$variant\",\"cpus\":$cpus,\"options\":$options}"
[ "$FAKE_QEMU" = hang ] && while :; do sleep 1; done
[ "$FAKE_QEMU" = stubborn ] && { trap '' TERM INT; while :; do sleep 1; done; }
[ "$FAKE_QEMU" = flood ] && while :; do echo 'the same again'; done
[ "$FAKE_QEMU" = complains ] && while :; do echo woe >&2; done
[ "$FAKE_QEMU" = lies ] && while :; do echo '@smp {"event":"te'; done
[ "$FAKE_QEMU" = killed ] && kill -9 $$
[ "$FAKE_QEMU" = reset ] && exit 0
[ "$FAKE_QEMU" = broken ] && { echo "qemu: no such device" >&2; exit 1; }
[ -n "${FAKE_SOAK:-}" ] && say "$FAKE_SOAK"
if [ "$FAKE_QEMU" = panic ]; then
  say '{"event":"panic","cpu":1,"message":"out of luck","regs":[4027580416,1,2,3],"backtrace":[4027580420,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}'
  exit 37
fi
cpu=0
while [ $cpu -lt "$cpus" ]; do
  [ "$FAKE_QEMU:$cpu" = lost:1 ] || say "{\"event\":\"cpu_online\",\"cpu\":$cpu}"
  cpu=$((cpu + 1))
done
say "{\"event\":\"cpus_online\",\"cpus\":$cpus,\"us\":1000}"
say '{"event":"plan","tests":1}'
say '{"event":"functions","names":["vunmap","vmap"]}'
[ "$FAKE_QEMU" = garbled ] && echo '@smp {"event":"test","na'
case $append in *bench=1*)
  ns=1000; [ "$variant" = seed ] && ns=${FAKE_SEED_NS:-1000000}
  say "{\"event\":\"bench\",\"name\":\"vunmap\",\"samples\":9,\"median_ns\":$ns,\"min_ns\":1,\"max_ns\":9000000}" ;;
esac
case $variant:$tests in seed:all)
  if [ "$FAKE_QEMU" != toothless ]; then
    [ -n "${FAKE_FINDING:-}" ] &&
      say "{\"event\":\"finding\",\"hazard\":\"$FAKE_FINDING\",\"cpu\":0,\"va\":0,\"expected\":1,\"seen\":2,\"detail\":\"so\"}"
    say '{"event":"finding","hazard":"A1","cpu":2,"va":3758096384,"expected":1,"seen":2,"detail":"old memory"}'
    say '{"event":"test","name":"soak","pass":false,"detail":"stale"}'
    say '{"event":"done","passed":0,"failed":1}'
    exit 35
  fi ;;
esac
say '{"event":"test","name":"soak","pass":true,"detail":"9 rounds"}'
say '{"event":"done","passed":1,"failed":0}'
exit 33
