# Sourced: boot_machine SECONDS WORK runs the machine with the folder WORK/kit as its read-only /sandstone.
# shellcheck shell=bash disable=SC2154 # root and machine_* come from the scripts that source this

# Passes the command's output through and returns its status; SECONDS later the machine is gone in any case.
boot_machine() {
  local seconds=$1 work=$2 status=0 copier serial
  serial=(-serial "file:$work/console")
  quietly "$root/build/log/machine-kit" mksquashfs "$work/kit" "$work/kit.img" -all-root -noappend -no-progress -noI -noD -noF -noX
  [[ -z ${machine_interactive-} ]] || serial=(-serial mon:stdio)
  mkfifo "$work/output"
  cat "$work/output" &
  copier=$!
  # Should this shell be killed, so are timeout and QEMU.
  setpriv --pdeathsig KILL timeout --foreground --kill-after=5 "$seconds" setpriv --pdeathsig KILL \
    qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu EPYC,+svm -smp 2 -m 2G \
    -nodefaults -no-user-config -no-reboot -display none "${serial[@]}" \
    -kernel "$machine_kernel" \
    -append "console=ttyS0 quiet root=/dev/nvme0n1 rootfstype=ext4 rw init=/sbin/machine-init panic=-1 random.trust_cpu=on" \
    -drive "if=none,id=root,format=raw,snapshot=on,file=$machine_disk" -device nvme,serial=root,drive=root \
    -drive "if=none,id=kit,format=raw,readonly=on,file=$work/kit.img" -device nvme,serial=kit,drive=kit \
    -chardev "file,id=output,path=$work/output" -chardev "file,id=status,path=$work/status" \
    -device virtio-serial-pci -device virtserialport,nr=1,chardev=output -device virtserialport,nr=2,chardev=status \
    2>"$work/qemu.log" || status=$?
  : <>"$work/output" # an end of file for the copier, if QEMU never opened it
  wait "$copier"
  if [[ -n ${machine_interactive-} ]]; then
    status=0
  elif [[ -s $work/status ]]; then
    status=$(<"$work/status")
  elif ((status == 124 || status == 137)); then
    say "dev: the test machine was stopped after $seconds seconds"
    status=124
  else
    say "dev: the test machine ended (QEMU's status $status) before the command did; its console:"
    grep -v "TCG doesn't support requested feature" "$work/qemu.log" >&2 || true
    cat "$work/console" >&2 || true
    status=1
  fi
  return "$status"
}
