#include "tools/profile/decode.h"
#include <stdbool.h>

enum { REX_MASK = 0xf0, REX = 0x40, REX_B = 1 };

static bool is_legacy_prefix(uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e: /* segments */
    case 0x64:
    case 0x65: /* FS, GS */
    case 0x66:
    case 0x67: /* sizes */
    case 0xf0:
    case 0xf2:
    case 0xf3: /* LOCK, REPNE, REP */
        return true;
    default:
        return false;
    }
}

static bool is_string(uint8_t opcode)
{
    return (opcode >= 0xa4 && opcode <= 0xa7) || /* MOVS, CMPS */
           (opcode >= 0xaa && opcode <= 0xaf) || /* STOS, LODS, SCAS */
           (opcode >= 0x6c && opcode <= 0x6f);   /* INS, OUTS */
}

static uint64_t constant(const uint8_t *bytes)
{
    uint32_t low = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
                   (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;

    return (uint64_t)(int64_t)(int32_t)low;
}

/* Opcode 0xff: the middle bits of the next byte say which instruction it is. */
static struct insn decode_ff(uint8_t modrm, unsigned high_bit)
{
    switch (modrm >> 3 & 7) {
    case 2:
        return (struct insn){.kind = INSN_CALL};
    case 4:
        if (modrm >> 6 == 3)
            return (struct insn){.kind = INSN_JUMP_REGISTER,
                                 .value = high_bit | (modrm & 7u)};
        break;
    default:
        break;
    }
    return (struct insn){.kind = INSN_OTHER};
}

static struct insn decode_opcode(const uint8_t *at, size_t left, bool repeat,
                                 unsigned high_bit)
{
    uint8_t opcode = at[0];

    if (opcode == 0xe8)
        return (struct insn){.kind = INSN_CALL};
    if (opcode == 0xc3 || opcode == 0xc2)
        return (struct insn){.kind = INSN_RETURN};
    if (opcode == 0xcf)
        return (struct insn){.kind = INSN_IRET};
    if (repeat && is_string(opcode))
        return (struct insn){.kind = INSN_REPEAT};
    if (opcode == 0x68 && left >= 5)
        return (struct insn){.kind = INSN_PUSH_CONSTANT,
                             .value = constant(at + 1)};
    if (opcode >= 0x58 && opcode <= 0x5f)
        return (struct insn){.kind = INSN_POP,
                             .value = high_bit | (opcode & 7u)};
    if (opcode == 0xff && left >= 2)
        return decode_ff(at[1], high_bit);
    return (struct insn){.kind = INSN_OTHER};
}

struct insn insn_decode(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    bool repeat = false;
    unsigned high_bit = 0;

    while (at < size && is_legacy_prefix(bytes[at])) {
        repeat |= bytes[at] == 0xf2 || bytes[at] == 0xf3;
        at++;
    }
    if (at < size && (bytes[at] & REX_MASK) == REX) {
        high_bit = (bytes[at] & REX_B) != 0 ? 8 : 0;
        at++;
    }
    if (at >= size)
        return (struct insn){.kind = INSN_OTHER};
    return decode_opcode(bytes + at, size - at, repeat, high_bit);
}
