/*
 * identity.c: a user id of its own for each unprivileged process of each router on this machine, so that no ike and no dp
 * can signal, trace or read another one. Ids come from a range that no distribution and no container manager hands out
 * (systemd uses up to 1879048191). A slot is a lock on a file: it is held by main and, through an inherited descriptor, by
 * its children, and is free again only when the last of them has ended, in whatever way.
 */
#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST = 2000000000, SLOTS = 4096, ROLES = 2 };
#define DIR_RUN  "/run/adit"
#define DIR_UIDS "/run/adit/uids"

int identity_claim(u32 *out_first, const char **out_why)
{
    char path[64];
    *out_why = "make " DIR_UIDS;
    if ((mkdir(DIR_RUN, 0755) != 0 && errno != EEXIST) ||
        (mkdir(DIR_UIDS, 0700) != 0 && errno != EEXIST)) {
        return -1;
    }
    for (u32 slot = 0; slot < SLOTS; slot++) {
        snprintf(path, sizeof path, DIR_UIDS "/%u", slot);
        int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            *out_why = "open a file in " DIR_UIDS;
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            *out_first = FIRST + slot * ROLES;
            return fd;
        }
        close(fd);
    }
    *out_why = "find a free user id (4096 routers run)";
    return -1;
}

bool identity_fits(u32 uid)
{
    return uid >= FIRST && uid < FIRST + SLOTS * ROLES;
}
