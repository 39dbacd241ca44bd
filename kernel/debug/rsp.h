/*
 * gdb's remote serial protocol (GDB manual, appendix E), of the stub's side:
 * packets in, answers out, over what hal/debug.h has of the machine.
 */
#ifndef TORC_KERNEL_DEBUG_RSP_H
#define TORC_KERNEL_DEBUG_RSP_H

#include "hal/debug.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RSP_PACKET_MAX = 2048, RSP_BREAKPOINTS_MAX = 64 };

struct rsp {
    const struct hal_debug_ops *ops;
    unsigned cpu_count;
    /* Somebody has sent a packet, and has not detached: rsp_is_attached(). */
    _Atomic bool is_attached;
    unsigned first_left; /* how many bytes his first one may still have */
    bool owes_stop;      /* it waits to be told why the machine has stopped */
    int pushed_back;     /* a byte that was read already; -1: none */
    unsigned cpu;        /* of g, G, p, P: by H */
    unsigned step_cpu;
    struct hal_debug_stop stop;
    struct hal_debug_point points[HAL_DEBUG_POINTS];
    struct {
        bool is_set;
        uint8_t saved;
        uintptr_t address;
    } breaks[RSP_BREAKPOINTS_MAX];
    char in[RSP_PACKET_MAX + 1];
    size_t in_len;
    char out[RSP_PACKET_MAX + 8];
    size_t out_len;
};

void rsp_init(struct rsp *rsp, const struct hal_debug_ops *ops,
              unsigned cpu_count);

/* Any CPU. */
bool rsp_is_attached(const struct rsp *rsp);

/* Serve packets while the machine stands still, until it is to go on; as
 * kernel_debug(). When nobody is attached it returns at once; if a byte was
 * pushed back (CPU 0 only), after a second without one, or a packet's bytes
 * without a packet. */
enum hal_debug_go rsp_serve(struct rsp *rsp, const struct hal_debug_stop *stop,
                            unsigned *cpu);

/* ---- rsp_registers.c ----------------------------------------------------- */

/* Registers in gdb's order for "i386:x86-64" with SSE: how many, and how many
 * bytes each has. */
enum { RSP_REGISTERS = 57, RSP_REGISTERS_SIZE = 536 };
unsigned rsp_register_size(unsigned number);
void rsp_register_get(const struct hal_debug_cpu *cpu, unsigned number,
                      uint8_t *out);
void rsp_register_set(struct hal_debug_cpu *cpu, unsigned number,
                      const uint8_t *in);

#endif
