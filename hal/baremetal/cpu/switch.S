/*
 * Where a new context begins: on its stack are, as hal_context_init() left
 * them, its argument and its entry.
 */
    .text
    .globl context_begin
context_begin:
    popq %rdi
    popq %rax
    xorl %ebp, %ebp             /* backtraces end here */
    call *%rax
    ud2
    .section .note.GNU-stack, "", @progbits
