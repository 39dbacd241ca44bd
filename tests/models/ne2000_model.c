/* The NE2000 model: its registers, remote DMA, transmission. */
#include "tests/models/ne2000_model.h"
#include "kernel/lib/bytes.h"
#include "tests/models/ne2000_parts.h"
#include <string.h>

enum {
    PORTS = 32,
    DATA_PORT = 0x10,
    RESET_PORT = 0x18,
    CR_REMOTE = 7 << 3,
    CR_PAGES = 3 << 6,
    REMOTE_READ = 1,
    REMOTE_WRITE = 2,
    REMOTE_SEND = 3,
    REMOTE_ABORT = 4, /* and above */
    DCR_WORD = 1,
    DCR_BIG_ENDIAN = 1 << 1,
    DCR_LONG = 1 << 2,
    DCR_NORMAL = 1 << 3, /* LS: no loopback */
    SEND_MIN = 60,
    SEND_MAX = 1514,
    ANSWER_READS = 2, /* of ISR until RDC and RST are there */
};
#define STOP_NS UINT64_C(1600000) /* until a stop is complete */

/* ---- Interrupts ---------------------------------------------------------- */

void ne2k_line_update(struct ne2000_model *model)
{
    bool wanted = (model->isr & model->imr & 0x7f) != 0;

    if (wanted && !model->card.asserted) {
        model->card.muffled = model->met.lose_next;
        model->met.lose_next = false;
    }
    pci_card_line(&model->card, wanted);
}

void ne2k_raise(struct ne2000_model *model, uint8_t bits)
{
    model->isr |= bits;
    ne2k_line_update(model);
}

bool ne2k_running(const struct ne2000_model *model)
{
    return (model->command & CR_STP) == 0;
}

/* ---- Remote DMA ---------------------------------------------------------- */

uint8_t *ne2000_model_ram(struct ne2000_model *model, unsigned address)
{
    unsigned first = NE2000_MODEL_RAM_FIRST * NE2000_MODEL_PAGE;

    if (address < first || address - first >= sizeof(model->ram))
        model_breach("address %#x of the card is no RAM", address);
    return model->ram + (address - first);
}

static void remote_range_check(struct ne2000_model *model, unsigned op)
{
    unsigned from = model->remote_address;
    unsigned end = from + model->remote_count;
    unsigned tx_end = model->tx_page * 256U + model->tx_count;

    if (op == REMOTE_READ && end <= sizeof(model->prom))
        return;
    if (from < NE2000_MODEL_RAM_FIRST * 256 || end > NE2000_MODEL_RAM_END * 256)
        model_breach("remote DMA of %#x to %#x: there is no such memory", from,
                     end);
    if (op == REMOTE_WRITE && (model->command & CR_TXP) != 0 &&
        ne2k_overlap(from, end, model->tx_page * 256U, tx_end))
        model_breach("the frame that is being sent is overwritten");
    if (op == REMOTE_WRITE && ne2k_running(model) &&
        ne2k_overlap(from, end, model->page_start * 256U,
                     model->page_stop * 256U))
        model_breach("remote DMA writes into the receive ring");
}

static void remote_begin(struct ne2000_model *model, unsigned op)
{
    unsigned kinds = fault_bit(FAULT_LATE) | fault_bit(FAULT_NEVER);
    enum model_fault fault;

    if (op == REMOTE_SEND)
        model_breach("the command \"send packet\"");
    if (!model->dcr_written)
        model_breach("remote DMA before DCR is set");
    if (model->remote != 0 || model->remote_done)
        model_breach("remote DMA before the last one is complete");
    if ((model->isr & ISR_RDC) != 0)
        model_breach("remote DMA while RDC of the last one is set");
    if (model->remote_count == 0)
        model_breach("remote DMA of 0 bytes");
    if ((model->dcr & DCR_WORD) != 0 &&
        (model->remote_count % 2 != 0 || model->remote_address % 2 != 0))
        model_breach("remote DMA by words, of %u bytes at %#x",
                     model->remote_count, model->remote_address);
    remote_range_check(model, op);
    fault = fault_among(model->faults, "dma", kinds);
    model->remote_stuck = fault == FAULT_NEVER;
    if (fault == FAULT_LATE)
        model->isr_late_ns = ne2k_late(model);
    model->remote = op;
    model->remote_left = model->remote_count;
    model->remote_at = model->remote_address;
}

