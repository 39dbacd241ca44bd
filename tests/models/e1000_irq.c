/*
 * Interrupts: causes (ICR) and their mask, the limits of their rate (ITR,
 * EITR), the timers of descriptors that are done, the line and MSI-X. SDM
 * 13.4.17 to 13.4.21 and 13.4.30; 82574 datasheet, 7.4 and 10.2.4.
 */
#include "tests/models/e1000_parts.h"

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a | b;
    return a < b ? a : b;
}

static uint32_t valid_causes(const struct e1000_model *model)
{
    return e1k_is_82574(model) ? CAUSES_82574 : CAUSES_82540;
}

/* ---- Out of the card ----------------------------------------------------- */

static void line_update(struct e1000_model *model)
{
    bool wanted = (model->cause & model->mask) != 0;
    uint64_t now = hal_time_ns();

    if (wanted == model->card.asserted)
        return;
    if (wanted && now < model->quiet_until_ns[0])
        return;
    if (wanted) {
        model->quiet_until_ns[0] = now + (uint64_t)e1k_reg(model, ITR) * ITR_NS;
        model->card.muffled = model->met.lose_next;
        model->met.lose_next = false;
    }
    pci_card_line(&model->card, wanted);
}

/* The message of cause `bit`, by IVAR: 82574 datasheet, 10.2.4.9. */
static void message_update(struct e1000_model *model, unsigned index)
{
    uint32_t bit = UINT32_C(1) << (CAUSE_FIRST_QUEUE + index);
    unsigned entry = e1k_reg(model, IVAR) >> 4 * index & 15;
    unsigned vector = entry & 7;
    uint64_t now = hal_time_ns();

    if ((model->cause & model->mask & bit) == 0) {
        model->messages &= ~bit;
        return;
    }
    if ((model->messages & bit) != 0 || model->forgetful)
        return;
    if ((entry & 8) == 0)
        model_breach("cause %#x is enabled, but IVAR gives it no vector", bit);
    if (vector >= E1000_MODEL_VECTORS)
        model_breach("IVAR names vector %u", vector);
    if (now < model->quiet_until_ns[vector])
        return;
    model->quiet_until_ns[vector] =
        now + (uint64_t)e1k_reg(model, EITR + 4 * vector) * ITR_NS;
    model->messages |= bit;
    if (!model->met.lose_next)
        pci_card_message(&model->card, vector);
    model->met.lose_next = false;
    if ((e1k_reg(model, EIAC) & bit) == 0)
        return;
    model->cause &= ~bit;
    model->messages &= ~bit;
    if ((e1k_reg(model, CTRL_EXT) & EXT_IAME) == 0)
        model->mask &= ~bit;
}

void e1k_irq_update(struct e1000_model *model)
{
    if (!pci_card_msix_on(&model->card)) {
        line_update(model);
        return;
    }
    pci_card_line(&model->card, false);
    for (unsigned i = 0; i < CAUSES_QUEUE; i++)
        message_update(model, i);
}

void e1k_raise(struct e1000_model *model, uint32_t causes)
{
    if (e1k_is_82574(model) && (causes & CAUSES_OTHER) != 0)
        causes |= OTHER;
    model->cause |= causes;
    e1k_irq_update(model);
}

/* ---- Registers ----------------------------------------------------------- */

uint32_t e1k_icr_read(struct e1000_model *model)
{
    bool asserted = (model->cause & model->mask) != 0;
    uint32_t value = model->cause;

    if (!e1k_is_82574(model)) {
        model->cause = 0;
    } else {
        /* Without an interrupt, reading changes nothing: 10.2.4.1. */
        value |= asserted ? INT_ASSERTED : 0;
        if (asserted || model->mask == 0)
            model->cause = 0;
        if (asserted && (e1k_reg(model, CTRL_EXT) & EXT_IAME) != 0)
            model->mask &= ~e1k_reg(model, IAM);
    }
    e1k_irq_update(model);
    return value;
}

