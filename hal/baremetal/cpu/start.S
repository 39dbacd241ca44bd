/*
 * The way of a CPU to 64-bit mode. CPU 0 comes to enter_long_mode from boot.S;
 * the others begin in 16-bit mode with a copy of ap_start16 at AP_START_PAGE.
 */
#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_NE 0x00000020       /* x87 errors are exceptions, not IRQ 13 */
#define CR0_WP 0x00010000
#define CR0_PG 0x80000000
#define CR4_PAE_FXSR 0x660      /* PAE, MCE, OSFXSR, OSXMMEXCPT */
#define EFER 0xc0000080
#define EFER_LME_NXE 0x900

#define AP_START_PAGE 0x8000

    .section .text.boot, "ax"
    .code32
    .globl enter_long_mode
/* Every CPU: turn paging on and go to %ebx in 64-bit mode. Keeps edi, esi. */
enter_long_mode:
    movl $CR4_PAE_FXSR, %eax
    movl %eax, %cr4
    movl $page_pml4, %eax
    movl %eax, %cr3
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE), %eax
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $1f
    .code64
1:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    jmp *%rbx

/* Copied to AP_START_PAGE, and never executed here. */

    .section .rodata.ap_start, "a"
    .code16
    .globl ap_start16, ap_start16_end
ap_start16:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl AP_START_PAGE + (ap_gdt_pointer - ap_start16)
    movl $CR0_PE, %eax
    movl %eax, %cr0
    ljmpl $24, $ap_start32
    .balign 8
ap_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
ap_start16_end:

    .section .text.boot, "ax"
    .code32
ap_start32:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $ap_start64, %ebx
    jmp enter_long_mode

    .code64
/*
 * Which CPU is this? The one whose APIC id is ours, from CPUID: leaf 0xb where
 * there is one, else leaf 1. All of them may come through here at once.
 */
ap_start64:
    xorl %eax, %eax
    cpuid
    cmpl $0xb, %eax
    jb 1f
    movl $0xb, %eax
    xorl %ecx, %ecx
    cpuid
    testl %ebx, %ebx            /* 0: the leaf is empty */
    jz 1f
    movl %edx, %r8d
    jmp 2f
1:  movl $1, %eax
    cpuid
    shrl $24, %ebx
    movl %ebx, %r8d
2:  xorl %eax, %eax
3:  cmpl cpu_block_count, %eax
    jae 5f
    cmpl %r8d, cpu_apic_ids(, %rax, 4)
    je 4f
    incl %eax
    jmp 3b
4:  movq cpu_blocks(, %rax, 8), %rdi
    movq 16(%rdi), %rsp         /* start_stack */
    testq %rsp, %rsp
    jz 5f
    xorl %ebp, %ebp
    call cpu_arrive
5:  cli                         /* unknown: out of the way */
    hlt
    jmp 5b

    .section .rodata
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00209a0000000000    /*  8: 64-bit code */
    .quad 0x00cf92000000ffff    /* 16: data */
    .quad 0x00cf9a000000ffff    /* 24: 32-bit code */
boot_gdt_end:
    .globl boot_gdt_pointer
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt
    .section .note.GNU-stack, "", @progbits
