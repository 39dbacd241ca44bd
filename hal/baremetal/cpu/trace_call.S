/*
 * What the code behind a trace site calls, once sites are on: torc/trace_site.h.
 * On the stack are the address to go back to, the function, its second and its
 * first argument. No register changes: to the compiler there is no call.
 */
    .section .text.trace_site_call, "ax", @progbits
    .globl trace_site_call
    .type trace_site_call, @function
trace_site_call:
    pushq %rbp
    movq %rsp, %rbp
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    movq 32(%rbp), %rdi
    movq 24(%rbp), %rsi
    call *16(%rbp)
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    popq %rbp
    ret $24
    .size trace_site_call, . - trace_site_call
    .section .note.GNU-stack, "", @progbits
