/*
 * Where a new context begins: on its stack are, as hal_context_init() left
 * them, its argument and its entry. A frame pointer of 0 ends every backtrace.
 */
    .text
    .globl context_enter
    .type context_enter, @function
    .balign 16
context_enter:
    .cfi_startproc
    .cfi_undefined rip
    popq %rsi
    popq %rdi
    xorl %ebp, %ebp
    call context_begin
    ud2
    .cfi_endproc
    .size context_enter, . - context_enter

    .section .note.GNU-stack, "", @progbits
