/*
 * claim.c: what only one router may have: its run directory and UDP port 500. Whoever comes second is told who was first.
 * The claim is a lock on a file, so a router that was killed leaves none.
 */
#include "sys/router_int.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int claim_dir(const char *dir)
{
    char path[512], holder[16] = "";
    if (mkdir(dir, 0755) != 0 && errno != EEXIST) {
        fprintf(stderr, "aditd: %s: %s\n", dir, strerror(errno));
        return -1;
    }
    snprintf(path, sizeof path, "%.490s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        fprintf(stderr, "aditd: %s: %s\n", path, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = read(fd, holder, sizeof holder - 1);
        holder[n > 0 ? n : 0] = 0;
        fprintf(stderr, "aditd: a router runs already in %s: process %s\n", dir,
                holder[0] ? holder : "unknown");
        close(fd);
        return -1;
    }
    if (ftruncate(fd, 0) != 0 || dprintf(fd, "%d", (int)getpid()) < 0) {
        fprintf(stderr, "aditd: %s: %s\n", path, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- who has UDP port 500 ---- */

/* socket_inode: of the UDP socket bound to the port, as /proc/net/udp and udp6 tell; 0: none. */
static unsigned long socket_inode(const char *table, unsigned port)
{
    FILE *f = fopen(table, "re");
    char line[256];
    unsigned long found = 0;
    while (f && !found && fgets(line, sizeof line, f)) {
        unsigned local;
        unsigned long inode;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %*s %lu", &local,
                   &inode) == 2 &&
            local == port) {
            found = inode;
        }
    }
    if (f) {
        fclose(f);
    }
    return found;
}

static bool process_has(const char *pid, unsigned long inode)
{
    char dir[64], link[128], target[64], want[64];
    bool found = false;
    snprintf(dir, sizeof dir, "/proc/%.20s/fd", pid);
    snprintf(want, sizeof want, "socket:[%lu]", inode);
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d && !found && (e = readdir(d))) {
        snprintf(link, sizeof link, "%s/%.20s", dir, e->d_name);
        ssize_t n = readlink(link, target, sizeof target - 1);
        if (n > 0) {
            target[n] = 0;
            found = strcmp(target, want) == 0;
        }
    }
    if (d) {
        closedir(d);
    }
    return found;
}

void claim_port_holder(char out[128], u16 port)
{
    unsigned long inode = socket_inode("/proc/net/udp", port);
    inode = inode ? inode : socket_inode("/proc/net/udp6", port);
    str_copy(out, 128, "somebody");
    DIR *d = inode ? opendir("/proc") : NULL;
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (isdigit((unsigned char)e->d_name[0]) && process_has(e->d_name, inode)) {
            char path[64], name[64] = "?";
            snprintf(path, sizeof path, "/proc/%.20s/comm", e->d_name);
            FILE *f = fopen(path, "re");
            if (f && fgets(name, sizeof name, f)) {
                name[strcspn(name, "\n")] = 0;
            }
            if (f) {
                fclose(f);
            }
            snprintf(out, 128, "process %.20s (%.40s)", e->d_name, name);
            break; /* main and ike share it: main has the smaller number and comes first */
        }
    }
    if (d) {
        closedir(d);
    }
}

/* ---- the end ---- */

void claim_end(const char *dir, int fd, bool remove)
{
    static const char *const ours[] = {
        "frr/frr.conf",  "frr/zebra.log", "frr/ospfd.log", "frr/zebra.pid", "frr/ospfd.pid",
        "frr/zserv.api", "frr/zebra.vty", "frr/ospfd.vty", "sock",          "lock"};
    char path[512];
    for (unsigned i = 0; remove && i < ARRAY_LEN(ours); i++) {
        snprintf(path, sizeof path, "%.450s/%s", dir, ours[i]);
        (void)unlink(path);
    }
    if (remove) {
        snprintf(path, sizeof path, "%.450s/frr", dir);
        (void)rmdir(path);
        (void)rmdir(dir); /* what somebody else put there keeps it */
    }
    close(fd);
}
