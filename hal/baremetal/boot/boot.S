/*
 * The first instructions of CPU 0: from what PVH, Multiboot2 and the Linux boot
 * protocol leave (32-bit protected mode, paging off; of Linux also 64-bit mode) to
 * hal_start().
 *
 * Multiboot2: specification 2.0, sections 3.1 (header) and 3.3 (machine state).
 * PVH: Xen's "x86/HVM direct boot ABI": ELF note 18 gives the entry, %ebx points
 * to struct hvm_start_info.
 * Linux: Documentation/arch/x86/boot.rst, "32-bit Boot Protocol", "64-bit Boot
 * Protocol"; tools/bzimage/setup.S has the header and the 16-bit entry.
 */
#define MULTIBOOT2_MAGIC 0xe85250d6
#define XEN_ELFNOTE_PHYS32_ENTRY 18

#define LINUX_MAGIC 0x53726448  /* loader.h */
#define CR0_PG 0x80000000
#define CR4_PCIDE (1 << 17)
#define EFER 0xc0000080
#define EFER_LME 0x100

#define PTE_TABLE 3             /* present, writable */
#define PDE_LARGE 0x83          /* present, writable, 2 MiB */
#define COM1 0x3f8
#define COM1_LINE_STATUS 0x3fd
#define COM1_TRANSMIT_EMPTY 0x20
#define LINE_STATUS_READS 100000 /* before a character is sent anyway */
#define DEBUG_EXIT 0xf4
#define PTE_NX_HIGH 0x80000000

/*
 * The image begins with what stands at fixed places: the 32-bit entry of the Linux
 * boot protocol at 0, its 64-bit entry at 0x200, and between them the header of
 * Multiboot2, the end of a boot that fails, and the other entries.
 */
    .section .fixed, "ax"
    .code32
linux_entry32:                  /* %esi: the zero page */
    cld
    xorl %eax, %eax             /* .bss is room that nobody has cleared */
    movl $bss_start, %edi
    movl $image_end, %ecx
    subl %edi, %ecx
    shrl $2, %ecx
    rep stosl
    movl $LINUX_MAGIC, %eax
    movl %esi, %ebx
    jmp multiboot_entry

    .balign 8
    .globl multiboot_header
multiboot_header:
    .long MULTIBOOT2_MAGIC
    .long 0                     /* i386 */
    .long header_end - multiboot_header
    .long -(MULTIBOOT2_MAGIC + 0 + (header_end - multiboot_header))
    .short 5, 1                 /* any pixels, if it has a screen; no need */
    .long 20
    .long 0, 0, 0               /* width, height, depth */
    .long 0
    .short 0, 0                 /* end tag */
    .long 8
header_end:

    .code32
/*
 * Nothing else works yet: print the text at %ebp on the serial port and end the
 * machine with status 1. There may be no memory, and so no stack.
 */
fail:
    movl $fail_prefix, %esi
4:  movl $LINE_STATUS_READS, %ecx
5:  movw $COM1_LINE_STATUS, %dx
    inb %dx, %al
    testb $COM1_TRANSMIT_EMPTY, %al
    loopz 5b
    lodsb
    testb %al, %al
    jz 6f
    movw $COM1, %dx
    outb %al, %dx
    jmp 4b
6:  cmpl $fail_end + 3, %esi
    je 7f
    movl %ebp, %esi             /* then the text, then the end of the line */
    movl $fail_end, %ebp
    jmp 4b
7:  movw $DEBUG_EXIT, %dx       /* QEMU's device, if it is there */
    movl $1, %eax
    outl %eax, %dx
8:  hlt
    jmp 8b

/* With the text: where memory ends early, this part is there. */
fail_prefix:
    .asciz "error: "
fail_end:
    .asciz "\r\n"
too_little_memory:
    .asciz "this machine has too little memory for the image"

    .code32
    .globl image_entry
/*
 * The entry of the ELF file: in 32-bit mode by Multiboot2, in 64-bit mode by monitors
 * that start ELF files by the Linux boot protocol (Firecracker). Only in 32-bit mode is
 * 0x41 an instruction; in 64-bit mode it is a prefix of the next one.
 */
