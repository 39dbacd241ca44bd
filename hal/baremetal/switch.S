/*
 * hal_context_switch(from, to): save the callee-saved registers of the System V
 * ABI on the stack and continue another stack. struct hal_context begins with
 * the stack pointer.
 */
    .text
    .globl hal_context_switch
    .balign 16
hal_context_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

/* Where a new context begins: entry in %rbx, its argument in %r12. */
    .globl context_begin
context_begin:
    movq %r12, %rdi
    xorl %ebp, %ebp             /* backtraces end here */
    call *%rbx
    ud2
    .section .note.GNU-stack, "", @progbits