static uint8_t *remote_byte(struct ne2000_model *model)
{
    unsigned at = model->remote_at++;

    return at < sizeof(model->prom) ? model->prom + at
                                    : ne2000_model_ram(model, at);
}

/* The data port, `width` bytes. */
static void data_check(struct ne2000_model *model, unsigned op, size_t at,
                       unsigned width)
{
    bool is_word = (model->dcr & DCR_WORD) != 0;

    if (at != DATA_PORT)
        model_breach("the data port is accessed at %#zx", at);
    if (model->remote != op)
        model_breach("the data port is %s, but no remote DMA does that",
                     op == REMOTE_READ ? "read" : "written");
    if (is_word != (width > 1))
        model_breach("the data port is accessed with %u bytes, DCR is %#x",
                     width, model->dcr);
    if (width > model->remote_left)
        model_breach("more than RBCR bytes go through the data port");
}

static void remote_moved(struct ne2000_model *model, unsigned width)
{
    model->remote_left -= width;
    if (model->remote_left > 0)
        return;
    model->remote = 0;
    model->remote_done = true;
    model->isr_reads = ANSWER_READS;
}

static uint32_t data_read(struct ne2000_model *model, size_t at, unsigned width)
{
    uint32_t value = 0;

    if (model->forgetful)
        return UINT32_MAX;
    data_check(model, REMOTE_READ, at, width);
    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)*remote_byte(model) << 8 * i;
    remote_moved(model, width);
    return value;
}

static void data_write(struct ne2000_model *model, size_t at, unsigned width,
                       uint32_t value)
{
    if (model->forgetful)
        return;
    data_check(model, REMOTE_WRITE, at, width);
    for (unsigned i = 0; i < width; i++)
        *remote_byte(model) = (uint8_t)(value >> 8 * i);
    remote_moved(model, width);
}

/* ---- Start, stop, reset -------------------------------------------------- */

/* What a reset leaves: DS, "Reset". */
void ne2k_reset(struct ne2000_model *model)
{
    model->command = CR_STP | REMOTE_ABORT << 3;
    model->isr = 0;
    model->imr = 0;
    model->dcr = DCR_LONG;
    model->tcr = 0;
    model->dcr_written = model->tcr_written = false;
    model->remote = 0;
    model->remote_done = false;
    model->was_running = false;
    model->overflow = OVERFLOW_NONE;
    model->met = (struct nic_faults){.lose_next = false};
    model->remote_stuck = false;
    model->isr_late_ns = 0;
    ne2k_line_update(model);
}

void ne2k_forget(struct ne2000_model *model)
{
    ne2k_reset(model);
    model->forgetful = true;
    ne2k_raise(model, ISR_RST);
}

static void reset_port(struct ne2000_model *model)
{
    unsigned kinds = fault_bit(FAULT_LATE) | fault_bit(FAULT_NEVER);
    enum model_fault fault = fault_among(model->faults, "reset", kinds);

    ne2k_reset(model);
    model->forgetful = false;
    model->resets++;
    model->reset_done = true;
    model->isr_reads = ANSWER_READS;
    model->reset_stuck = fault == FAULT_NEVER;
    if (fault == FAULT_LATE)
        model->isr_late_ns = ne2k_late(model);
}

/* RDC and RST come some time after their reason. */
static bool answer_step(struct ne2000_model *model)
{
    uint8_t bits = 0;

    if (model->isr_late_ns != 0 && hal_time_ns() < model->isr_late_ns)
        return false;
    if (model->remote_done && !model->remote_stuck)
        bits |= ISR_RDC;
    if (model->reset_done && !model->reset_stuck)
        bits |= ISR_RST;
    if (bits == 0)
        return false;
    model->isr_late_ns = 0;
    if ((bits & ISR_RDC) != 0)
        model->remote_done = false;
    if ((bits & ISR_RST) != 0)
        model->reset_done = false;
    ne2k_raise(model, bits);
    return true;
}

