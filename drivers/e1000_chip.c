#include "drivers/e1000_chip.h"
#include "kernel/device/netdev.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/string.h>
#include <torc/time.h>

#define EEPROM_TIMEOUT_NS (100 * NS_PER_MS)
#define RESET_TIMEOUT_NS  (100 * NS_PER_MS)
#define RESET_GIVE_UP_NS  (5 * NS_PER_S)
#define RESET_QUIET_NS    (10 * NS_PER_US) /* SDM 13.4.1: at least 1 us */
#define MASTER_TIMEOUT_NS (200 * NS_PER_US)

enum {
    VENDOR_INTEL = 0x8086,
    BAR_REGISTERS = 0,
    MTA_HASH_SHIFT = 4, /* bits 47 to 36 of the address: RCTL.MO is 0 */
};

bool e1000_chip_is(const struct pci_function *function, struct e1000_chip *chip)
{
    static const struct {
        uint16_t device;
        bool is_82574;
    } kinds[] = {
        {0x1004, false}, /* 82543GC */
        {0x100e, false}, /* 82540EM */
        {0x100f, false}, /* 82545EM */
        {0x10d3, true},  /* 82574L */
    };

    if (function->vendor != VENDOR_INTEL)
        return false;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (function->device != kinds[i].device)
            continue;
        *chip = (struct e1000_chip){.pci = *function,
                                    .is_82574 = kinds[i].is_82574};
        return true;
    }
    return false;
}

int e1000_chip_open(struct e1000_chip *chip)
{
    pci_enable(&chip->pci);
    return pci_map_bar(&chip->pci, BAR_REGISTERS, 0, E1000_BAR_SIZE, &chip->io);
}

/* ---- The address --------------------------------------------------------- */

/* One word of the EEPROM. The last look is after the deadline: this CPU may
 * have stood still since the one before. Returns 0, -ETIMEDOUT. */
static int eeprom_read(const struct e1000_chip *chip, unsigned index,
                       uint64_t deadline_ns, uint16_t *word)
{
    unsigned shift = chip->is_82574 ? E1000_EERD_SHIFT_82574 : E1000_EERD_SHIFT;
    uint32_t done = chip->is_82574 ? E1000_EERD_DONE_82574 : E1000_EERD_DONE;
    bool is_late = false;

    e1000_write(chip, E1000_EERD, index << shift | E1000_EERD_START);
    for (;;) {
        uint32_t value = e1000_read(chip, E1000_EERD);

        if ((value & done) != 0 && value != UINT32_MAX) {
            *word = (uint16_t)(value >> E1000_EERD_DATA_SHIFT);
            return 0;
        }
        if (is_late)
            return -ETIMEDOUT;
        hal_cpu_relax();
        is_late = time_ns() >= deadline_ns;
    }
}

/* The first three words, if the sum of all is right: SDM chapter 5. */
static int eeprom_address(const struct e1000_chip *chip, uint8_t mac[6])
{
    uint64_t deadline_ns = time_ns() + EEPROM_TIMEOUT_NS;
    uint16_t sum = 0;
    uint16_t word = 0;

    for (unsigned i = 0; i < E1000_EEPROM_WORDS; i++) {
        if (eeprom_read(chip, i, deadline_ns, &word) != 0)
            return -EIO;
        sum = (uint16_t)(sum + word);
        if (i < 3) {
            mac[2 * i] = (uint8_t)word;
            mac[2 * i + 1] = (uint8_t)(word >> 8);
        }
    }
    return sum == E1000_EEPROM_SUM ? 0 : -EIO;
}

static int register_address(const struct e1000_chip *chip, uint8_t mac[6])
{
    uint32_t low = e1000_read(chip, E1000_RAL);
    uint32_t high = e1000_read(chip, E1000_RAH);

    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)(i < 4 ? low >> 8 * i : high >> 8 * (i - 4));
    return (high & E1000_RAH_VALID) != 0 ? 0 : -EIO;
}

int e1000_chip_address(const struct e1000_chip *chip, uint8_t mac[6])
{
    if (eeprom_address(chip, mac) == 0 && net_address_valid(mac))
        return 0;
    if (register_address(chip, mac) == 0 && net_address_valid(mac))
        return 0;
    return -EIO;
}

/* ---- Reset --------------------------------------------------------------- */

/* Before its reset a PCI Express card stops all accesses of
 * its own. One that does not is reset all the same. */
static void master_off(const struct e1000_chip *chip)
{
    uint64_t deadline_ns = time_ns() + MASTER_TIMEOUT_NS;

    e1000_write(chip, E1000_CTRL,
                e1000_read(chip, E1000_CTRL) | E1000_CTRL_MASTER_OFF);
    while ((e1000_read(chip, E1000_STATUS) & E1000_STATUS_MASTER) != 0 &&
           time_ns() < deadline_ns)
        hal_cpu_relax();
}

