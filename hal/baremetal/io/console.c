/* The first serial port: a 16550 at 0x3f8 (PC16550D data sheet). */
#include "hal/baremetal/io/console.h"
#include "hal/baremetal/base/insn.h"
#include "hal/hal.h"

enum {
    PORT = 0x3f8,
    DATA = PORT,
    IRQ_ENABLE = PORT + 1,
    FIFO_CONTROL = PORT + 2,
    LINE_CONTROL = PORT + 3,
    MODEM_CONTROL = PORT + 4,
    LINE_STATUS = PORT + 5,
    SCRATCH = PORT + 7,
    LINE_8N1 = 3,
    LINE_DIVISOR = 0x80,
    DIVISOR_115200 = 1,
    TRANSMIT_EMPTY = 0x20,
    WAIT_MAX = 100000, /* looks, before a character is dropped */
};

static bool present;

void console_init(void)
{
    outb(SCRATCH, 0x5a);
    present = inb(SCRATCH) == 0x5a;
    if (!present)
        return;
    outb(IRQ_ENABLE, 0);
    outb(LINE_CONTROL, LINE_DIVISOR);
    outb(DATA, DIVISOR_115200);
    outb(IRQ_ENABLE, 0);
    outb(LINE_CONTROL, LINE_8N1);
    outb(FIFO_CONTROL, 7); /* on, both cleared */
    outb(MODEM_CONTROL, 3);
}

static void put(char c)
{
    for (unsigned i = 0; i < WAIT_MAX; i++) {
        if (inb(LINE_STATUS) & TRANSMIT_EMPTY)
            break;
    }
    outb(DATA, (uint8_t)c);
}

void hal_console_write(const char *text, size_t len)
{
    for (size_t i = 0; present && i < len; i++) {
        if (text[i] == '\n')
            put('\r');
        put(text[i]);
    }
}
