# The kernel half: hal.h over the headers of host/; no libc.
SRCS-posix-k += hal/posix/kernel/boot.c
SRCS-posix-k += hal/posix/kernel/exit.c
SRCS-posix-k += hal/posix/kernel/console.c
SRCS-posix-k += hal/posix/kernel/cpu.c
SRCS-posix-k += hal/posix/kernel/idle.c
SRCS-posix-k += hal/posix/kernel/irq.c
SRCS-posix-k += hal/posix/kernel/clock.c
SRCS-posix-k += hal/posix/kernel/trace_sites.c
SRCS-posix-k += hal/posix/kernel/sample.c
SRCS-posix-k += hal/posix/kernel/context.c
SRCS-posix-k += hal/posix/kernel/switch.S
SRCS-posix-k += hal/posix/kernel/memory.c
SRCS-posix-k += hal/posix/kernel/dma.c
SRCS-posix-k += hal/posix/kernel/io.c
SRCS-posix-k += hal/posix/kernel/pci.c
SRCS-posix-k += hal/posix/kernel/fault.c
SRCS-posix-k += hal/posix/kernel/platform.c
SRCS-posix-k += hal/posix/kernel/leaf_disk.c
SRCS-posix-k += hal/posix/kernel/leaf_net.c
SRCS-posix-k += hal/posix/kernel/leaf_tty.c

# The host half: libc and POSIX.
SRCS-posix-h += hal/posix/host/main.c
SRCS-posix-h += hal/posix/host/process.c
SRCS-posix-h += hal/posix/host/args.c
SRCS-posix-h += hal/posix/host/args_net.c
SRCS-posix-h += hal/posix/host/args_link.c
SRCS-posix-h += hal/posix/host/sample.c
SRCS-posix-h += hal/posix/host/ring.c
SRCS-posix-h += hal/posix/host/disk.c
SRCS-posix-h += hal/posix/host/disk_call.c
SRCS-posix-h += hal/posix/host/disk_uring.c
SRCS-posix-h += hal/posix/host/disk_threads.c
SRCS-posix-h += hal/posix/host/module.c
SRCS-posix-h += hal/posix/host/net.c
SRCS-posix-h += hal/posix/host/net_capture.c
SRCS-posix-h += hal/posix/host/capture.c
SRCS-posix-h += hal/posix/host/pcapng.c
SRCS-posix-h += hal/posix/host/ready.c
SRCS-posix-h += hal/posix/host/tap.c
SRCS-posix-h += hal/posix/host/slirp.c
SRCS-posix-h += hal/posix/host/line.c
SRCS-posix-h += hal/posix/host/link.c
SRCS-posix-h += hal/posix/host/unix.c
SRCS-posix-h += hal/posix/host/frame_ring.c
SRCS-posix-h += hal/posix/host/console.c
SRCS-posix-h += hal/posix/host/terminal.c
SRCS-posix-h += hal/posix/host/error.c
SRCS-posix-h += hal/posix/host/exit.c
SRCS-posix-h += hal/posix/host/fault.c
SRCS-posix-h += hal/posix/host/signal_stack.c

# Of the machine that runs in real time; the simulated one has sim/step.c instead.
SRCS-posix-real += hal/posix/host/thread.c
SRCS-posix-real += hal/posix/host/clock.c
SRCS-posix-real += hal/posix/host/link_timer.c
SRCS-posix-real += hal/posix/host/entropy.c
SRCS-posix-real += hal/posix/host/memory.c

# Of the simulated machine.
SRCS-posix-sim += hal/posix/sim/step.c
SRCS-posix-sim += hal/posix/sim/link_timer.c
SRCS-posix-sim += hal/posix/sim/event.c
SRCS-posix-sim += hal/posix/sim/step_atomic.c
SRCS-posix-sim += hal/posix/host/fresh.c
