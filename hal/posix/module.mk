# The kernel half: hal.h, host.h, no libc.
SRCS-posix-k += hal/posix/boot.c
SRCS-posix-k += hal/posix/cpu.c
SRCS-posix-k += hal/posix/idle.c
SRCS-posix-k += hal/posix/irq.c
SRCS-posix-k += hal/posix/clock.c
SRCS-posix-k += hal/posix/sample.c
SRCS-posix-k += hal/posix/context.c
SRCS-posix-k += hal/posix/switch.S
SRCS-posix-k += hal/posix/io.c
SRCS-posix-k += hal/posix/dma.c
SRCS-posix-k += hal/posix/fault.c
SRCS-posix-k += hal/posix/platform.c
SRCS-posix-k += hal/posix/leaf.c

# Of the simulated machine, in the place of host_thread.c.
SRCS-posix-sim += hal/posix/step.c
SRCS-posix-sim += hal/posix/step_atomic.c

# The host half: libc, host.h.
SRCS-posix-h += hal/posix/host_main.c
SRCS-posix-h += hal/posix/host_args.c
SRCS-posix-h += hal/posix/host_thread.c
SRCS-posix-h += hal/posix/host_sample.c
SRCS-posix-h += hal/posix/host_file.c
SRCS-posix-h += hal/posix/host_net.c
SRCS-posix-h += hal/posix/host_slirp.c
SRCS-posix-h += hal/posix/host_misc.c
SRCS-posix-h += hal/posix/host_fault.c
