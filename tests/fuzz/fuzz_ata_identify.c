/*
 * Fuzz what a drive says of itself: 512 bytes of IDENTIFY DEVICE, with zeros
 * behind what there is. With the checksum as it is, and with a right one.
 */
#include "drivers/ata.h"
#include "tests/fuzz/must.h"
#include <string.h>
#include <torc/errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text_check(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    must(len < size);
    must(len == 0 || text[len - 1] != ' ');
    for (size_t i = 0; i < len; i++)
        must(text[i] >= ' ' && text[i] <= '~');
}

static void identity_check(const struct ata_identity *id)
{
    must(id->sectors > 0 && id->sectors <= ATA_SECTORS_48);
    must(id->lba48 || id->sectors <= ATA_SECTORS_28);
    must(id->sector_size >= 512 && id->sector_size <= 4096);
    must((id->sector_size & (id->sector_size - 1)) == 0);
    must(id->multiple_max <= 128);
    must((id->multiple_max & (id->multiple_max - 1)) == 0);
    must(id->dma || id->dma_mode == 0);
    must(id->dma_mode == 0 || (id->dma_mode & 0xf8) == 0x20 ||
         (id->dma_mode & 0xf8) == 0x40);
    must(id->lba48 || !(id->fua || id->flush_ext));
    text_check(id->model, sizeof(id->model));
    text_check(id->serial, sizeof(id->serial));
}

static int parse(const uint8_t *bytes)
{
    struct ata_identity id;
    int status = ata_identity_parse(bytes, &id);

    if (status == 0)
        identity_check(&id);
    else
        must(status == -EIO || status == -ENOTSUP || status == -EINVAL);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[ATA_IDENTITY_SIZE] = {0};
    uint8_t sum = 0;

    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
    (void)parse(bytes);
    bytes[510] = 0xa5;
    bytes[511] = 0;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[511] = (uint8_t)-sum;
    must(parse(bytes) != -EIO);
    return 0;
}
