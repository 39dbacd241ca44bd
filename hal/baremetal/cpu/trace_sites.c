/*
 * Turning trace sites on: <torc/trace_site.h>. Each becomes a jump.
 *
 * The text is read-only. CR0.WP is off while it is written to, on the one CPU
 * that runs: then the kernel's own stores pass (Intel SDM volume 3, 4.6.1).
 * The write to CR0 afterwards serializes, so that no old instruction is left in
 * the processor (8.1.3, cross- and self-modifying code).
 */
#include "hal/hal.h"
#include "hal/trace.h"
#include <torc/assert.h>
#include <torc/string.h>

enum { JUMP_REL32 = 0xe9, JUMP_SIZE = 5 };
#define CR0_WP (UINT64_C(1) << 16)

/* Distances, from each field itself. */
struct site {
    int32_t code;
    int32_t on;
};

extern struct site trace_sites_begin[], trace_sites_end[]; /* link.ld */

static uint64_t cr0_read(void)
{
    uint64_t value;

    __asm__ volatile("movq %%cr0, %0" : "=r"(value));
    return value;
}

static void cr0_write(uint64_t value)
{
    __asm__ volatile("movq %0, %%cr0" ::"r"(value) : "memory");
}

static void patch(const struct site *site)
{
    uint8_t *code = (uint8_t *)((uintptr_t)&site->code + (intptr_t)site->code);
    uintptr_t on = (uintptr_t)&site->on + (intptr_t)site->on;
    int32_t distance = (int32_t)(on - ((uintptr_t)code + JUMP_SIZE));

    code[0] = JUMP_REL32;
    memcpy(code + 1, &distance, sizeof(distance));
}

void hal_trace_sites_on(void)
{
    hal_irqflags flags = hal_irq_save();
    uint64_t cr0 = cr0_read();

    assert(hal_cpu_id() == 0);
    cr0_write(cr0 & ~CR0_WP);
    for (struct site *site = trace_sites_begin; site < trace_sites_end; site++)
        patch(site);
    cr0_write(cr0);
    hal_irq_restore(flags);
}
