/*
 * Portals: directories of this CPU behind which are the files of another one.
 * A portal is a mount whose file system is only a root, and where no name is
 * found: a walk that comes there ends with -EREMOTE, and the call whose walk it
 * was is carried to the other CPU, with the rest of the path.
 */
#include "kernel/file/carry.h"
#include "kernel/thread/thread.h"
#include <torc/machine.h>

static int portal_inode_read(struct inode *inode)
{
    inode->type = FILE_DIRECTORY;
    inode->mode = 0555;
    inode->links = 2;
    return 0;
}

static int portal_lookup(struct inode *dir, const struct name *name,
                         struct inode **out)
{
    (void)dir;
    (void)name;
    (void)out;
    return -EREMOTE;
}

static void portal_unmount(struct mount *mount)
{
    (void)mount;
}

static int portal_mount(struct mount *mount, const void *options)
{
    static const struct fs_ops ops = {
        .inode_size = sizeof(struct inode),
        .inode_read = portal_inode_read,
        .lookup = portal_lookup,
        .unmount = portal_unmount,
    };
    const unsigned *cpu = options;

    mount->ops = &ops;
    mount->root_number = 1;
    mount->is_portal = true;
    mount->portal_cpu = *cpu;
    mount->is_read_only = true;
    mount->is_write_protected = true;
    return 0;
}

int file_mount_cpu(unsigned cpu, const char *path)
{
    static const struct file_system portal = {
        .type = "portal",
        .is_in_memory = true,
        .mount = portal_mount,
    };

    if (cpu >= cpu_count() || cpu == cpu_id())
        return -EINVAL;
    return vfs_mount_memory(&portal, path, &cpu);
}

/* ---- Where a path leaves this CPU ---------------------------------------- */

/* The walk has come to a portal, with `rest` behind it. */
static void portal_set(struct portal_path *away, const char *rest)
{
    away->cpu = away->walk.at->mount->portal_cpu;
    away->path = rest;
    /* Nobody drops it: the thread, which holds it, waits. */
    away->start = thread_current()->directory_away;
}

/* The paths of the thread begin behind a portal. */
static void away_at_once(struct portal_path *away, const char *path)
{
    struct inode *portal = thread_current()->directory;

    away->walk = (struct walk){.at = portal};
    portal_set(away, path);
}

int portal_find(const char *path, struct portal_path *away)
{
    struct walk *walk = &away->walk;
    int status = walk_begin(walk, path);

    if (status == -EREMOTE) {
        away_at_once(away, path);
        return 0;
    }
    if (status != 0)
        return status;
    if (walk->at->mount->is_portal) {
        portal_set(away, path);
        return 0;
    }
    status = walk_all(walk, true);
    if (status == -EREMOTE) { /* the name is behind a slash */
        portal_set(away, walk->rest - 1);
        return 0;
    }
    if (status == 0 && walk->at->mount->is_portal) {
        portal_set(away, "/");
        return 0;
    }
    walk_end(walk);
    /* Between two looks it has changed: it does not lead away any more. */
    return status == 0 ? -ENOENT : status;
}

void portal_end(struct portal_path *away)
{
    walk_end(&away->walk);
}