static uint8_t isr_read(struct ne2000_model *model)
{
    if (model->isr_reads > 1)
        model->isr_reads--;
    else
        (void)answer_step(model);
    return model->isr;
}

static void stop(struct ne2000_model *model)
{
    if (model->stop_finishes)
        (void)ne2000_model_step_transmit(model);
    model->was_running = true;
    model->stop_ns = hal_time_ns();
    model->reset_done = true;
    model->isr_reads = ANSWER_READS;
    model->command &= (uint8_t)~CR_TXP; /* what was not sent is not */
    model->count_cleared = false;
    model->met.tx.late_ns = 0;
    model->met.tx.stuck = false;
    if (model->overflow != OVERFLOW_NONE)
        model->overflow = OVERFLOW_STOPPED;
}

static bool is_ring_page(const struct ne2000_model *model, unsigned page)
{
    return page >= model->page_start && page < model->page_stop;
}

static void start(struct ne2000_model *model)
{
    if (!model->dcr_written || !model->tcr_written)
        model_breach("the card is started before DCR and TCR are set");
    if ((model->dcr & (DCR_BIG_ENDIAN | DCR_NORMAL)) != DCR_NORMAL)
        model_breach("the card is started with DCR %#x", model->dcr);
    if (model->page_start < NE2000_MODEL_RAM_FIRST ||
        model->page_stop > NE2000_MODEL_RAM_END ||
        model->page_start >= model->page_stop)
        model_breach("a receive ring of pages %#x to %#x", model->page_start,
                     model->page_stop);
    if (!is_ring_page(model, model->boundary) ||
        !is_ring_page(model, model->current))
        model_breach("BNRY %#x or CURR %#x is not in the ring", model->boundary,
                     model->current);
    if (model->was_running && hal_time_ns() < model->stop_ns + STOP_NS)
        model_breach("the card is started before the stop is complete: wait "
                     "1.6 ms");
    if (model->overflow == OVERFLOW_NONE && model->boundary == model->current)
        model_breach("the card is started with BNRY at CURR: its ring is full");
    if (model->overflow == OVERFLOW_STOPPED) {
        if (!model->count_cleared)
            model_breach("after an overflow RBCR is not cleared");
        if ((model->tcr & TCR_LOOP) == 0)
            model_breach("after an overflow the card is started without "
                         "loopback");
        model->overflow = OVERFLOW_LOOPS;
        model->room_made = false;
    }
    model->isr &= (uint8_t)~ISR_RST;
    model->reset_done = false;
    model->was_running = false;
}

/* ---- Transmission -------------------------------------------------------- */

static void transmit(struct ne2000_model *model)
{
    unsigned pages = (model->tx_count + 255U) / 256;
    unsigned end = model->tx_page + pages;

    if (!ne2k_running(model))
        model_breach("TXP while the card is stopped");
    if ((model->command & CR_TXP) != 0)
        model_breach("TXP while a frame is being sent");
    if (model->tx_count < SEND_MIN || model->tx_count > SEND_MAX)
        model_breach("a frame of %u bytes is sent", model->tx_count);
    if (model->tx_page < NE2000_MODEL_RAM_FIRST || end > NE2000_MODEL_RAM_END)
        model_breach("a frame at page %#x is sent", model->tx_page);
    if (ne2k_overlap(model->tx_page, end, model->page_start, model->page_stop))
        model_breach("a frame in the receive ring is sent");
    if (model->remote == REMOTE_WRITE || model->remote_done)
        model_breach("a frame is sent before its remote DMA is complete");
    model->command |= CR_TXP;
}

/* The fault that the frame meets; true: it goes on now. */
static bool transmit_begins(struct ne2000_model *model, uint8_t *status)
{
    unsigned kinds = FAULT_ALL & ~fault_bit(FAULT_SHORT);
    enum model_fault fault = fault_among(model->faults, "transmit", kinds);

    if (fault == FAULT_FAIL)
        *status = TSR_ONE | TSR_COL | TSR_ABT;
    if (fault == FAULT_RESET)
        ne2k_forget(model);
    return nic_fault_met(&model->met, &model->met.tx, &model->card, fault,
                         ne2k_late(model));
}

