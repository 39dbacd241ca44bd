/*
 * What stands before the image in a bzImage: the header of the Linux boot
 * protocol, version 2.15, and the code for loaders that begin in 16-bit mode
 * (QEMU's -kernel, GRUB's linux16). It asks the BIOS for the memory map, builds
 * the zero page behind itself and jumps to the image's 32-bit entry with %esi
 * pointing to it. Other loaders read the header, build the zero page and enter
 * the image themselves.
 *
 * Linux, Documentation/arch/x86/boot.rst and zero-page.rst. tools/bzimage/bzimage.sh
 * assembles it at address 0, with PAYLOAD_SIZE and INIT_SIZE (both in bytes).
 * Segments are those of where it was loaded; QEMU and GRUB take 0x10000 or
 * 0x90000. Everything in the first 64 KiB from there is ours.
 */
#define LOAD_ADDRESS 0x100000   /* link.ld */
#define LOADED_HIGH 1
#define XLF_KERNEL_64 1
#define SETUP_SECTORS 2
#define ZERO_PAGE 0x1000        /* offset in our segment */
#define ZERO_HEADER (ZERO_PAGE + 0x1f1)
#define ZERO_E820_COUNT (ZERO_PAGE + 0x1e8)
#define ZERO_E820 (ZERO_PAGE + 0x2d0)
#define E820_SIZE 20
#define E820_MAX 128
#define SMAP 0x534d4150
#define CR0_PE 1
#define PM_CODE 0x10            /* selectors that the protocol wants */
#define PM_DATA 0x18
#define A20_PORT 0x92

    .code16
    .section .text
    .org 0x1f1
header:
    .byte SETUP_SECTORS
    .word 0                     /* root_flags */
    .long (PAYLOAD_SIZE + 15) / 16
    .word 0, 0xffff, 0          /* ram_size, vid_mode: normal, root_dev */
    .word 0xaa55
    .byte 0xeb, setup - 1f      /* a jump; it tells how long the header is */
1:  .ascii "HdrS"
    .word 0x20f                 /* version */
    .long 0                     /* realmode_swtch */
    .word 0x1000                /* start_sys_seg */
    .word version - 0x200
    .byte 0, LOADED_HIGH
    .word 0                     /* setup_move_size */
    .globl code32_start
code32_start:
    .long LOAD_ADDRESS
    .long 0, 0                  /* ramdisk_image, ramdisk_size */
    .long 0                     /* bootsect_kludge */
    .word 0                     /* heap_end_ptr */
    .byte 0, 0                  /* ext_loader_ver, ext_loader_type */
    .long 0                     /* cmd_line_ptr */
    .long 0x7fffffff            /* initrd_addr_max */
    .long 0x1000                /* kernel_alignment */
    .byte 0                     /* relocatable_kernel: no */
    .byte 12                    /* min_alignment, a power of two */
    .word XLF_KERNEL_64
    .long 4095                  /* cmdline_size */
    .long 0                     /* hardware_subarch: PC */
    .quad 0
    .long 0, 0                  /* payload_offset, payload_length */
    .quad 0                     /* setup_data */
    .quad LOAD_ADDRESS          /* pref_address */
    .long INIT_SIZE
    .long 0                     /* handover_offset: no EFI stub */
    .long 0                     /* kernel_info_offset */

/* Here in 16-bit mode, at offset setup of %ds; %cs is 0x20 more. */
setup:
    cli
    cld
    movw %ds, %ax
    movw %ax, %es
    movw %ax, %ss
    movl $0xfff0, %esp          /* the end of our 64 KiB */
    xorl %eax, %eax
    movw $ZERO_PAGE, %di
    movw $1024, %cx
    rep stosl
    movw $header, %si
    movw $ZERO_HEADER, %di
    movw $(setup - header), %cx
    rep movsb

    /* The memory map: INT 15h, AX=E820h, ACPI 6.4, chapter 15. */
    xorl %ebx, %ebx
    movw $ZERO_E820, %di
1:  movl $0xe820, %eax
    movl $E820_SIZE, %ecx
    movl $SMAP, %edx
    int $0x15
    jc 2f
    cmpl $SMAP, %eax
    jne 2f
    addw $E820_SIZE, %di
    incb ZERO_E820_COUNT
    cmpb $E820_MAX, ZERO_E820_COUNT
    je 2f
    testl %ebx, %ebx
    jnz 1b
2:
    /* Address line 20: the BIOS, and the port of PS/2 machines. */
    movw $0x2401, %ax
    int $0x15
    inb $A20_PORT, %al
    orb $2, %al
    andb $0xfe, %al             /* bit 0 is a reset */
    outb %al, $A20_PORT
    cli

    /* Linear addresses of what 32-bit mode needs. */
    xorl %eax, %eax
    movw %ds, %ax
    shll $4, %eax
    addl %eax, gdt_base
    addl %eax, far_target
    leal ZERO_PAGE(%eax), %esi
    movl code32_start, %ebx
    lgdtl gdt_pointer
    movl %cr0, %eax
    orl $CR0_PE, %eax
    movl %eax, %cr0
    .byte 0x66, 0xea            /* ljmpl PM_CODE:far_target */
far_target:
    .long protected
    .word PM_CODE

    .code32
protected:
    movl $PM_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    jmp *%ebx

    .balign 8
gdt:
    .quad 0, 0
    .quad 0x00cf9a000000ffff    /* 0x10: 32-bit code */
    .quad 0x00cf92000000ffff    /* 0x18: data */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
gdt_base:
    .long gdt
version:
    .asciz "Torc"
    .org 0x200 * (SETUP_SECTORS + 1)
    .section .note.GNU-stack, "", @progbits
