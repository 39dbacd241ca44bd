/*
 * Functions of which it is known how many instructions they execute, for the
 * test of the profile. What each takes is beside it, and in profile_check.py.
 */
    .text

/* 202: 1 + 100 * 2 + 1 */
    .globl known_leaf
known_leaf:
    movl $100, %ecx
1:  decl %ecx
    jnz 1b
    ret

/* 7, and three calls of known_leaf, one of them by address. */
    .globl known_middle
known_middle:
    subq $8, %rsp
    call known_leaf
    call known_leaf
    leaq known_leaf(%rip), %rax
    call *%rax
    addq $8, %rsp
    ret

/* 1, and known_leaf, which returns to who has called this. */
    .globl known_tail
known_tail:
    jmp known_leaf

/* known_deep(n) calls itself up to n times deep: 4 * (n - 1) + 3 */
    .globl known_deep
known_deep:
    decl %edi
    jz 1f
    call known_deep
1:  ret

/* 5, and 64 steps of a string instruction, which QEMU counts as one each. */
    .globl known_string
known_string:
    movl $64, %ecx
    xorl %eax, %eax
    rep stosb
    rep stosb                   /* of no bytes */
    ret

/* 400002, long enough for an interrupt. */
    .globl known_spin
known_spin:
    movl $200000, %ecx
1:  decl %ecx
    jnz 1b
    ret

/*
 * known_outer_X: 4; known_inner_X: 4 + 5 * 4. Each of five times another thread
 * runs before known_leaf is called.
 */
    .macro strand name
    .globl known_outer_\name
known_outer_\name:
    subq $8, %rsp
    call known_inner_\name
    addq $8, %rsp
    ret
known_inner_\name:
    pushq %rbx
    movl $5, %ebx
1:  call thread_yield
    call known_leaf
    decl %ebx
    jnz 1b
    popq %rbx
    ret
    .endm

    strand a
    strand b
    .section .note.GNU-stack, "", @progbits