bool ne2000_model_step_transmit(struct ne2000_model *model)
{
    bool was_late = model->met.tx.late_ns != 0;
    bool loops = (model->tcr & TCR_LOOP) != 0;
    uint8_t status = TSR_ONE | TSR_PTX;

    if ((model->command & CR_TXP) == 0 || model->met.tx.stuck ||
        (was_late && hal_time_ns() < model->met.tx.late_ns))
        return false;
    model->met.tx.late_ns = 0;
    if (!was_late && !transmit_begins(model, &status))
        return true;
    if (!model->cable && !loops && (status & TSR_PTX) != 0)
        status |= TSR_CRS; /* it is sent into nothing */
    model->command &= (uint8_t)~CR_TXP;
    model->tsr = status;
    model->collisions = 0;
    if ((status & TSR_PTX) != 0 && model->cable && !loops) {
        model->frames_sent++;
        if (model->sent != NULL)
            model->sent(model->sent_arg,
                        ne2000_model_ram(model, model->tx_page * 256U),
                        model->tx_count);
    }
    ne2k_raise(model, (status & TSR_PTX) != 0 ? ISR_PTX : ISR_TXE);
    return true;
}

/* ---- Registers ----------------------------------------------------------- */

static void command_write(struct ne2000_model *model, uint8_t value)
{
    unsigned op = (value & CR_REMOTE) >> 3;
    bool was_running = ne2k_running(model);
    uint8_t kept = model->command & CR_TXP;

    if (((value & CR_STP) != 0) == ((value & CR_STA) != 0))
        model_breach("the command %#x neither starts nor stops", value);
    if (op == 0)
        model_breach("the command %#x: RD 0 is not allowed", value);
    if (model->forgetful) {
        model->command = (value & CR_PAGES) | CR_STP | REMOTE_ABORT << 3;
        return;
    }
    if (was_running && (value & CR_STP) != 0)
        stop(model);
    if (!was_running && (value & CR_STP) == 0)
        start(model);
    kept &= model->command; /* a stop takes TXP away */
    model->command = (value & (uint8_t)~CR_TXP) | kept;
    if (op >= REMOTE_ABORT) {
        if (model->remote != 0)
            model->remote_done = false;
        model->remote = 0;
    } else {
        remote_begin(model, op);
    }
    if ((value & CR_TXP) != 0)
        transmit(model);
}

/* What may change only while the card is stopped. */
static void stopped_check(const struct ne2000_model *model, const char *name)
{
    if (ne2k_running(model))
        model_breach("%s is written while the card runs", name);
}

static void boundary_write(struct ne2000_model *model, uint8_t value)
{
    if (ne2k_running(model) && !is_ring_page(model, value))
        model_breach("BNRY %#x is not in the ring", value);
    model->boundary = value;
    model->room_made = true;
}

static void tcr_write(struct ne2000_model *model, uint8_t value)
{
    if ((value & 0xe0) != 0)
        model_breach("reserved bits of TCR: %#x", value);
    if ((value & TCR_CRC) != 0)
        model_breach("frames are to go without check sequence (TCR.CRC)");
    if (model->overflow == OVERFLOW_LOOPS && (value & TCR_LOOP) == 0) {
        if (!model->room_made)
            model_breach("after an overflow no room was made in the ring");
        if ((model->isr & ISR_OVW) != 0)
            model_breach("after an overflow OVW is still set");
        model->overflow = OVERFLOW_NONE;
    }
    model->tcr = value;
    model->tcr_written = true;
}

static void byte_put(uint16_t *value, bool high, uint8_t byte)
{
    *value = high ? (uint16_t)((*value & 0xff) | byte << 8)
                  : (uint16_t)((*value & 0xff00) | byte);
}

