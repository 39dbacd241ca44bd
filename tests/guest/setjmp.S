/* setjmp() and longjmp(): what the System V ABI (AMD64, 3.2.1) lets a call keep. */
    .text
    .globl setjmp
setjmp:
    movq %rbx, (%rdi)
    movq %rbp, 8(%rdi)
    movq %r12, 16(%rdi)
    movq %r13, 24(%rdi)
    movq %r14, 32(%rdi)
    movq %r15, 40(%rdi)
    leaq 8(%rsp), %rax
    movq %rax, 48(%rdi)
    movq (%rsp), %rax
    movq %rax, 56(%rdi)
    xorl %eax, %eax
    ret

    .globl longjmp
longjmp:
    movq (%rdi), %rbx
    movq 8(%rdi), %rbp
    movq 16(%rdi), %r12
    movq 24(%rdi), %r13
    movq 32(%rdi), %r14
    movq 40(%rdi), %r15
    movq 48(%rdi), %rsp
    movl %esi, %eax
    testl %eax, %eax
    jnz 1f
    incl %eax
1:  jmp *56(%rdi)

/* void guest_call(void (*fn)(void), void *stack_end): never comes back. */
    .globl guest_call
guest_call:
    cli
    movq %rsi, %rsp
    xorl %ebp, %ebp
    call *%rdi
    ud2

/* The same out of the handler of a non-maskable interrupt: after IRET the next one
 * comes again (Intel SDM volume 3, 6.7.1). */
    .globl guest_call_nmi
guest_call_nmi:
    cli
    xorl %ebp, %ebp
    movl %ss, %eax
    movl %cs, %ecx
    subq $8, %rsi               /* as behind a call */
    pushq %rax
    pushq %rsi
    pushq $2                    /* flags: interrupts off */
    pushq %rcx
    pushq %rdi
    iretq
    .section .note.GNU-stack, "", @progbits
