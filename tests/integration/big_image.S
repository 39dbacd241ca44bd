/*
 * 24 MiB of text before that of the kernel, and 24 MiB of .bss: an image whose
 * text does not fit into the first pages that boot.S makes.
 */
    .section .text.boot, "ax"
    .balign 4096
    .long big_bss               /* so that the linker keeps it */
    .skip 24 << 20, 0           /* a disassembler passes over zeroes */

    .bss
big_bss:
    .skip 24 << 20
    .section .note.GNU-stack, "", @progbits
