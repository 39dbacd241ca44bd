/*
 * What a profile must know of an x86-64 instruction: whether it calls, returns,
 * or repeats. Intel SDM volume 2, chapter 2 (prefixes) and the opcode maps in
 * appendix A.
 */
#ifndef TORC_TOOLS_PROFILE_DECODE_H
#define TORC_TOOLS_PROFILE_DECODE_H

#include <stddef.h>
#include <stdint.h>

enum insn_kind {
    INSN_OTHER,
    INSN_CALL,          /* pushes the address of the next instruction */
    INSN_RETURN,        /* goes to an address that it takes off the stack */
    INSN_IRET,          /* ends an interrupt */
    INSN_REPEAT,        /* a string instruction with a REP prefix */
    INSN_PUSH_CONSTANT, /* four bytes, sign extended */
    INSN_POP,           /* a register */
    INSN_JUMP_REGISTER, /* to the address in a register */
};

struct insn {
    enum insn_kind kind;
    uint64_t value; /* PUSH_CONSTANT: what; POP, JUMP_REGISTER: 0 to 15 */
};

/* `size` is that of the instruction, 1 to 15. */
struct insn insn_decode(const uint8_t *bytes, size_t size);

#endif
