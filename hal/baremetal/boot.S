/*
 * The first instructions: from what PVH and Multiboot2 leave (32-bit protected
 * mode, paging off) to long mode, and the same for the other CPUs from 16-bit
 * mode.
 *
 * Multiboot2: specification 2.0, sections 3.1 (header) and 3.3 (machine state).
 * PVH: Xen's "x86/HVM direct boot ABI": ELF note 18 gives the entry, %ebx points
 * to struct hvm_start_info.
 */
#define MULTIBOOT2_MAGIC 0xe85250d6
#define XEN_ELFNOTE_PHYS32_ENTRY 18

#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_NE 0x00000020       /* x87 errors are exceptions, not IRQ 13 */
#define CR0_WP 0x00010000
#define CR0_PG 0x80000000
#define CR4_PAE_FXSR 0x620      /* PAE, OSFXSR, OSXMMEXCPT */
#define EFER 0xc0000080
#define EFER_LME_NXE 0x900
#define PTE_TABLE 3             /* present, writable */
#define PDE_LARGE 0x83          /* present, writable, 2 MiB */
#define PTE_NX_HIGH 0x80000000

#define AP_START_PAGE 0x8000

    .section .multiboot, "a"
    .balign 8
header:
    .long MULTIBOOT2_MAGIC
    .long 0                     /* i386 */
    .long header_end - header
    .long -(MULTIBOOT2_MAGIC + 0 + (header_end - header))
    .short 0, 0                 /* end tag */
    .long 8
header_end:

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_entry

/* ---- CPU 0 ------------------------------------------------------------------ */

    .section .text.boot, "ax"
    .code32
    .globl multiboot_entry
pvh_entry:
    xorl %eax, %eax             /* no magic: this is PVH */
multiboot_entry:
    cld
    cli
    movl $boot_stack_end, %esp
    movl %eax, %edi             /* the two arguments of hal_start */
    movl %ebx, %esi

    /* Long mode and no-execute must be there. */
    movl $0x80000001, %eax
    cpuid
    andl $0x20100000, %edx
    cmpl $0x20100000, %edx
    jne no_long_mode

    /* 4 GiB in 2 MiB pages; paging.c refines. Only the first is executable. */
    movl $(page_pdpt + PTE_TABLE), page_pml4
    movl $(page_pd + PTE_TABLE), %eax
    movl $page_pdpt, %ecx
    movl $4, %edx
1:  movl %eax, (%ecx)
    addl $4096, %eax
    addl $8, %ecx
    decl %edx
    jnz 1b
    movl $PDE_LARGE, %eax
    movl $page_pd, %ecx
    movl $2048, %edx
2:  movl %eax, (%ecx)
    movl $PTE_NX_HIGH, 4(%ecx)
    addl $0x200000, %eax
    addl $8, %ecx
    decl %edx
    jnz 2b
    movl $0, page_pd + 4

    movl $start64, %ebx
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

start64:
    movl $boot_stack_end, %esp
    movl %edi, %edi             /* the upper halves */
    movl %esi, %esi
    xorl %ebp, %ebp             /* backtraces end here */
    call hal_start
    ud2

    .code32
/* Nothing else works yet: say it on the serial port and stop. */
no_long_mode:
    movl $no_long_mode_text, %esi
    movw $0x3f8, %dx
3:  lodsb
    testb %al, %al
    jz 4f
    outb %al, %dx
    jmp 3b
4:  movw $0xf4, %dx             /* QEMU's debug-exit device, if it is there */
    movl $1, %eax
    outl %eax, %dx
5:  hlt
    jmp 5b

/* ---- The other CPUs: copied to AP_START_PAGE --------------------------------- */

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
    .type ap_gdt_pointer, @object /* data: not to be disassembled */
ap_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
ap_start16_end:

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
no_long_mode_text:
    .asciz "error: this processor has no 64-bit mode\r\n"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00209a0000000000    /*  8: 64-bit code */
    .quad 0x00cf92000000ffff    /* 16: data */
    .quad 0x00cf9a000000ffff    /* 24: 32-bit code */
boot_gdt_end:
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt

    .bss
    .balign 4096
    .globl page_pml4, page_pdpt, page_pd
page_pml4:
    .skip 4096
page_pdpt:
    .skip 4096
page_pd:
    .skip 4 * 4096
    .balign 16
boot_stack:
    .skip 32768
boot_stack_end:
    .section .note.GNU-stack, "", @progbits
