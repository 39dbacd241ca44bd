/* The block of extended attributes of an inode, which others may share. */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "fs/ext2/xattr_format.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"

int ext2_xattr_block_put(struct inode *inode)
{
    struct ext2_fs *fs = ext2_of(inode);
    struct ext2_inode *ext2 = ext2_inode_of(inode);
    struct change_block *block;
    struct change change;
    uint32_t refs;
    int status = ext2_change_one(&change, fs, ext2->file_acl, &block);

    if (status != 0)
        return status;
    refs = le32_get(block->data + XATTR_REFERENCES);
    if (le32_get(block->data + XATTR_MAGIC) != XATTR_MAGIC_VALUE || refs == 0) {
        ext2_change_abort(&change);
        (void)ext2_damaged(fs, inode->number, "attribute block",
                           ext2->file_acl);
        return 0; /* it is not ours to free */
    }
    if (refs > 1) {
        le32_put(block->data + XATTR_REFERENCES, refs - 1);
        ext2_change_end(&change);
    } else {
        ext2_change_abort(&change);
        ext2_freed_add(fs->rw, &ext2_rw_inode_of(inode)->freed, ext2->file_acl,
                       1);
        mapping_forget(&fs->device, ext2->file_acl << fs->block_shift,
                       fs->block_size);
    }
    inode->blocks -= min_u64(inode->blocks, fs->block_size / 512);
    ext2->file_acl = 0;
    return 0;
}
