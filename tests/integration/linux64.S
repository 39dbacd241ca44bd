/*
 * A loader for one test: by PVH it is started in 32-bit mode, and enters what is in the
 * bzImage in 64-bit mode by the Linux boot protocol, with process-context identifiers on
 * where the processor has them: at the fixed entry, or with ENTRY as monitors do that load
 * the ELF file, who write no more of the header than its magic.
 */
#define LOAD_ADDRESS 0x100000
#define SETUP_SIZE 1536         /* tools/bzimage/setup.S */
#define HEADER 0x1f1
#define HEADER_END 0x26c
#define E820_COUNT 0x1e8
#define E820 0x2d0
#define CMDLINE 0x228
#ifndef ENTRY
#define ENTRY (LOAD_ADDRESS + 0x200)
#define HAS_HEADER
#endif
#define HEADER_MAGIC 0x202
#define CPUID_PCID (1 << 17)
#define CR4_PAE 0x20
#define CR4_PCIDE (1 << 17)
#define EFER 0xc0000080
#define EFER_LME 0x100
#define CR0_PG_PE 0x80000001

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18              /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long entry

    .text
    .code32
    .globl entry
entry:
    cld
    movl $bzimage + SETUP_SIZE, %esi
    movl $LOAD_ADDRESS, %edi
    movl $bzimage_end, %ecx
    subl %esi, %ecx
    rep movsb
    movl $0xffff, %ecx          /* what nobody has cleared */
    movl $0xa5a5a5a5, %eax
    rep stosl
    movl $0x53726448, zero_page + HEADER_MAGIC
#ifdef HAS_HEADER
    movl $bzimage + HEADER, %esi
    movl $zero_page + HEADER, %edi
    movl $(HEADER_END - HEADER), %ecx
    rep movsb
#endif
    movl $cmdline, zero_page + CMDLINE
    movb $1, zero_page + E820_COUNT
    movl $LOAD_ADDRESS, zero_page + E820
    movl $(63 << 20), zero_page + E820 + 8
    movl $1, zero_page + E820 + 16

    /* 1 GiB in 2 MiB pages. */
    movl $(pdpt + 3), pml4
    movl $(pd + 3), pdpt
    movl $pd, %edi
    movl $0x83, %eax
    movl $512, %ecx
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 1b
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $pml4, %eax
    movl %eax, %cr3
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl $CR0_PG_PE, %eax
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $0x10, $2f
    .code64
2:  movl $1, %eax
    cpuid
    testl $CPUID_PCID, %ecx
    jz 3f
    movq %cr4, %rax
    orl $CR4_PCIDE, %eax
    movq %rax, %cr4
3:  movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $zero_page, %esi
    movl $ENTRY, %eax
    jmp *%rax

    .section .rodata, "a"       /* what is not instructions of this file */
    .balign 8
gdt:
    .quad 0, 0
    .quad 0x00af9a000000ffff    /* 0x10: 64-bit code */
    .quad 0x00cf92000000ffff    /* 0x18: data */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt
cmdline:
    .asciz "log=debug"

bzimage:
    .incbin BZIMAGE
bzimage_end:

    .bss
    .balign 4096
pml4:
    .skip 4096
pdpt:
    .skip 4096
pd:
    .skip 4096
zero_page:
    .skip 4096
    .section .note.GNU-stack, "", @progbits
