/*
 * The device's side of an NE2000 on PCI (Realtek RTL8029AS, 10ec:8029), for
 * tests: a strict and asynchronous referee, written from National's data sheets
 * of the DP8390D/NS32490D (DS) and Realtek's of the RTL8029AS, and not from the
 * driver.
 *
 * The card has memory of its own, which the driver reaches through remote DMA
 * only: PROM at 0, 16 KiB of RAM at 0x4000. Nothing happens by itself: a
 * command is only noted, the test (or the simulated machine) steps the device.
 * Time is hal_time_ns().
 *
 * After an overflow of the ring the card receives nothing until the driver has
 * gone through the procedure of the data sheet ("Overflow of the receive buffer
 * ring"), or has set it up afresh.
 *
 * A card that a fault has reset says so in ISR. Until the driver resets it by
 * the port, a command does not start it, and its data port is dead.
 *
 * Not there (a driver that uses it breaches): the command "send packet",
 * page 3 (Realtek's own), registers for diagnosis.
 */
#ifndef TORC_TESTS_MODELS_NE2000_MODEL_H
#define TORC_TESTS_MODELS_NE2000_MODEL_H

#include "tests/models/breach.h"
#include "tests/models/nic_fault.h"
#include "tests/models/pci_card.h"

enum {
    NE2000_MODEL_PORTS = 0xc000, /* and 0x100 up for each slot */
    NE2000_MODEL_LINE = 11,
    NE2000_MODEL_PAGE = 256,
    NE2000_MODEL_RAM_FIRST = 0x40, /* pages */
    NE2000_MODEL_RAM_END = 0x80,
    NE2000_MODEL_WIRE = 64, /* frames under way to the card */
    NE2000_MODEL_FRAME_MAX = 1600,
};

/* After a "late" fault, the operation goes on so long afterwards. */
#define NE2000_MODEL_LATE_NS UINT64_C(2000000000)

/* Where the driver is in the procedure after an overflow. */
enum ne2000_overflow {
    OVERFLOW_NONE,
    OVERFLOW_HAPPENED,
    OVERFLOW_STOPPED,
    OVERFLOW_LOOPS, /* started again, in loopback */
};

struct ne2000_model {
    /* What it is; set before ne2000_model_plug(). */
    uint8_t mac[6];
    bool no_line;              /* no interrupt line is connected */
    bool no_cable;             /* no link, until ne2000_model_link() */
    struct fault_plan *faults; /* NULL: none */
    uint64_t late_ns;          /* of "late" faults; 0: NE2000_MODEL_LATE_NS */

    /* The driver has written to a register: there may be work to do. NULL: the
     * test steps the device without being told. */
    void (*work)(struct ne2000_model *model);

    /* Every frame that leaves, without check sequence. */
    void (*sent)(void *arg, const uint8_t *frame, size_t len);
    void *sent_arg;

    /* What a stop does to a frame that is being sent: it leaves, or it is lost
     * without a word. */
    bool stop_finishes;

    /* The header of the next frame in the ring is a lie: */
    bool lie;
    uint8_t lie_next; /* page */
    uint16_t lie_len;

    /* For tests to look at: */
    unsigned frames_sent;
    unsigned frames_received; /* into the ring */
    unsigned frames_missed;   /* no room, or overflow */
    unsigned resets;          /* by the port */

    /* The device's own: registers, */
    struct pci_card card;
    uint8_t command, isr, imr, rcr, tcr, dcr, tsr, rsr, collisions;
    uint8_t page_start, page_stop, boundary, current, tx_page;
    uint16_t tx_count, remote_address, remote_count;
    uint8_t station[6], multicast[8], tally[3];
    bool dcr_written, tcr_written;

    /* memory, */
    uint8_t prom[32];
    uint8_t ram[(NE2000_MODEL_RAM_END - NE2000_MODEL_RAM_FIRST) *
                NE2000_MODEL_PAGE];

    /* what is under way, */
    unsigned remote; /* 0: none; 1: read; 2: write */
    unsigned remote_left;
    uint16_t remote_at;
    bool remote_done;   /* RDC is to come, */
    unsigned isr_reads; /* after so many reads of ISR, or a step; also RST */
    bool reset_done;    /* RST is to come */
    bool forgetful;     /* was reset by itself, the driver does not know yet */
    bool was_running;   /* when it was stopped, */
    uint64_t stop_ns;   /* at this time */
    bool count_cleared; /* RBCR, since then */
    enum ne2000_overflow overflow;
    bool room_made; /* BNRY was written since the overflow */
    bool cable;

    /* and what went wrong. */
    struct nic_faults met;
    bool remote_stuck, reset_stuck;
    uint64_t isr_late_ns;

    uint8_t wire[NE2000_MODEL_WIRE][NE2000_MODEL_FRAME_MAX];
    size_t wire_len[NE2000_MODEL_WIRE];
    bool wire_bad[NE2000_MODEL_WIRE]; /* the check sequence is wrong */
    unsigned wire_count;
};

/* Put the card into the machine, at PCI 00:`slot`.0. */
void ne2000_model_plug(struct ne2000_model *model, unsigned slot);

/* Do one unit of background work; whether there was any. The two others do the
 * part that their name says. */
bool ne2000_model_step(struct ne2000_model *model);
bool ne2000_model_step_transmit(struct ne2000_model *model);
bool ne2000_model_step_receive(struct ne2000_model *model);

/* When the next thing is due; UINT64_MAX: nothing is. */
uint64_t ne2000_model_next_ns(const struct ne2000_model *model);

/* A frame comes on the wire, without check sequence; a later step takes it into
 * the ring, or not. False when too many are under way. The second: its check
 * sequence is wrong. */
bool ne2000_model_receive(struct ne2000_model *model, const uint8_t *frame,
                          size_t len);
bool ne2000_model_receive_bad(struct ne2000_model *model, const uint8_t *frame,
                              size_t len);

/* Put the cable in, or pull it. The card does not tell; frames are lost. */
void ne2000_model_link(struct ne2000_model *model, bool up);

/* Of the memory of the card, for tests. */
uint8_t *ne2000_model_ram(struct ne2000_model *model, unsigned address);

#endif
