/*
 * The stack switch of the hosted machine: System V AMD64 ABI, 3.2.1. Only the
 * registers a called function must preserve; the control words of the x87 and
 * SSE units are left alone, since the kernel never changes them.
 */
    .text

/* void context_swap(void **from_sp, void *to_sp) */
    .globl context_swap
    .type context_swap, @function
    .balign 16
context_swap:
    .cfi_startproc
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx                   /* not RET: its prediction would be wrong */
    jmp *%rcx
    .cfi_endproc
    .size context_swap, . - context_swap

/*
 * Where a new context comes out of context_swap(): entry in r12, its argument
 * in r13. A frame pointer of 0 ends every backtrace.
 */
    .globl context_enter
    .type context_enter, @function
    .balign 16
context_enter:
    .cfi_startproc
    .cfi_undefined rip
    xorl %ebp, %ebp
    movq %r12, %rdi
    movq %r13, %rsi
    call context_begin
    ud2
    .cfi_endproc
    .size context_enter, . - context_enter

    .section .note.GNU-stack, "", @progbits