void e1k_irq_write(struct e1000_model *model, size_t at, uint32_t value)
{
    uint32_t reserved = value & ~valid_causes(model);

    if (at == ICR) {
        bool asserted = (model->cause & model->mask) != 0;

        model->cause &= ~value;
        if (asserted && e1k_is_82574(model) &&
            (e1k_reg(model, CTRL_EXT) & EXT_IAME) != 0)
            model->mask &= ~e1k_reg(model, IAM);
    } else if (at == IMC) {
        model->mask &= ~value; /* reserved bits should be 1 here */
    } else if (reserved != 0) {
        model_breach("reserved causes %#x in %s", reserved,
                     at == IMS ? "IMS" : "ICS");
    } else if (at == IMS) {
        model->mask |= value;
    } else {
        e1k_raise(model, value);
    }
    e1k_irq_update(model);
}

/* ---- Timers -------------------------------------------------------------- */

static uint64_t timer(const struct e1000_model *model, unsigned at)
{
    return (uint64_t)(e1k_reg(model, at) & 0xffff) * TIMER_NS;
}

static uint32_t queue_cause(const struct e1000_model *model, uint32_t first,
                            unsigned queue)
{
    return e1k_is_82574(model) ? first << queue : 0;
}

/* A frame is in memory: RXT0 now, or RDTR after the last one, at most RADV
 * after the first. */
void e1k_rx_done(struct e1000_model *model, unsigned queue)
{
    uint64_t now = hal_time_ns();

    if (timer(model, RDTR) == 0) {
        e1k_raise(model, RXT0 | queue_cause(model, RXQ0, queue));
        return;
    }
    model->rx_timer_ns[queue] = now + timer(model, RDTR);
    if (model->rx_limit_ns[queue] == 0 && timer(model, RADV) != 0)
        model->rx_limit_ns[queue] = now + timer(model, RADV);
}

/* A descriptor is written back: TXDW now, or with IDE after TIDV and TADV. */
void e1k_tx_done(struct e1000_model *model, unsigned queue, bool delayed)
{
    uint64_t now = hal_time_ns();

    if (!delayed || timer(model, TIDV) == 0) {
        model->tx_timer_ns[queue] = model->tx_limit_ns[queue] = 0;
        e1k_raise(model, TXDW | queue_cause(model, TXQ0, queue));
        return;
    }
    model->tx_timer_ns[queue] = now + timer(model, TIDV);
    if (model->tx_limit_ns[queue] == 0 && timer(model, TADV) != 0)
        model->tx_limit_ns[queue] = now + timer(model, TADV);
}

/* Whether one of two timers, 0 where it does not run, is over. */
static bool is_over(uint64_t a, uint64_t b)
{
    uint64_t first = earlier(a, b);

    return first != 0 && hal_time_ns() >= first;
}

bool e1k_irq_step(struct e1000_model *model)
{
    bool did = false;

    if (model->met.spurious_due) {
        model->met.spurious_due = false;
        pci_card_spurious(&model->card);
        did = true;
    }
    for (unsigned i = 0; i < E1000_MODEL_RINGS; i++) {
        if (is_over(model->rx_timer_ns[i], model->rx_limit_ns[i])) {
            model->rx_timer_ns[i] = model->rx_limit_ns[i] = 0;
            e1k_raise(model, RXT0 | queue_cause(model, RXQ0, i));
            did = true;
        }
        if (is_over(model->tx_timer_ns[i], model->tx_limit_ns[i])) {
            model->tx_timer_ns[i] = model->tx_limit_ns[i] = 0;
            e1k_raise(model, TXDW | queue_cause(model, TXQ0, i));
            did = true;
        }
    }
    e1k_irq_update(model);
    pci_card_step(&model->card);
    return did;
}

uint64_t e1000_model_next_ns(const struct e1000_model *model)
{
    uint64_t first = 0;
    uint64_t now = hal_time_ns();

    for (unsigned i = 0; i < E1000_MODEL_RINGS; i++) {
        first = earlier(first,
                        earlier(model->rx_timer_ns[i], model->rx_limit_ns[i]));
        first = earlier(first,
                        earlier(model->tx_timer_ns[i], model->tx_limit_ns[i]));
    }
    for (unsigned i = 0; i < E1000_MODEL_VECTORS; i++)
        if (model->quiet_until_ns[i] > now)
            first = earlier(first, model->quiet_until_ns[i]);
    first =
        earlier(first, earlier(model->met.rx.late_ns, model->met.tx.late_ns));
    first = earlier(
        first, earlier(model->phy_late_ns,
                       earlier(model->eeprom_late_ns, model->reset_late_ns)));
    return first == 0 ? UINT64_MAX : first;
}
