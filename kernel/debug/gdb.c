/*
 * A stub for gdb in the machine: gdb=com2. gdb connects at any time, and the
 * machine stops when it does; without it nothing is different.
 * docs/debugging.md.
 */
#include "hal/debug.h"
#include "kernel/base/panic.h"
#include "kernel/debug/rsp.h"
#include "kernel/device/driver.h"
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/machine.h>

enum { SIGNAL_INTERRUPT = 2, SIGNAL_ABORT = 6, BYTE_INTERRUPT = 3 };

/* Of the CPU that serves it, while all others are stopped; and of CPU 0 where
 * bytes arrive meanwhile. */
static struct rsp rsp;

enum hal_debug_go kernel_debug(const struct hal_debug_stop *stop, unsigned *cpu)
{
    return rsp_serve(&rsp, stop, cpu);
}

/* CPU 0, interrupt: the begin of a packet, or Ctrl-C. */
static void byte_received(uint8_t byte)
{
    if (byte == '$')
        rsp.pushed_back = byte;
    else if (byte != BYTE_INTERRUPT || !rsp_is_attached(&rsp))
        return;
    hal_debug_ops.stop(SIGNAL_INTERRUPT);
}

/* The last part of a report: whoever debugs can look at it. */
static void panic_stop(void)
{
    if (rsp_is_attached(&rsp))
        hal_debug_ops.stop(SIGNAL_ABORT);
}

/* Any CPU. */
static bool is_awaited(void)
{
    return rsp_is_attached(&rsp);
}

static int gdb_probe(void)
{
    const char *where = machine_option("gdb");
    int status = -ENODEV;

    if (where == NULL || where[0] == 'o')
        return 0;
    rsp_init(&rsp, &hal_debug_ops, cpu_count());
    if (&hal_debug_ops != NULL)
        status = hal_debug_ops.open((unsigned)(where[3] - '0'), byte_received,
                                    is_awaited);
    if (status != 0) {
        log_error("gdb=%s: %s (error %d)", where,
                  status == -EBUSY ? "its interrupt is in use"
                                   : "no such serial port",
                  status);
        return 0;
    }
    panic_add_part(panic_stop);
    log_info("gdb=%s: a debugger may connect, 115200 baud", where);
    return 0;
}

static const char *const gdb_options[] = {
    "gdb=off|com2|com3|com4 the serial port where gdb may connect (off)",
    NULL,
};

const struct driver gdb_driver = {
    .name = "gdb", .probe = gdb_probe, .options = gdb_options};