/* The counts and addresses of what is under way stay. */
static void remote_set(struct ne2000_model *model, size_t at, uint8_t value)
{
    if (model->remote != 0)
        model_breach("RSAR or RBCR is written during remote DMA");
    if (at < 0x0a)
        byte_put(&model->remote_address, at == 0x09, value);
    else
        byte_put(&model->remote_count, at == 0x0b, value);
    model->count_cleared = model->remote_count == 0;
}

static void tx_set(struct ne2000_model *model, size_t at, uint8_t value)
{
    if ((model->command & CR_TXP) != 0)
        model_breach("TPSR or TBCR is written while a frame is being sent");
    if (at == 0x04)
        model->tx_page = value;
    else
        byte_put(&model->tx_count, at == 0x06, value);
}

static void page0_write(struct ne2000_model *model, size_t at, uint8_t value)
{
    switch (at) {
    case 0x01:
    case 0x02:
        stopped_check(model, "PSTART or PSTOP");
        *(at == 0x01 ? &model->page_start : &model->page_stop) = value;
        break;
    case 0x03:
        boundary_write(model, value);
        break;
    case 0x04:
    case 0x05:
    case 0x06:
        tx_set(model, at, value);
        break;
    case 0x07: /* RST cannot be cleared so */
        model->isr &= (uint8_t) ~(value & 0x7f);
        break;
    case 0x08:
    case 0x09:
    case 0x0a:
    case 0x0b:
        remote_set(model, at, value);
        break;
    case 0x0c:
        if ((value & 0xc0) != 0)
            model_breach("reserved bits of RCR: %#x", value);
        model->rcr = value;
        break;
    case 0x0d:
        tcr_write(model, value);
        break;
    case 0x0e:
        stopped_check(model, "DCR");
        if ((value & 0x80) != 0)
            model_breach("reserved bits of DCR: %#x", value);
        model->dcr = value;
        model->dcr_written = true;
        break;
    default:
        if ((value & 0x80) != 0)
            model_breach("reserved bits of IMR: %#x", value);
        model->imr = value;
    }
    ne2k_line_update(model);
}

static void page1_write(struct ne2000_model *model, size_t at, uint8_t value)
{
    if (at <= 6) {
        stopped_check(model, "PAR");
        model->station[at - 1] = value;
    } else if (at == 7) {
        stopped_check(model, "CURR");
        model->current = value;
        if (model->overflow == OVERFLOW_STOPPED)
            model->overflow = OVERFLOW_NONE; /* all begins again */
    } else {
        model->multicast[at - 8] = value;
    }
}

static uint8_t tally_read(struct ne2000_model *model, unsigned index)
{
    uint8_t value = model->tally[index];

    model->tally[index] = 0;
    return value;
}

static uint8_t page0_read(struct ne2000_model *model, size_t at)
{
    switch (at) {
    case 0x03:
        return model->boundary;
    case 0x04:
        return model->tsr;
    case 0x05:
        return model->collisions;
    case 0x07:
        return isr_read(model);
    case 0x08:
        return (uint8_t)model->remote_at;
    case 0x09:
        return (uint8_t)(model->remote_at >> 8);
    case 0x0a: /* RTL8029AS: its name */
        return 'P';
    case 0x0b:
        return 'C';
    case 0x0c:
        return model->rsr;
    case 0x0d:
    case 0x0e:
    case 0x0f:
        return tally_read(model, (unsigned)at - 0x0d);
    default:
        model_breach("register %#zx of page 0 is for diagnosis", at);
        return 0;
    }
}

static uint8_t page2_read(const struct ne2000_model *model, size_t at)
{
    switch (at) {
    case 0x01:
        return model->page_start;
    case 0x02:
        return model->page_stop;
    case 0x04:
        return model->tx_page;
    case 0x0c:
        return model->rcr | 0xc0;
    case 0x0d:
        return model->tcr | 0xe0;
    case 0x0e:
        return model->dcr | 0x80;
    case 0x0f:
        return model->imr | 0x80;
    default:
        model_breach("register %#zx of page 2 is for diagnosis", at);
        return 0;
    }
}

static uint8_t page1_read(const struct ne2000_model *model, size_t at)
{
    if (at == 7)
        return model->current;
    return at < 7 ? model->station[at - 1] : model->multicast[at - 8];
}

