/*
 * void thread_switch(void **save, void *load): leave this stack, noting where
 * in *save, and go on at `load`. A new stack has six words for the registers
 * and then the address to begin at.
 */
    .text
    .globl thread_switch
    .type thread_switch, @function
thread_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size thread_switch, .-thread_switch
    .section .note.GNU-stack, "", @progbits