void e1000_chip_reset_begin(struct e1000_chip *chip)
{
    e1000_write(chip, E1000_IMC, UINT32_MAX);
    e1000_write(chip, E1000_RCTL,
                e1000_read(chip, E1000_RCTL) & ~E1000_RCTL_EN);
    e1000_write(chip, E1000_TCTL,
                e1000_read(chip, E1000_TCTL) & ~E1000_TCTL_EN);
    if (chip->is_82574)
        master_off(chip);
    e1000_write(chip, E1000_CTRL,
                e1000_read(chip, E1000_CTRL) | E1000_CTRL_RST);
    chip->reset_begun_ns = time_ns();
}

int e1000_chip_reset_poll(struct e1000_chip *chip)
{
    uint64_t passed_ns = time_ns() - chip->reset_begun_ns;

    if (passed_ns < RESET_QUIET_NS)
        return -EAGAIN;
    if ((e1000_read(chip, E1000_CTRL) & E1000_CTRL_RST) == 0) {
        chip->reset_begun_ns = 0;
        return 0;
    }
    return passed_ns < RESET_GIVE_UP_NS ? -EAGAIN : -ETIMEDOUT;
}

int e1000_chip_reset(struct e1000_chip *chip)
{
    uint64_t deadline_ns = time_ns() + RESET_TIMEOUT_NS;
    bool is_late = false; /* then comes the last look */
    int status;

    if (chip->reset_begun_ns == 0)
        e1000_chip_reset_begin(chip);
    for (;;) {
        hal_cpu_relax();
        status = e1000_chip_reset_poll(chip);
        if (status != -EAGAIN || is_late)
            return status == 0 ? 0 : -ETIMEDOUT;
        is_late = time_ns() >= deadline_ns;
    }
}

/* ---- Set-up: SDM chapter 14; data sheet, "Initialization" ---------------- */

/* Full duplex, speed as the PHY says, no VLAN tags, no pause frames. */
static void setup_general(const struct e1000_chip *chip)
{
    uint32_t off = E1000_CTRL_ASDE | E1000_CTRL_ILOS | E1000_CTRL_FRCSPD |
                   E1000_CTRL_FRCDPX | E1000_CTRL_RFCE | E1000_CTRL_TFCE |
                   E1000_CTRL_VME;

    e1000_write(chip, E1000_CTRL,
                (e1000_read(chip, E1000_CTRL) & ~off) | E1000_CTRL_SLU);
    e1000_write(chip, E1000_FCAL, 0);
    e1000_write(chip, E1000_FCAH, 0);
    e1000_write(chip, E1000_FCT, 0);
    e1000_write(chip, E1000_FCTTV, 0);
}

static void group_add(uint32_t table[E1000_MTA_COUNT], const uint8_t mac[6])
{
    unsigned index = ((unsigned)mac[5] << 8 | mac[4]) >> MTA_HASH_SHIFT & 0xfff;

    table[index / 32] |= UINT32_C(1) << index % 32;
}

/*
 * Besides those that are asked for, the groups that every host is in: all of
 * IPv4 (RFC 1112), all of IPv6, and the one where IPv6 looks for addresses that
 * end as this card's (RFC 4291, 2.7.1).
 */
void e1000_chip_listen(const struct e1000_chip *chip, const uint8_t mac[6],
                       const uint8_t groups[][6], unsigned count)
{
    static const uint8_t always[2][6] = {{0x01, 0x00, 0x5e, 0, 0, 1},
                                         {0x33, 0x33, 0, 0, 0, 1}};
    const uint8_t solicited[6] = {0x33, 0x33, 0xff, mac[3], mac[4], mac[5]};
    uint32_t table[E1000_MTA_COUNT] = {0};

    group_add(table, always[0]);
    group_add(table, always[1]);
    group_add(table, solicited);
    for (unsigned i = 0; i < count; i++)
        group_add(table, groups[i]);
    for (unsigned i = 0; i < E1000_MTA_COUNT; i++)
        hal_io_write32(chip->io, E1000_MTA + 4 * i, table[i]);
}

/* Who is let in: broadcast, the card's own address, and groups. */
static void setup_filter(const struct e1000_chip *chip, const uint8_t mac[6])
{
    e1000_chip_listen(chip, mac, NULL, 0);
    e1000_write(chip, E1000_RAL,
                mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 |
                    (uint32_t)mac[3] << 24);
    e1000_write(chip, E1000_RAH,
                mac[4] | (uint32_t)mac[5] << 8 | E1000_RAH_VALID);
    for (unsigned i = 1; i < E1000_RA_COUNT; i++) {
        hal_io_write32(chip->io, E1000_RAL + 8 * i, 0);
        hal_io_write32(chip->io, E1000_RAH + 8 * i, 0);
    }
}

