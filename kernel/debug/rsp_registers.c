/* The registers of a CPU as gdb numbers them (i386:x86-64, with SSE). */
#include "kernel/debug/rsp.h"
#include <torc/assert.h>
#include <torc/string.h>

enum {
    GENERAL = 17, /* rax .. rip; then eflags and six segments */
    SEGMENTS = 24,
    FLOATS = 32, /* st0 .. st7 before it; then eight words of control */
    VECTORS = 40,
    MXCSR = 56,
    /* In what FXSAVE writes: Intel SDM volume 1, table 10-2. */
    FP_CONTROL = 0,
    FP_STATUS = 2,
    FP_TAGS = 4,
    FP_OPCODE = 6,
    FP_MXCSR = 24,
    FP_STACK = 32,
    FP_VECTORS = 160,
};

/* Of rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 .. r15, rip; eflags, cs, ss. */
static const uint8_t places[] = {10, 5, 11, 12, 13, 14, 4,  19, 9,  8,
                                 7,  6, 3,  2,  1,  0,  16, 18, 17, 20};

unsigned rsp_register_size(unsigned number)
{
    if (number < GENERAL)
        return 8;
    if (number < SEGMENTS)
        return 4;
    if (number < FLOATS)
        return 10;
    return number >= VECTORS && number < MXCSR ? 16 : 4;
}

/* Where a register is; NULL: it is none of those that can be changed. */
static uint8_t *place_of(struct hal_debug_cpu *cpu, unsigned number)
{
    if (number < COUNT_OF(places))
        return (uint8_t *)&cpu->registers.value[places[number]];
    if (number >= SEGMENTS && number < FLOATS)
        return cpu->fp + FP_STACK + (number - SEGMENTS) * 16;
    if (number >= VECTORS && number < MXCSR)
        return cpu->fp + FP_VECTORS + (number - VECTORS) * 16;
    return number == MXCSR ? cpu->fp + FP_MXCSR : NULL;
}

/* One bit of FXSAVE's tags for each of x87's registers is two of gdb's. */
static uint16_t tags_of(uint8_t tags)
{
    uint16_t wide = 0;

    for (unsigned i = 0; i < 8; i++)
        wide |= (uint16_t)((tags >> i & 1) != 0 ? 0 : 3 << 2 * i);
    return wide;
}

void rsp_register_get(const struct hal_debug_cpu *cpu, unsigned number,
                      uint8_t *out)
{
    static const uint8_t controls[] = {FP_CONTROL, FP_STATUS, FP_TAGS};
    unsigned size = rsp_register_size(number);
    const uint8_t *place = place_of((struct hal_debug_cpu *)cpu, number);
    uint16_t tags = tags_of(cpu->fp[FP_TAGS]);

    assert(number < RSP_REGISTERS);
    memset(out, 0, size);
    if (place != NULL)
        memcpy(out, place, size);
    else if (number == FLOATS + FP_TAGS / 2)
        memcpy(out, &tags, sizeof(tags));
    else if (number >= FLOATS && number < FLOATS + COUNT_OF(controls))
        memcpy(out, cpu->fp + controls[number - FLOATS], 2);
    else if (number == VECTORS - 1)
        memcpy(out, cpu->fp + FP_OPCODE, 2);
}

void rsp_register_set(struct hal_debug_cpu *cpu, unsigned number,
                      const uint8_t *in)
{
    uint8_t *place = place_of(cpu, number);
    unsigned size = rsp_register_size(number);

    assert(number < RSP_REGISTERS);
    if (number == FLOATS)
        memcpy(cpu->fp + FP_CONTROL, in, 2);
    if (number == MXCSR && (in[2] != 0 || in[3] != 0))
        return; /* reserved bits: loading them is an exception */
    if (place != NULL)
        memcpy(place, in, size);
}
