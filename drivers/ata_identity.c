/* What IDENTIFY DEVICE says: drivers/ata.h. Words are little-endian. */
#include "drivers/ata.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/errno.h>

/* Words by their number. */
enum {
    GENERAL = 0,
    SERIAL = 10,
    MODEL = 27,
    MULTIPLE = 47,
    DATA32 = 48,
    CAPABILITIES = 49,
    VALID = 53,
    SECTORS_28 = 60,
    MULTIWORD = 63,
    COMMAND_SETS = 82, /* and 83, 84 */
    ENABLED = 85,      /* and 86, 87 */
    ULTRA = 88,
    SECTORS_48 = 100,
    SECTOR_SIZE = 106,
    SECTOR_WORDS = 117,
    INTEGRITY = 255,
};

enum {
    GENERAL_PACKET = 1 << 15,
    GENERAL_COMPACT_FLASH = 0x848a, /* the whole word: an ATA drive */
    HAS_DMA = 1 << 8,
    HAS_LBA = 1 << 9,
    VALID_88 = 1 << 2,
    HAS_CACHE = 1 << 5,      /* word 82 */
    HAS_LBA48 = 1 << 10,     /* words 83 and 86 */
    HAS_FLUSH = 1 << 12,     /* word 83 */
    HAS_FLUSH_EXT = 1 << 13, /* word 83 */
    HAS_FUA = 1 << 6,        /* word 84 */
    LONG_SECTORS = 1 << 12,
    CHECKED = 0xa5,
    SECTOR_MIN = 512,
    SECTOR_MAX = 4096,
    MULTIPLE_MAX = 128, /* a power of two */
};

static uint16_t word(const uint8_t *data, unsigned number)
{
    assert(number < ATA_IDENTITY_SIZE / 2);
    return le16_get(data + 2 * number);
}

/* Words that begin with 01b are filled in; others mean nothing. */
static uint16_t word_if_valid(const uint8_t *data, unsigned number)
{
    uint16_t value = word(data, number);

    return value >> 14 == 1 ? value : 0;
}

/* Two characters a word, the first in the upper half. */
static void text_get(const uint8_t *data, unsigned number, unsigned words,
                     char *out)
{
    unsigned len = 0;

    for (unsigned i = 0; i < 2 * words; i++) {
        char c = (char)data[2 * number + (i ^ 1)];

        out[i] = c > ' ' && c <= '~' ? c : ' ';
        if (out[i] != ' ')
            len = i + 1;
    }
    out[len] = '\0';
}

/* The sum of all bytes is 0, where the drive has made one. */
static bool is_intact(const uint8_t *data)
{
    uint8_t sum = 0;

    if ((word(data, INTEGRITY) & 0xff) != CHECKED)
        return true;
    for (unsigned i = 0; i < ATA_IDENTITY_SIZE; i++)
        sum = (uint8_t)(sum + data[i]);
    return sum == 0;
}

static uint64_t sectors_get(const uint8_t *data, bool lba48)
{
    uint64_t sectors = le32_get(data + 2 * SECTORS_28);

    if (lba48 && le64_get(data + 2 * SECTORS_48) != 0)
        return le64_get(data + 2 * SECTORS_48);
    return sectors < ATA_SECTORS_28 ? sectors : ATA_SECTORS_28;
}

/* 0: a size that cannot be. */
static uint32_t sector_size_get(const uint8_t *data)
{
    uint32_t words = le32_get(data + 2 * SECTOR_WORDS);

    if ((word_if_valid(data, SECTOR_SIZE) & LONG_SECTORS) == 0)
        return SECTOR_MIN;
    if (words < SECTOR_MIN / 2 || words > SECTOR_MAX / 2 ||
        (words & (words - 1)) != 0)
        return 0;
    return words * 2;
}

/* The largest power of two that the drive takes. */
static uint8_t multiple_get(const uint8_t *data)
{
    unsigned max = word(data, MULTIPLE) & 0xff;
    unsigned multiple = MULTIPLE_MAX;

    while (multiple > max)
        multiple /= 2;
    return (uint8_t)multiple;
}

static uint8_t mode_of(unsigned set, uint8_t kind)
{
    for (unsigned i = 8; i-- > 0;)
        if ((set >> i & 1) != 0)
            return (uint8_t)(kind | i);
    return 0;
}

/* The mode that is set now; who set it has set the controller as well. */
static uint8_t dma_mode_get(const uint8_t *data)
{
    unsigned ultra = word(data, ULTRA) >> 8;
    unsigned multiword = word(data, MULTIWORD) >> 8 & 7;

    if ((word(data, VALID) & VALID_88) != 0 && ultra != 0)
        return mode_of(ultra, ATA_MODE_ULTRA);
    return mode_of(multiword, ATA_MODE_MULTIWORD);
}

int ata_identity_parse(const uint8_t data[ATA_IDENTITY_SIZE],
                       struct ata_identity *out)
{
    uint16_t general = word(data, GENERAL);
    uint16_t sets = word_if_valid(data, COMMAND_SETS + 1);
    struct ata_identity id;

    if (!is_intact(data))
        return -EIO;
    if (((general & GENERAL_PACKET) != 0 && general != GENERAL_COMPACT_FLASH) ||
        (word(data, CAPABILITIES) & HAS_LBA) == 0)
        return -ENOTSUP;
    id.lba48 =
        (sets & HAS_LBA48) != 0 && (word(data, ENABLED + 1) & HAS_LBA48) != 0;
    id.sectors = sectors_get(data, id.lba48);
    id.sector_size = sector_size_get(data);
    if (id.sector_size == 0)
        return -ENOTSUP;
    if (id.sectors == 0 || id.sectors > ATA_SECTORS_48)
        return -EINVAL;
    id.dma = (word(data, CAPABILITIES) & HAS_DMA) != 0;
    id.dma_mode = id.dma ? dma_mode_get(data) : 0;
    /* Word 83 tells whether 82 means anything. */
    id.cache = sets != 0 && (word(data, COMMAND_SETS) & HAS_CACHE) != 0;
    id.flush = (sets & HAS_FLUSH) != 0;
    id.flush_ext = id.lba48 && (sets & HAS_FLUSH_EXT) != 0;
    id.fua = id.lba48 && (word_if_valid(data, COMMAND_SETS + 2) & HAS_FUA) != 0;
    id.data32 = word(data, DATA32) == 1; /* ATA-1; later it means another */
    id.multiple_max = multiple_get(data);
    text_get(data, MODEL, 20, id.model);
    text_get(data, SERIAL, 10, id.serial);
    *out = id;
    return 0;
}