static void setup_receive(const struct e1000_chip *chip,
                          const struct e1000_rings *rings)
{
    e1000_write(chip, E1000_RDBAL, (uint32_t)rings->rx_bus);
    e1000_write(chip, E1000_RDBAH, (uint32_t)(rings->rx_bus >> 32));
    e1000_write(chip, E1000_RDLEN,
                rings->rx_size * (uint32_t)sizeof(struct e1000_desc));
    e1000_write(chip, E1000_RDH, 0);
    e1000_write(chip, E1000_RDT, 0);
    e1000_write(chip, E1000_RDTR, 0);
    e1000_write(chip, E1000_RADV, 0);
    e1000_write(chip, E1000_RXCSUM, E1000_RXCSUM_IP | E1000_RXCSUM_TCP);
    e1000_write(chip, E1000_RCTL,
                E1000_RCTL_EN | E1000_RCTL_BAM | E1000_RCTL_SECRC);
}

static void setup_transmit(const struct e1000_chip *chip,
                           const struct e1000_rings *rings)
{
    uint32_t tctl = e1000_read(chip, E1000_TCTL) &
                    ~(E1000_TCTL_CT_MASK | E1000_TCTL_COLD_MASK);

    e1000_write(chip, E1000_TDBAL, (uint32_t)rings->tx_bus);
    e1000_write(chip, E1000_TDBAH, (uint32_t)(rings->tx_bus >> 32));
    e1000_write(chip, E1000_TDLEN,
                rings->tx_size * (uint32_t)sizeof(struct e1000_desc));
    e1000_write(chip, E1000_TDH, 0);
    e1000_write(chip, E1000_TDT, 0);
    e1000_write(chip, E1000_TIDV, 0);
    e1000_write(chip, E1000_TADV, 0);
    if (chip->is_82574)
        e1000_write(chip, E1000_TXDCTL,
                    e1000_read(chip, E1000_TXDCTL) | E1000_TXDCTL_COUNT);
    e1000_write(chip, E1000_TIPG, E1000_TIPG_COPPER);
    e1000_write(chip, E1000_TCTL,
                tctl | E1000_TCTL_EN | E1000_TCTL_PSP | E1000_TCTL_CT |
                    E1000_TCTL_COLD);
}

/* Interrupts come at once, when they are allowed. */
static void setup_interrupts(const struct e1000_chip *chip)
{
    e1000_write(chip, E1000_ITR, 0);
    if (chip->is_82574) {
        e1000_write(chip, E1000_EITR0, 0);
        e1000_write(chip, E1000_IVAR, E1000_IVAR_ALL_0);
    }
    if (chip->is_msix)
        e1000_write(chip, E1000_CTRL_EXT,
                    e1000_read(chip, E1000_CTRL_EXT) | E1000_EXT_PBA);
    (void)e1000_causes_take(chip);
}

void e1000_chip_setup(const struct e1000_chip *chip, const uint8_t mac[6],
                      const struct e1000_rings *rings)
{
    assert(rings->rx_size % 8 == 0 && rings->tx_size % 8 == 0);
    assert(net_address_valid(mac));
    e1000_write(chip, E1000_IMC, UINT32_MAX);
    setup_general(chip);
    setup_filter(chip, mac);
    setup_receive(chip, rings);
    setup_transmit(chip, rings);
    setup_interrupts(chip);
}

/* ---- Afterwards ---------------------------------------------------------- */

bool e1000_chip_link(const struct e1000_chip *chip)
{
    return (e1000_read(chip, E1000_STATUS) & E1000_STATUS_LU) != 0;
}

bool e1000_chip_present(const struct e1000_chip *chip)
{
    return e1000_read(chip, E1000_STATUS) != UINT32_MAX;
}

bool e1000_chip_is_set_up(const struct e1000_chip *chip)
{
    return (e1000_read(chip, E1000_RCTL) & E1000_RCTL_EN) != 0 &&
           (e1000_read(chip, E1000_TCTL) & E1000_TCTL_EN) != 0;
}

uint32_t e1000_cause_rx(const struct e1000_chip *chip)
{
    return chip->is_msix ? E1000_RXQ0 : E1000_RXT0 | E1000_RXO;
}

uint32_t e1000_cause_tx(const struct e1000_chip *chip)
{
    return chip->is_msix ? E1000_TXQ0 : E1000_TXDW;
}

/* OTHER is set with any cause that has no queue. */
uint32_t e1000_cause_link(const struct e1000_chip *chip)
{
    return chip->is_msix ? E1000_LSC | E1000_OTHER : E1000_LSC;
}

/*
 * Reading clears, but on the 82574 only when the card asks for an interrupt
 * (datasheet 10.2.4.1): there the causes are written back, and a second read
 * makes sure that the write has arrived. A card that is gone answers with ones:
 * it has no cause, or its causes would never end.
 */
uint32_t e1000_causes_take(const struct e1000_chip *chip)
{
    uint32_t causes = e1000_read(chip, E1000_ICR);

    if (causes == UINT32_MAX)
        return 0;
    if (chip->is_82574 && causes != 0) {
        e1000_write(chip, E1000_ICR, causes);
        (void)e1000_read(chip, E1000_IMS);
    }
    return causes;
}