image_entry:
    .byte 0x31, 0xc9            /* xorl %ecx, %ecx */
    .byte 0x41, 0x89, 0xc0      /* incl %ecx; movl %eax, %eax or: movl %eax, %r8d */
    testl %ecx, %ecx
    jz linux_entry64
    jmp multiboot_entry

pvh_entry:
    xorl %eax, %eax             /* no magic: this is PVH */
multiboot_entry:
    cld
    cli
    movl $boot_stack_end, %esp
    movl %eax, %edi             /* the two arguments of hal_start */
    movl %ebx, %esi

    /* Is there memory as far as the image reaches? What is not there keeps
     * nothing. The last word is part of .bss: 0. */
    movl $0x5aa555aa, image_end - 4
    cmpl $0x5aa555aa, image_end - 4
    movl $too_little_memory, %ebp
    jne fail
    movl $0, image_end - 4

    /* Does the processor have what the code below uses? */
    movl $features, %ebp
1:  movl (%ebp), %eax           /* a CPUID leaf; 0 ends the list */
    testl %eax, %eax
    jz 3f
    andl $0x80000000, %eax      /* is there such a leaf? */
    cpuid
    cmpl (%ebp), %eax
    jb 2f
    movl (%ebp), %eax
    cpuid
    testl 4(%ebp), %edx
    jz 2f
    addl $12, %ebp
    jmp 1b
2:  movl 8(%ebp), %ebp
    jmp fail
3:
    /* 4 GiB in 2 MiB pages; paging.c refines. Those with text are executable. */
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
    movl $(rodata_start + 0x1fffff), %edx
    shrl $21, %edx
    movl $page_pd, %ecx
5:  movl $0, 4(%ecx)            /* clear the no-execute bit */
    addl $8, %ecx
    decl %edx
    jnz 5b

    movl $start64, %ebx         /* start.S: to 64-bit mode, then there */
    jmp enter_long_mode

    .code64
start64:
    movl $boot_stack_end, %esp
    movl %edi, %edi             /* the upper halves */
    movl %esi, %esi
    xorl %ebp, %ebp             /* backtraces end here */
    call hal_start
    ud2

    .org 0x200
    .code64
/* Identity mapped, %rsi: the zero page. Back to where the 32-bit entry begins. */
linux_entry64:
    cli
    cld
    movq %rsi, %rax
    shrq $32, %rax
    jz 1f
    xorl %esi, %esi             /* out of reach: as good as none */
1:  movq %cr4, %rax
    andl $~CR4_PCIDE, %eax      /* or paging cannot be turned off */
    movq %rax, %cr4
    lgdt boot_gdt_pointer
    movl $boot_stack_end, %esp
    pushq $24                   /* 32-bit code */
    pushq $2f
    lretq
    .code32
2:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %cr0, %eax
    andl $~CR0_PG, %eax
    movl %eax, %cr0
    movl $EFER, %ecx
    rdmsr
    andl $~EFER_LME, %eax
    wrmsr
    jmp linux_entry32

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_entry

    .section .rodata
    .balign 4
    .macro feature leaf, bit, name
    .long \leaf, 1 << \bit, 9f
    .section .rodata.feature_names, "a"
9:  .asciz "this processor has no \name"
    .section .rodata
    .endm
features:
    feature 0x80000001, 29, "64-bit mode"
    feature 1, 4, "time stamp counter"
    feature 1, 5, "model specific registers (MSR)"
    feature 1, 6, "physical address extension (PAE)"
    feature 1, 9, "local APIC"
    feature 1, 16, "page attribute table (PAT)"
    feature 1, 24, "FXSAVE and FXRSTOR (FXSR)"
    feature 1, 26, "SSE2"
    feature 0x80000001, 20, "NX bit (no-execute pages)"
    .long 0

    .bss
    .balign 4096
    .globl page_pml4, page_pdpt, page_pd
page_pml4:
    .skip 4096
page_pdpt:
    .skip 4096
page_pd:
    .skip 4 * 4096
    .globl boot_stack_guard
boot_stack_guard:           /* paging.c takes it away */
    .skip 4096
boot_stack:
    .skip 32768
boot_stack_end:
    .section .note.GNU-stack, "", @progbits