static uint32_t port_read(void *arg, size_t at, unsigned width)
{
    struct ne2000_model *model = arg;

    if (at >= DATA_PORT && at < RESET_PORT)
        return data_read(model, at, width);
    if (width != 1)
        model_breach("register %#zx is read with %u bytes", at, width);
    if (at >= RESET_PORT) {
        reset_port(model);
        return 0;
    }
    if (at == 0)
        return model->command;
    switch (model->command >> 6) {
    case 0:
        return page0_read(model, at);
    case 1:
        return page1_read(model, at);
    case 2:
        return page2_read(model, at);
    default:
        model_breach("page 3 is read");
        return 0;
    }
}

static void register_write(struct ne2000_model *model, size_t at,
                           unsigned width, uint32_t value)
{
    if (width != 1)
        model_breach("register %#zx is written with %u bytes", at, width);
    if (at >= RESET_PORT)
        return; /* a reset begins with a read */
    if (at == 0)
        command_write(model, (uint8_t)value);
    else if (model->command >> 6 == 0)
        page0_write(model, at, (uint8_t)value);
    else if (model->command >> 6 == 1)
        page1_write(model, at, (uint8_t)value);
    else
        model_breach("page %u is written", model->command >> 6);
}

static void port_write(void *arg, size_t at, unsigned width, uint32_t value)
{
    struct ne2000_model *model = arg;

    if (at >= DATA_PORT && at < RESET_PORT) {
        data_write(model, at, width, value);
        return;
    }
    register_write(model, at, width, value);
    if (model->work != NULL)
        model->work(model);
}

/* ---- The card ------------------------------------------------------------ */

bool ne2000_model_step(struct ne2000_model *model)
{
    bool did = answer_step(model);

    if (model->met.spurious_due) {
        model->met.spurious_due = false;
        pci_card_spurious(&model->card);
        did = true;
    }
    did = did || ne2000_model_step_transmit(model);
    did = did || ne2000_model_step_receive(model);
    pci_card_step(&model->card);
    return did;
}

uint64_t ne2000_model_next_ns(const struct ne2000_model *model)
{
    const uint64_t times[] = {model->met.tx.late_ns, model->met.rx.late_ns,
                              model->isr_late_ns};
    uint64_t first = UINT64_MAX;

    for (unsigned i = 0; i < 3; i++)
        if (times[i] != 0 && times[i] < first)
            first = times[i];
    return first;
}

void ne2000_model_link(struct ne2000_model *model, bool up)
{
    model->cable = up;
}

/* Each byte of the PROM is there twice; the last two tell of 16 bits. */
static void prom_fill(struct ne2000_model *model)
{
    for (unsigned i = 0; i < 16; i++) {
        uint8_t byte = i < 6 ? model->mac[i] : i >= 14 ? 0x57 : 0;

        model->prom[2 * i] = model->prom[2 * i + 1] = byte;
    }
}

void ne2000_model_plug(struct ne2000_model *model, unsigned slot)
{
    struct pci_card *card = &model->card;

    *card = (struct pci_card){
        .addr = {0, (uint8_t)slot, 0},
        .line = model->no_line ? 0 : NE2000_MODEL_LINE,
        .bar[0] = {.base = NE2000_MODEL_PORTS + 0x100 * slot,
                   .space = HAL_IO_PORT,
                   .size = PORTS,
                   .window = {port_read, port_write, model}},
    };
    pci_card_identify(card, 0x10ec, 0x8029, 0x020000);
    pci_card_plug(card);
    prom_fill(model);
    /* What is in registers and memory after power-on is not said. */
    memset(model->ram, 0xa5, sizeof(model->ram));
    memset(model->station, 0xa5, sizeof(model->station));
    memset(model->multicast, 0xa5, sizeof(model->multicast));
    model->page_start = model->page_stop = model->boundary = 0xa5;
    model->current = model->tx_page = 0xa5;
    model->isr = ISR_RST;
    model->rcr = 0x15;
    model->cable = !model->no_cable;
    ne2k_reset(model);
    model->isr = ISR_RST;
}
